/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "kube-fixture.h"

static void
add_nic (MtvVm *vm, const char *mac, const char *network)
{
  MtvVmNic *nic = mtv_vm_add_nic (vm);

  nic->mac = g_strdup (mac);
  nic->network = g_strdup (network);
}

MtvTarget *
kube_fixture_target (guint n_disks)
{
  g_autoptr (MtvVm) vm = mtv_vm_new ();

  vm->id = g_strdup ("vm-12");
  vm->name = g_strdup ("Web Server");
  vm->uuid = g_strdup ("564D1234-0000-1111-2222-333344445555");
  vm->cpus = 2;
  vm->memory = G_GUINT64_CONSTANT (2) << 30;
  for (guint i = 0; i < n_disks; i++)
    {
      MtvVmDisk *disk = mtv_vm_add_disk (vm);

      disk->id = g_strdup_printf ("disk%u", 2000 + i);
      disk->name = g_strdup_printf ("Hard disk %u", i + 1);
      disk->capacity = KUBE_DISK_SIZE;
    }
  add_nic (vm, "52:54:00:00:00:01", "VM Network");
  add_nic (vm, "52:54:00:00:00:02", "Storage");

  MtvTarget *target = mtv_target_new (vm);
  target->run_id = g_strdup ("run-1");
  target->number = 3;
  target->name = g_strdup ("web");
  target->plan = g_strdup ("my plan");
  target->source = g_strdup ("vc1");
  target->devices = g_strdup ("compatible");
  target->format = g_strdup ("raw");
  target->hash = MTV_HASH_SHA256;
  for (guint i = 0; i < n_disks; i++)
    mtv_target_set_disk_size (target, i, KUBE_DISK_SIZE);
  return target;
}
