/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-plan-check.h"

#include <string.h>

typedef struct
{
  MtvPlan *plan;       /* (owned) */
  GPtrArray *vms;      /* (owned) (nullable elements) */
  GPtrArray *concerns; /* (owned) */
} Fixture;

/* A VM that nothing stands against. */
static MtvVm *
add_vm (Fixture *f, const char *id, const char *name, const char *bus)
{
  MtvVm *vm = mtv_vm_new ();
  MtvPlanVm *planned = mtv_plan_add_vm (f->plan);

  planned->id = g_strdup (id);
  planned->name = g_strdup (name);
  vm->id = g_strdup (id);
  vm->name = g_strdup (name);
  vm->producer = g_strdup ("vmware");
  vm->cpus = 2;
  vm->memory = G_GUINT64_CONSTANT (2) << 30;
  if (bus != NULL)
    {
      MtvVmDisk *disk = mtv_vm_add_disk (vm);

      disk->id = g_strdup ("d0");
      disk->name = g_strdup ("disk-0.vmdk");
      disk->capacity = 1 << 20;
      disk->bus = g_strdup (bus);
    }
  g_ptr_array_add (f->vms, vm);
  return vm;
}

static MtvVmNic *
add_nic (MtvVm *vm, const char *model, const char *mac)
{
  MtvVmNic *nic = mtv_vm_add_nic (vm);

  nic->model = g_strdup (model);
  nic->mac = g_strdup (mac);
  return nic;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->plan = mtv_plan_new ();
  f->vms = g_ptr_array_new ();
  f->concerns = mtv_concerns_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  for (guint i = 0; i < f->vms->len; i++)
    if (g_ptr_array_index (f->vms, i) != NULL)
      mtv_vm_unref (g_ptr_array_index (f->vms, i));
  g_ptr_array_unref (f->vms);
  g_ptr_array_unref (f->concerns);
  mtv_plan_free (f->plan);
}

static void
check (Fixture *f)
{
  g_ptr_array_set_size (f->concerns, 0);
  mtv_plan_check (f->plan, f->vms, f->concerns);
}

/* Exactly one concern @id is there, it is of @category, about @vm, and says @text. */
static void
assert_concern (Fixture *f, const char *id, const char *category, const char *vm, const char *text)
{
  guint n = 0;

  for (guint i = 0; i < f->concerns->len; i++)
    {
      const MtvConcern *concern = g_ptr_array_index (f->concerns, i);

      if (!g_str_equal (concern->id, id))
        continue;
      n++;
      g_assert_cmpstr (concern->category, ==, category);
      g_assert_cmpstr (concern->vm, ==, vm);
      if (strstr (concern->assessment, text) == NULL)
        g_error ("'%s' does not say '%s'", concern->assessment, text);
    }
  g_assert_cmpuint (n, ==, 1);
}

static void
test_nothing (Fixture *f, gconstpointer data)
{
  (void) data;
  add_vm (f, "1", "web", "virtio");
  add_nic (add_vm (f, "2", "db", "scsi"), "e1000", "52:54:00:00:00:01");
  check (f);
  g_assert_cmpuint (f->concerns->len, ==, 2);
  g_assert_false (mtv_concerns_has (f->concerns, MTV_CONCERN_WARNING));
  g_assert_false (mtv_concerns_has (f->concerns, MTV_CONCERN_CRITICAL));
}

static void
test_whole_vm (Fixture *f, gconstpointer data)
{
  (void) data;
  add_vm (f, "1", "gone", "sata");
  mtv_vm_unref (f->vms->pdata[0]);
  f->vms->pdata[0] = NULL;
  add_vm (f, "2", "twice", "sata");
  add_vm (f, "2", "twice", "sata");
  add_vm (f, "3", "ill", "sata")->problem = g_strdup ("It is encrypted.");
  check (f);
  assert_concern (f, "vm.not.found", "critical", "gone", "'gone' (1)");
  assert_concern (f, "vm.duplicate", "critical", "twice", "'twice'");
  assert_concern (f, "vm.problem", "critical", "ill", "It is encrypted.");
}

static void
test_disks (Fixture *f, gconstpointer data)
{
  (void) data;
  MtvVm *vm = add_vm (f, "1", "web", "sata");
  MtvVmDisk *first = g_ptr_array_index (vm->disks, 0);
  MtvVmDisk *second = mtv_vm_add_disk (vm);

  first->capacity = 0;
  second->name = g_strdup ("b.vmdk");
  second->problem = g_strdup ("it has a parent");
  add_vm (f, "2", "bare", NULL);
  check (f);
  assert_concern (f, "disk.capacity.invalid", "critical", "web", "'disk-0.vmdk'");
  assert_concern (f, "disk.problem", "critical", "web", "Disk 'b.vmdk': it has a parent");
  assert_concern (f, "vm.no.disks", "warning", "bare", "no disk");
}

