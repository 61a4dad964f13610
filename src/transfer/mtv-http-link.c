/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-link.h"

#include "base/mtv-error.h"
#include "transfer/mtv-http-url.h"

#include <libsoup/soup.h>
#include <string.h>

#define MAX_REDIRECTS 5
#define TOO_MANY_REQUESTS 429
#define SCRATCH (64 * 1024)

struct _MtvHttpLink
{
  const MtvHttpTarget *target; /* (unowned) */
  GUri *url;                   /* (owned) */
  GMainContext *context;       /* (owned) the session's, wherever it is called from */
  SoupSession *session;        /* (owned) */
  GInputStream *body;          /* (owned) (nullable) */
  char *header;                /* (owned) (nullable) of the request: target.get_header's */
  guint status;                /* of the last answer */
  guint64 offset;
  guint64 end;                     /* of the body */
  GTlsCertificate *refused;        /* (owned) (nullable) the last certificate that was … */
  GTlsCertificateFlags tls_errors; /* … and why */
};

void
mtv_http_target_clear (MtvHttpTarget *target)
{
  g_clear_pointer (&target->url, g_uri_unref);
  g_clear_pointer (&target->label, g_free);
  g_clear_pointer (&target->authorization, g_free);
  g_clear_pointer (&target->headers, g_strfreev);
  g_clear_pointer (&target->trust, mtv_http_trust_unref);
  if (target->free_header_data)
    g_clear_pointer (&target->header_data, target->free_header_data);
}

void
mtv_http_answer_clear (MtvHttpAnswer *answer)
{
  g_clear_pointer (&answer->etag, g_free);
  g_clear_pointer (&answer->last_modified, g_free);
}

MtvHttpLink *
mtv_http_link_new (const MtvHttpTarget *target, GUri *url)
{
  MtvHttpLink *self = g_new0 (MtvHttpLink, 1);

  self->target = target;
  self->url = g_uri_ref (url);
  self->offset = G_MAXUINT64;
  self->context = g_main_context_new ();
  g_main_context_push_thread_default (self->context);
  self->session = g_object_new (SOUP_TYPE_SESSION, "timeout", target->timeout, "user-agent", "mtvd",
                                "proxy-resolver", NULL, NULL);
  if (mtv_http_trust_get_database (target->trust))
    soup_session_set_tls_database (self->session, mtv_http_trust_get_database (target->trust));
  /* Bytes as they lie there, and no conversation about secrets. */
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_CONTENT_DECODER);
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_AUTH_MANAGER);
  g_main_context_pop_thread_default (self->context);
  return self;
}

/* Closes the connection as well: what is left of the body may be on its way. */
static void
drop_body (MtvHttpLink *self)
{
  if (!self->body)
    return;

  g_autoptr (GCancellable) at_once = g_cancellable_new ();
  g_cancellable_cancel (at_once);
  g_input_stream_close (self->body, at_once, NULL);
  g_clear_object (&self->body);
  soup_session_abort (self->session);
}

/* Behind its last byte, libsoup wants to be asked once more before the connection is free. */
static void
finish_body (MtvHttpLink *self, GCancellable *cancellable)
{
  guint8 surplus;

  if (g_input_stream_read (self->body, &surplus, 1, cancellable, NULL) != 0)
    {
      drop_body (self);
      return;
    }
  g_input_stream_close (self->body, cancellable, NULL);
  g_clear_object (&self->body);
}

void
mtv_http_link_free (MtvHttpLink *self)
{
  g_main_context_push_thread_default (self->context);
  drop_body (self);
  soup_session_abort (self->session);
  g_clear_object (&self->session);
  g_main_context_pop_thread_default (self->context);
  g_main_context_unref (self->context);
  g_uri_unref (self->url);
  g_clear_object (&self->refused);
  g_free (self->header);
  g_free (self);
}

/* --- errors --- */

/* @reason: (transfer full) what GIO or libsoup met. Always FALSE. */
static gboolean
fail (const MtvHttpLink *self, GError *reason, GError **error)
{
  return mtv_http_trust_fail (self->target->label, reason, self->refused, self->tls_errors, error);
}

