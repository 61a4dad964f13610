/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "local-fixture.h"

#include "transfer/mtv-digest.h"

void
local_fixture_set (char **string, const char *value)
{
  g_free (*string);
  *string = g_strdup (value);
}

static void
add_disk (MtvVm *vm, const char *id)
{
  MtvVmDisk *disk = mtv_vm_add_disk (vm);

  disk->id = g_strdup (id);
  disk->name = g_strdup (HOSTILE);
  disk->capacity = FIXTURE_DISK_SIZE;
}

static void
add_nic (MtvVm *vm, const char *mac, const char *network)
{
  MtvVmNic *nic = mtv_vm_add_nic (vm);

  nic->mac = g_strdup (mac);
  nic->network = g_strdup (network);
}

static void
fill_map (const MtvTargetDisk *disk)
{
  guint8 hash[MTV_HASH_MAX_SIZE];

  mtv_hash_data (MTV_HASH_SHA256, (const guint8 *) "a", 1, hash);
  mtv_block_map_set (disk->map, 0, hash);
  mtv_block_map_set (disk->map, 1, NULL);
  mtv_hash_data (MTV_HASH_SHA256, (const guint8 *) "b", 1, hash);
  mtv_block_map_set (disk->map, 2, hash);
}

MtvTarget *
local_fixture_target (void)
{
  g_autoptr (MtvVm) vm = mtv_vm_new ();

  vm->id = g_strdup (HOSTILE);
  vm->name = g_strdup (HOSTILE);
  vm->os_id = g_strdup (HOSTILE);
  vm->uuid = g_strdup ("564D1234-0000-1111-2222-333344445555");
  vm->cpus = 8;
  vm->cores_per_socket = 2;
  vm->threads_per_core = 2;
  vm->memory = (G_GUINT64_CONSTANT (3) << 30) + 1;
  add_disk (vm, HOSTILE);
  add_disk (vm, "vmdisk2");
  add_nic (vm, "52:54:00:00:00:01", "VM Network");
  add_nic (vm, HOSTILE, HOSTILE);

  MtvTarget *target = mtv_target_new (vm);
  target->run_id = g_strdup ("0f3c-run");
  target->number = 3;
  target->name = g_strdup ("web");
  target->plan = g_strdup (HOSTILE);
  target->source = g_strdup (HOSTILE);
  target->devices = g_strdup ("compatible");
  target->format = g_strdup ("raw");
  target->hash = MTV_HASH_SHA256;
  for (guint i = 0; i < target->disks->len; i++)
    {
      mtv_target_set_disk_size (target, i, FIXTURE_DISK_SIZE);
      fill_map (g_ptr_array_index (target->disks, i));
    }
  return target;
}
