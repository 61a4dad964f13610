/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-devices.h"

#include <string.h>

#define MAX_DEVICES 1024

/* Controllers. */

static const struct
{
  const char *type;
  const char *bus;
  const char *model;
} controllers[] = {
  { "VirtualIDEController", "ide", "piix" },
  { "VirtualBusLogicController", "scsi", "buslogic" },
  { "VirtualLsiLogicController", "scsi", "lsilogic" },
  { "VirtualLsiLogicSASController", "scsi", "lsisas1068" },
  { "ParaVirtualSCSIController", "scsi", "pvscsi" },
  { "VirtualAHCIController", "sata", "ahci" },
  { "VirtualNVMEController", "nvme", "nvme" },
  { "VirtualUSBController", "usb", "ehci" },
  { "VirtualUSBXHCIController", "usb", "xhci" },
};

static const xmlNode *
find_device (const xmlNode *devices, const char *key)
{
  for (xmlNode *at = key == NULL ? NULL : mtv_vsphere_xml_first (devices); at != NULL;
       at = mtv_vsphere_xml_after (at))
    if (g_strcmp0 (mtv_vsphere_xml_text (at, "key"), key) == 0)
      return at;
  return NULL;
}

static void
set_controller (MtvVmDisk *disk, MtvVsphereDisk *more, const xmlNode *devices,
                const xmlNode *device)
{
  const xmlNode *controller = find_device (devices, mtv_vsphere_xml_text (device, "controllerKey"));
  const char *type = mtv_vsphere_xml_type (controller);
  const char *sharing = mtv_vsphere_xml_text (controller, "sharedBus");

  disk->bus_number = (guint) mtv_vsphere_xml_number (controller, "busNumber");
  disk->unit = (guint) mtv_vsphere_xml_number (device, "unitNumber");
  if (type != NULL)
    more->address = g_strdup_printf ("%s%u:%u", type, disk->bus_number, disk->unit);
  if (sharing != NULL && !g_str_equal (sharing, "noSharing"))
    disk->shared = TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (controllers); i++)
    if (g_strcmp0 (controllers[i].type, type) == 0)
      {
        disk->bus = g_strdup (controllers[i].bus);
        disk->controller = g_strdup (controllers[i].model);
      }
}

/* Disks. */

static void
disk_free (gpointer data)
{
  MtvVsphereDisk *disk = data;

  g_free (disk->key);
  g_free (disk->change_id);
  g_free (disk->datastore);
  g_free (disk->address);
  g_free (disk);
}

static MtvVsphereBacking
kind_of (const xmlNode *backing)
{
  const char *type = mtv_vsphere_xml_type (backing);

  if (type == NULL)
    return MTV_VSPHERE_BACKING_OTHER;
  if (strstr (type, "RawDisk") != NULL)
    return g_strcmp0 (mtv_vsphere_xml_text (backing, "compatibilityMode"), "virtualMode") == 0
               ? MTV_VSPHERE_BACKING_RDM
               : MTV_VSPHERE_BACKING_PHYSICAL_RDM;
  if (strstr (type, "FlatVer2") != NULL || strstr (type, "SeSparse") != NULL
      || strstr (type, "SparseVer2") != NULL)
    return MTV_VSPHERE_BACKING_FILE;
  return MTV_VSPHERE_BACKING_OTHER;
}

static const char *
format_of (const xmlNode *backing)
{
  const char *type = mtv_vsphere_xml_type (backing);

  return type != NULL && strstr (type, "FlatVer2") != NULL ? "vmdk-flat" : "vmdk";
}

/* NULL for the one that all is done for. */
static char *
mode_of (const MtvVsphereDisk *more, const char *mode)
{
  if (more->backing == MTV_VSPHERE_BACKING_PHYSICAL_RDM)
    return g_strdup ("rdm-physical");
  if (more->backing == MTV_VSPHERE_BACKING_RDM)
    return g_strdup ("rdm");
  if (mode == NULL || g_str_equal (mode, "persistent"))
    return NULL;
  return g_strdelimit (g_strdup (mode), "_", '-');
}

