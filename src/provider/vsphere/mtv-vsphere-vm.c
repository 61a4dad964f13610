/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-vm.h"

#include "provider/vsphere/mtv-vsphere-devices.h"
#include "provider/vsphere/mtv-vsphere-snapshot.h"

#include <string.h>

#define MAX_LIST 256 /* of addresses, of file systems */

static void
guest_disk_free (gpointer data)
{
  MtvVsphereGuestDisk *disk = data;

  g_free (disk->path);
  g_free (disk);
}

void
mtv_vsphere_vm_free (MtvVsphereVm *self)
{
  g_clear_pointer (&self->vm, mtv_vm_unref);
  g_clear_pointer (&self->disks, g_ptr_array_unref);
  g_clear_pointer (&self->guest_disks, g_ptr_array_unref);
  g_free (self->parent);
  g_free (self->host);
  g_free (self->connection);
  g_free (self->snapshots);
  g_free (self->version);
  g_free (self);
}

xmlNode *
mtv_vsphere_vm_find_disk (const xmlNode *devices, const char *key)
{
  for (xmlNode *at = mtv_vsphere_xml_first (devices); at != NULL; at = mtv_vsphere_xml_after (at))
    if (g_strcmp0 (mtv_vsphere_xml_type (at), "VirtualDisk") == 0
        && g_strcmp0 (mtv_vsphere_xml_text (at, "key"), key) == 0)
      return at;
  return NULL;
}

guint64
mtv_vsphere_vm_get_disk_capacity (const xmlNode *disk)
{
  guint64 bytes = mtv_vsphere_xml_number (disk, "capacityInBytes");
  guint64 kilobytes = mtv_vsphere_xml_number (disk, "capacityInKB");

  if (bytes == 0 && kilobytes <= G_MAXINT64 / 1024)
    bytes = kilobytes * 1024;
  return bytes <= G_MAXINT64 ? bytes : 0;
}

/* One function for each property. */

static void
replace (char **to, const xmlNode *val)
{
  g_free (*to);
  *to = g_strdup (mtv_vsphere_xml_text (val, NULL));
}

static void
take_name (MtvVsphereVm *self, const xmlNode *val)
{
  const char *name = mtv_vsphere_xml_text (val, NULL);

  g_free (self->vm->name);
  self->vm->name = name == NULL ? NULL : mtv_vsphere_places_unescape (name);
}

static void
take_parent (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->parent, val);
}

static void
take_uuid (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->vm->uuid, val);
}

static void
take_power (MtvVsphereVm *self, const xmlNode *val)
{
  const char *state = mtv_vsphere_xml_text (val, NULL);

  g_free (self->vm->power_state);
  self->vm->power_state = g_strdup (g_strcmp0 (state, "poweredOn") == 0    ? "on"
                                    : g_strcmp0 (state, "poweredOff") == 0 ? "off"
                                    : g_strcmp0 (state, "suspended") == 0  ? "suspended"
                                                                           : "unknown");
}

static void
take_connection (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->connection, val);
}

static void
take_firmware (MtvVsphereVm *self, const xmlNode *val)
{
  g_free (self->vm->firmware);
  self->vm->firmware
      = g_strdup (g_strcmp0 (mtv_vsphere_xml_text (val, NULL), "efi") == 0 ? "efi" : "bios");
}

static void
take_boot_options (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->secure_boot = mtv_vsphere_xml_boolean (val, "efiSecureBootEnabled");
}

static void
take_tpm (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->tpm |= mtv_vsphere_xml_boolean (val, NULL);
}

static void
take_cpus (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->cpus = (guint) MIN (mtv_vsphere_xml_number (val, NULL), G_MAXUINT16);
}

static void
take_cores (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->cores_per_socket = (guint) MIN (mtv_vsphere_xml_number (val, NULL), G_MAXUINT16);
}

static void
take_cpu_hot_add (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->cpu_hot_add = mtv_vsphere_xml_boolean (val, NULL);
}

static void
take_memory_hot_add (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->memory_hot_add = mtv_vsphere_xml_boolean (val, NULL);
}

static void
take_memory (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->memory = MIN (mtv_vsphere_xml_number (val, NULL), G_MAXUINT32) << 20;
}

static void
take_os_id (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->vm->os_id, val);
}

static void
take_os_name (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->vm->os_name, val);
}

static void
take_nested (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->nested = mtv_vsphere_xml_boolean (val, NULL);
}

static void
take_host (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->host, val);
}

static void
take_hostname (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->vm->hostname, val);
}

static void
take_version (MtvVsphereVm *self, const xmlNode *val)
{
  replace (&self->version, val);
}

