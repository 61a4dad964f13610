/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-vm.h"

#include <string.h>

JsonObject *
mtv_ovirt_world_get (GHashTable *table, const char *id)
{
  JsonNode *node = id == NULL ? NULL : g_hash_table_lookup (table, id);

  return node == NULL ? NULL : json_node_get_object (node);
}

static const char *
name_in (GHashTable *table, const char *id)
{
  JsonObject *object = mtv_ovirt_world_get (table, id);

  return object == NULL ? NULL : mtv_ovirt_text (object, "name");
}

/* Disks. */

static const char *
bus_of (const char *interface)
{
  static const struct
  {
    const char *interface, *bus;
  } all[] = { { "virtio", "virtio" },
              { "virtio_scsi", "scsi" },
              { "sata", "sata" },
              { "ide", "ide" },
              { "spapr_vscsi", "scsi" } };

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (g_strcmp0 (interface, all[i].interface) == 0)
      return all[i].bus;
  return "virtio";
}

/* Why it cannot be copied. (nullable) (transfer full) */
static char *
find_problem (JsonObject *attachment, JsonObject *disk)
{
  const char *type = mtv_ovirt_text (disk, "storage_type");
  const char *status = mtv_ovirt_text (disk, "status");

  if (disk == NULL)
    return g_strdup ("The engine does not list it; it may have been removed.");
  if (g_strcmp0 (type, "lun") == 0)
    return g_strdup ("It is a LUN that is attached directly: its data is not the engine's to give. "
                     "Detach it, and attach it to the new VM.");
  if (type != NULL && !g_str_equal (type, "image"))
    return g_strdup_printf ("Storage of type '%s' cannot be read through the engine.", type);
  if (g_strcmp0 (status, "illegal") == 0)
    return g_strdup ("Its status is 'illegal': repair it at the source first.");
  if (!mtv_ovirt_flag (attachment, "active"))
    return g_strdup ("It is not active: activate it, or detach it from the VM.");
  return NULL;
}

static void
add_disk (MtvVm *vm, JsonObject *attachment, const MtvOvirtWorld *world)
{
  const char *id = mtv_ovirt_text (attachment, "disk.id");
  JsonObject *disk
      = mtv_ovirt_world_get (world->disks, id != NULL ? id : mtv_ovirt_text (attachment, "id"));
  const char *content = mtv_ovirt_text (disk, "content_type");
  const char *name = mtv_ovirt_text (disk, "alias");
  JsonObject *domain = mtv_ovirt_item (disk, "storage_domains.storage_domain", 0);

  if (content != NULL && !g_str_equal (content, "data"))
    return; /* an ISO image, what hosted engines keep beside */
  MtvVmDisk *self = mtv_vm_add_disk (vm);
  self->id = g_strdup (id != NULL ? id : mtv_ovirt_text (attachment, "id"));
  if (self->id == NULL)
    self->id = g_strdup_printf ("disk-%u", vm->disks->len);
  self->name = g_strdup (name != NULL ? name : self->id);
  self->capacity = mtv_ovirt_number (disk, "provisioned_size");
  self->allocated = mtv_ovirt_number (disk, "actual_size");
  self->format = g_strdup (mtv_ovirt_is (disk, "format", "cow") ? "qcow2" : "raw");
  self->bus = g_strdup (bus_of (mtv_ovirt_text (attachment, "interface")));
  self->unit = vm->disks->len - 1;
  self->storage = g_strdup (name_in (world->domains, mtv_ovirt_text (domain, "id")));
  self->serial = g_strdup (id);
  self->shared = mtv_ovirt_flag (disk, "shareable");
  self->problem = find_problem (attachment, disk);
}

static void
add_disks (MtvVm *vm, JsonObject *json, const MtvOvirtWorld *world)
{
  static const char *const list = "disk_attachments.disk_attachment";
  guint n = mtv_ovirt_count (json, list);

  for (guint bootable = 0; bootable < 2; bootable++) /* the one to boot from first */
    for (guint i = 0; i < n; i++)
      {
        JsonObject *attachment = mtv_ovirt_item (json, list, i);

        if (mtv_ovirt_flag (attachment, "bootable") == (bootable == 0))
          add_disk (vm, attachment, world);
      }
}

/* Networks. */

static const char *
model_of (const char *interface)
{
  if (interface == NULL || g_str_equal (interface, "rtl8139_virtio"))
    return "virtio";
  if (g_str_equal (interface, "pci_passthrough"))
    return "sriov";
  return interface;
}

static void
add_nics (MtvVm *vm, JsonObject *json, const MtvOvirtWorld *world)
{
  for (guint i = 0; i < mtv_ovirt_count (json, "nics.nic"); i++)
    {
      JsonObject *nic = mtv_ovirt_item (json, "nics.nic", i);
      JsonObject *profile
          = mtv_ovirt_world_get (world->profiles, mtv_ovirt_text (nic, "vnic_profile.id"));
      const char *mac = mtv_ovirt_text (nic, "mac.address");
      const char *network = name_in (world->networks, mtv_ovirt_text (profile, "network.id"));
      MtvVmNic *self = mtv_vm_add_nic (vm);

      self->id = g_strdup (mtv_ovirt_text (nic, "id"));
      self->name = g_strdup (mtv_ovirt_text (nic, "name"));
      self->mac = mac == NULL ? NULL : g_ascii_strdown (mac, -1);
      self->network = g_strdup (network);
      self->model = g_strdup (model_of (mtv_ovirt_text (nic, "interface")));
      self->disconnected = !mtv_ovirt_flag (nic, "plugged") || !mtv_ovirt_flag (nic, "linked");
    }
}