/* "[ds1] web/web.vmdk" is on "ds1". */
static char *
datastore_of (const xmlNode *backing, MtvVspherePlaces *places)
{
  const char *id = mtv_vsphere_xml_text (backing, "datastore");
  const char *file = mtv_vsphere_xml_text (backing, "fileName");
  const MtvVspherePlace *place = places == NULL ? NULL : mtv_vsphere_places_get (places, id);
  const char *end = file != NULL && *file == '[' ? strchr (file, ']') : NULL;

  if (place != NULL)
    return g_strdup (place->name);
  return end != NULL ? g_strndup (file + 1, end - file - 1) : NULL;
}

static void
set_backing (MtvVmDisk *disk, MtvVsphereDisk *more, const xmlNode *backing,
             MtvVspherePlaces *places)
{
  const char *mode = mtv_vsphere_xml_text (backing, "diskMode");
  const char *sharing = mtv_vsphere_xml_text (backing, "sharing");

  more->backing = kind_of (backing);
  more->change_id = g_strdup (mtv_vsphere_xml_text (backing, "changeId"));
  more->datastore = g_strdup (mtv_vsphere_xml_text (backing, "datastore"));
  more->independent = mode != NULL && g_str_has_prefix (mode, "independent");
  more->multi_writer = g_strcmp0 (sharing, "sharingMultiWriter") == 0;
  more->encrypted = mtv_vsphere_xml_child (backing, "keyId") != NULL;
  disk->shared |= more->multi_writer;
  disk->mode = mode_of (more, mode);
  disk->format = g_strdup (format_of (backing));
  disk->storage = datastore_of (backing, places);
  disk->serial = g_strdup (mtv_vsphere_xml_text (backing, "uuid"));
  disk->backing = g_strdup (mtv_vsphere_xml_text (backing, "fileName"));
  if (disk->backing == NULL)
    disk->problem = g_strdup ("It is not stored in a file that vSphere tells of.");
}

static void
add_disk (MtvVsphereVm *self, const xmlNode *devices, const xmlNode *device,
          MtvVspherePlaces *places)
{
  const char *key = mtv_vsphere_xml_text (device, "key");
  const char *label = mtv_vsphere_xml_text (device, "deviceInfo/label");

  if (key == NULL)
    return;
  MtvVmDisk *disk = mtv_vm_add_disk (self->vm);
  MtvVsphereDisk *more = g_new0 (MtvVsphereDisk, 1);
  more->index = self->disks->len;
  g_ptr_array_add (self->disks, more);
  more->key = g_strdup (key);
  disk->id = g_strdup (key);
  disk->name = g_strdup (label != NULL ? label : key);
  disk->capacity = mtv_vsphere_vm_get_disk_capacity (device);
  set_controller (disk, more, devices, device);
  set_backing (disk, more, mtv_vsphere_xml_child (device, "backing"), places);
}

/* NICs. */

static const struct
{
  const char *type;
  const char *model;
} nics[] = {
  { "VirtualE1000", "e1000" },     { "VirtualE1000e", "e1000e" },
  { "VirtualVmxnet", "vmxnet" },   { "VirtualVmxnet2", "vmxnet2" },
  { "VirtualVmxnet3", "vmxnet3" }, { "VirtualVmxnet3Vrdma", "vmxnet3" },
  { "VirtualPCNet32", "pcnet32" }, { "VirtualSriovEthernetCard", "sriov" },
};

static char *
network_of (const xmlNode *backing, MtvVspherePlaces *places)
{
  const char *id = mtv_vsphere_xml_text (backing, "network");
  const char *key = mtv_vsphere_xml_text (backing, "port/portgroupKey");
  const char *opaque = mtv_vsphere_xml_text (backing, "opaqueNetworkId");
  const MtvVspherePlace *place = NULL;

  if (places != NULL && key != NULL)
    place = mtv_vsphere_places_find_portgroup (places, key);
  else if (places != NULL)
    place = mtv_vsphere_places_get (places, id);
  if (place != NULL)
    return g_strdup (place->name);
  if (key != NULL || opaque != NULL)
    return g_strdup (key != NULL ? key : opaque);
  return g_strdup (mtv_vsphere_xml_text (backing, "deviceName"));
}

