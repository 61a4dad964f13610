/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-rest.h"

#include "base/mtv-error.h"
#include "provider/mtv-rest-link.h"
#include "transfer/mtv-http-url.h"

#include <string.h>

#define TIMEOUT 60
#define MAX_LINKS 8
#define MAX_BODY (256 * 1024 * 1024)
#define PIECE (64 * 1024)
#define TOO_EARLY 425
#define TOO_MANY_REQUESTS 429

struct _MtvRest
{
  gint ref_count;  /* (atomic) */
  GUri *url;       /* (owned) */
  char *label;     /* (owned) */
  char *base_path; /* (owned) of the URL, without a slash at its end */
  MtvHttpTrust *trust;
  GTlsCertificate *client_certificate; /* (owned) (nullable) */
  GProxyResolver *proxy;               /* (owned) (nullable) */
  guint timeout;
  guint max_links;

  GMutex lock;
  GCond freed;
  GPtrArray *idle; /* (element-type MtvRestLink) the latest used last */
  guint n_links;
  SoupCookieJar *cookies; /* (owned) */
  GHashTable *headers;    /* (owned) name to value */
};

static gboolean
set_url (MtvRest *self, const char *url, GError **error)
{
  self->url = mtv_http_url_parse (url, error);
  if (self->url == NULL)
    return FALSE;
  self->base_path = g_strdup (g_uri_get_path (self->url));
  while (g_str_has_suffix (self->base_path, "/"))
    self->base_path[strlen (self->base_path) - 1] = '\0';
  return TRUE;
}

static gboolean
set_proxy (MtvRest *self, const char *proxy, GError **error)
{
  if (proxy == NULL)
    return TRUE;
  if (g_uri_is_valid (proxy, G_URI_FLAGS_NONE, NULL))
    {
      self->proxy = g_simple_proxy_resolver_new (proxy, NULL);
      return TRUE;
    }
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "What should be the URL of a proxy is none");
  return FALSE;
}

MtvRest *
mtv_rest_new (const MtvRestOptions *options, GError **error)
{
  g_return_val_if_fail (options->url != NULL && options->label != NULL, NULL);

  g_autoptr (MtvRest) self = g_new0 (MtvRest, 1);

  self->ref_count = 1;
  g_mutex_init (&self->lock);
  g_cond_init (&self->freed);
  self->idle = g_ptr_array_new_with_free_func (mtv_rest_link_free);
  self->cookies = soup_cookie_jar_new ();
  self->headers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->label = g_strdup (options->label);
  self->timeout = options->timeout > 0 ? options->timeout : TIMEOUT;
  self->max_links = options->max_connections > 0 ? options->max_connections : MAX_LINKS;
  g_set_object (&self->client_certificate, options->client_certificate);
  self->trust = mtv_http_trust_new (options->ca, NULL, options->thumbprint, options->insecure,
                                    options->server_name, error);
  if (self->trust == NULL || !set_url (self, options->url, error)
      || !set_proxy (self, options->proxy, error))
    return NULL;
  return g_steal_pointer (&self);
}

MtvRest *
mtv_rest_ref (MtvRest *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mtv_rest_unref (MtvRest *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  g_ptr_array_unref (self->idle);
  g_object_unref (self->cookies);
  g_hash_table_unref (self->headers);
  g_clear_pointer (&self->trust, mtv_http_trust_unref);
  g_clear_pointer (&self->url, g_uri_unref);
  g_clear_object (&self->client_certificate);
  g_clear_object (&self->proxy);
  g_free (self->label);
  g_free (self->base_path);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->freed);
  g_free (self);
}

void
mtv_rest_set_header (MtvRest *self, const char *name, const char *value)
{
  g_mutex_lock (&self->lock);
  if (value != NULL)
    g_hash_table_insert (self->headers, g_strdup (name), g_strdup (value));
  else
    g_hash_table_remove (self->headers, name);
  g_mutex_unlock (&self->lock);
}

void
mtv_rest_answer_free (MtvRestAnswer *answer)
{
  g_clear_pointer (&answer->body, g_bytes_unref);
  g_clear_pointer (&answer->headers, soup_message_headers_unref);
  g_free (answer);
}

/* The connections. */

static void
wake_up (GCancellable *cancellable, gpointer user_data)
{
  MtvRest *self = user_data;

  (void) cancellable;
  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->freed);
  g_mutex_unlock (&self->lock);
}