static MtvError
code_for_status (guint status)
{
  if (status == SOUP_STATUS_NOT_FOUND || status == SOUP_STATUS_GONE)
    return MTV_ERROR_NOT_FOUND;
  if (status == SOUP_STATUS_UNAUTHORIZED || status == SOUP_STATUS_FORBIDDEN)
    return MTV_ERROR_PERMISSION_DENIED;
  if (status == SOUP_STATUS_REQUEST_TIMEOUT || status == TOO_MANY_REQUESTS || status / 100 == 5)
    return MTV_ERROR_UNREACHABLE;
  return MTV_ERROR_FAILED;
}

/* --- the request --- */

static gboolean
accept_certificate_cb (SoupMessage *message, GTlsCertificate *certificate,
                       GTlsCertificateFlags errors, gpointer user_data)
{
  MtvHttpLink *self = user_data;

  (void) message;
  if (mtv_http_trust_accepts (self->target->trust, certificate, errors))
    return TRUE;
  g_set_object (&self->refused, certificate);
  self->tls_errors = errors;
  return FALSE;
}

static void
handshaken_cb (SoupMessage *message, GSocketClientEvent event, GIOStream *connection,
               gpointer user_data)
{
  MtvHttpLink *self = user_data;

  (void) message;
  if (event == G_SOCKET_CLIENT_TLS_HANDSHAKED)
    mtv_http_trust_inspect (self->target->trust, connection, &self->refused, &self->tls_errors);
}

/* HTTP/2 has nothing to give to one download a connection, and costs its flow control. */
static void
network_event_cb (SoupMessage *message, GSocketClientEvent event, GIOStream *connection,
                  gpointer user_data)
{
  static const char *const protocols[] = { "http/1.1", NULL };

  (void) message;
  (void) user_data;
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING)
    return;
  g_tls_connection_set_advertised_protocols (G_TLS_CONNECTION (connection), protocols);
  /* A server that asks for a certificate of ours would otherwise wait for ever: libsoup wants to
   * ask for it in the main context, which is not run while the handshake blocks (libsoup 3.2). */
  g_tls_connection_set_interaction (G_TLS_CONNECTION (connection), NULL);
}

static void
add_header (SoupMessageHeaders *headers, const char *header)
{
  const char *colon = strchr (header, ':');
  g_autofree char *name = g_strndup (header, colon - header);

  soup_message_headers_replace (headers, name, colon + 1 + strspn (colon + 1, " "));
}

static void
add_secrets (const MtvHttpLink *self, SoupMessageHeaders *headers)
{
  const MtvHttpTarget *target = self->target;

  if (target->authorization)
    soup_message_headers_replace (headers, "Authorization", target->authorization);
  for (gsize i = 0; target->headers && target->headers[i]; i++)
    add_header (headers, target->headers[i]);
  if (self->header)
    add_header (headers, self->header);
}

static SoupMessage *
make_request (MtvHttpLink *self, guint64 start, guint64 end, const char *if_range)
{
  SoupMessage *message = soup_message_new_from_uri (SOUP_METHOD_GET, self->url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  g_signal_connect (message, "accept-certificate", G_CALLBACK (accept_certificate_cb), self);
  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), NULL);
  g_signal_connect (message, "network-event", G_CALLBACK (handshaken_cb), self);
  if (mtv_http_url_same_origin (self->url, self->target->url))
    add_secrets (self, headers);
  soup_message_headers_replace (headers, "Accept-Encoding", "identity");
  if (end > 0)
    {
      g_autofree char *range
          = g_strdup_printf ("bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, start, end - 1);

      soup_message_headers_replace (headers, "Range", range);
      if (if_range)
        soup_message_headers_replace (headers, "If-Range", if_range);
    }
  return message;
}

static const char *
field_of (SoupMessage *message, const char *name)
{
  return soup_message_headers_get_one (soup_message_get_response_headers (message), name);
}

static gboolean
is_redirect (guint status)
{
  return status == SOUP_STATUS_MOVED_PERMANENTLY || status == SOUP_STATUS_FOUND
         || status == SOUP_STATUS_SEE_OTHER || status == SOUP_STATUS_TEMPORARY_REDIRECT
         || status == SOUP_STATUS_PERMANENT_REDIRECT;
}

