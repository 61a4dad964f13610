/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-vm.h"

#include "base/mtv-error.h"

static const MtvField disk_fields[] = {
  MTV_FIELD (MtvVmDisk, id, "id", 's'),
  MTV_FIELD (MtvVmDisk, name, "name", 's'),
  MTV_FIELD (MtvVmDisk, capacity, "capacity", 't'),
  MTV_FIELD (MtvVmDisk, allocated, "allocated", 't'),
  MTV_FIELD (MtvVmDisk, format, "format", 's'),
  MTV_FIELD (MtvVmDisk, bus, "bus", 's'),
  MTV_FIELD (MtvVmDisk, controller, "controller", 's'),
  MTV_FIELD (MtvVmDisk, bus_number, "bus-number", 'u'),
  MTV_FIELD (MtvVmDisk, unit, "unit", 'u'),
  MTV_FIELD (MtvVmDisk, storage, "storage", 's'),
  MTV_FIELD (MtvVmDisk, serial, "serial", 's'),
  MTV_FIELD (MtvVmDisk, backing, "backing", 's'),
  MTV_FIELD (MtvVmDisk, mode, "mode", 's'),
  MTV_FIELD (MtvVmDisk, shared, "shared", 'b'),
  MTV_FIELD (MtvVmDisk, problem, "problem", 's'),
};

static const MtvField nic_fields[] = {
  MTV_FIELD (MtvVmNic, id, "id", 's'),
  MTV_FIELD (MtvVmNic, name, "name", 's'),
  MTV_FIELD (MtvVmNic, mac, "mac", 's'),
  MTV_FIELD (MtvVmNic, network, "network", 's'),
  MTV_FIELD (MtvVmNic, model, "model", 's'),
  MTV_FIELD (MtvVmNic, disconnected, "disconnected", 'b'),
};

const MtvFields mtv_vm_disk_fields
    = { disk_fields, G_N_ELEMENTS (disk_fields), sizeof (MtvVmDisk), NULL };
const MtvFields mtv_vm_nic_fields
    = { nic_fields, G_N_ELEMENTS (nic_fields), sizeof (MtvVmNic), NULL };

static const MtvField fields[] = {
  MTV_FIELD (MtvVm, id, "id", 's'),
  MTV_FIELD (MtvVm, name, "name", 's'),
  MTV_FIELD (MtvVm, path, "path", 's'),
  MTV_FIELD (MtvVm, uuid, "uuid", 's'),
  MTV_FIELD (MtvVm, power_state, "power-state", 's'),
  MTV_FIELD (MtvVm, firmware, "firmware", 's'),
  MTV_FIELD (MtvVm, secure_boot, "secure-boot", 'b'),
  MTV_FIELD (MtvVm, tpm, "tpm", 'b'),
  MTV_FIELD (MtvVm, cpus, "cpus", 'u'),
  MTV_FIELD (MtvVm, cores_per_socket, "cores-per-socket", 'u'),
  MTV_FIELD (MtvVm, threads_per_core, "threads-per-core", 'u'),
  MTV_FIELD (MtvVm, cpu_hot_add, "cpu-hot-add", 'b'),
  MTV_FIELD (MtvVm, memory_hot_add, "memory-hot-add", 'b'),
  MTV_FIELD (MtvVm, memory, "memory", 't'),
  MTV_FIELD (MtvVm, os_id, "os-id", 's'),
  MTV_FIELD (MtvVm, os_name, "os-name", 's'),
  MTV_FIELD (MtvVm, host, "host", 's'),
  MTV_FIELD (MtvVm, cluster, "cluster", 's'),
  MTV_FIELD (MtvVm, hostname, "hostname", 's'),
  MTV_FIELD (MtvVm, ips, "ips", 'v'),
  MTV_FIELD (MtvVm, tools, "tools", 's'),
  MTV_FIELD (MtvVm, machine, "machine", 's'),
  MTV_FIELD (MtvVm, cpu_model, "cpu-model", 's'),
  MTV_FIELD (MtvVm, timezone, "timezone", 's'),
  MTV_FIELD (MtvVm, snapshots, "snapshots", 'u'),
  MTV_FIELD (MtvVm, nested, "nested", 'b'),
  MTV_FIELD (MtvVm, producer, "producer", 's'),
  MTV_FIELD (MtvVm, problem, "problem", 's'),
  MTV_FIELD_ARRAY (MtvVm, disks, "disks", mtv_vm_disk_fields),
  MTV_FIELD_ARRAY (MtvVm, nics, "nics", mtv_vm_nic_fields),
  MTV_FIELD_ARRAY (MtvVm, concerns, "concerns", mtv_concern_fields),
};

static const MtvFields vm_fields = { fields, G_N_ELEMENTS (fields), sizeof (MtvVm), NULL };

MtvVm *
mtv_vm_new (void)
{
  MtvVm *self = mtv_fields_new (&vm_fields);

  self->ref_count = 1;
  self->power_state = g_strdup ("unknown");
  self->firmware = g_strdup ("bios");
  return self;
}

MtvVmDisk *
mtv_vm_add_disk (MtvVm *self)
{
  MtvVmDisk *disk = mtv_fields_new (&mtv_vm_disk_fields);

  g_ptr_array_add (self->disks, disk);
  return disk;
}

MtvVmNic *
mtv_vm_add_nic (MtvVm *self)
{
  MtvVmNic *nic = mtv_fields_new (&mtv_vm_nic_fields);

  g_ptr_array_add (self->nics, nic);
  return nic;
}

MtvVm *
mtv_vm_ref (MtvVm *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mtv_vm_unref (MtvVm *self)
{
  if (g_atomic_int_dec_and_test (&self->ref_count))
    mtv_fields_free (&vm_fields, self);
}

GVariant *
mtv_vm_to_variant (MtvVm *self)
{
  return mtv_fields_to_variant (&vm_fields, self);
}

static gboolean
is_whole (MtvVm *self)
{
  gboolean whole = self->id != NULL && self->name != NULL && self->power_state != NULL
                   && self->firmware != NULL;

  for (guint i = 0; whole && i < self->disks->len; i++)
    {
      MtvVmDisk *disk = g_ptr_array_index (self->disks, i);
      whole = disk->id != NULL && disk->name != NULL;
    }
  return whole;
}

MtvVm *
mtv_vm_from_variant (GVariant *variant, GError **error)
{
  MtvVm *self = mtv_fields_from_variant (&vm_fields, variant, error);

  if (self == NULL)
    return NULL;
  self->ref_count = 1;
  if (is_whole (self))
    return self;

  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "A virtual machine lacks its name");
  mtv_vm_unref (self);
  return NULL;
}

guint64
mtv_vm_get_capacity (MtvVm *self)
{
  guint64 sum = 0;

  for (guint i = 0; i < self->disks->len; i++)
    sum += ((MtvVmDisk *) g_ptr_array_index (self->disks, i))->capacity;
  return sum;
}
