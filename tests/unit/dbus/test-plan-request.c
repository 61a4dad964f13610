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
  g_assert_false (plan->schedule.warm);
  g_assert_cmpstr (plan->schedule.shutdown, ==, "guest");
  g_assert_cmpuint (plan->schedule.cutover_time, ==, 0);
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

#define HOUR (3600 * G_TIME_SPAN_SECOND)

static void
test_warm (void)
{
  g_autoptr (GError) error = NULL;
  guint64 at = g_get_real_time () + HOUR;
  g_autofree char *text = g_strdup_printf (
      "{'warm': <true>, 'interval': <uint64 60000000>, 'max-downtime': <uint64 5000000>,"
      " 'cutover-time': <uint64 %" G_GUINT64_FORMAT ">, 'shutdown': <'guest-then-force'>,"
      " 'shutdown-timeout': <uint64 9000000>, 'throttle': <uint64 1048576>}",
      at);
  g_autoptr (MtvPlan) plan = parse (text, &error);

  g_assert_no_error (error);
  g_assert_true (plan->schedule.warm);
  g_assert_false (plan->schedule.interval_auto);
  g_assert_cmpuint (plan->schedule.interval, ==, 60000000);
  g_assert_cmpuint (plan->schedule.max_downtime, ==, 5000000);
  g_assert_cmpuint (plan->schedule.cutover_time, ==, at);
  g_assert_cmpstr (plan->schedule.shutdown, ==, "guest-then-force");
  g_assert_cmpuint (plan->schedule.shutdown_timeout, ==, 9000000);
  g_assert_cmpuint (plan->schedule.throttle, ==, 1048576);

  g_autoptr (MtvPlan) automatic = parse ("{'warm': <true>, 'interval-auto': <true>}", &error);
  g_assert_no_error (error);
  g_assert_true (automatic->schedule.interval_auto);
  g_autoptr (MtvPlan) cold = parse ("{'shutdown': <'manual'>, 'throttle': <uint64 1>}", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (cold->schedule.shutdown, ==, "manual");
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
  refused ("{'warm': <'yes'>}", "'warm'");
  refused ("{'interval': <uint64 60000000>}", "'interval' means nothing without 'warm'");
  refused ("{'interval-auto': <true>}", "'interval-auto' means nothing without 'warm'");
  refused ("{'max-downtime': <uint64 60000000>}", "'max-downtime' means nothing without 'warm'");
  refused ("{'cutover-time': <uint64 60000000>}", "'cutover-time' means nothing without 'warm'");
  refused ("{'warm': <true>, 'interval': <uint64 0>}", "'interval' cannot be 0");
  refused ("{'warm': <true>, 'interval': <uint64 59000000>}", "'interval' must lie between 60 s");
  refused ("{'warm': <true>, 'interval': <uint64 60000000>, 'interval-auto': <true>}",
           "exclude each other");
  refused ("{'warm': <true>, 'max-downtime': <uint64 0>}", "'max-downtime' cannot be 0");
  refused ("{'warm': <true>, 'cutover-time': <uint64 1>}", "lies in the past");
  refused ("{'warm': <true>, 'cutover-time': <uint64 9000000000000000>}", "more than a year ahead");
  refused ("{'throttle': <uint64 0>}", "'throttle' cannot be 0");
  refused ("{'throttle': <int64 -1>}", "'throttle'");
  refused ("{'shutdown-timeout': <uint64 10>}", "'shutdown-timeout' must lie between 1 s");
  refused ("{'shutdown': <'nicely'>}", "'shutdown' cannot be 'nicely', only 'guest'");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/plan-request/defaults", test_defaults);
  g_test_add_func ("/plan-request/all", test_all);
  g_test_add_func ("/plan-request/warm", test_warm);
  g_test_add_func ("/plan-request/refused", test_refused);
  return g_test_run ();
}
