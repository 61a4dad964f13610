/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-rest.h"

#include "base/mtv-error.h"

#include <glib/gstdio.h>
#include <string.h>

/* A server on a thread of its own, on the loopback. */
typedef struct
{
  char *folder; /* (owned) of the certificates */
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  SoupServer *server;
  char *url;        /* (owned) http */
  char *secure_url; /* (owned) (nullable) https, when the test has certificates */
  gint in_hand;     /* (atomic) requests that are answered slowly … */
  gint most;        /* (atomic) … and the most at once */
  GMutex lock;
  char *seen; /* (owned) (nullable) header X-Seen of the last request, or its cookie */
} Fixture;

static void
see (Fixture *f, SoupServerMessage *message, const char *name)
{
  g_mutex_lock (&f->lock);
  g_free (f->seen);
  f->seen = g_strdup (
      soup_message_headers_get_one (soup_server_message_get_request_headers (message), name));
  g_mutex_unlock (&f->lock);
}

static char *
take_seen (Fixture *f)
{
  g_mutex_lock (&f->lock);
  char *seen = g_steal_pointer (&f->seen);
  g_mutex_unlock (&f->lock);
  return seen;
}

static void
echo (SoupServerMessage *message)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);

  soup_server_message_set_status (message, 200, NULL);
  soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_COPY, body->data,
                                    (gsize) body->length);
}

static gboolean
answer_slowly (gpointer user_data)
{
  SoupServerMessage *message = user_data;

  soup_server_message_set_status (message, 204, NULL);
  soup_server_message_unpause (message);
  return G_SOURCE_REMOVE;
}

static void
ended_cb (SoupServerMessage *message, gpointer user_data)
{
  (void) message;
  g_atomic_int_add (&((Fixture *) user_data)->in_hand, -1);
}

static void
hold_for_a_while (Fixture *f, SoupServerMessage *message)
{
  gint now = g_atomic_int_add (&f->in_hand, 1) + 1;
  g_autoptr (GSource) source = g_timeout_source_new (20);

  if (now > f->most)
    f->most = now;
  g_signal_connect (message, "finished", G_CALLBACK (ended_cb), f);
  soup_server_message_pause (message);
  g_source_set_callback (source, answer_slowly, message, NULL);
  g_source_attach (source, f->context);
}

static void
handle (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
        gpointer user_data)
{
  Fixture *f = user_data;
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  (void) server;
  (void) query;
  soup_server_message_set_status (message, 200, NULL);
  if (g_str_equal (path, "/api/echo"))
    echo (message);
  else if (g_str_equal (path, "/api/login"))
    soup_message_headers_append (headers, "Set-Cookie", "session=abc; Path=/; HttpOnly");
  else if (g_str_equal (path, "/api/cookie"))
    see (f, message, "Cookie");
  else if (g_str_equal (path, "/api/header"))
    see (f, message, "X-Seen");
  else if (g_str_equal (path, "/api/slow"))
    hold_for_a_while (f, message);
  else if (g_str_equal (path, "/api/never"))
    soup_server_message_pause (message);
  else if (g_str_equal (path, "/api/big"))
    soup_server_message_set_response (message, "text/plain", SOUP_MEMORY_TAKE,
                                      g_strnfill (8 << 20, 'x'), 8 << 20);
  else if (g_str_equal (path, "/api/moved"))
    soup_server_message_set_redirect (message, 302, "http://127.0.0.1:1/else");
  else
    soup_server_message_set_status (message, (guint) g_ascii_strtoull (path + 5, NULL, 10), NULL);
}

static void
websocket_message_cb (SoupWebsocketConnection *connection, gint type, GBytes *data,
                      gpointer user_data)
{
  (void) user_data;
  soup_websocket_connection_send_message (connection, type, data);
}

static void
websocket_closed_cb (SoupWebsocketConnection *connection, gpointer user_data)
{
  (void) user_data;
  g_object_unref (connection);
}

