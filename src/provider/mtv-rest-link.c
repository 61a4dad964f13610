/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-rest-link.h"

#include "base/mtv-error.h"

/* A connection that idled longer may be one that the server is just closing, and a request that is
 * not idempotent is not sent again. */
#define IDLE_SECONDS 15

MtvRestLink *
mtv_rest_link_new (MtvHttpTrust *trust, GProxyResolver *proxy, guint timeout)
{
  MtvRestLink *self = g_new0 (MtvRestLink, 1);

  self->context = g_main_context_new ();
  g_main_context_push_thread_default (self->context);
  self->session = g_object_new (SOUP_TYPE_SESSION, "timeout", timeout, "idle-timeout", IDLE_SECONDS,
                                "user-agent", "mtvd", "proxy-resolver", proxy, NULL);
  if (mtv_http_trust_get_database (trust) != NULL)
    soup_session_set_tls_database (self->session, mtv_http_trust_get_database (trust));
  soup_session_remove_feature_by_type (self->session, SOUP_TYPE_AUTH_MANAGER);
  g_main_context_pop_thread_default (self->context);
  return self;
}

void
mtv_rest_link_abort (MtvRestLink *self)
{
  g_main_context_push_thread_default (self->context);
  soup_session_abort (self->session);
  g_main_context_pop_thread_default (self->context);
}

void
mtv_rest_link_free (gpointer data)
{
  MtvRestLink *self = data;

  mtv_rest_link_abort (self);
  g_main_context_push_thread_default (self->context);
  g_object_unref (self->session);
  g_main_context_pop_thread_default (self->context);
  g_main_context_unref (self->context);
  g_free (self);
}

/* Certificates. */

static gboolean
accept_certificate_cb (SoupMessage *message, GTlsCertificate *certificate,
                       GTlsCertificateFlags errors, gpointer user_data)
{
  MtvRestJudge *judge = user_data;

  (void) message;
  if (mtv_http_trust_accepts (judge->trust, certificate, errors))
    return TRUE;
  g_set_object (&judge->refused, certificate);
  judge->errors = errors;
  return FALSE;
}

static void
handshaken_cb (SoupMessage *message, GSocketClientEvent event, GIOStream *connection,
               gpointer user_data)
{
  MtvRestJudge *judge = user_data;

  (void) message;
  if (event == G_SOCKET_CLIENT_TLS_HANDSHAKED)
    mtv_http_trust_inspect (judge->trust, connection, &judge->refused, &judge->errors);
}

/* A session of HTTP/2 belongs to one main context, and a WebSocket needs HTTP/1.1 anyway. */
static void
network_event_cb (SoupMessage *message, GSocketClientEvent event, GIOStream *connection,
                  gpointer user_data)
{
  static const char *const protocols[] = { "http/1.1", NULL };

  (void) user_data;
  if (event != G_SOCKET_CLIENT_TLS_HANDSHAKING)
    return;
  g_tls_connection_set_advertised_protocols (G_TLS_CONNECTION (connection), protocols);
  /* A server that asks for a certificate of ours would otherwise wait for ever: libsoup wants to
   * ask for it in the main context, which is not run while the handshake blocks (libsoup 3.2). */
  g_tls_connection_set_interaction (G_TLS_CONNECTION (connection), NULL);
  GTlsCertificate *certificate = g_object_get_data (G_OBJECT (message), MTV_REST_CERTIFICATE);
  if (certificate != NULL)
    g_tls_connection_set_certificate (G_TLS_CONNECTION (connection), certificate);
}

void
mtv_rest_judge_watch (MtvRestJudge *judge, SoupMessage *message)
{
  g_signal_connect (message, "accept-certificate", G_CALLBACK (accept_certificate_cb), judge);
  g_signal_connect (message, "network-event", G_CALLBACK (network_event_cb), judge);
  g_signal_connect (message, "network-event", G_CALLBACK (handshaken_cb), judge);
}

