/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-reader.h"

#include "base/mtv-error.h"
#include "http-fixture.h"

#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define MIB ((guint64) 1024 * 1024)
#define SIZE (5 * MIB + 123)

static MtvReader *
open_url (const char *url, const MtvHttpOptions *options)
{
  g_autoptr (GError) error = NULL;
  MtvHttpReader *reader = mtv_http_reader_new (url, options, NULL, NULL, &error);

  g_assert_no_error (error);
  g_assert_nonnull (reader);
  return MTV_READER (reader);
}

static MtvReader *
open_bad (Web *web, const char *path, guint64 run)
{
  g_autofree char *url = web_bad_url (web, path);
  MtvHttpOptions options = { .run = run, .timeout = 20 };

  return open_url (url, &options);
}

static Web *
new_bad (void)
{
  Web *web = web_new (SIZE);

  web_start_bad (web);
  return web;
}

static void
assert_range (MtvReader *reader, Web *web, guint64 offset, gsize length)
{
  g_autofree guint8 *buffer = g_malloc (length);
  const guint8 *expected = g_bytes_get_data (web->contents, NULL);
  g_autoptr (GError) error = NULL;

  mtv_reader_read (reader, offset, buffer, length, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (memcmp (buffer, expected + offset, length) == 0);
}

static void
assert_all (MtvReader *reader, Web *web, gsize step)
{
  guint64 size = mtv_reader_get_size (reader);

  g_assert_cmpuint (size, ==, g_bytes_get_size (web->contents));
  for (guint64 at = 0; at < size; at += step)
    assert_range (reader, web, at, MIN (step, size - at));
}

static void
assert_says (const GError *error, int code, const char *text)
{
  g_assert_error (error, MTV_ERROR, code);
  if (!strstr (error->message, text))
    g_error ("'%s' does not say '%s'", error->message, text);
}

/* The error of opening @url names it without what may be secret. */
static void
assert_refused (const char *url, const MtvHttpOptions *options, int code, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_http_reader_new (url, options, NULL, NULL, &error));
  assert_says (error, code, text);
  g_assert_null (strstr (error->message, "s3cret"));
}

static void
assert_read_fails (MtvReader *reader, guint64 offset, gsize length, int code, const char *text)
{
  g_autofree guint8 *buffer = g_malloc (length);
  g_autoptr (GError) error = NULL;

  g_assert_false (mtv_reader_read (reader, offset, buffer, length, NULL, &error));
  assert_says (error, code, text);
}

/* --- nginx --- */

static void
test_whole (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *url = web_url (web, WEB_HTTP, "/disk");
  MtvHttpOptions options = { .run = MIB };

  web_start_nginx (web, FALSE);
  g_autoptr (MtvReader) reader = open_url (url, &options);
  MtvHints hints = mtv_reader_get_hints (reader);
  g_assert_cmpuint (hints.max_channels, ==, 2);
  g_assert_cmpuint (hints.run, ==, MIB);
  g_assert_false (hints.in_order);
  assert_all (reader, web, 300007);
  g_clear_object (&reader);

  web_stop_nginx (web);
  g_autofree char *log = web_read_log (web);
  g_assert_cmpstr (log, ==,
                   "HTTP/1.1 GET 206 bytes=0-1048575\n"
                   "HTTP/1.1 GET 206 bytes=1048576-2097151\n"
                   "HTTP/1.1 GET 206 bytes=2097152-3145727\n"
                   "HTTP/1.1 GET 206 bytes=3145728-4194303\n"
                   "HTTP/1.1 GET 206 bytes=4194304-5242879\n"
                   "HTTP/1.1 GET 206 bytes=5242880-5243002\n");
}

typedef struct
{
  Web *web;
  MtvReader *reader;
  guint first;
  GError *error; /* (owned) (nullable) */
  gboolean done;
} Half;

static void
done_cb (MtvIo *io, GError *error)
{
  Half *half = io->data;

  half->done = TRUE;
  half->error = error;
}

