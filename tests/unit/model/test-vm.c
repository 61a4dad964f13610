/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-vm.h"

#include "base/mtv-error.h"

#include <string.h>

static MtvVm *
make_vm (void)
{
  MtvVm *vm = mtv_vm_new ();
  MtvVmDisk *disk = mtv_vm_add_disk (vm);
  MtvVmDisk *second = mtv_vm_add_disk (vm);
  MtvVmNic *nic = mtv_vm_add_nic (vm);

  vm->id = g_strdup ("vm-1");
  vm->name = g_strdup ("Web");
  vm->cpus = 4;
  vm->memory = G_GUINT64_CONSTANT (8) << 30;
  vm->secure_boot = TRUE;
  disk->id = g_strdup ("d1");
  disk->name = g_strdup ("a.vmdk");
  disk->capacity = G_GUINT64_CONSTANT (5) << 40;
  second->id = g_strdup ("d2");
  second->name = g_strdup ("b.vmdk");
  second->capacity = 512;
  second->unit = 3;
  nic->mac = g_strdup ("52:54:00:00:00:01");
  nic->disconnected = TRUE;
  return vm;
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = make_vm ();
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_vm_to_variant (vm));
  g_autoptr (MtvVm) again = mtv_vm_from_variant (variant, &error);

  g_assert_no_error (error);
  g_autoptr (GVariant) second = g_variant_ref_sink (mtv_vm_to_variant (again));
  g_assert_cmpvariant (variant, second);
  g_assert_cmpuint (mtv_vm_get_capacity (again), ==, (G_GUINT64_CONSTANT (5) << 40) + 512);
  g_assert_cmpuint (((MtvVmDisk *) g_ptr_array_index (again->disks, 1))->unit, ==, 3);
  g_assert_true (((MtvVmNic *) g_ptr_array_index (again->nics, 0))->disconnected);
  g_assert_cmpstr (again->power_state, ==, "unknown");

  g_autoptr (MtvVm) reference = mtv_vm_ref (again);
  g_assert_true (reference == again);
}

static void
test_not_whole (void)
{
#define POWERED "'id': <'1'>, 'power-state': <'on'>"
  static const char *const bad[] = {
    "{" POWERED ", 'firmware': <'bios'>}",
    "{" POWERED ", 'name': <'a'>}",
    "{" POWERED ", 'name': <'a'>, 'firmware': <'bios'>, 'disks': <[{'id': <'1'>}]>}",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) variant
          = g_variant_parse (G_VARIANT_TYPE_VARDICT, bad[i], NULL, NULL, NULL);

      g_assert_null (mtv_vm_from_variant (variant, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
    }
}

/* A file's name may be any bytes; on the bus and in the store it is UTF-8. */
static void
test_odd_bytes (void)
{
  g_autoptr (MtvVm) vm = mtv_vm_new ();
  const char *path = NULL;

  vm->id = g_strdup ("1");
  vm->name = g_strdup ("web");
  vm->path = g_strdup ("caf\xe9/web.ova");
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_vm_to_variant (vm));
  g_assert_true (g_variant_lookup (variant, "path", "&s", &path));
  g_assert_cmpstr (path, ==, "caf\357\277\275/web.ova");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vm/round-trip", test_round_trip);
  g_test_add_func ("/vm/not-whole", test_not_whole);
  g_test_add_func ("/vm/odd-bytes", test_odd_bytes);
  return g_test_run ();
}