/* For the caller alone, until give_back(). */
static MtvRestLink *
take_link (MtvRest *self, GCancellable *cancellable, GError **error)
{
  MtvRestLink *link = NULL;
  gboolean fresh = FALSE;
  gulong id = cancellable == NULL
                  ? 0
                  : g_cancellable_connect (cancellable, G_CALLBACK (wake_up), self, NULL);

  g_mutex_lock (&self->lock);
  while (self->idle->len == 0 && self->n_links == self->max_links
         && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&self->freed, &self->lock);
  if (self->idle->len > 0)
    link = g_ptr_array_steal_index (self->idle, self->idle->len - 1);
  else if (self->n_links < self->max_links)
    {
      self->n_links++;
      fresh = TRUE;
    }
  g_mutex_unlock (&self->lock);
  g_cancellable_disconnect (cancellable, id);
  if (fresh)
    link = mtv_rest_link_new (self->trust, self->proxy, self->timeout);
  if (link == NULL)
    {
      g_autoptr (GError) cancelled = NULL;

      g_cancellable_set_error_if_cancelled (cancellable, &cancelled);
      g_propagate_error (error, mtv_error_normalize (g_steal_pointer (&cancelled)));
    }
  return link;
}

static void
give_back (gpointer owner, MtvRestLink *link, gboolean reusable)
{
  MtvRest *self = owner;

  if (!reusable)
    mtv_rest_link_abort (link);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->idle, link);
  g_cond_signal (&self->freed);
  g_mutex_unlock (&self->lock);
  mtv_rest_unref (self);
}

/* Requests. */

static gboolean
split_header (const char *header, char **name, const char **value)
{
  const char *colon = strchr (header, ':');

  if (colon == NULL)
    return FALSE;
  *name = g_strndup (header, colon - header);
  *value = colon + 1 + strspn (colon + 1, " ");
  return TRUE;
}

static void
add_headers (MtvRest *self, SoupMessage *message, const char *const *more)
{
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  GHashTableIter iter;
  gpointer name, value;

  g_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->headers);
  while (g_hash_table_iter_next (&iter, &name, &value))
    soup_message_headers_replace (headers, name, value);
  g_autofree char *cookies
      = soup_cookie_jar_get_cookies (self->cookies, soup_message_get_uri (message), TRUE);
  g_mutex_unlock (&self->lock);
  if (cookies != NULL)
    soup_message_headers_replace (headers, "Cookie", cookies);
  for (gsize i = 0; more != NULL && more[i] != NULL; i++)
    {
      g_autofree char *own = NULL;
      const char *text;

      if (split_header (more[i], &own, &text))
        soup_message_headers_replace (headers, own, text);
    }
}

static SoupMessage *
make_message (MtvRest *self, const char *method, const char *path, const char *const *headers,
              GError **error)
{
  g_autofree char *root = g_uri_to_string_partial (self->url, G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY
                                                                  | G_URI_HIDE_FRAGMENT);
  /* From the end of the host on, the path is the caller's. */
  root[strlen (root) - strlen (g_uri_get_path (self->url))] = '\0';
  g_autofree char *text = g_strconcat (root, self->base_path, path, NULL);
  g_autoptr (GUri) uri = mtv_http_url_parse (text, error);

  if (uri == NULL)
    {
      g_prefix_error (error, "%s: ", self->label);
      return NULL;
    }
  SoupMessage *message = soup_message_new_from_uri (method, uri);
  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  if (self->client_certificate != NULL)
    {
      soup_message_set_tls_client_certificate (message, self->client_certificate);
      g_object_set_data_full (G_OBJECT (message), MTV_REST_CERTIFICATE,
                              g_object_ref (self->client_certificate), g_object_unref);
    }
  add_headers (self, message, headers);
  return message;
}

static void
keep_cookies (MtvRest *self, SoupMessage *message)
{
  GSList *cookies = soup_cookies_from_response (message);

  g_mutex_lock (&self->lock);
  for (GSList *p = cookies; p != NULL; p = p->next)
    soup_cookie_jar_add_cookie (self->cookies, p->data); /* takes it */
  g_mutex_unlock (&self->lock);
  g_slist_free (cookies);
}

static GInputStream *
send_message (MtvRest *self, SoupMessage *message, MtvRestAnswer **answer,
              GCancellable *cancellable, GError **error)
{
  MtvRestLink *link = take_link (self, cancellable, error);

  if (link == NULL)
    return NULL;
  GInputStream *stream
      = mtv_rest_link_send (link, message, self->trust, self->label, cancellable, error);
  mtv_rest_ref (self);
  if (stream == NULL)
    {
      give_back (self, link, FALSE);
      return NULL;
    }
  keep_cookies (self, message);
  *answer = g_new0 (MtvRestAnswer, 1);
  (*answer)->status = soup_message_get_status (message);
  (*answer)->headers = soup_message_headers_ref (soup_message_get_response_headers (message));
  (*answer)->body = g_bytes_new (NULL, 0);
  return mtv_rest_stream_new (stream, link, self->label, give_back, self);
}