/* The response to the request at the end of all redirects. (transfer full) */
static SoupMessage *
ask (MtvHttpLink *self, guint64 start, guint64 end, const char *if_range, GCancellable *cancellable,
     GError **error)
{
  for (guint hops = 0; hops <= MAX_REDIRECTS; hops++)
    {
      g_autoptr (SoupMessage) message = make_request (self, start, end, if_range);
      GError *reason = NULL;

      g_clear_object (&self->refused);
      self->body = soup_session_send (self->session, message, cancellable, &reason);
      g_signal_handlers_disconnect_by_data (message, self);
      if (!self->body)
        {
          fail (self, reason, error);
          return NULL;
        }
      if (!is_redirect (soup_message_get_status (message)))
        return g_steal_pointer (&message);

      g_autoptr (GUri) to = mtv_http_url_redirect (self->url, field_of (message, "Location"),
                                                   self->target->label, error);
      drop_body (self);
      if (!to)
        return NULL;
      g_uri_unref (self->url);
      self->url = g_steal_pointer (&to);
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "%s: The server redirects more than %d times",
               self->target->label, MAX_REDIRECTS);
  return NULL;
}

/* --- the response --- */

/* RFC 6585 came after libsoup's table. */
static const char *
phrase_of (guint status)
{
  return status == TOO_MANY_REQUESTS ? "Too Many Requests" : soup_status_get_phrase (status);
}

/* "The server answers 404 Not Found"; the server's own words are not repeated. */
static gboolean
refuse (const MtvHttpLink *self, SoupMessage *message, guint *retry_after, GError **error)
{
  guint status = soup_message_get_status (message);

  *retry_after = mtv_http_parse_retry_after (field_of (message, "Retry-After"),
                                             g_get_real_time () / G_USEC_PER_SEC);
  g_set_error (error, MTV_ERROR, code_for_status (status), "%s: The server answers %u %s",
               self->target->label, status, phrase_of (status));
  return FALSE;
}

/* Which bytes come. */
static gboolean
parse_range (const MtvHttpLink *self, SoupMessage *message, MtvHttpAnswer *answer, GError **error)
{
  SoupMessageHeaders *headers = soup_message_get_response_headers (message);
  MtvHttpRange *range = &answer->range;
  gboolean counted = soup_message_headers_get_encoding (headers) == SOUP_ENCODING_CONTENT_LENGTH;

  *range = (MtvHttpRange){ 0 };
  answer->partial = soup_message_get_status (message) != SOUP_STATUS_OK;
  if (answer->partial)
    {
      if (mtv_http_parse_content_range (field_of (message, "Content-Range"), range))
        return TRUE;
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s: The server does not tell which range of how large a file it sends",
                   self->target->label);
      return FALSE;
    }
  if (counted
      && mtv_http_parse_content_length (field_of (message, "Content-Length"), &range->total))
    {
      range->end = range->total;
      return TRUE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "%s: The server does not tell how large the file is", self->target->label);
  return FALSE;
}

static gboolean
judge (MtvHttpLink *self, SoupMessage *message, MtvHttpAnswer *answer, guint *retry_after,
       GError **error)
{
  guint status = soup_message_get_status (message);

  self->status = status;
  if (status != SOUP_STATUS_OK && status != SOUP_STATUS_PARTIAL_CONTENT
      && status != SOUP_STATUS_REQUESTED_RANGE_NOT_SATISFIABLE)
    return refuse (self, message, retry_after, error);
  if (!parse_range (self, message, answer, error))
    return FALSE;
  answer->etag = g_strdup (field_of (message, "ETag"));
  answer->last_modified = g_strdup (field_of (message, "Last-Modified"));
  return TRUE;
}

static gboolean
get_once (MtvHttpLink *self, guint64 start, guint64 end, const char *if_range,
          MtvHttpAnswer *answer, guint *retry_after, GCancellable *cancellable, GError **error)
{
  g_autoptr (SoupMessage) message = ask (self, start, end, if_range, cancellable, error);

  if (!message)
    return FALSE;
  if (!judge (self, message, answer, retry_after, error))
    {
      drop_body (self);
      return FALSE;
    }
  self->offset = answer->range.start;
  self->end = answer->range.end;
  if (self->offset == self->end)
    drop_body (self);
  return TRUE;
}

/* What a redirect leads to may be good for a while only, and be refused thereafter. */
static gboolean
is_worn_out (const MtvHttpLink *self, const GError *error)
{
  return self->url != self->target->url
         && (g_error_matches (error, MTV_ERROR, MTV_ERROR_NOT_FOUND)
             || g_error_matches (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED)
             || g_error_matches (error, MTV_ERROR, MTV_ERROR_FAILED));
}