/* Every other run. */
static gpointer
half_thread (gpointer data)
{
  Half *half = data;
  const guint8 *expected = g_bytes_get_data (half->web->contents, NULL);
  MtvChannel *channel = mtv_reader_open_channel (half->reader, NULL, NULL);
  g_autofree guint8 *buffer = g_malloc (MIB / 4);
  struct pollfd fd;

  g_assert_nonnull (channel);
  for (guint64 at = half->first * MIB; at < SIZE; at += MIB / 4)
    {
      if (at / MIB % 2 != half->first)
        continue;
      MtvIo io = { MTV_IO_READ, at, MIN (MIB / 4, SIZE - at), buffer, done_cb, half, { NULL } };

      half->done = FALSE;
      mtv_channel_submit (channel, &io);
      g_assert_cmpint (mtv_channel_prepare (channel, &fd), ==, 0);
      mtv_channel_dispatch (channel, 0);
      g_assert_true (half->done);
      g_assert_no_error (half->error);
      g_assert_true (memcmp (buffer, expected + at, io.length) == 0);
    }
  g_assert_true (mtv_channel_free (channel));
  return NULL;
}

static void
test_two_channels (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *url = web_url (web, WEB_HTTPS, "/disk");
  g_autofree char *ca = web_path (web, "ca.pem");
  MtvHttpOptions options = { .run = MIB, .ca_file = ca };

  web_start_nginx (web, TRUE);
  g_autoptr (MtvReader) reader = open_url (url, &options);
  Half halves[]
      = { { .web = web, .reader = reader }, { .web = web, .reader = reader, .first = 1 } };
  GThread *threads[2];
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new ("test-half", half_thread, &halves[i]);
  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  g_clear_object (&reader);

  web_stop_nginx (web);
  g_autofree char *log = web_read_log (web);
  g_auto (GStrv) lines = g_strsplit (log, "\n", -1);
  g_assert_cmpuint (g_strv_length (lines), ==, 7); /* and what follows the last line */
  for (guint64 i = 0; i < 6; i++)
    {
      g_autofree char *line
          = g_strdup_printf ("HTTP/1.1 GET 206 bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
                             i * MIB, MIN ((i + 1) * MIB, SIZE) - 1);

      g_assert_true (g_strv_contains ((const char *const *) lines, line));
    }
}

/* A look at a place asks for its bytes alone, twice in a row for the run; small gaps are read over.
 */
static void
test_places (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *url = web_url (web, WEB_HTTP, "/disk");

  web_start_nginx (web, FALSE);
  g_autoptr (MtvReader) reader = open_url (url, NULL);
  assert_range (reader, web, 4 * MIB, 512);
  assert_range (reader, web, 4 * MIB + 512, 512);
  assert_range (reader, web, 4 * MIB + 100000, 512);
  assert_range (reader, web, 0, 512); /* what opening has asked for */
  assert_range (reader, web, 1000, MIB);
  assert_range (reader, web, SIZE - 1, 1);
  assert_range (reader, web, 3 * MIB, 1);
  assert_range (reader, web, SIZE - 3, 3);
  g_clear_object (&reader);

  web_stop_nginx (web);
  g_autofree char *log = web_read_log (web);
  g_assert_nonnull (strstr (log, "GET 206 bytes=4194304-4194815\n"));
  g_assert_nonnull (strstr (log, "GET 206 bytes=4194816-5243002\n"));
  g_assert_nonnull (strstr (log, "GET 206 bytes=3145728-3145728\n"));
}

static void
test_empty (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *url = web_url (web, WEB_HTTP, "/empty");
  guint8 byte;

  web_start_nginx (web, FALSE);
  g_autoptr (MtvReader) reader = open_url (url, NULL);
  g_assert_cmpuint (mtv_reader_get_size (reader), ==, 0);
  g_assert_true (mtv_reader_read (reader, 0, &byte, 0, NULL, NULL));
}