static GBytes *
read_all (MtvRest *self, GInputStream *stream, GCancellable *cancellable, GError **error)
{
  g_autoptr (GByteArray) body = g_byte_array_new ();
  gssize n = 1;

  while (n > 0)
    {
      guint done = body->len;

      if (done >= MAX_BODY)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
                       "%s: The answer has more than %d MiB", self->label, MAX_BODY >> 20);
          return NULL;
        }
      g_byte_array_set_size (body, done + PIECE);
      n = g_input_stream_read (stream, body->data + done, PIECE, cancellable, error);
      g_byte_array_set_size (body, done + (guint) MAX (n, 0));
    }
  return n < 0 ? NULL : g_byte_array_free_to_bytes (g_steal_pointer (&body));
}

static MtvRestAnswer *
call (MtvRest *self, SoupMessage *message, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvRestAnswer) answer = NULL;
  g_autoptr (GInputStream) stream = send_message (self, message, &answer, cancellable, error);

  if (stream == NULL)
    return NULL;
  GBytes *body = read_all (self, stream, cancellable, error);
  g_input_stream_close (stream, NULL, NULL);
  if (body == NULL)
    return NULL;
  g_bytes_unref (answer->body);
  answer->body = body;
  return g_steal_pointer (&answer);
}

MtvRestAnswer *
mtv_rest_call (MtvRest *self, const char *method, const char *path, const char *const *headers,
               const char *content_type, GBytes *body, GCancellable *cancellable, GError **error)
{
  g_autoptr (SoupMessage) message = make_message (self, method, path, headers, error);

  if (message == NULL)
    return NULL;
  if (body != NULL)
    soup_message_set_request_body_from_bytes (message, content_type, body);
  return call (self, message, cancellable, error);
}

GInputStream *
mtv_rest_open (MtvRest *self, const char *method, const char *path, const char *const *headers,
               const char *content_type, GBytes *body, MtvRestAnswer **answer,
               GCancellable *cancellable, GError **error)
{
  g_autoptr (SoupMessage) message = make_message (self, method, path, headers, error);

  *answer = NULL;
  if (message == NULL)
    return NULL;
  if (body != NULL)
    soup_message_set_request_body_from_bytes (message, content_type, body);
  return send_message (self, message, answer, cancellable, error);
}

MtvRestAnswer *
mtv_rest_upload (MtvRest *self, const char *method, const char *path, const char *const *headers,
                 const char *content_type, GInputStream *stream, guint64 length,
                 GCancellable *cancellable, GError **error)
{
  g_autoptr (SoupMessage) message = make_message (self, method, path, headers, error);

  if (message == NULL)
    return NULL;
  soup_message_set_request_body (message, content_type, stream, (gssize) length);
  return call (self, message, cancellable, error);
}

/* WebSockets. */

typedef struct
{
  SoupWebsocketConnection *connection; /* (owned) (nullable) */
  GError *error;                       /* (owned) (nullable) */
} Handshake;

static void
shaken_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Handshake *handshake = user_data;

  handshake->connection
      = soup_session_websocket_connect_finish (SOUP_SESSION (source), result, &handshake->error);
}

static gboolean
is_not_refused (SoupMessage *message)
{
  guint status = soup_message_get_status (message);

  return status == SOUP_STATUS_NONE || status == SOUP_STATUS_SWITCHING_PROTOCOLS;
}

static SoupSession *
make_session (MtvRest *self)
{
  SoupSession *session = g_object_new (SOUP_TYPE_SESSION, "timeout", self->timeout, "user-agent",
                                       "mtvd", "proxy-resolver", self->proxy, NULL);

  if (mtv_http_trust_get_database (self->trust) != NULL)
    soup_session_set_tls_database (session, mtv_http_trust_get_database (self->trust));
  soup_session_remove_feature_by_type (session, SOUP_TYPE_AUTH_MANAGER);
  return session;
}