static void
handle_websocket (SoupServer *server, SoupServerMessage *message, const char *path,
                  SoupWebsocketConnection *connection, gpointer user_data)
{
  (void) server;
  (void) message;
  (void) path;
  (void) user_data;
  g_signal_connect (connection, "message", G_CALLBACK (websocket_message_cb), NULL);
  g_signal_connect (connection, "closed", G_CALLBACK (websocket_closed_cb), NULL);
  g_object_ref (connection);
}

static void
listen (Fixture *f, SoupServerListenOptions options, char **url)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (
      soup_server_listen_local (f->server, 0, options | SOUP_SERVER_LISTEN_IPV4_ONLY, &error));
  g_assert_no_error (error);
  GSList *uris = soup_server_get_uris (f->server);
  for (GSList *p = uris; p != NULL; p = p->next)
    if (g_str_equal (g_uri_get_scheme (p->data), options != 0 ? "https" : "http"))
      *url = g_strdup_printf ("%s://127.0.0.1:%d/api/", options != 0 ? "https" : "http",
                              g_uri_get_port (p->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

static char *
in_folder (Fixture *f, const char *name)
{
  return g_build_filename (f->folder, name, NULL);
}

static void
make_certificates (Fixture *f)
{
  const char *const argv[] = { MKCERT, f->folder, NULL };
  g_autoptr (GError) error = NULL;
  int status = 0;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
                NULL, NULL, NULL, NULL, &status, &error);
  g_assert_no_error (error);
  g_assert_cmpint (status, ==, 0);
  g_autofree char *certificate = in_folder (f, "good.pem");
  g_autofree char *key = in_folder (f, "good.key");
  g_autoptr (GTlsCertificate) shown = g_tls_certificate_new_from_files (certificate, key, &error);
  g_assert_no_error (error);
  soup_server_set_tls_certificate (f->server, shown);
  /* As many do, of those who have none as well. */
  soup_server_set_tls_auth_mode (f->server, G_TLS_AUTHENTICATION_REQUESTED);
}

static gpointer
serve (gpointer data)
{
  Fixture *f = data;

  g_main_context_push_thread_default (f->context);
  g_main_loop_run (f->loop);
  soup_server_disconnect (f->server);
  g_clear_object (&f->server);
  while (g_main_context_iteration (f->context, FALSE))
    ;
  g_main_context_pop_thread_default (f->context);
  return NULL;
}

static void
set_up (Fixture *f, gconstpointer secure)
{
  f->context = g_main_context_new ();
  f->loop = g_main_loop_new (f->context, FALSE);
  f->folder = g_dir_make_tmp ("mtv-rest-XXXXXX", NULL);
  g_mutex_init (&f->lock);
  g_main_context_push_thread_default (f->context);
  f->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (f->server, NULL, handle, f, NULL);
  soup_server_add_websocket_handler (f->server, "/api/socket", NULL,
                                     (char *[]){ (char *) "v1.test", NULL }, handle_websocket, f,
                                     NULL);
  listen (f, 0, &f->url);
  if (secure != NULL)
    {
      make_certificates (f);
      listen (f, SOUP_SERVER_LISTEN_HTTPS, &f->secure_url);
    }
  g_main_context_pop_thread_default (f->context);
  f->thread = g_thread_new ("server", serve, f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  const char *const argv[] = { "rm", "-r", f->folder, NULL };

  (void) data;
  g_main_loop_quit (f->loop);
  g_thread_join (f->thread);
  g_main_loop_unref (f->loop);
  g_main_context_unref (f->context);
  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL,
                NULL);
  g_free (f->folder);
  g_free (f->url);
  g_free (f->secure_url);
  g_free (f->seen);
  g_mutex_clear (&f->lock);
}

static MtvRest *
connect_to (const char *url)
{
  MtvRestOptions options = { .url = url, .label = "provider 'x'", .timeout = 20 };
  g_autoptr (GError) error = NULL;
  MtvRest *rest = mtv_rest_new (&options, &error);

  g_assert_no_error (error);
  return rest;
}

static MtvRestAnswer *
get (MtvRest *rest, const char *path)
{
  g_autoptr (GError) error = NULL;
  MtvRestAnswer *answer = mtv_rest_call (rest, "GET", path, NULL, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  return answer;
}

static void
assert_says (const GError *error, int code, const char *text)
{
  g_assert_error (error, MTV_ERROR, code);
  if (strstr (error->message, text) == NULL)
    g_error ("'%s' does not say '%s'", error->message, text);
}

static void
test_call (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvRest) rest = connect_to (f->url);
  g_autoptr (GBytes) body = g_bytes_new_static ("hello", 5);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvRestAnswer) echoed
      = mtv_rest_call (rest, "POST", "/echo", NULL, "text/plain", body, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (echoed->status, ==, 200);
  g_assert_true (g_bytes_equal (echoed->body, body));
  g_assert_cmpstr (soup_message_headers_get_one (echoed->headers, "Content-Type"), ==,
                   "text/plain");
  g_autoptr (MtvRestAnswer) moved = get (rest, "/moved");
  g_assert_cmpuint (moved->status, ==, 302);
}

static void
test_headers (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *const own[] = { "X-Seen: mine", NULL };
  g_autoptr (MtvRest) rest = connect_to (f->url);

  mtv_rest_set_header (rest, "X-Seen", "common");
  mtv_rest_answer_free (get (rest, "/header"));
  g_autofree char *common = take_seen (f);
  g_assert_cmpstr (common, ==, "common");
  mtv_rest_answer_free (mtv_rest_call (rest, "GET", "/header", own, NULL, NULL, NULL, NULL));
  g_autofree char *mine = take_seen (f);
  g_assert_cmpstr (mine, ==, "mine");
  mtv_rest_set_header (rest, "X-Seen", NULL);
  mtv_rest_answer_free (get (rest, "/header"));
  g_assert_null (take_seen (f));

  mtv_rest_answer_free (get (rest, "/cookie"));
  g_assert_null (take_seen (f));
  mtv_rest_answer_free (get (rest, "/login"));
  mtv_rest_answer_free (get (rest, "/cookie"));
  g_autofree char *cookie = take_seen (f);
  g_assert_cmpstr (cookie, ==, "session=abc");
}

static void
test_statuses (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const struct
  {
    const char *path;
    MtvError code;
  } all[] = {
    { "/401", MTV_ERROR_AUTH_REQUIRED }, { "/403", MTV_ERROR_PERMISSION_DENIED },
    { "/404", MTV_ERROR_NOT_FOUND },     { "/409", MTV_ERROR_EXISTS },
    { "/429", MTV_ERROR_UNREACHABLE },   { "/500", MTV_ERROR_FAILED },
    { "/503", MTV_ERROR_UNREACHABLE },   { "/507", MTV_ERROR_NO_SPACE },
  };
  g_autoptr (MtvRest) rest = connect_to (f->url);

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    {
      g_autoptr (MtvRestAnswer) answer = get (rest, all[i].path);
      g_autoptr (GError) plain = NULL;
      g_autoptr (GError) detailed = NULL;

      g_assert_false (mtv_rest_answer_is_good (answer));
      mtv_rest_answer_fail (rest, answer, "cannot list", NULL, &plain);
      assert_says (plain, all[i].code, "provider 'x': cannot list: the server answers");
      assert_says (plain, all[i].code, all[i].path + 1);
      mtv_rest_answer_fail (rest, answer, "cannot list", "no quota", &detailed);
      assert_says (detailed, all[i].code, "no quota");
    }
  g_autoptr (MtvRestAnswer) good = get (rest, "/204");
  g_assert_true (mtv_rest_answer_is_good (good));
}

static void
test_unreachable (void)
{
  g_autoptr (MtvRest) rest = connect_to ("http://user:pa55@127.0.0.1:1/?token=pa55");
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_rest_call (rest, "GET", "/x?secret=pa55", NULL, NULL, NULL, NULL, &error));
  assert_says (error, MTV_ERROR_UNREACHABLE, "provider 'x'");
  g_assert_null (strstr (error->message, "pa55"));

  MtvRestOptions bad = { .url = "ftp://x/", .label = "p" };
  g_clear_error (&error);
  g_assert_null (mtv_rest_new (&bad, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
}

static gpointer
call_slowly (gpointer rest)
{
  for (guint i = 0; i < 3; i++)
    mtv_rest_answer_free (get (rest, "/slow"));
  return NULL;
}

static void
test_many_threads (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvRestOptions options = { .url = f->url, .label = "x", .max_connections = 3 };
  g_autoptr (MtvRest) rest = mtv_rest_new (&options, NULL);
  GThread *threads[8];

  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("caller", call_slowly, rest);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);
  g_assert_cmpint (f->most, >, 1);
  g_assert_cmpint (f->most, <=, 3);
}

static gpointer
cancel_it (gpointer cancellable)
{
  g_usleep (50 * 1000);
  g_cancellable_cancel (cancellable);
  return NULL;
}

static void
test_cancel (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvRestOptions options = { .url = f->url, .label = "x", .max_connections = 1 };
  g_autoptr (MtvRest) rest = mtv_rest_new (&options, NULL);

  for (guint i = 0; i < 2; i++) /* the connection is not lost with it */
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      GThread *thread = g_thread_new ("cancel", cancel_it, cancellable);

      g_assert_null (mtv_rest_call (rest, "GET", "/never", NULL, NULL, NULL, cancellable, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
      g_thread_join (thread);
    }
  mtv_rest_answer_free (get (rest, "/204"));
}

static void
test_stream (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvRestOptions options = { .url = f->url, .label = "x", .max_connections = 1 };
  g_autoptr (MtvRest) rest = mtv_rest_new (&options, NULL);

  for (guint i = 0; i < 3; i++) /* let go of in the middle: the one connection comes back */
    {
      g_autoptr (MtvRestAnswer) answer = NULL;
      g_autoptr (GError) error = NULL;
      char buffer[100] = { 0 };
      g_autoptr (GInputStream) stream
          = mtv_rest_open (rest, "GET", "/big", NULL, NULL, NULL, &answer, NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (answer->status, ==, 200);
      g_assert_cmpint (g_input_stream_read (stream, buffer, sizeof buffer, NULL, &error), >, 0);
      g_assert_cmpint (buffer[0], ==, 'x');
    }
  g_autoptr (MtvRestAnswer) all = get (rest, "/big");
  g_assert_cmpuint (g_bytes_get_size (all->body), ==, 8 << 20);
}

static void
test_upload (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvRest) rest = connect_to (f->url);
  gsize size = 3 * 1024 * 1024 + 1;
  g_autoptr (GBytes) body = g_bytes_new_take (g_strnfill (size, 'u'), size);
  g_autoptr (GInputStream) stream = g_memory_input_stream_new_from_bytes (body);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvRestAnswer) answer
      = mtv_rest_upload (rest, "PUT", "/echo", NULL, "text/plain", stream, size, NULL, &error);

  g_assert_no_error (error);
  g_assert_true (g_bytes_equal (answer->body, body));
}

static void
message_cb (SoupWebsocketConnection *connection, gint type, GBytes *data, gpointer user_data)
{
  (void) connection;
  (void) type;
  *(GBytes **) user_data = g_bytes_ref (data);
}

static void
test_websocket (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  const char *const protocols[] = { "v1.test", NULL };
  g_autoptr (GMainContext) context = g_main_context_new ();
  g_autoptr (MtvRest) rest = connect_to (f->url);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) sent = g_bytes_new_static ("\0\1\2", 3);
  GBytes *came = NULL;

  g_main_context_push_thread_default (context);
  g_autoptr (SoupWebsocketConnection) connection
      = mtv_rest_open_websocket (rest, "/socket", protocols, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (soup_websocket_connection_get_protocol (connection), ==, "v1.test");
  g_signal_connect (connection, "message", G_CALLBACK (message_cb), &came);
  soup_websocket_connection_send_message (connection, SOUP_WEBSOCKET_DATA_BINARY, sent);
  while (came == NULL)
    g_main_context_iteration (context, TRUE);
  g_assert_true (g_bytes_equal (came, sent));
  g_bytes_unref (came);

  g_assert_null (mtv_rest_open_websocket (rest, "/403", protocols, NULL, &error));
  assert_says (error, MTV_ERROR_PERMISSION_DENIED, "403");
  g_main_context_pop_thread_default (context);
}

static void
expect (Fixture *f, MtvRestOptions options, int code, const char *text)
{
  g_autoptr (GError) error = NULL;

  options.url = f->secure_url;
  options.label = "provider 'x'";
  g_autoptr (MtvRest) rest = mtv_rest_new (&options, &error);
  g_assert_no_error (error);
  g_autoptr (MtvRestAnswer) answer
      = mtv_rest_call (rest, "GET", "/204", NULL, NULL, NULL, NULL, &error);
  if (text != NULL)
    {
      assert_says (error, code, text);
      return;
    }
  g_assert_no_error (error);
  g_assert_cmpuint (answer->status, ==, 204);
}

static char *
digest_of (Fixture *f, GChecksumType type)
{
  g_autofree char *path = in_folder (f, "good.pem");
  g_autoptr (GTlsCertificate) certificate = g_tls_certificate_new_from_file (path, NULL);
  g_autoptr (GByteArray) der = NULL;

  g_object_get (certificate, "certificate", &der, NULL);
  return g_compute_checksum_for_data (type, der->data, der->len);
}

static void
test_trust (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autofree char *path = in_folder (f, "ca.pem");
  g_autofree char *other_path = in_folder (f, "other-ca.pem");
  g_autofree char *ca = NULL;
  g_autofree char *other = NULL;
  g_autofree char *sha1 = digest_of (f, G_CHECKSUM_SHA1);
  g_autofree char *sha256 = digest_of (f, G_CHECKSUM_SHA256);
  g_autofree char *wrong = g_strdup (sha256);

  g_assert_true (g_file_get_contents (path, &ca, NULL, NULL));
  g_assert_true (g_file_get_contents (other_path, &other, NULL, NULL));
  wrong[0] = wrong[0] == '0' ? '1' : '0';
  expect (f, (MtvRestOptions){ .ca = ca }, 0, NULL);
  expect (f, (MtvRestOptions){ .thumbprint = sha1 }, 0, NULL);
  expect (f, (MtvRestOptions){ .thumbprint = sha256 }, 0, NULL);
  expect (f, (MtvRestOptions){ .insecure = TRUE }, 0, NULL);
  expect (f, (MtvRestOptions){ .ca = other }, MTV_ERROR_PERMISSION_DENIED, "not signed by");
  expect (f, (MtvRestOptions){ .thumbprint = wrong }, MTV_ERROR_PERMISSION_DENIED,
          "SHA-256 thumbprint is ");
  expect (f, (MtvRestOptions){ .ca = ca, .thumbprint = wrong }, MTV_ERROR_PERMISSION_DENIED,
          "SHA-256 thumbprint is ");

  MtvRestOptions options = { .url = f->secure_url, .label = "x", .thumbprint = "abcd" };
  g_autoptr (GError) error = NULL;
  g_assert_null (mtv_rest_new (&options, &error));
  assert_says (error, MTV_ERROR_INVALID_ARGUMENT, "'abcd'");

  options.thumbprint = NULL;
  g_autoptr (MtvRest) rest = mtv_rest_new (&options, NULL);
  g_clear_error (&error);
  g_autofree char *shown = mtv_rest_get_thumbprint (rest, NULL, &error);
  g_assert_no_error (error);
  expect (f, (MtvRestOptions){ .thumbprint = shown }, 0, NULL);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define ADD(name, data, func) g_test_add ("/rest/" name, Fixture, data, set_up, func, tear_down)
  /* First, so that GLib's threads that did the handshakes have ended by the end: LeakSanitizer
   * stumbles over what the TLS module keeps for each. */
  g_thread_pool_set_max_unused_threads (0);
  ADD ("trust", "secure", test_trust);
  ADD ("call", NULL, test_call);
  ADD ("headers", NULL, test_headers);
  ADD ("statuses", NULL, test_statuses);
  g_test_add_func ("/rest/unreachable", test_unreachable);
  ADD ("many-threads", NULL, test_many_threads);
  ADD ("cancel", NULL, test_cancel);
  ADD ("stream", NULL, test_stream);
  ADD ("upload", NULL, test_upload);
  ADD ("websocket", NULL, test_websocket);
  return g_test_run ();
}