static void
test_tls (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *good = web_url (web, WEB_HTTPS, "/disk");
  g_autofree char *elsewhere = web_url (web, WEB_HTTPS_ELSEWHERE, "/disk");
  g_autofree char *expired = web_url (web, WEB_HTTPS_EXPIRED, "/disk");
  g_autofree char *unsafe = web_url (web, WEB_HTTPS, "/unsafe");
  g_autofree char *ca = web_path (web, "ca.pem");
  g_autofree char *other_ca = web_path (web, "other-ca.pem");
  MtvHttpOptions by_ca = { .ca_file = ca };
  MtvHttpOptions by_other = { .ca_file = other_ca };
  MtvHttpOptions by_none = { .ca_file = "/nowhere/ca.pem" };
  MtvHttpOptions insecure = { .insecure = TRUE };

  web_start_nginx (web, TRUE);
  g_autoptr (MtvReader) reader = open_url (good, &by_ca);
  assert_all (reader, web, MIB);
  g_autoptr (MtvReader) any = open_url (expired, &insecure);
  assert_range (any, web, 5, 100);

  assert_refused (good, NULL, MTV_ERROR_PERMISSION_DENIED, "is not signed by an authority");
  assert_refused (good, &by_other, MTV_ERROR_PERMISSION_DENIED, good);
  assert_refused (elsewhere, &by_ca, MTV_ERROR_PERMISSION_DENIED, "was issued for another host");
  assert_refused (expired, &by_ca, MTV_ERROR_PERMISSION_DENIED, "has expired");
  assert_refused (unsafe, &by_ca, MTV_ERROR_PERMISSION_DENIED, "from https to http");
  assert_refused (good, &by_none, MTV_ERROR_INVALID_ARGUMENT, "/nowhere/ca.pem");

  g_autofree char *no_tls = g_strdup_printf ("https://127.0.0.1:%d/disk", web->ports[WEB_HTTP]);
  by_ca.timeout = 1; /* what GnuTLS calls it may pass */
  assert_refused (no_tls, &by_ca, MTV_ERROR_UNREACHABLE, no_tls);
}

static void
test_changed_file (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *url = web_url (web, WEB_HTTP, "/disk");
  g_autofree char *path = web_path (web, "disk");
  struct timeval times[2] = { { 1, 0 }, { 1, 0 } };

  web_start_nginx (web, FALSE);
  g_autoptr (MtvReader) reader = open_url (url, NULL);
  g_assert_no_errno (utimes (path, times));
  assert_read_fails (reader, 4 * MIB, 512, MTV_ERROR_SOURCE_CHANGED, url);
}

static void
test_restarted_server (void)
{
  g_autoptr (Web) web = web_new (64 * MIB); /* more than the sockets hold */
  g_autofree char *url = web_url (web, WEB_HTTP, "/disk");

  web_start_nginx (web, FALSE);
  g_autoptr (MtvReader) reader = open_url (url, NULL);
  assert_range (reader, web, 0, MIB);
  web_stop_nginx (web);
  web_start_nginx (web, FALSE);
  assert_range (reader, web, MIB, 63 * MIB);
  g_clear_object (&reader);

  web_stop_nginx (web);
  g_autofree char *log = web_read_log (web);
  g_assert_null (strstr (log, "bytes=1048576-")); /* it had more in the sockets */
}

static void
test_statuses (void)
{
  g_autoptr (Web) web = web_new (SIZE);
  g_autofree char *moved = web_url (web, WEB_HTTP, "/moved");
  g_autofree char *missing = web_url (web, WEB_HTTP, "/missing?key=s3cret");
  g_autofree char *forbidden
      = g_strdup_printf ("http://joe:s3cret@127.0.0.1:%d/forbidden", web->ports[WEB_HTTP]);

  web_start_nginx (web, FALSE);
  g_autoptr (MtvReader) reader = open_url (moved, NULL);
  assert_all (reader, web, MIB);
  assert_refused (missing, NULL, MTV_ERROR_NOT_FOUND, "/missing: The server answers 404 Not Found");
  assert_refused (forbidden, NULL, MTV_ERROR_PERMISSION_DENIED, "answers 403 Forbidden");
  assert_refused ("ftp://s3cret@127.0.0.1/", NULL, MTV_ERROR_INVALID_ARGUMENT, "URL");
}