static void
add_ips (MtvVm *vm, JsonObject *json)
{
  GVariantBuilder ips = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_STRING_ARRAY);
  guint found = 0;

  for (guint i = 0; i < mtv_ovirt_count (json, "nics.nic"); i++)
    {
      JsonObject *nic = mtv_ovirt_item (json, "nics.nic", i);

      for (guint j = 0; j < mtv_ovirt_count (nic, "reported_devices.reported_device"); j++)
        {
          JsonObject *device = mtv_ovirt_item (nic, "reported_devices.reported_device", j);

          for (guint k = 0; k < mtv_ovirt_count (device, "ips.ip"); k++)
            {
              const char *address
                  = mtv_ovirt_text (mtv_ovirt_item (device, "ips.ip", k), "address");

              if (address == NULL)
                continue;
              g_variant_builder_add (&ips, "s", address);
              found++;
            }
        }
    }
  g_autoptr (GVariant) all = g_variant_ref_sink (g_variant_builder_end (&ips));
  if (found > 0)
    vm->ips = g_steal_pointer (&all);
}

/* The VM. */

static void
set_power (MtvVm *vm, const char *status)
{
  const char *state = "on";

  if (g_strcmp0 (status, "down") == 0 || g_strcmp0 (status, "image_locked") == 0)
    state = "off";
  else if (g_strcmp0 (status, "suspended") == 0 || g_strcmp0 (status, "paused") == 0)
    state = "suspended";
  else if (status == NULL || g_str_equal (status, "unknown")
           || g_str_equal (status, "not_responding") || g_str_equal (status, "unassigned"))
    state = "unknown";
  g_free (vm->power_state);
  vm->power_state = g_strdup (state);
}

static void
set_firmware (MtvVm *vm, JsonObject *json, JsonObject *cluster)
{
  const char *type = mtv_ovirt_text (json, "bios.type");

  if (type == NULL || g_str_equal (type, "cluster_default"))
    type = mtv_ovirt_text (cluster, "bios_type");
  if (type == NULL)
    return;
  if (strstr (type, "ovmf") != NULL || strstr (type, "secure_boot") != NULL)
    {
      g_free (vm->firmware);
      vm->firmware = g_strdup ("efi");
    }
  vm->secure_boot = strstr (type, "secure_boot") != NULL;
  vm->machine = g_strdup (g_str_has_prefix (type, "q35") ? "q35" : "pc");
}

static void
set_hardware (MtvVm *vm, JsonObject *json)
{
  guint sockets = (guint) mtv_ovirt_number (json, "cpu.topology.sockets");

  vm->cores_per_socket = (guint) mtv_ovirt_number (json, "cpu.topology.cores");
  vm->threads_per_core = (guint) mtv_ovirt_number (json, "cpu.topology.threads");
  vm->cpus = MAX (sockets, 1) * MAX (vm->cores_per_socket, 1) * MAX (vm->threads_per_core, 1);
  vm->memory = mtv_ovirt_number (json, "memory");
  vm->tpm = mtv_ovirt_flag (json, "tpm_enabled");
  vm->cpu_model = g_strdup (mtv_ovirt_text (json, "custom_cpu_model"));
  vm->os_id = g_strdup (mtv_ovirt_text (json, "os.type"));
  vm->os_name = g_strdup (mtv_ovirt_text (json, "guest_operating_system.distribution"));
  vm->hostname = g_strdup (mtv_ovirt_text (json, "fqdn"));
  vm->timezone = g_strdup (mtv_ovirt_text (json, "time_zone.name"));
  for (guint i = 0; i < mtv_ovirt_count (json, "snapshots.snapshot"); i++)
    if (!mtv_ovirt_is (mtv_ovirt_item (json, "snapshots.snapshot", i), "snapshot_type", "active"))
      vm->snapshots++;
}

MtvVm *
mtv_ovirt_vm_parse (JsonObject *json, const MtvOvirtWorld *world)
{
  const char *id = mtv_ovirt_text (json, "id");
  const char *name = mtv_ovirt_text (json, "name");
  JsonObject *cluster = mtv_ovirt_world_get (world->clusters, mtv_ovirt_text (json, "cluster.id"));

  if (id == NULL || name == NULL)
    return NULL;

  MtvVm *vm = mtv_vm_new ();
  const char *cluster_name = mtv_ovirt_text (cluster, "name");
  vm->id = g_strdup (id);
  vm->uuid = g_strdup (id);
  vm->name = g_strdup (name);
  vm->path = g_strdup_printf ("/%s/%s", cluster_name != NULL ? cluster_name : "", name);
  vm->cluster = g_strdup (cluster_name);
  vm->host = g_strdup (name_in (world->hosts, mtv_ovirt_text (json, "host.id")));
  vm->producer = g_strdup ("ovirt");
  set_power (vm, mtv_ovirt_text (json, "status"));
  set_firmware (vm, json, cluster);
  set_hardware (vm, json);
  add_disks (vm, json, world);
  add_nics (vm, json, world);
  add_ips (vm, json);
  mtv_ovirt_add_concerns (vm, json);
  return vm;
}
