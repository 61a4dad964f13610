/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-plan.h"

#include "base/mtv-error.h"

#include <string.h>

static MtvPlan *
parse (const char *text, GError **error)
{
  g_autoptr (GVariant) variant = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);

  g_assert_nonnull (variant);
  return mtv_plan_from_variant (variant, error);
}

static void
test_defaults (void)
{
  g_autoptr (MtvPlan) plan = mtv_plan_new ();

  g_assert_cmpstr (plan->devices, ==, "auto");
  g_assert_cmpstr (plan->format, ==, "raw");
  g_assert_cmpstr (plan->hash, ==, "xxh3-128");
  g_assert_cmpstr (plan->verify, ==, "written");
  g_assert_cmpstr (plan->target_power_state, ==, "auto");
  g_assert_cmpstr (plan->schedule.shutdown, ==, "guest");
  g_assert_false (plan->schedule.warm);
  g_assert_cmpuint (plan->vms->len, ==, 0);
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvPlan) plan = mtv_plan_new ();
  MtvPlanVm *vm = mtv_plan_add_vm (plan);

  plan->id = g_strdup ("p1");
  plan->name = g_strdup ("Move");
  plan->source = g_strdup ("s1");
  plan->destination = g_strdup ("d1");
  plan->networks = g_variant_ref_sink (g_variant_new_parsed ("{'VM Network': 'br0'}"));
  plan->ignore = g_variant_ref_sink (g_variant_new_parsed ("['tpm']"));
  plan->archived = TRUE;
  plan->created = 1700000000000000;
  vm->id = g_strdup ("vm-1");
  vm->name = g_strdup ("Web");
  vm->target_name = g_strdup ("web-2");

  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_plan_to_variant (plan));
  g_autoptr (MtvPlan) again = mtv_plan_from_variant (variant, &error);
  g_assert_no_error (error);
  g_autoptr (GVariant) second = g_variant_ref_sink (mtv_plan_to_variant (again));
  g_assert_cmpvariant (variant, second);
  g_assert_cmpuint (g_variant_n_children (variant), ==, 15);
  vm = g_ptr_array_index (again->vms, 0);
  g_assert_cmpstr (vm->target_name, ==, "web-2");
}

#define WHOLE "'id': <'p'>, 'name': <'Move'>, 'source': <'s'>, 'destination': <'d'>"

static void
test_from_variant (void)
{
  static const struct
  {
    const char *text;
    const char *named;
    MtvError code;
  } bad[] = {
    { "{'name': <'Move'>}", "'Move'", MTV_ERROR_BAD_DATA },
    { "{" WHOLE ", 'vms': <[{'id': <'1'>}]>}", "'Move'", MTV_ERROR_BAD_DATA },
    { "{" WHOLE ", 'networks': <['a']>}", "'Move'", MTV_ERROR_BAD_DATA },
    { "{" WHOLE ", 'ignore': <'tpm'>}", "'Move'", MTV_ERROR_BAD_DATA },
    { "{" WHOLE ", 'created': <'today'>}", "'created'", MTV_ERROR_BAD_DATA },
    { "{" WHOLE ", 'format': <'vhd'>}", "'format'", MTV_ERROR_INVALID_ARGUMENT },
  };
  g_autoptr (GError) none = NULL;
  g_autoptr (MtvPlan) least = parse ("{" WHOLE "}", &none);

  g_assert_no_error (none);
  g_assert_cmpstr (least->hash, ==, "xxh3-128");
  g_assert_cmpstr (least->verify, ==, "written");
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (bad[i].text, &error));
      g_assert_error (error, MTV_ERROR, (gint) bad[i].code);
      g_assert_nonnull (strstr (error->message, bad[i].named));
    }
}

static void
test_validate_option (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_plan_validate_option ("verify", "full", &error));
  g_assert_true (mtv_plan_validate_option ("target-power-state", "off", &error));
  g_assert_no_error (error);

  g_assert_false (mtv_plan_validate_option ("verify", "Full", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "'verify' cannot be 'Full', only 'written', 'full', 'off'");
  g_clear_error (&error);
  g_assert_false (mtv_plan_validate_option ("colour", "on", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "'colour'"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan/defaults", test_defaults);
  g_test_add_func ("/plan/round-trip", test_round_trip);
  g_test_add_func ("/plan/from-variant", test_from_variant);
  g_test_add_func ("/plan/validate-option", test_validate_option);
  return g_test_run ();
}