/* --- faults --- */

static void
test_short_bodies (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autoptr (MtvReader) reader = open_bad (web, "/short", 0);

  assert_all (reader, web, MIB);
  g_auto (GStrv) log = web_read_bad_log (web, "/short");
  g_assert_nonnull (strstr (log[0], "|Range=bytes=0-67108863|"));
  g_assert_nonnull (strstr (log[1], "|Range=bytes=100001-5243002|"));
  g_assert_nonnull (strstr (log[52], "|Range=bytes=5200052-5243002|"));
  g_assert_cmpuint (g_strv_length (log), ==, 53);
}

static void
test_busy (void)
{
  g_autoptr (Web) web = new_bad ();
  gint64 start = g_get_monotonic_time ();
  g_autoptr (MtvReader) reader = open_bad (web, "/busy", 4 * MIB);

  assert_all (reader, web, MIB);
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 2 * G_USEC_PER_SEC); /* Retry-After: 1 */
  g_auto (GStrv) log = web_read_bad_log (web, "/busy");
  g_assert_cmpuint (g_strv_length (log), ==, 4);
}

static void
test_overloaded (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autofree char *url = web_bad_url (web, "/overloaded");
  MtvHttpOptions options = { .run = MIB, .timeout = 1 };
  g_autoptr (MtvReader) reader = open_url (url, &options);

  assert_range (reader, web, 0, MIB);
  assert_read_fails (reader, MIB, MIB, MTV_ERROR_UNREACHABLE, "answers 429 Too Many Requests");
  /* 0.2 s, doubled; over once the second is. */
  g_auto (GStrv) log = web_read_bad_log (web, "/overloaded");
  g_assert_cmpuint (g_strv_length (log), >=, 4);
  g_assert_cmpuint (g_strv_length (log), <=, 5);
}

static void
test_changes (void)
{
  static const char *const paths[] = { "/etag", "/modified", "/grown", "/replaced" };
  g_autoptr (Web) web = new_bad ();

  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autoptr (MtvReader) reader = open_bad (web, paths[i], MIB);

      assert_range (reader, web, 0, MIB);
      if (i == 0 || i == 2) /* these change later */
        assert_range (reader, web, MIB, MIB);
      assert_read_fails (reader, 2 * MIB, MIB, MTV_ERROR_SOURCE_CHANGED, paths[i]);
    }
  g_auto (GStrv) log = web_read_bad_log (web, "/replaced");
  g_assert_nonnull (strstr (log[0], "|If-Range=|"));
  g_assert_nonnull (strstr (log[1], "|If-Range=\"one\"|"));
}

static void
test_no_ranges (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autoptr (MtvReader) reader = open_bad (web, "/whole", MIB);
  MtvHints hints = mtv_reader_get_hints (reader);

  g_assert_true (hints.in_order);
  g_assert_cmpuint (hints.max_channels, ==, 1);
  assert_range (reader, web, 3 * MIB, MIB);
  assert_all (reader, web, 300007);
  assert_range (reader, web, SIZE - 5, 5);
  g_auto (GStrv) log = web_read_bad_log (web, "/whole");
  g_assert_cmpuint (g_strv_length (log), ==, 3); /* twice back */
  g_assert_nonnull (strstr (log[1], "|Range=|"));

  /* Each answer goes a quarter further. */
  g_autoptr (MtvReader) cut = open_bad (web, "/whole-short", MIB);
  assert_all (cut, web, MIB);
  g_auto (GStrv) cut_log = web_read_bad_log (web, "/whole-short");
  g_assert_cmpuint (g_strv_length (cut_log), ==, 4);
}

