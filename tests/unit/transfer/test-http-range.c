/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-range.h"

#include "base/mtv-error.h"
#include "transfer/mtv-http-url.h"

#include <string.h>

#define LAST "9223372036854775806"  /* of a file as large as off_t can tell */
#define TOTAL "9223372036854775807" /* 2^63 - 1 */

static void
assert_content_range (const char *field, guint64 start, guint64 end, guint64 total)
{
  MtvHttpRange range;

  g_assert_true (mtv_http_parse_content_range (field, &range));
  g_assert_cmpuint (range.start, ==, start);
  g_assert_cmpuint (range.end, ==, end);
  g_assert_cmpuint (range.total, ==, total);
}

static void
test_content_range (void)
{
  static const char *const bad[] = { "",
                                     "bytes",
                                     "bytes ",
                                     "bytes0-1/2",
                                     "byte 0-1/2",
                                     "pages 0-1/2",
                                     "bytes 0-1",
                                     "bytes 0-1/",
                                     "bytes 0-1/*", /* how large is not told */
                                     "bytes */*",
                                     "bytes 1-0/2",
                                     "bytes 0-2/2",
                                     "bytes -1-1/2",
                                     "bytes +0-1/2",
                                     "bytes 0x0-1/2",
                                     "bytes 0 -1/2",
                                     "bytes 0-1/2, bytes 0-1/2",
                                     "bytes 0-1/9223372036854775808",
                                     "bytes 0-18446744073709551615/18446744073709551616",
                                     "bytes 0-1/100000000000000000000000000000000" };
  MtvHttpRange range;

  assert_content_range ("bytes 0-0/1", 0, 1, 1);
  assert_content_range ("  Bytes\t 10-19/30 ", 10, 20, 30);
  assert_content_range ("bytes */30", 0, 0, 30);
  assert_content_range ("bytes " LAST "-" LAST "/" TOTAL, G_MAXINT64 - 1, G_MAXINT64, G_MAXINT64);
  g_assert_false (mtv_http_parse_content_range (NULL, &range));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    if (mtv_http_parse_content_range (bad[i], &range))
      g_error ("'%s' was taken for a range", bad[i]);
}

static void
test_content_length (void)
{
  static const char *const bad[]
      = { "", " ", "-1", "+1", "1,1", "1.0", "9223372036854775808", "1 1" };
  guint64 length;

  g_assert_true (mtv_http_parse_content_length ("0", &length));
  g_assert_cmpuint (length, ==, 0);
  g_assert_true (mtv_http_parse_content_length (" " TOTAL " ", &length));
  g_assert_cmpuint (length, ==, G_MAXINT64);
  g_assert_false (mtv_http_parse_content_length (NULL, &length));
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (mtv_http_parse_content_length (bad[i], &length));
}

static void
test_retry_after (void)
{
  gint64 now = 1795426200; /* Mon, 23 Nov 2026 09:30:00 GMT */

  g_assert_cmpuint (mtv_http_parse_retry_after ("120", now), ==, 120);
  g_assert_cmpuint (mtv_http_parse_retry_after ("99999999999", now), ==, G_MAXUINT);
  g_assert_cmpuint (mtv_http_parse_retry_after ("Mon, 23 Nov 2026 09:30:07 GMT", now), ==, 7);
  g_assert_cmpuint (mtv_http_parse_retry_after ("Mon, 23 Nov 2026 09:29:00 GMT", now), ==, 0);
  g_assert_cmpuint (mtv_http_parse_retry_after ("soon", now), ==, 0);
  g_assert_cmpuint (mtv_http_parse_retry_after ("-1", now), ==, 0);
  g_assert_cmpuint (mtv_http_parse_retry_after (NULL, now), ==, 0);
}

