/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-time.h"

#define NOW (1795435200 * (guint64) G_USEC_PER_SEC)

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GTimeZone) utc = g_time_zone_new_utc ();
  g_autoptr (GError) span_error = NULL, time_error = NULL;
  guint64 value, again;

  if (mtv_time_parse_span (text, &value, &span_error))
    {
      g_autofree char *printed = mtv_time_format_span (value, 1);

      g_assert_true (mtv_time_parse_span (printed, &again, NULL));
      g_assert_cmpuint (again, ==, value);
    }
  else
    g_assert_error (span_error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);

  if (mtv_time_parse (text, NOW, utc, &value, &time_error))
    {
      g_autofree char *printed = mtv_time_format (value, utc);
      g_autofree char *relative = mtv_time_format_relative (value, NOW);

      g_assert_true (mtv_time_parse (printed, NOW, utc, &again, NULL));
      g_assert_cmpuint (again, ==, value - value % G_USEC_PER_SEC);
      g_assert_cmpint (relative[0], !=, '\0');
    }
  else
    g_assert_error (time_error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  return 0;
}
