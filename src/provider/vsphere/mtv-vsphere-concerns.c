/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-concerns.h"

#include <string.h>

#define MIB (1024 * 1024)
/* ESXi600-201511001, the first of 6.0 in which tracking does not miss what is written while a
 * snapshot is removed (VMware KB 2136854). */
#define ESXI_6_0_FIXED_BUILD 3247720

const char *const mtv_vsphere_privileges[] = {
  "VirtualMachine.State.CreateSnapshot",
  "VirtualMachine.State.RemoveSnapshot",
  "VirtualMachine.Interact.PowerOn",
  "VirtualMachine.Interact.PowerOff",
  "VirtualMachine.Provisioning.DiskRandomRead",
  "VirtualMachine.Provisioning.GetVmFiles",
  "VirtualMachine.Config.ChangeTracking",
  "Datastore.Browse",
  "Datastore.FileManagement",
  NULL,
};

/* Disks. */

static void
check_disk (MtvVsphereVm *self, guint index, MtvVspherePlaces *places)
{
  const MtvVsphereDisk *more = g_ptr_array_index (self->disks, index);
  const MtvVmDisk *disk = g_ptr_array_index (self->vm->disks, index);
  const MtvVspherePlace *store
      = places == NULL ? NULL : mtv_vsphere_places_get (places, more->datastore);
  GPtrArray *concerns = self->vm->concerns;

  if (places != NULL && more->datastore != NULL && (store == NULL || store->inaccessible))
    mtv_concerns_add (
        concerns, "datastore.missing", MTV_CONCERN_CRITICAL, self->vm->name,
        "A datastore cannot be reached", "Disk '%s' lies on the datastore '%s', which is %s.",
        disk->name, disk->storage != NULL ? disk->storage : more->datastore,
        store == NULL ? "not in the inventory that this user sees" : "not accessible now");
  if (more->independent)
    mtv_concerns_add (concerns, "disk.mode.independent", MTV_CONCERN_WARNING, self->vm->name,
                      "An independent disk",
                      "Disk '%s' is in the mode '%s', and so in no snapshot: the VM can only be "
                      "migrated cold.",
                      disk->name, disk->mode);
  if (more->backing == MTV_VSPHERE_BACKING_RDM || more->backing == MTV_VSPHERE_BACKING_PHYSICAL_RDM)
    mtv_concerns_add (concerns, "disk.rdm", MTV_CONCERN_WARNING, self->vm->name, "A raw device",
                      "Disk '%s' is a LUN that is passed through (%s): its data is in no file of "
                      "the datastore.",
                      disk->name, disk->mode);
  if (disk->shared)
    mtv_concerns_add (concerns, "disk.shared", MTV_CONCERN_WARNING, self->vm->name, "A shared disk",
                      "Other VMs may write to disk '%s' while it is copied. Shut all of them down "
                      "before.",
                      disk->name);
}

/* Tracking that is on for the VM, but not for a disk, shows as a missing change id. */
static void
check_tracking (MtvVsphereVm *self)
{
  if (!self->tracking)
    {
      mtv_concerns_add (self->vm->concerns, "tracking.disabled", MTV_CONCERN_INFORMATION,
                        self->vm->name, "Changed-block tracking is off",
                        "Changed-block tracking is off: a warm migration has to switch it on, a "
                        "cold one does not need it.");
      return;
    }
  for (guint i = 0; i < self->disks->len; i++)
    {
      const MtvVsphereDisk *more = g_ptr_array_index (self->disks, i);
      const MtvVmDisk *disk = g_ptr_array_index (self->vm->disks, i);

      if (more->change_id == NULL)
        mtv_concerns_add (self->vm->concerns, "tracking.disk.disabled", MTV_CONCERN_WARNING,
                          self->vm->name, "A disk is not tracked",
                          "Changed-block tracking is on, but disk '%s' has no change id: as long "
                          "as that is so, it is compared as a whole in each round of a warm "
                          "migration.",
                          disk->name);
    }
}

/* Guests. */

/* What a conversion writes into a guest's file systems. */
static guint64
space_needed (const char *path)
{
  if (g_str_equal (path, "/") || g_ascii_strncasecmp (path, "C:", 2) == 0)
    return 100 * MIB;
  return g_str_equal (path, "/boot") ? 50 * MIB : 10 * MIB;
}