static void
test_etag (void)
{
  g_assert_true (mtv_http_etag_is_strong ("\"\""));
  g_assert_true (mtv_http_etag_is_strong ("\"6563-4f\""));
  g_assert_false (mtv_http_etag_is_strong ("W/\"6563-4f\""));
  g_assert_false (mtv_http_etag_is_strong ("\""));
  g_assert_false (mtv_http_etag_is_strong ("6563"));
  g_assert_false (mtv_http_etag_is_strong ("\"a b\""));
  g_assert_false (mtv_http_etag_is_strong ("\"a\"b\""));
  g_assert_false (mtv_http_etag_is_strong ("\"a\r\nHost: b\""));
  g_assert_false (mtv_http_etag_is_strong (NULL));

  g_assert_true (mtv_http_validator_differs ("\"a\"", "\"b\""));
  g_assert_true (mtv_http_validator_differs ("\"a\"", "W/\"a\""));
  g_assert_false (mtv_http_validator_differs ("\"a\"", "\"a\""));
  g_assert_false (mtv_http_validator_differs (NULL, "\"a\""));
  g_assert_false (mtv_http_validator_differs ("\"a\"", NULL));
}

static void
test_url (void)
{
  static const char *const bad[] = { "",
                                     "disk.img",
                                     "file:///disk.img",
                                     "http:/disk.img",
                                     "http://",
                                     "https:///disk.img",
                                     "ftp://s3cret@a/",
                                     "http://a/s3cret b",
                                     "http://a/s3cret\r\nHost: b",
                                     "http://a:99999/s3cret" };
  g_autoptr (GUri) url
      = mtv_http_url_parse ("https://joe:s3cret@a.b:444/c/d%20e?key=s3cret#f", NULL);

  g_assert_nonnull (url);
  g_autofree char *label = mtv_http_url_to_label (url);
  g_assert_cmpstr (label, ==, "https://a.b:444/c/d%20e");
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GUri) none = mtv_http_url_parse (bad[i], &error);

      g_assert_null (none);
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_null (strstr (error->message, "s3cret"));
    }
}

static void
assert_redirect (const char *from, const char *location, const char *to, gboolean same_origin)
{
  g_autoptr (GUri) before = mtv_http_url_parse (from, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) after = mtv_http_url_redirect (before, location, "'disk'", &error);

  g_assert_no_error (error);
  g_autofree char *text = g_uri_to_string (after);
  g_assert_cmpstr (text, ==, to);
  g_assert_true (mtv_http_url_same_origin (before, after) == same_origin);
}

static void
assert_no_redirect (const char *from, const char *location, int code)
{
  g_autoptr (GUri) before = mtv_http_url_parse (from, NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_http_url_redirect (before, location, "'disk'", &error));
  g_assert_error (error, MTV_ERROR, code);
  g_assert_true (g_str_has_prefix (error->message, "'disk': "));
  g_assert_null (strstr (error->message, "s3cret"));
}

static void
test_redirect (void)
{
  assert_redirect ("http://a/b/c?d", "/e?f", "http://a/e?f", TRUE);
  assert_redirect ("http://a/b/c?d", "e", "http://a/b/e", TRUE);
  assert_redirect ("http://a/b", "http://A:80/b", "http://A/b", TRUE);
  assert_redirect ("http://a/b", "https://a/b", "https://a/b", FALSE);
  assert_redirect ("http://a/b", "http://a:81/b", "http://a:81/b", FALSE);
  assert_redirect ("https://a/b", "//c/b", "https://c/b", FALSE);
  assert_redirect ("https://a/b", "https://a.c/b", "https://a.c/b", FALSE);

  assert_no_redirect ("https://a/b", "http://a/s3cret", MTV_ERROR_PERMISSION_DENIED);
  assert_no_redirect ("http://a/b", "file:///s3cret", MTV_ERROR_BAD_DATA);
  assert_no_redirect ("http://a/b", "/s3cret\nHost: c", MTV_ERROR_BAD_DATA);
  assert_no_redirect ("http://a/b", "http://:1/s3cret", MTV_ERROR_BAD_DATA);
  assert_no_redirect ("http://a/b", NULL, MTV_ERROR_BAD_DATA);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/http-range/content-range", test_content_range);
  g_test_add_func ("/http-range/content-length", test_content_length);
  g_test_add_func ("/http-range/retry-after", test_retry_after);
  g_test_add_func ("/http-range/etag", test_etag);
  g_test_add_func ("/http-range/url", test_url);
  g_test_add_func ("/http-range/redirect", test_redirect);
  return g_test_run ();
}