static void
test_ranges_forgotten (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autoptr (MtvReader) reader = open_bad (web, "/whole-later", MIB);

  assert_range (reader, web, 2 * MIB + 5, MIB);
  assert_range (reader, web, 3 * MIB + 5, MIB);
  g_auto (GStrv) log = web_read_bad_log (web, "/whole-later");
  g_assert_cmpuint (g_strv_length (log), ==, 2);
}

static void
test_nonsense (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autofree char *chunked = web_bad_url (web, "/chunked");
  g_autofree char *nonsense = web_bad_url (web, "/nonsense");
  g_autofree char *nowhere = web_bad_url (web, "/nowhere");
  g_autofree char *loop = web_bad_url (web, "/loop");
  g_autofree char *gone = web_bad_url (web, "/gone");
  g_autoptr (MtvReader) shifted = open_bad (web, "/shifted", MIB);

  assert_refused (chunked, NULL, MTV_ERROR_UNSUPPORTED, "does not tell how large the file is");
  assert_refused (nonsense, NULL, MTV_ERROR_BAD_DATA, "does not tell which range");
  assert_refused (nowhere, NULL, MTV_ERROR_BAD_DATA, "is no http or https URL");
  assert_refused (loop, NULL, MTV_ERROR_FAILED, "redirects more than 5 times");
  assert_refused (gone, NULL, MTV_ERROR_NOT_FOUND, "/gone: The server answers 410 Gone");
  assert_read_fails (shifted, MIB, MIB, MTV_ERROR_BAD_DATA,
                     "another range than that from byte 1048576");
  g_auto (GStrv) log = web_read_bad_log (web, "/loop");
  g_assert_cmpuint (g_strv_length (log), ==, 6);
}

static void
test_secrets (void)
{
  static const char *const headers[] = { "X-Token: x0", NULL };
  static const char *const broken[] = { "X-Token: s3cret\r\nHost: elsewhere", NULL };
  MtvHttpOptions options = { .bearer_token = "t0ken", .headers = headers, .run = MIB };
  MtvHttpOptions bad_header = { .headers = broken };
  MtvHttpOptions bad_token = { .bearer_token = "s3cret\n" };
  g_autoptr (Web) web = new_bad ();
  g_autofree char *secret = web_bad_url (web, "/secret");
  g_autofree char *away = web_bad_url (web, "/away");

  g_autoptr (MtvReader) reader = open_url (secret, &options);
  assert_all (reader, web, MIB);
  assert_refused (secret, NULL, MTV_ERROR_PERMISSION_DENIED, "answers 401 Unauthorized");
  assert_refused (secret, &bad_header, MTV_ERROR_INVALID_ARGUMENT, secret);
  assert_refused (secret, &bad_token, MTV_ERROR_INVALID_ARGUMENT, secret);

  /* The name of another host, and no secrets; when it is refused, back to where it came from. */
  g_autoptr (MtvReader) redirected = open_url (away, &options);
  assert_range (redirected, web, 0, 3 * MIB);
  g_auto (GStrv) first = web_read_bad_log (web, "/worn/1");
  g_assert_true (g_str_has_prefix (first[0], "/worn/1|Host=localhost:"));
  g_assert_true (g_str_has_suffix (first[0], "|Authorization=|X-Token="));
  g_auto (GStrv) asked = web_read_bad_log (web, "/away");
  g_assert_true (g_str_has_suffix (asked[1], "|Authorization=Bearer t0ken|X-Token=x0"));
  g_assert_cmpuint (g_strv_length (asked), ==, 3);
}

static void
test_basic (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autofree char *url = g_strdup_printf ("http://joe:s3cr%%40t@127.0.0.1:%u/none", web->bad_port);
  g_autoptr (MtvReader) reader = open_url (url, NULL);

  assert_range (reader, web, 0, 1);
  g_auto (GStrv) log = web_read_bad_log (web, "/none");
  g_assert_nonnull (strstr (log[0], "|Authorization=Basic am9lOnMzY3JAdA==|")); /* joe:s3cr@t */
}