static void
check_guest_disks (MtvVsphereVm *self)
{
  for (guint i = 0; i < self->guest_disks->len; i++)
    {
      const MtvVsphereGuestDisk *disk = g_ptr_array_index (self->guest_disks, i);

      if (disk->path != NULL && disk->capacity > 0 && disk->free < space_needed (disk->path))
        mtv_concerns_add (self->vm->concerns, "guest.space", MTV_CONCERN_WARNING, self->vm->name,
                          "Little space in the guest",
                          "The file system '%s' has %" G_GUINT64_FORMAT
                          " MiB left; if the guest is to be converted, it needs %" G_GUINT64_FORMAT
                          " MiB.",
                          disk->path, disk->free / MIB, space_needed (disk->path) / MIB);
    }
}

/* Red Hat Enterprise Linux 7 to 10 and Windows of this age are what KubeVirt's vendors test; a
 * guest id of vSphere is the system's name with its version, "rhel8_64Guest". */
static gboolean
is_known_os (const char *os_id)
{
  static const char *const known[] = {
    "rhel7",        "rhel8",          "rhel9",          "rhel10",         "centos7",
    "centos8",      "centos9",        "rockylinux",     "almalinux",      "oracleLinux7",
    "oracleLinux8", "oracleLinux9",   "sles12",         "sles15",         "debian1",
    "ubuntu64",     "fedora64",       "windows9_64",    "windows9Server", "windows11",
    "windows12",    "windows2019srv", "windows2022srv", "windows2025srv", NULL,
  };

  for (guint i = 0; known[i] != NULL; i++)
    if (g_ascii_strncasecmp (os_id, known[i], strlen (known[i])) == 0)
      return TRUE;
  return FALSE;
}

static void
check_tools (MtvVsphereVm *self)
{
  const MtvVm *vm = self->vm;

  if (!g_str_equal (vm->power_state, "on"))
    return;
  if (g_strcmp0 (vm->tools, "running") != 0)
    {
      mtv_concerns_add (vm->concerns, "tools.not.running", MTV_CONCERN_WARNING, vm->name,
                        "The guest cannot be asked to shut down",
                        "VMware Tools are %s: the VM cannot be shut down cleanly, only switched "
                        "off. Start the tools, shut it down yourself, or have it switched off by "
                        "the plan's shutdown policy.",
                        vm->tools == NULL                          ? "in an unknown state"
                        : g_str_equal (vm->tools, "not-installed") ? "not installed"
                                                                   : "not running");
      return;
    }
  if (vm->hostname == NULL)
    mtv_concerns_add (vm->concerns, "hostname.empty", MTV_CONCERN_WARNING, vm->name,
                      "The guest has no name",
                      "VMware Tools tell no host name, or an empty one: check it in the guest.");
  if (vm->ips == NULL)
    mtv_concerns_add (vm->concerns, "vm.ip.missing", MTV_CONCERN_WARNING, vm->name,
                      "The guest has no address",
                      "VMware Tools tell no IP address: whether its network works afterwards "
                      "cannot be compared.");
}

static void
check_guest (MtvVsphereVm *self)
{
  const MtvVm *vm = self->vm;

  check_tools (self);
  check_guest_disks (self);
  if (vm->os_id != NULL && !is_known_os (vm->os_id))
    mtv_concerns_add (vm->concerns, "os.unsupported", MTV_CONCERN_WARNING, vm->name,
                      "Operating system",
                      "The guest is '%s' (%s), which is not among those that are known to run "
                      "well on KubeVirt.",
                      vm->os_name != NULL ? vm->os_name : "", vm->os_id);
}

/* Hardware, and where it runs. */