/* "running" wins over what the other property says of their version. */
static void
take_tools_state (MtvVsphereVm *self, const xmlNode *val)
{
  const char *state = mtv_vsphere_xml_text (val, NULL);
  const char *tools = g_strcmp0 (state, "guestToolsRunning") == 0            ? "running"
                      : g_strcmp0 (state, "guestToolsExecutingScripts") == 0 ? "running"
                      : g_strcmp0 (state, "guestToolsNotRunning") == 0       ? "not-running"
                                                                             : NULL;

  if (tools != NULL && self->vm->tools == NULL)
    self->vm->tools = g_strdup (tools);
}

static void
take_tools_version (MtvVsphereVm *self, const xmlNode *val)
{
  if (g_strcmp0 (mtv_vsphere_xml_text (val, NULL), "guestToolsNotInstalled") != 0
      || g_strcmp0 (self->vm->tools, "running") == 0)
    return;
  g_free (self->vm->tools);
  self->vm->tools = g_strdup ("not-installed");
}

/* Addresses of the link alone say nothing to anybody else. */
static void
take_guest_nics (MtvVsphereVm *self, const xmlNode *val)
{
  GVariantBuilder ips = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("as"));
  guint n = 0;

  for (xmlNode *nic = mtv_vsphere_xml_first (val); nic != NULL; nic = mtv_vsphere_xml_after (nic))
    for (xmlNode *ip = mtv_vsphere_xml_child (mtv_vsphere_xml_child (nic, "ipConfig"), "ipAddress");
         ip != NULL && n < MAX_LIST; ip = mtv_vsphere_xml_next (ip))
      {
        const char *text = mtv_vsphere_xml_text (ip, "ipAddress");

        if (text == NULL || g_str_has_prefix (text, "fe80:") || g_str_has_prefix (text, "169.254."))
          continue;
        g_variant_builder_add (&ips, "s", text);
        n++;
      }
  GVariant *list = g_variant_ref_sink (g_variant_builder_end (&ips));
  if (n > 0 && self->vm->ips == NULL)
    self->vm->ips = g_steal_pointer (&list);
  g_clear_pointer (&list, g_variant_unref);
}

static void
take_guest_disks (MtvVsphereVm *self, const xmlNode *val)
{
  for (xmlNode *at = mtv_vsphere_xml_first (val); at != NULL && self->guest_disks->len < MAX_LIST;
       at = mtv_vsphere_xml_after (at))
    {
      MtvVsphereGuestDisk *disk = g_new0 (MtvVsphereGuestDisk, 1);

      disk->path = g_strdup (mtv_vsphere_xml_text (at, "diskPath"));
      disk->capacity = mtv_vsphere_xml_number (at, "capacity");
      disk->free = mtv_vsphere_xml_number (at, "freeSpace");
      g_ptr_array_add (self->guest_disks, disk);
    }
}

static void
take_snapshots (MtvVsphereVm *self, const xmlNode *val)
{
  self->vm->snapshots = mtv_vsphere_snapshot_count (val);
  g_free (self->snapshots);
  self->snapshots = mtv_vsphere_snapshot_list (val);
}

static void
take_tracking (MtvVsphereVm *self, const xmlNode *val)
{
  self->tracking = mtv_vsphere_xml_boolean (val, NULL);
}

static void
take_trackable (MtvVsphereVm *self, const xmlNode *val)
{
  self->untrackable = g_strcmp0 (mtv_vsphere_xml_text (val, NULL), "false") == 0;
}

static void
take_consolidation (MtvVsphereVm *self, const xmlNode *val)
{
  self->consolidation_needed = mtv_vsphere_xml_boolean (val, NULL);
}

static void
take_fault_tolerance (MtvVsphereVm *self, const xmlNode *val)
{
  self->fault_tolerant = mtv_vsphere_xml_first (val) != NULL;
}

static void
take_key (MtvVsphereVm *self, const xmlNode *val)
{
  self->encrypted = mtv_vsphere_xml_first (val) != NULL;
}

static void
take_cpu_affinity (MtvVsphereVm *self, const xmlNode *val)
{
  self->cpu_affinity = mtv_vsphere_xml_text (val, "affinitySet") != NULL;
}

static void
take_extra_config (MtvVsphereVm *self, const xmlNode *val)
{
  for (xmlNode *at = mtv_vsphere_xml_first (val); at != NULL; at = mtv_vsphere_xml_after (at))
    if (g_strcmp0 (mtv_vsphere_xml_text (at, "key"), "numa.nodeAffinity") == 0
        && mtv_vsphere_xml_text (at, "value") != NULL)
      self->numa_affinity = TRUE;
}

