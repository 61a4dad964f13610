/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "model/mtv-throttle-rule.h"

#define MINUTE (60 * (guint64) G_USEC_PER_SEC)

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* What is printed means the same, at every minute of the day. */
int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvThrottleRule) rule = mtv_throttle_rule_parse (text, &error);

  if (rule == NULL)
    {
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      return 0;
    }
  g_autofree char *printed = mtv_throttle_rule_to_string (rule);
  g_autoptr (MtvThrottleRule) again = mtv_throttle_rule_parse (printed, NULL);
  g_assert_nonnull (again);
  for (guint64 at = 0; at < 24 * 60 * MINUTE; at += MINUTE)
    {
      guint64 next = mtv_throttle_rule_get_next_change (rule, at);

      g_assert_cmpuint (mtv_throttle_rule_get_rate (rule, at), ==,
                        mtv_throttle_rule_get_rate (again, at));
      g_assert_true (next == G_MAXUINT64 || next < 24 * 60 * MINUTE);
    }
  return 0;
}