static void
check_devices (MtvVsphereVm *self)
{
  const MtvVm *vm = self->vm;

  if (self->passthrough)
    mtv_concerns_add (vm->concerns, "device.passthrough", MTV_CONCERN_CRITICAL, vm->name,
                      "A device of the host",
                      "The VM has a PCI device of its host, which cannot come along: remove it, "
                      "or ignore this if the guest can do without.");
  if (self->sriov)
    mtv_concerns_add (vm->concerns, "nic.sriov", MTV_CONCERN_WARNING, vm->name,
                      "A network card of the host",
                      "A network card is a part of the host's (SR-IOV): it becomes an ordinary "
                      "one.");
  if (self->usb)
    mtv_concerns_add (vm->concerns, "usb.controller", MTV_CONCERN_WARNING, vm->name,
                      "A USB controller",
                      "The VM has a USB controller: devices that are connected to it do not come "
                      "along.");
  if (self->encrypted)
    mtv_concerns_add (
        vm->concerns, "vm.encrypted", MTV_CONCERN_WARNING, vm->name, "The VM is encrypted",
        "The files of its disks are of no use without vSphere's key: they can only be "
        "read by VDDK. Or decrypt the VM before.");
  if (vm->cpu_hot_add || vm->memory_hot_add)
    mtv_concerns_add (vm->concerns, "cpu.memory.hotplug", MTV_CONCERN_INFORMATION, vm->name,
                      "Hot-add",
                      "%s can be added while the VM runs; whether that is so at the destination "
                      "depends on its own settings.",
                      !vm->memory_hot_add ? "CPUs"
                      : !vm->cpu_hot_add  ? "Memory"
                                          : "CPUs and memory");
  if (self->cpu_affinity)
    mtv_concerns_add (vm->concerns, "cpu.affinity", MTV_CONCERN_WARNING, vm->name, "CPU affinity",
                      "The VM is bound to certain CPUs of its host: that is not carried over.");
  if (self->numa_affinity)
    mtv_concerns_add (vm->concerns, "numa.affinity", MTV_CONCERN_WARNING, vm->name, "NUMA affinity",
                      "The VM is bound to certain NUMA nodes of its host: that is not carried "
                      "over.");
  if (self->fault_tolerant)
    mtv_concerns_add (vm->concerns, "fault.tolerance", MTV_CONCERN_INFORMATION, vm->name,
                      "Fault tolerance",
                      "The VM is fault tolerant, which it will not be at the destination. With "
                      "fault tolerance on it has no snapshots.");
}

static void
check_cluster (MtvVsphereVm *self, const MtvVspherePlace *cluster)
{
  const MtvVm *vm = self->vm;

  if (cluster->bound != NULL && g_hash_table_contains (cluster->bound, vm->id))
    mtv_concerns_add (vm->concerns, "host.affinity", MTV_CONCERN_WARNING, vm->name,
                      "Bound to hosts",
                      "A rule of the cluster '%s' says on which hosts the VM runs: that is not "
                      "carried over.",
                      cluster->name);
  if (cluster->drs)
    mtv_concerns_add (vm->concerns, "cluster.drs", MTV_CONCERN_INFORMATION, vm->name, "DRS",
                      "The cluster '%s' moves its VMs between hosts by itself (DRS): it may do so "
                      "during the migration.",
                      cluster->name);
  if (cluster->dpm)
    mtv_concerns_add (vm->concerns, "cluster.dpm", MTV_CONCERN_INFORMATION, vm->name, "DPM",
                      "The cluster '%s' switches hosts off to save power (DPM), which the "
                      "destination does not.",
                      cluster->name);
  if (cluster->ha)
    mtv_concerns_add (vm->concerns, "cluster.ha", MTV_CONCERN_INFORMATION, vm->name,
                      "High availability",
                      "The cluster '%s' starts VMs again that have failed (HA): the destination "
                      "has its own rules for that.",
                      cluster->name);
}

void
mtv_vsphere_concerns_add (MtvVsphereVm *self, MtvVspherePlaces *places)
{
  const MtvVm *vm = self->vm;
  const MtvVspherePlace *host = places == NULL ? NULL : mtv_vsphere_places_get (places, self->host);
  const MtvVspherePlace *cluster
      = host == NULL ? NULL : mtv_vsphere_places_get (places, host->parent);

  for (guint i = 0; i < self->disks->len; i++)
    check_disk (self, i, places);
  check_tracking (self);
  check_guest (self);
  check_devices (self);
  if (cluster != NULL)
    check_cluster (self, cluster);
  if (host != NULL && host->in_maintenance)
    mtv_concerns_add (vm->concerns, "host.maintenance", MTV_CONCERN_WARNING, vm->name,
                      "The host is in maintenance",
                      "The VM is on the host '%s', which is in maintenance mode: its disks may "
                      "not be readable.",
                      host->name);
  if (self->consolidation_needed)
    mtv_concerns_add (vm->concerns, "consolidation.needed", MTV_CONCERN_WARNING, vm->name,
                      "Disks need consolidation",
                      "A snapshot that was removed before has left files of its own behind: "
                      "consolidate the VM's disks.");
  if (vm->snapshots > 0)
    mtv_concerns_add (vm->concerns, "vm.snapshots", MTV_CONCERN_INFORMATION, vm->name,
                      "The VM has snapshots",
                      "The VM has %u snapshots (%s): it is migrated as it is now, and only cold.",
                      vm->snapshots, self->snapshots);
}

