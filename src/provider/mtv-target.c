/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-target.h"

static void
target_disk_free (gpointer data)
{
  MtvTargetDisk *disk = data;

  g_clear_pointer (&disk->map, mtv_block_map_unref);
  g_free (disk);
}

MtvTarget *
mtv_target_new (MtvVm *vm)
{
  MtvTarget *self = g_new0 (MtvTarget, 1);

  self->vm = mtv_vm_ref (vm);
  self->disks = g_ptr_array_new_with_free_func (target_disk_free);
  for (guint i = 0; i < vm->disks->len; i++)
    {
      MtvTargetDisk *disk = g_new0 (MtvTargetDisk, 1);

      disk->source = g_ptr_array_index (vm->disks, i);
      g_ptr_array_add (self->disks, disk);
    }
  return self;
}

void
mtv_target_free (MtvTarget *self)
{
  g_ptr_array_unref (self->disks);
  mtv_vm_unref (self->vm);
  g_clear_pointer (&self->networks, g_variant_unref);
  g_free (self->run_id);
  g_free (self->name);
  g_free (self->plan);
  g_free (self->source);
  g_free (self->source_identity);
  g_free (self->devices);
  g_free (self->format);
  g_free (self);
}

void
mtv_target_set_disk_size (MtvTarget *self, guint index, guint64 size)
{
  g_return_if_fail (index < self->disks->len);

  MtvTargetDisk *disk = g_ptr_array_index (self->disks, index);

  if (disk->map != NULL && disk->size == size)
    return;
  g_clear_pointer (&disk->map, mtv_block_map_unref);
  disk->size = size;
  disk->map = mtv_block_map_new (size, self->hash);
}

const char *
mtv_target_get_network (const MtvTarget *self, const MtvVmNic *nic)
{
  const char *network = NULL;

  if (self->networks == NULL)
    return NULL;
  if (nic->network != NULL && g_variant_lookup (self->networks, nic->network, "&s", &network))
    return network;
  return g_variant_lookup (self->networks, "", "&s", &network) ? network : NULL;
}