void
mtv_rest_judge_clear (MtvRestJudge *judge, SoupMessage *message)
{
  g_signal_handlers_disconnect_by_data (message, judge);
  g_clear_object (&judge->refused);
}

GInputStream *
mtv_rest_link_send (MtvRestLink *self, SoupMessage *message, MtvHttpTrust *trust, const char *label,
                    GCancellable *cancellable, GError **error)
{
  MtvRestJudge judge = { .trust = trust };
  GError *reason = NULL;

  mtv_rest_judge_watch (&judge, message);
  g_main_context_push_thread_default (self->context);
  GInputStream *stream = soup_session_send (self->session, message, cancellable, &reason);
  g_main_context_pop_thread_default (self->context);
  if (stream == NULL)
    mtv_http_trust_fail (label, reason, judge.refused, judge.errors, error);
  mtv_rest_judge_clear (&judge, message);
  return stream;
}

/* The body. */

typedef struct
{
  GInputStream parent;

  GInputStream *stream; /* (owned) (nullable) once it is closed */
  MtvRestLink *link;    /* (unowned) until @done */
  char *label;          /* (owned) */
  gboolean whole;       /* all of it was read */
  MtvRestDoneFunc done;
  gpointer owner; /* (unowned): @done releases it */
} MtvRestStream;

typedef struct
{
  GInputStreamClass parent_class;
} MtvRestStreamClass;

static GType mtv_rest_stream_get_type (void);
G_DEFINE_TYPE (MtvRestStream, mtv_rest_stream, G_TYPE_INPUT_STREAM)

static gssize
rest_stream_read (GInputStream *stream, void *buffer, gsize count, GCancellable *cancellable,
                  GError **error)
{
  MtvRestStream *self = (MtvRestStream *) stream;
  GError *reason = NULL;

  g_main_context_push_thread_default (self->link->context);
  gssize n = g_input_stream_read (self->stream, buffer, count, cancellable, &reason);
  g_main_context_pop_thread_default (self->link->context);
  if (n < 0)
    mtv_http_trust_fail (self->label, reason, NULL, 0, error);
  self->whole = self->whole || (n == 0 && count > 0);
  return n;
}

static gboolean
rest_stream_close (GInputStream *stream, GCancellable *cancellable, GError **error)
{
  MtvRestStream *self = (MtvRestStream *) stream;
  g_autoptr (GCancellable) at_once = g_cancellable_new ();

  (void) error;
  if (self->stream == NULL)
    return TRUE;
  if (!self->whole) /* else libsoup would read on to the end */
    g_cancellable_cancel (at_once);
  g_main_context_push_thread_default (self->link->context);
  g_input_stream_close (self->stream, self->whole ? cancellable : at_once, NULL);
  g_clear_object (&self->stream);
  g_main_context_pop_thread_default (self->link->context);
  self->done (self->owner, self->link, self->whole);
  return TRUE;
}

static void
mtv_rest_stream_finalize (GObject *object)
{
  g_free (((MtvRestStream *) object)->label);

  G_OBJECT_CLASS (mtv_rest_stream_parent_class)->finalize (object);
}

static void
mtv_rest_stream_class_init (MtvRestStreamClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_rest_stream_finalize;
  G_INPUT_STREAM_CLASS (klass)->read_fn = rest_stream_read;
  G_INPUT_STREAM_CLASS (klass)->close_fn = rest_stream_close;
}

static void
mtv_rest_stream_init (MtvRestStream *self)
{
  (void) self;
}

GInputStream *
mtv_rest_stream_new (GInputStream *stream, MtvRestLink *link, const char *label,
                     MtvRestDoneFunc done, gpointer owner)
{
  MtvRestStream *self = g_object_new (mtv_rest_stream_get_type (), NULL);

  self->stream = stream;
  self->link = link;
  self->label = g_strdup (label);
  self->done = done;
  self->owner = owner;
  return G_INPUT_STREAM (self);
}
