/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-plan-request.h"

#include "base/mtv-error.h"

#include <string.h>

static MtvPlan *
parse (const char *text, GError **error)
{
  const char *const vms[] = { "web-3", "/dc/db", NULL };
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);

  g_assert_nonnull (options);
  return mtv_plan_request_parse ("move", vms, options, error);
}

static void
test_defaults (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvPlan) plan = parse ("{}", &error);

  g_assert_no_error (error);
  g_assert_cmpstr (plan->name, ==, "move");
  g_assert_null (plan->description);
  g_assert_cmpuint (plan->vms->len, ==, 2);
  g_assert_cmpstr (((MtvPlanVm *) plan->vms->pdata[0])->id, ==, "web-3");
  g_assert_cmpstr (((MtvPlanVm *) plan->vms->pdata[1])->id, ==, "/dc/db");
  g_assert_null (((MtvPlanVm *) plan->vms->pdata[1])->target_name);
  g_assert_cmpstr (plan->devices, ==, "auto");
  g_assert_cmpstr (plan->format, ==, "raw");
  g_assert_cmpstr (plan->hash, ==, "xxh3-128");
  g_assert_cmpstr (plan->verify, ==, "written");
  g_assert_cmpstr (plan->target_power_state, ==, "auto");
  g_assert_null (plan->networks);
  g_assert_null (plan->ignore);
}

static void
test_all (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvPlan) plan
      = parse ("{'description': <'d'>, 'devices': <'virtio'>, 'format': <'qcow2'>,"
               " 'hash': <'sha256'>, 'verify': <'full'>, 'target-power-state': <'off'>,"
               " 'target-names': <{'/dc/db': 'Database'}>, 'networks': <{'': 'pod'}>,"
               " 'ignore': <['secure.boot']>}",
               &error);

  g_assert_no_error (error);
  g_assert_cmpstr (plan->description, ==, "d");
  g_assert_cmpstr (plan->devices, ==, "virtio");
  g_assert_cmpstr (plan->format, ==, "qcow2");
  g_assert_cmpstr (plan->hash, ==, "sha256");
  g_assert_cmpstr (plan->verify, ==, "full");
  g_assert_cmpstr (plan->target_power_state, ==, "off");
  g_assert_null (((MtvPlanVm *) plan->vms->pdata[0])->target_name);
  g_assert_cmpstr (((MtvPlanVm *) plan->vms->pdata[1])->target_name, ==, "Database");
  g_autofree char *networks = g_variant_print (plan->networks, FALSE);
  g_autofree char *ignore = g_variant_print (plan->ignore, FALSE);
  g_assert_cmpstr (networks, ==, "{'': 'pod'}");
  g_assert_cmpstr (ignore, ==, "['secure.boot']");
}

static void
refused (const char *text, const char *thing)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvPlan) plan = parse (text, &error);

  g_assert_null (plan);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  if (strstr (error->message, thing) == NULL)
    g_error ("'%s' does not name '%s'", error->message, thing);
}

static void
test_refused (void)
{
  refused ("{'frmat': <'raw'>}", "'frmat'");
  refused ("{'format': <'vmdk'>}", "vmdk");
  refused ("{'devices': <''>}", "devices");
  refused ("{'hash': <'md5'>}", "'hash' cannot be 'md5', only 'xxh3-128', 'sha256'");
  refused ("{'verify': <true>}", "'verify'");
  refused ("{'verify': <'on'>}", "'verify' cannot be 'on', only 'written', 'full', 'off'");
  refused ("{'target-names': <{'web-4': 'x'}>}", "'web-4'");
  refused ("{'target-names': <{'web-3': ''}>}", "'web-3'");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan-request/defaults", test_defaults);
  g_test_add_func ("/plan-request/all", test_all);
  g_test_add_func ("/plan-request/refused", test_refused);
  return g_test_run ();
}
