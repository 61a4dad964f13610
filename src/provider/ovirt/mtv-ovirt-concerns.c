/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-vm.h"

#define C MTV_CONCERN_CRITICAL
#define W MTV_CONCERN_WARNING
#define I MTV_CONCERN_INFORMATION

static void
add_state (MtvVm *vm, JsonObject *json)
{
  const char *origin = mtv_ovirt_text (json, "origin");

  if (mtv_ovirt_flag (json, "has_illegal_images"))
    mtv_concerns_add (vm->concerns, "images.illegal", C, vm->name, "Illegal images",
                      "The engine says that a disk of the VM has illegal images; repair or remove "
                      "the snapshots that they belong to.");
  if (g_str_equal (vm->power_state, "unknown"))
    mtv_concerns_add (vm->concerns, "vm.status", W, vm->name, "Unclear state",
                      "The VM is in the state '%s'; it can be migrated when it is up or down.",
                      mtv_ovirt_text (json, "status"));
  if (mtv_ovirt_flag (json, "stateless"))
    mtv_concerns_add (
        vm->concerns, "vm.stateless", C, vm->name, "Stateless",
        "The VM forgets what it writes when it is shut down; make it stateful first.");
  if (g_strcmp0 (origin, "managed_hosted_engine") == 0 || g_strcmp0 (origin, "hosted_engine") == 0)
    mtv_concerns_add (vm->concerns, "vm.engine", C, vm->name, "The engine itself",
                      "This VM runs the engine that the migration goes through.");
  if (mtv_ovirt_flag (json, "next_run_configuration_exists"))
    mtv_concerns_add (vm->concerns, "vm.next.run", W, vm->name, "Changes that wait",
                      "The configuration has changes that come with the next start; what is "
                      "migrated is the VM as it is configured now.");
}

static void
add_devices (MtvVm *vm, JsonObject *json)
{
  if (mtv_ovirt_count (json, "host_devices.host_device") > 0)
    mtv_concerns_add (vm->concerns, "host.devices", W, vm->name, "Devices of the host",
                      "%u devices of the host are passed through to the VM; they are not carried.",
                      mtv_ovirt_count (json, "host_devices.host_device"));
  if (mtv_ovirt_count (json, "watchdogs.watchdog") > 0)
    mtv_concerns_add (vm->concerns, "watchdog", W, vm->name, "Watchdog",
                      "The VM has a watchdog, which is not carried.");
  if (mtv_ovirt_flag (json, "usb.enabled"))
    mtv_concerns_add (vm->concerns, "usb", I, vm->name, "USB",
                      "USB redirection is enabled for the VM; it is not carried.");
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);

      if (disk->shared)
        mtv_concerns_add (vm->concerns, "disk.shared", W, vm->name, "Shared disk",
                          "Disk '%s' may be written to by other VMs as well: have all of them shut "
                          "down when it is copied.",
                          disk->name);
    }
  for (guint i = 0; i < mtv_ovirt_count (json, "nics.nic"); i++)
    {
      JsonObject *nic = mtv_ovirt_item (json, "nics.nic", i);

      if (mtv_ovirt_is (nic, "interface", "pci_passthrough"))
        mtv_concerns_add (vm->concerns, "nic.passthrough", W, vm->name, "Network card of the host",
                          "'%s' is a virtual function of a card of the host; it becomes a virtual "
                          "card.",
                          mtv_ovirt_text (nic, "name"));
    }
}

static void
add_placement (MtvVm *vm, JsonObject *json)
{
  if (mtv_ovirt_count (json, "cpu.cpu_tune.vcpu_pins.vcpu_pin") > 0)
    mtv_concerns_add (vm->concerns, "cpu.pinning", W, vm->name, "Pinned CPUs",
                      "Its CPUs are pinned to those of a host, which is not carried.");
  if (vm->cpu_model != NULL)
    mtv_concerns_add (vm->concerns, "cpu.model", W, vm->name, "Own CPU model",
                      "The VM wants the CPU model '%s'; at the destination it gets the default.",
                      vm->cpu_model);
  if (mtv_ovirt_flag (json, "high_availability.enabled"))
    mtv_concerns_add (vm->concerns, "ha", I, vm->name, "High availability",
                      "The engine restarts this VM when it crashes; while it is migrated it must "
                      "not be started there.");
  if (mtv_ovirt_count (json, "custom_properties.custom_property") > 0)
    mtv_concerns_add (vm->concerns, "custom.properties", W, vm->name, "Custom properties",
                      "The VM has custom properties, which are not carried.");
}

void
mtv_ovirt_add_concerns (MtvVm *vm, JsonObject *json)
{
  add_state (vm, json);
  add_devices (vm, json);
  add_placement (vm, json);
}

/* Incremental backup for whole VMs, with raw disks among them, and of VMs that are down, exists
 * from compatibility level 4.5 on (engine: IsIncrementalBackupSupported). */
static gboolean
has_backup (JsonObject *cluster)
{
  guint64 major = mtv_ovirt_number (cluster, "version.major");

  return major > 4 || (major == 4 && mtv_ovirt_number (cluster, "version.minor") >= 5);
}

void
mtv_ovirt_check_warm (JsonObject *json, const MtvOvirtWorld *world, GPtrArray *concerns)
{
  const char *name = mtv_ovirt_text (json, "name");
  JsonObject *cluster = mtv_ovirt_world_get (world->clusters, mtv_ovirt_text (json, "cluster.id"));

  if (!has_backup (cluster))
    mtv_concerns_add (concerns, "warm.unsupported", C, name, "No incremental backup",
                      "Cluster '%s' has compatibility level %" G_GUINT64_FORMAT
                      ".%" G_GUINT64_FORMAT
                      ": copying a VM that runs takes 4.5. A cold migration is possible.",
                      mtv_ovirt_text (cluster, "name"), mtv_ovirt_number (cluster, "version.major"),
                      mtv_ovirt_number (cluster, "version.minor"));
  for (guint i = 0; i < mtv_ovirt_count (json, "disk_attachments.disk_attachment"); i++)
    {
      JsonObject *attachment = mtv_ovirt_item (json, "disk_attachments.disk_attachment", i);
      const char *id = mtv_ovirt_text (attachment, "disk.id");
      JsonObject *disk
          = mtv_ovirt_world_get (world->disks, id != NULL ? id : mtv_ovirt_text (attachment, "id"));

      if (mtv_ovirt_is (disk, "format", "raw"))
        mtv_concerns_add (concerns, "warm.disk.raw", W, name, "Raw disk",
                          "Disk '%s' is raw: what changes on it is not recorded, so every round "
                          "reads all of it.",
                          mtv_ovirt_text (disk, "alias"));
    }
}
