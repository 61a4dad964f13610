/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "vsphere-fixture.h"

#include <string.h>

static MtvPower
power_of (Fixture *f, MtvVm *vm)
{
  g_autoptr (GError) error = NULL;
  MtvPower power = MTV_POWER_SUSPENDED;

  g_assert_true (mtv_source_get_power (f->source, vm, &power, NULL, &error));
  g_assert_no_error (error);
  return power;
}

static void
test_guest (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  g_assert_cmpint (power_of (f, vm), ==, MTV_POWER_ON);
  g_assert_true (mtv_source_shut_down (f->source, vm, FALSE, NULL, &error));
  g_assert_cmpint (power_of (f, vm), ==, MTV_POWER_OFF);
  g_assert_true (mtv_source_shut_down (f->source, vm, FALSE, NULL, &error));
  g_assert_true (mtv_source_shut_down (f->source, vm, TRUE, NULL, &error));
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "ShutdownGuest"), ==, 1);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "PowerOffVM_Task"), ==, 0);

  g_assert_true (mtv_source_start (f->source, vm, NULL, &error));
  g_assert_cmpint (power_of (f, vm), ==, MTV_POWER_ON);
  g_assert_true (mtv_source_start (f->source, vm, NULL, &error));
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "PowerOnVM_Task"), ==, 1);
}

static void
test_no_tools (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_fault (f->vcenter, "ShutdownGuest", "ToolsUnavailable", 1);
  g_assert_false (mtv_source_shut_down (f->source, vm, FALSE, NULL, &error));
  assert_says (error, MTV_ERROR_UNSUPPORTED, "ToolsUnavailable");
  g_clear_error (&error);
  g_assert_true (mtv_source_shut_down (f->source, vm, TRUE, NULL, &error));
  g_assert_cmpint (power_of (f, vm), ==, MTV_POWER_OFF);
}

static void
test_busy (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_fault (f->vcenter, "ShutdownGuest", "TaskInProgress", 1);
  g_assert_true (mtv_source_shut_down (f->source, vm, FALSE, NULL, &error));
  fake_vcenter_task_fault (f->vcenter, "PowerOnVM_Task", "TaskInProgress", 1);
  g_assert_true (mtv_source_start (f->source, vm, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (power_of (f, vm), ==, MTV_POWER_ON);
}

/* Another one was quicker. */
static void
test_race (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_task_fault (f->vcenter, "PowerOffVM_Task", "InvalidPowerState", 1);
  g_assert_false (mtv_source_shut_down (f->source, vm, TRUE, NULL, &error));
  assert_says (error, MTV_ERROR_WRONG_STATE, "InvalidPowerState"); /* but it is on */
  g_clear_error (&error);
  fake_vcenter_set (f->vcenter, FAKE_VM, "runtime.powerState", "VirtualMachinePowerState",
                    "suspended");
  g_assert_cmpint (power_of (f, vm), ==, MTV_POWER_SUSPENDED);
}

static void
test_gone (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  MtvPower power;

  fake_vcenter_remove (f->vcenter, FAKE_VM);
  g_assert_false (mtv_source_get_power (f->source, vm, &power, NULL, &error));
  assert_says (error, MTV_ERROR_NOT_FOUND, "ManagedObjectNotFound");
}

static void
test_identity (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autofree char *first = mtv_source_get_identity (f->source, vm, NULL, &error);
  g_autofree char *again = mtv_source_get_identity (f->source, vm, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (first, ==, again);
  /* It was started: nothing of its hardware is different. */
  fake_vcenter_set (f->vcenter, FAKE_VM, "layoutEx", "VirtualMachineFileLayoutEx",
                    "<file><name>[LocalDS_0] web/vmware-1.log</name><type>log</type></file>");
  g_autofree char *started = mtv_source_get_identity (f->source, vm, NULL, &error);
  g_assert_cmpstr (first, !=, started);
  fake_vcenter_set (f->vcenter, FAKE_VM, "config.changeVersion", "xsd:string", "2");
  g_autofree char *changed = mtv_source_get_identity (f->source, vm, NULL, &error);
  g_assert_cmpstr (changed, !=, started);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mtv_error_quark ();

#define ADD(name, func) \
  g_test_add ("/vsphere-power/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("guest", test_guest);
  ADD ("no-tools", test_no_tools);
  ADD ("busy", test_busy);
  ADD ("race", test_race);
  ADD ("gone", test_gone);
  ADD ("identity", test_identity);
  return g_test_run ();
}
