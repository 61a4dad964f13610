/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer/mtv-http-range.h"
#include "transfer/mtv-http-url.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_range (const char *field)
{
  MtvHttpRange range;
  guint64 length;

  if (mtv_http_parse_content_range (field, &range))
    {
      g_assert_cmpuint (range.start, <=, range.end);
      g_assert_cmpuint (range.end, <=, range.total);
      g_assert_cmpuint (range.total, <=, G_MAXINT64);
    }
  if (mtv_http_parse_content_length (field, &length))
    g_assert_cmpuint (length, <=, G_MAXINT64);
}

/* What is sent back to the server must not end the line that it stands in. */
static void
check_etag (const char *field)
{
  if (mtv_http_etag_is_strong (field))
    g_assert_true (strpbrk (field, " \r\n") == NULL);
}

static void
check_url (const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GUri) from = mtv_http_url_parse ("https://a/b/c?d", NULL);
  g_autoptr (GUri) url = mtv_http_url_parse (text, &error);
  g_autoptr (GUri) to = mtv_http_url_redirect (from, text, "'disk'", NULL);

  g_assert_true (url || g_error_matches (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT));
  if (url)
    {
      g_autofree char *label = mtv_http_url_to_label (url);

      g_assert_null (strchr (label, '?'));
      g_assert_true (mtv_http_url_same_origin (url, url));
    }
  if (to)
    {
      g_assert_cmpstr (g_uri_get_scheme (to), ==, "https");
      g_assert_null (strpbrk (g_uri_get_path (to), " \r\n"));
      g_assert_true (!g_uri_get_query (to) || !strpbrk (g_uri_get_query (to), " \r\n"));
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);

  check_range (text);
  check_etag (text);
  check_url (text);
  mtv_http_parse_retry_after (text, 1795426200);
  return 0;
}