static void
test_hardware (Fixture *f, gconstpointer data)
{
  (void) data;
  MtvVm *vm = add_vm (f, "1", "web", "sata");

  g_free (vm->firmware);
  vm->firmware = g_strdup ("efi");
  vm->secure_boot = TRUE;
  vm->tpm = TRUE;
  vm->cpus = 0;
  g_free (vm->producer);
  vm->producer = g_strdup ("unknown");
  check (f);
  assert_concern (f, "secure.boot", "warning", "web", "secure boot");
  assert_concern (f, "tpm", "warning", "web", "TPM");
  assert_concern (f, "firmware.nvram", "information", "web", "fallback");
  assert_concern (f, "source.unsupported", "warning", "web", "compare");
  assert_concern (f, "vm.hardware.unknown", "warning", "web", "number of CPUs: it will get 1 CPU;");

  vm->memory = 0;
  check (f);
  assert_concern (f, "vm.hardware.unknown", "warning", "web", "1 CPU and 1 GiB");
  vm->cpus = 1;
  check (f);
  assert_concern (f, "vm.hardware.unknown", "warning", "web", "memory: it will get 1 GiB;");
}

static void
test_names (Fixture *f, gconstpointer data)
{
  (void) data;
  add_vm (f, "1", "Web Server", "sata");
  add_vm (f, "2", "web server", "sata");
  check (f);
  assert_concern (f, "target.name.duplicate", "warning", "web server", "'Web Server'");

  MtvPlanVm *first = g_ptr_array_index (f->plan->vms, 0);
  MtvPlanVm *second = g_ptr_array_index (f->plan->vms, 1);
  second->target_name = g_strdup ("web2");
  check (f);
  assert_concern (f, "vm.name.invalid", "warning", "Web Server", "will be called 'web-server'");
  g_assert_false (mtv_concerns_has (f->concerns, MTV_CONCERN_CRITICAL));

  first->target_name = g_strdup ("web2");
  check (f);
  assert_concern (f, "target.name.duplicate", "critical", "web server", "'web2'");
}

static void
test_macs (Fixture *f, gconstpointer data)
{
  (void) data;
  add_nic (add_vm (f, "1", "web", "sata"), "e1000", "52:54:00:00:00:01");
  MtvVm *db = add_vm (f, "2", "db", "sata");
  add_nic (db, "e1000", NULL);
  add_nic (db, "e1000", NULL);
  add_nic (db, "e1000", "52:54:00:00:00:01");
  check (f);
  assert_concern (f, "mac.duplicate", "critical", "db",
                  "52:54:00:00:00:01 is that of a network card of 'web'");
}

static void
test_ignore (Fixture *f, gconstpointer data)
{
  (void) data;
  add_vm (f, "1", "web", "sata")->tpm = TRUE;
  f->plan->ignore = g_variant_ref_sink (g_variant_new_parsed ("['tpm', 'target.exists']"));
  check (f);
  assert_concern (f, "tpm", "information", "web", "(ignored by the plan)");

  mtv_concerns_add (f->concerns, "target.exists", MTV_CONCERN_CRITICAL, "web", "Taken", "Taken.");
  mtv_plan_ignore_concerns (f->plan, f->concerns);
  assert_concern (f, "target.exists", "information", "web", "Taken. (ignored by the plan)");
  const MtvConcern *last = g_ptr_array_index (f->concerns, f->concerns->len - 1);
  mtv_plan_ignore_concerns (f->plan, f->concerns);
  g_assert_cmpstr (last->assessment, ==, "Taken. (ignored by the plan)");
}

static void
set_devices (Fixture *f, const char *devices)
{
  g_free (f->plan->devices);
  f->plan->devices = g_strdup (devices);
}

static void
test_devices (Fixture *f, gconstpointer data)
{
  (void) data;
  MtvVm *vm = add_vm (f, "1", "web", "virtio");
  MtvVm *bare = add_vm (f, "2", "bare", NULL);

  add_nic (vm, "e1000", NULL);
  g_assert_cmpstr (mtv_plan_devices_for (f->plan, vm), ==, "virtio");
  g_assert_cmpstr (mtv_plan_devices_for (f->plan, bare), ==, "compatible");
  add_nic (bare, "virtio", NULL);
  g_assert_cmpstr (mtv_plan_devices_for (f->plan, bare), ==, "virtio");
  mtv_vm_add_disk (vm)->bus = g_strdup ("sata");
  g_assert_cmpstr (mtv_plan_devices_for (f->plan, vm), ==, "compatible");

  set_devices (f, "virtio");
  g_assert_cmpstr (mtv_plan_devices_for (f->plan, vm), ==, "virtio");
  set_devices (f, "compatible");
  g_assert_cmpstr (mtv_plan_devices_for (f->plan, bare), ==, "compatible");
}

static void
test_devices_told (Fixture *f, gconstpointer data)
{
  (void) data;
  add_vm (f, "1", "web", "scsi");
  check (f);
  assert_concern (f, "guest.unconverted", "information", "web", "SATA");
  set_devices (f, "virtio");
  check (f);
  assert_concern (f, "guest.unconverted", "information", "web", "because the plan says so");
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/plan-check/nothing", test_nothing);
  ADD ("/plan-check/whole-vm", test_whole_vm);
  ADD ("/plan-check/disks", test_disks);
  ADD ("/plan-check/hardware", test_hardware);
  ADD ("/plan-check/names", test_names);
  ADD ("/plan-check/macs", test_macs);
  ADD ("/plan-check/ignore", test_ignore);
  ADD ("/plan-check/devices", test_devices);
  ADD ("/plan-check/devices/told", test_devices_told);
  return g_test_run ();
}