/* Warm. */

static void
check_warm_disk (const MtvVsphereVm *self, guint index, GPtrArray *concerns)
{
  const MtvVsphereDisk *more = g_ptr_array_index (self->disks, index);
  const MtvVmDisk *disk = g_ptr_array_index (self->vm->disks, index);
  const char *why
      = more->independent                                   ? "an independent disk"
        : more->backing == MTV_VSPHERE_BACKING_PHYSICAL_RDM ? "a LUN in physical compatibility mode"
        : disk->shared                                      ? "shared with other VMs"
        : more->backing == MTV_VSPHERE_BACKING_OTHER        ? "stored in a way that is not known"
                                                            : NULL;

  if (why != NULL)
    mtv_concerns_add (concerns, "warm.disk", MTV_CONCERN_CRITICAL, self->vm->name,
                      "A disk without snapshots",
                      "Disk '%s' is %s, and so cannot be copied while the VM runs. Migrate the VM "
                      "cold.",
                      disk->name, why);
}

static void
check_warm_host (const MtvVsphereVm *self, MtvVspherePlaces *places, GPtrArray *concerns)
{
  const MtvVspherePlace *host = places == NULL ? NULL : mtv_vsphere_places_get (places, self->host);

  if (host != NULL && host->version != NULL && g_str_has_prefix (host->version, "6.0.")
      && host->build < ESXI_6_0_FIXED_BUILD)
    mtv_concerns_add (concerns, "warm.host", MTV_CONCERN_CRITICAL, self->vm->name,
                      "The host's changed-block tracking is not reliable",
                      "The host '%s' has ESXi %s build %" G_GUINT64_FORMAT
                      ", which misses what is written while a snapshot is removed (VMware KB "
                      "2136854). Update it to build %d or later, or migrate cold.",
                      host->name, host->version, host->build, ESXI_6_0_FIXED_BUILD);
}

static void
check_warm_tracking (const MtvVsphereVm *self, GPtrArray *concerns)
{
  if (self->tracking)
    return;
  if (self->untrackable)
    mtv_concerns_add (concerns, "warm.tracking.unsupported", MTV_CONCERN_CRITICAL, self->vm->name,
                      "No changed-block tracking",
                      "vSphere says that this VM cannot have changed-block tracking: its virtual "
                      "hardware is older than version 7, perhaps. Migrate it cold.");
  else
    mtv_concerns_add (concerns, "warm.tracking.disabled", MTV_CONCERN_WARNING, self->vm->name,
                      "Changed-block tracking is off",
                      "Changed-block tracking is off: it is switched on for the migration, and "
                      "off again afterwards.");
}

void
mtv_vsphere_concerns_add_warm (const MtvVsphereVm *self, MtvVspherePlaces *places,
                               GPtrArray *concerns)
{
  if (self->vm->snapshots > 0)
    mtv_concerns_add (concerns, "warm.snapshots", MTV_CONCERN_CRITICAL, self->vm->name,
                      "The VM has snapshots",
                      "The VM has %u snapshots (%s); what changes cannot be told apart from what "
                      "is in them. Remove them, or migrate it cold.",
                      self->vm->snapshots, self->snapshots);
  if (self->fault_tolerant)
    mtv_concerns_add (concerns, "warm.fault.tolerance", MTV_CONCERN_CRITICAL, self->vm->name,
                      "Fault tolerance",
                      "A fault tolerant VM has no snapshots. Switch fault tolerance off, or "
                      "migrate it cold.");
  for (guint i = 0; i < self->disks->len; i++)
    check_warm_disk (self, i, concerns);
  check_warm_tracking (self, concerns);
  check_warm_host (self, places, concerns);
}

void
mtv_vsphere_concerns_add_missing (GPtrArray *concerns, const char *name, const char *missing)
{
  mtv_concerns_add (concerns, "privilege.missing", MTV_CONCERN_CRITICAL, name,
                    "The user may not do all that is needed",
                    "The provider's user lacks these privileges at vSphere: %s.", missing);
}