static gboolean
is_header (const char *text)
{
  return strchr (text, ':') && !strpbrk (text, "\r\n");
}

/* @again: the header that there is was refused. */
static gboolean
renew_header (MtvHttpLink *self, gboolean again, GCancellable *cancellable, GError **error)
{
  const MtvHttpTarget *target = self->target;

  if (!target->get_header)
    return TRUE;

  g_autofree char *refused = again ? g_steal_pointer (&self->header) : NULL;
  g_free (self->header);
  self->header = target->get_header (target->header_data, refused, cancellable, error);
  if (!self->header || is_header (self->header))
    return self->header != NULL;
  g_clear_pointer (&self->header, g_free);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: A header is not one that HTTP can carry",
               target->label);
  return FALSE;
}

/* get_once(), and once more when it was the header that was not liked. */
static gboolean
get_with_header (MtvHttpLink *self, guint64 start, guint64 end, const char *if_range,
                 MtvHttpAnswer *answer, guint *retry_after, GCancellable *cancellable,
                 GError **error)
{
  g_autoptr (GError) problem = NULL;

  self->status = 0;
  if (!renew_header (self, FALSE, cancellable, error))
    return FALSE;
  if (get_once (self, start, end, if_range, answer, retry_after, cancellable, &problem))
    return TRUE;
  if (!self->header
      || (self->status != SOUP_STATUS_UNAUTHORIZED && self->status != SOUP_STATUS_FORBIDDEN))
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return FALSE;
    }
  return renew_header (self, TRUE, cancellable, error)
         && get_once (self, start, end, if_range, answer, retry_after, cancellable, error);
}

gboolean
mtv_http_link_get (MtvHttpLink *self, guint64 start, guint64 end, const char *if_range,
                   MtvHttpAnswer *answer, guint *retry_after, GCancellable *cancellable,
                   GError **error)
{
  g_autoptr (GError) problem = NULL;
  gboolean redirected = self->url != self->target->url;

  *answer = (MtvHttpAnswer){ 0 };
  *retry_after = 0;
  g_main_context_push_thread_default (self->context);
  drop_body (self);
  self->offset = start;
  self->end = start;

  gboolean good
      = get_with_header (self, start, end, if_range, answer, retry_after, cancellable, &problem);
  if (!good && redirected && is_worn_out (self, problem))
    {
      g_clear_error (&problem);
      g_uri_unref (self->url);
      self->url = g_uri_ref (self->target->url);
      good = get_with_header (self, start, end, if_range, answer, retry_after, cancellable,
                              &problem);
    }
  g_main_context_pop_thread_default (self->context);
  if (problem)
    g_propagate_error (error, g_steal_pointer (&problem));
  return good;
}

/* --- the body --- */

static gboolean
read_body (MtvHttpLink *self, gpointer buffer, gsize length, GCancellable *cancellable,
           GError **error)
{
  GError *reason = NULL;
  gsize done = 0;
  gboolean alive
      = g_input_stream_read_all (self->body, buffer, length, &done, cancellable, &reason);

  self->offset += done;
  if (done == length)
    {
      g_clear_error (&reason);
      if (self->offset == self->end)
        finish_body (self, cancellable);
      return TRUE;
    }
  drop_body (self);
  if (alive)
    reason = g_error_new_literal (G_IO_ERROR, G_IO_ERROR_PARTIAL_INPUT,
                                  "The server sends less than it promised");
  return fail (self, reason, error);
}

gboolean
mtv_http_link_read (MtvHttpLink *self, gpointer buffer, guint64 length, GCancellable *cancellable,
                    GError **error)
{
  guint8 unwanted[SCRATCH];
  gboolean good = TRUE;

  g_return_val_if_fail (length <= mtv_http_link_get_left (self), FALSE);

  g_main_context_push_thread_default (self->context);
  while (good && length > 0)
    {
      gsize step = buffer ? length : MIN (length, sizeof unwanted);

      good = read_body (self, buffer ? buffer : unwanted, step, cancellable, error);
      length -= step;
    }
  g_main_context_pop_thread_default (self->context);
  return good;
}

guint64
mtv_http_link_get_offset (MtvHttpLink *self)
{
  return self->offset;
}

guint64
mtv_http_link_get_left (MtvHttpLink *self)
{
  return self->body ? self->end - self->offset : 0;
}

GUri *
mtv_http_link_get_url (MtvHttpLink *self)
{
  return self->url;
}
