/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-concern.h"

static void
test_add (void)
{
  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();

  g_assert_false (mtv_concerns_has (concerns, MTV_CONCERN_WARNING));
  mtv_concerns_add (concerns, "disk.odd", MTV_CONCERN_WARNING, "web", "Odd", "Disk '%s' is odd.",
                    "a");
  mtv_concerns_add (concerns, "plan.odd", MTV_CONCERN_INFORMATION, NULL, "Odd", "So it is.");
  g_assert_true (mtv_concerns_has (concerns, MTV_CONCERN_WARNING));
  g_assert_false (mtv_concerns_has (concerns, MTV_CONCERN_CRITICAL));

  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_concerns_to_variant (concerns));
  g_autoptr (GVariant) expected = g_variant_parse (
      NULL,
      "[{'id': <'disk.odd'>, 'category': <'warning'>, 'vm': <'web'>, 'label': <'Odd'>, "
      "'assessment': <\"Disk 'a' is odd.\">}, {'id': <'plan.odd'>, 'category': <'information'>, "
      "'label': <'Odd'>, 'assessment': <'So it is.'>}]",
      NULL, NULL, NULL);
  g_assert_nonnull (expected);
  g_assert_cmpvariant (variant, expected);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/concern/add", test_add);
  return g_test_run ();
}