SoupWebsocketConnection *
mtv_rest_open_websocket (MtvRest *self, const char *path, const char *const *protocols,
                         GCancellable *cancellable, GError **error)
{
  g_autoptr (SoupMessage) message = make_message (self, SOUP_METHOD_GET, path, NULL, error);
  MtvRestJudge judge = { .trust = self->trust };
  Handshake handshake = { 0 };

  if (message == NULL)
    return NULL;

  /* What goes through is compressed, or not worth it. */
  soup_message_disable_feature (message, SOUP_TYPE_WEBSOCKET_EXTENSION_MANAGER);
  g_autoptr (SoupSession) session = make_session (self);
  mtv_rest_judge_watch (&judge, message);
  soup_session_websocket_connect_async (session, message, NULL, (char **) protocols,
                                        G_PRIORITY_DEFAULT, cancellable, shaken_cb, &handshake);
  while (handshake.connection == NULL && handshake.error == NULL)
    g_main_context_iteration (g_main_context_get_thread_default (), TRUE);

  if (handshake.connection == NULL && is_not_refused (message))
    mtv_http_trust_fail (self->label, handshake.error, judge.refused, judge.errors, error);
  else if (handshake.connection == NULL)
    {
      MtvRestAnswer answer = { .status = soup_message_get_status (message) };

      mtv_rest_answer_fail (self, &answer, "cannot open a WebSocket", NULL, error);
      g_error_free (handshake.error);
    }
  mtv_rest_judge_clear (&judge, message);
  return handshake.connection;
}

/* Answers. */

gboolean
mtv_rest_answer_is_good (const MtvRestAnswer *answer)
{
  return SOUP_STATUS_IS_SUCCESSFUL (answer->status);
}

static MtvError
code_for (guint status)
{
  switch (status)
    {
    case SOUP_STATUS_UNAUTHORIZED:
      return MTV_ERROR_AUTH_REQUIRED;
    case SOUP_STATUS_FORBIDDEN:
      return MTV_ERROR_PERMISSION_DENIED;
    case SOUP_STATUS_NOT_FOUND:
    case SOUP_STATUS_GONE:
      return MTV_ERROR_NOT_FOUND;
    case SOUP_STATUS_CONFLICT:
      return MTV_ERROR_EXISTS;
    case SOUP_STATUS_REQUEST_TIMEOUT:
    case TOO_EARLY:
    case TOO_MANY_REQUESTS:
    case SOUP_STATUS_BAD_GATEWAY:
    case SOUP_STATUS_SERVICE_UNAVAILABLE:
    case SOUP_STATUS_GATEWAY_TIMEOUT:
      return MTV_ERROR_UNREACHABLE;
    case SOUP_STATUS_INSUFFICIENT_STORAGE:
      return MTV_ERROR_NO_SPACE;
    default:
      return MTV_ERROR_FAILED;
    }
}

void
mtv_rest_answer_fail (MtvRest *self, const MtvRestAnswer *answer, const char *what,
                      const char *detail, GError **error)
{
  guint status = answer->status;
  const char *phrase
      = status == TOO_MANY_REQUESTS ? "Too Many Requests" : soup_status_get_phrase (status);

  if (detail != NULL && *detail != '\0')
    g_set_error (error, MTV_ERROR, code_for (status), "%s: %s: %s (%u %s)", self->label, what,
                 detail, status, phrase);
  else
    g_set_error (error, MTV_ERROR, code_for (status), "%s: %s: the server answers %u %s",
                 self->label, what, status, phrase);
}

static gboolean
look_at_certificate_cb (SoupMessage *message, GTlsCertificate *certificate,
                        GTlsCertificateFlags errors, gpointer user_data)
{
  (void) message;
  (void) errors;
  g_set_object ((GTlsCertificate **) user_data, certificate);
  return FALSE;
}

char *
mtv_rest_get_thumbprint (MtvRest *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvHttpTrust) nobody = mtv_http_trust_new (NULL, NULL, NULL, FALSE, NULL, NULL);
  MtvRestLink *link = mtv_rest_link_new (nobody, self->proxy, self->timeout);
  g_autoptr (SoupMessage) message = make_message (self, SOUP_METHOD_HEAD, "/", NULL, error);
  g_autoptr (GTlsCertificate) certificate = NULL;
  g_autoptr (GError) reason = NULL;

  if (message == NULL)
    {
      mtv_rest_link_free (link);
      return NULL;
    }
  g_signal_connect (message, "accept-certificate", G_CALLBACK (look_at_certificate_cb),
                    &certificate);
  g_autoptr (GInputStream) stream
      = mtv_rest_link_send (link, message, nobody, self->label, cancellable, &reason);
  if (certificate == NULL)
    g_set_object (&certificate, soup_message_get_tls_peer_certificate (message));
  g_clear_object (&stream);
  mtv_rest_link_free (link);
  if (certificate != NULL)
    return mtv_http_trust_get_thumbprint (certificate);
  if (reason != NULL)
    g_propagate_error (error, g_steal_pointer (&reason));
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s: The server shows no certificate",
                 self->label);
  return NULL;
}