static gpointer
cancel_thread (gpointer data)
{
  gint64 *time = g_new (gint64, 1);

  g_usleep (200000); /* the other one hangs by then; if not yet, it is to end all the same */
  *time = g_get_monotonic_time ();
  g_cancellable_cancel (data);
  return time;
}

/* From the cancelling on, not from the beginning. */
static void
assert_cancelled (GThread *canceller, const GError *error)
{
  gint64 now = g_get_monotonic_time ();
  g_autofree gint64 *cancelled = g_thread_join (canceller);

  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_assert_cmpint (now - *cancelled, <, G_USEC_PER_SEC);
}

static void
test_cancel (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autofree char *url = web_bad_url (web, "/hang/now");
  g_autofree guint8 *buffer = g_malloc (MIB);

  for (guint i = 0; i < 3; i++)
    {
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      g_autofree char *path = g_strdup_printf ("/hang/%u", i);
      g_autoptr (MtvReader) reader = open_bad (web, path, MIB);
      GThread *canceller = g_thread_new ("test-cancel", cancel_thread, cancellable);

      if (i == 0) /* no answer when it is opened */
        g_assert_null (mtv_http_reader_new (url, NULL, NULL, cancellable, &error));
      else /* the body stops; no answer to a read */
        g_assert_false (
            mtv_reader_read (reader, (i - 1) * 4 * MIB, buffer, MIB, cancellable, &error));
      assert_cancelled (canceller, error);
    }
}

static void
test_silence (void)
{
  g_autoptr (Web) web = new_bad ();
  g_autofree char *url = web_bad_url (web, "/hang/now");
  MtvHttpOptions options = { .timeout = 2 };

  assert_refused (url, &options, MTV_ERROR_UNREACHABLE, url);
}

static void
test_refused_connection (void)
{
  g_autoptr (Web) web = web_new (1);
  g_autofree char *url = web_url (web, WEB_HTTP, "/disk");
  MtvHttpOptions options = { .timeout = 1 };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_no_errno (shutdown (web->sockets[WEB_HTTP], SHUT_RDWR)); /* listens no longer */
  assert_refused (url, &options, MTV_ERROR_UNREACHABLE, "Connection refused");

  /* While it waits for the next try. */
  GThread *canceller = g_thread_new ("test-cancel", cancel_thread, cancellable);
  g_assert_null (mtv_http_reader_new (url, NULL, NULL, cancellable, &error));
  assert_cancelled (canceller, error);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/http-reader/whole", test_whole);
  g_test_add_func ("/http-reader/two-channels", test_two_channels);
  g_test_add_func ("/http-reader/places", test_places);
  g_test_add_func ("/http-reader/empty", test_empty);
  g_test_add_func ("/http-reader/tls", test_tls);
  g_test_add_func ("/http-reader/changed-file", test_changed_file);
  g_test_add_func ("/http-reader/restarted-server", test_restarted_server);
  g_test_add_func ("/http-reader/statuses", test_statuses);
  g_test_add_func ("/http-reader/short-bodies", test_short_bodies);
  g_test_add_func ("/http-reader/busy", test_busy);
  g_test_add_func ("/http-reader/overloaded", test_overloaded);
  g_test_add_func ("/http-reader/changes", test_changes);
  g_test_add_func ("/http-reader/no-ranges", test_no_ranges);
  g_test_add_func ("/http-reader/ranges-forgotten", test_ranges_forgotten);
  g_test_add_func ("/http-reader/nonsense", test_nonsense);
  g_test_add_func ("/http-reader/secrets", test_secrets);
  g_test_add_func ("/http-reader/basic", test_basic);
  g_test_add_func ("/http-reader/cancel", test_cancel);
  g_test_add_func ("/http-reader/silence", test_silence);
  g_test_add_func ("/http-reader/refused-connection", test_refused_connection);
  return g_test_run ();
}