static const struct
{
  const char *path;
  void (*take) (MtvVsphereVm *self, const xmlNode *val);
} properties[] = {
  { "name", take_name },
  { "parent", take_parent },
  { "parentVApp", take_parent },
  { "config.uuid", take_uuid },
  { "config.firmware", take_firmware },
  { "config.bootOptions", take_boot_options },
  { "config.guestId", take_os_id },
  { "config.guestFullName", take_os_name },
  { "config.changeTrackingEnabled", take_tracking },
  { "config.changeVersion", take_version },
  { "config.cpuHotAddEnabled", take_cpu_hot_add },
  { "config.memoryHotAddEnabled", take_memory_hot_add },
  { "config.hardware.numCPU", take_cpus },
  { "config.hardware.numCoresPerSocket", take_cores },
  { "config.hardware.memoryMB", take_memory },
  { "config.hardware.device", NULL },
  { "config.extraConfig", take_extra_config },
  { "config.nestedHVEnabled", take_nested },
  { "config.ftInfo", take_fault_tolerance },
  { "config.cpuAffinity", take_cpu_affinity },
  { "capability.changeTrackingSupported", take_trackable },
  { "runtime.powerState", take_power },
  { "runtime.connectionState", take_connection },
  { "runtime.consolidationNeeded", take_consolidation },
  { "runtime.host", take_host },
  { "snapshot", take_snapshots },
  { "guest.net", take_guest_nics },
  { "guest.disk", take_guest_disks },
  { "guest.hostName", take_hostname },
  { "guest.toolsRunningStatus", take_tools_state },
  { "guest.toolsVersionStatus2", take_tools_version },
  /* An older server refuses the whole call for a property that it does not know. */
  { "config.keyId", take_key },
  { "summary.config.tpmPresent", take_tpm },
};
#define N_OF_NEW_API 2

const char **
mtv_vsphere_vm_list_paths (gboolean new_api)
{
  gsize n = G_N_ELEMENTS (properties) - (new_api ? 0 : N_OF_NEW_API);
  const char **paths = g_new0 (const char *, n + 1);

  for (gsize i = 0; i < n; i++)
    paths[i] = properties[i].path;
  return paths;
}

static void
take_properties (MtvVsphereVm *self, const xmlNode *object)
{
  for (xmlNode *set = mtv_vsphere_xml_child (object, "propSet"); set != NULL;
       set = mtv_vsphere_xml_next (set))
    {
      const char *name = mtv_vsphere_xml_text (set, "name");
      const xmlNode *val = mtv_vsphere_xml_child (set, "val");

      for (gsize i = 0; name != NULL && val != NULL && i < G_N_ELEMENTS (properties); i++)
        if (strcmp (properties[i].path, name) == 0)
          {
            if (properties[i].take != NULL)
              properties[i].take (self, val);
            break;
          }
    }
}

static void
take_places (MtvVsphereVm *self, MtvVspherePlaces *places)
{
  const MtvVspherePlace *host = mtv_vsphere_places_get (places, self->host);
  const MtvVspherePlace *cluster
      = host == NULL ? NULL : mtv_vsphere_places_get (places, host->parent);

  self->vm->path = mtv_vsphere_places_get_path (places, self->parent, self->vm->name);
  if (host != NULL)
    self->vm->host = g_strdup (host->name);
  if (cluster != NULL && g_str_equal (cluster->type, "ClusterComputeResource"))
    self->vm->cluster = g_strdup (cluster->name);
}

/* Of a VM that vCenter cannot get at, it knows little more than the name. */
static void
find_problem (MtvVsphereVm *self, const xmlNode *devices)
{
  const char *state = self->connection != NULL ? self->connection : "unknown";

  if (devices == NULL)
    self->vm->problem = g_strdup_printf ("vSphere does not tell its hardware; its connection state "
                                         "is '%s'.",
                                         state);
  else if (g_str_equal (state, "inaccessible") || g_str_equal (state, "orphaned")
           || g_str_equal (state, "invalid") || g_str_equal (state, "disconnected"))
    self->vm->problem
        = g_strdup_printf ("vSphere has no access to it; its connection state is '%s'.", state);
}

MtvVsphereVm *
mtv_vsphere_vm_new (const xmlNode *object, MtvVspherePlaces *places)
{
  const char *id = mtv_vsphere_object_id (object);
  const xmlNode *devices = mtv_vsphere_object_get (object, "config.hardware.device");
  g_autoptr (MtvVsphereVm) self = g_new0 (MtvVsphereVm, 1);

  if (id == NULL)
    return NULL;
  self->vm = mtv_vm_new ();
  self->vm->id = g_strdup (id);
  self->guest_disks = g_ptr_array_new_with_free_func (guest_disk_free);
  take_properties (self, object);
  if (self->vm->name == NULL)
    self->vm->name = g_strdup (id);
  if (places != NULL)
    take_places (self, places);
  mtv_vsphere_devices_add (self, devices, places);
  mtv_vsphere_devices_order (self, mtv_vsphere_object_get (object, "config.bootOptions"));
  find_problem (self, devices);
  return g_steal_pointer (&self);
}