static void
add_nic (MtvVsphereVm *self, const xmlNode *device, const char *model, MtvVspherePlaces *places)
{
  MtvVmNic *nic = mtv_vm_add_nic (self->vm);
  const char *mac = mtv_vsphere_xml_text (device, "macAddress");
  const char *connected = mtv_vsphere_xml_text (device, g_str_equal (self->vm->power_state, "on")
                                                            ? "connectable/connected"
                                                            : "connectable/startConnected");

  nic->id = g_strdup (mtv_vsphere_xml_text (device, "key"));
  nic->name = g_strdup (mtv_vsphere_xml_text (device, "deviceInfo/label"));
  nic->mac = mac == NULL ? NULL : g_ascii_strdown (mac, -1);
  nic->model = g_strdup (model);
  nic->network = network_of (mtv_vsphere_xml_child (device, "backing"), places);
  nic->disconnected = g_strcmp0 (connected, "false") == 0;
  self->sriov |= g_str_equal (model, "sriov");
}

static const char *
nic_model (const char *type)
{
  for (gsize i = 0; i < G_N_ELEMENTS (nics); i++)
    if (g_str_equal (nics[i].type, type))
      return nics[i].model;
  return NULL;
}

void
mtv_vsphere_devices_add (MtvVsphereVm *self, const xmlNode *devices, MtvVspherePlaces *places)
{
  guint n = 0;

  self->disks = g_ptr_array_new_with_free_func (disk_free);
  for (xmlNode *at = mtv_vsphere_xml_first (devices); at != NULL && n < MAX_DEVICES;
       at = mtv_vsphere_xml_after (at), n++)
    {
      const char *type = mtv_vsphere_xml_type (at);

      if (type == NULL)
        continue;
      if (g_str_equal (type, "VirtualDisk"))
        add_disk (self, devices, at, places);
      else if (nic_model (type) != NULL)
        add_nic (self, at, nic_model (type), places);
      else if (g_str_equal (type, "VirtualTPM"))
        self->vm->tpm = TRUE;
      else if (g_str_has_prefix (type, "VirtualPCIPassthrough"))
        self->passthrough = TRUE;
      else if (g_str_has_prefix (type, "VirtualUSB"))
        self->usb = TRUE;
    }
}

/* The place of @key among the bootable disks; those that are not named come after them. */
static guint
boot_rank (const xmlNode *boot_options, const char *key)
{
  guint rank = 0;

  for (xmlNode *at = mtv_vsphere_xml_child (boot_options, "bootOrder"); at != NULL;
       at = mtv_vsphere_xml_next (at), rank++)
    if (g_strcmp0 (mtv_vsphere_xml_text (at, "deviceKey"), key) == 0
        && g_strcmp0 (mtv_vsphere_xml_type (at), "VirtualMachineBootOptionsBootableDiskDevice")
               == 0)
      return rank;
  return G_MAXUINT;
}

static void
move_to (GPtrArray *array, guint from, guint to)
{
  gpointer item = g_ptr_array_index (array, from);

  memmove (array->pdata + to + 1, array->pdata + to, (from - to) * sizeof (gpointer));
  array->pdata[to] = item;
}

void
mtv_vsphere_devices_order (MtvVsphereVm *self, const xmlNode *boot_options)
{
  for (guint i = 1; boot_options != NULL && i < self->disks->len; i++)
    {
      guint rank = boot_rank (boot_options, ((MtvVsphereDisk *) self->disks->pdata[i])->key);
      guint to = i;

      while (to > 0
             && boot_rank (boot_options, ((MtvVsphereDisk *) self->disks->pdata[to - 1])->key)
                    > rank)
        to--;
      move_to (self->disks, i, to);
      move_to (self->vm->disks, i, to);
    }
}
