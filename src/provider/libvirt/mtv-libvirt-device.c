/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-device.h"

#include "provider/libvirt/mtv-libvirt-xml.h"

#include <string.h>

/* Where a disk lies, or why it cannot be read. */
static void
read_source (MtvVmDisk *disk, const xmlNode *node)
{
  const xmlNode *source = mtv_libvirt_xml_child (node, "source");
  g_autofree char *type = mtv_libvirt_xml_attribute (node, "type");
  g_autofree char *volume = mtv_libvirt_xml_attribute (source, "volume");

  if (g_strcmp0 (type, "file") == 0)
    disk->backing = mtv_libvirt_xml_attribute (source, "file");
  else if (g_strcmp0 (type, "block") == 0)
    disk->backing = mtv_libvirt_xml_attribute (source, "dev");
  else if (g_strcmp0 (type, "volume") == 0)
    {
      disk->storage = mtv_libvirt_xml_attribute (source, "pool");
      if (disk->storage != NULL && volume != NULL)
        disk->backing = g_strconcat (disk->storage, "/", volume, NULL);
    }
  else if (g_strcmp0 (type, "network") == 0)
    {
      disk->storage = mtv_libvirt_xml_attribute (source, "protocol");
      disk->problem = g_strdup_printf ("It lies on network storage (%s), which cannot be read from "
                                       "here: move it to a file or a block device first.",
                                       disk->storage != NULL ? disk->storage : "unknown");
      return;
    }
  else
    {
      disk->problem = g_strdup_printf ("It is of the type '%s', which cannot be read.",
                                       type != NULL ? type : "unknown");
      return;
    }
  if (disk->backing == NULL
      || (g_strcmp0 (type, "volume") != 0 && !g_path_is_absolute (disk->backing)))
    {
      g_clear_pointer (&disk->backing, g_free);
      disk->problem = g_strdup ("It has no source.");
    }
}

/* The model of the controller of @bus with that number. */
static char *
find_controller (const xmlNode *devices, const char *bus, guint number)
{
  for (const xmlNode *node = mtv_libvirt_xml_child (devices, "controller"); node != NULL;
       node = mtv_libvirt_xml_next (node, "controller"))
    if (mtv_libvirt_xml_has (node, "type", bus)
        && mtv_libvirt_xml_number (node, "index", G_MAXUINT) == number)
      return mtv_libvirt_xml_attribute (node, "model");
  return NULL;
}

/* "vda" is 0, "vdb" is 1, "vdaa" is 26. */
static guint
unit_of_target (const char *target)
{
  guint64 unit = 0;

  for (const char *at = target + MIN (2, strlen (target)); g_ascii_islower (*at); at++)
    unit = MIN (unit * 26 + (*at - 'a' + 1), G_MAXUINT);
  return unit > 0 ? unit - 1 : 0;
}

static void
read_place (MtvVmDisk *disk, const xmlNode *node, const xmlNode *devices)
{
  const xmlNode *address = mtv_libvirt_xml_child (node, "address");

  disk->bus = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (node, "target"), "bus");
  if (mtv_libvirt_xml_has (address, "type", "drive"))
    {
      disk->bus_number = mtv_libvirt_xml_number (address, "controller", G_MAXUINT);
      disk->unit = mtv_libvirt_xml_number (address, "unit", G_MAXUINT);
      disk->controller
          = disk->bus != NULL ? find_controller (devices, disk->bus, disk->bus_number) : NULL;
      /* Of IDE, a bus is one of the two cables of a controller. */
      if (g_strcmp0 (disk->bus, "ide") == 0)
        disk->unit += 2 * mtv_libvirt_xml_number (address, "bus", 1);
    }
  else
    disk->unit = unit_of_target (disk->id);
}

static void
read_mode (MtvVm *vm, MtvVmDisk *disk, const xmlNode *node)
{
  disk->shared = mtv_libvirt_xml_child (node, "shareable") != NULL;
  if (disk->shared)
    mtv_concerns_add (vm->concerns, "disk.shared", MTV_CONCERN_WARNING, vm->name, "A shared disk",
                      "Disk '%s' is one that other VMs may write to: shut them down as well, or "
                      "its copy is of no instant.",
                      disk->name);
  if (mtv_libvirt_xml_has (node, "device", "lun"))
    {
      disk->mode = g_strdup ("rdm");
      mtv_concerns_add (vm->concerns, "disk.passthrough", MTV_CONCERN_WARNING, vm->name,
                        "A LUN is passed through",
                        "Disk '%s' is a SCSI device that is passed through to the VM: it becomes "
                        "an ordinary disk.",
                        disk->name);
    }
  else if (mtv_libvirt_xml_child (node, "transient") != NULL)
    disk->mode = g_strdup ("independent-nonpersistent");
  if (disk->problem == NULL
      && (mtv_libvirt_xml_child (node, "encryption") != NULL
          || mtv_libvirt_xml_child (mtv_libvirt_xml_child (node, "source"), "encryption") != NULL))
    disk->problem = g_strdup ("It is encrypted by QEMU, with a key that only libvirt has.");
}

static void
read_disk (MtvVm *vm, const xmlNode *node, const xmlNode *devices)
{
  MtvVmDisk *disk = mtv_vm_add_disk (vm);
  const xmlNode *driver = mtv_libvirt_xml_child (node, "driver");

  g_free (disk->id);
  g_free (disk->name);
  disk->id = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (node, "target"), "dev");
  if (disk->id == NULL)
    disk->id = g_strdup_printf ("disk-%u", vm->disks->len);
  read_source (disk, node);
  disk->name = disk->backing != NULL ? g_path_get_basename (disk->backing) : g_strdup (disk->id);
  if (disk->storage == NULL && disk->backing != NULL)
    disk->storage = g_path_get_dirname (disk->backing);
  disk->format = mtv_libvirt_xml_attribute (driver, "type");
  if (disk->format == NULL)
    disk->format = g_strdup ("raw"); /* libvirt probes nothing */
  disk->serial = mtv_libvirt_xml_text (mtv_libvirt_xml_child (node, "serial"));
  read_place (disk, node, devices);
  read_mode (vm, disk, node);
}

/* What <boot order='N'/> says; those that have none come last, as they are. */
static guint64
boot_order (const xmlNode *node)
{
  guint64 order
      = mtv_libvirt_xml_number (mtv_libvirt_xml_child (node, "boot"), "order", G_MAXUINT32);

  return order != 0 ? order : G_MAXUINT64;
}

static int
compare_boot_order (gconstpointer a, gconstpointer b)
{
  guint64 one = boot_order (a);
  guint64 other = boot_order (b);

  return one < other ? -1 : one > other;
}

static void
read_disks (MtvVm *vm, const xmlNode *devices)
{
  g_autoptr (GList) nodes = NULL;

  for (xmlNode *node = mtv_libvirt_xml_child (devices, "disk"); node != NULL;
       node = mtv_libvirt_xml_next (node, "disk"))
    if (!mtv_libvirt_xml_has (node, "device", "cdrom")
        && !mtv_libvirt_xml_has (node, "device", "floppy"))
      nodes = g_list_prepend (nodes, node);
  nodes = g_list_sort (g_list_reverse (nodes), compare_boot_order); /* stable */
  for (GList *l = nodes; l != NULL; l = l->next)
    read_disk (vm, l->data, devices);
}

static char *
nic_network (const xmlNode *node)
{
  static const char *const attributes[] = { "network", "bridge", "dev", "path", NULL };
  const xmlNode *source = mtv_libvirt_xml_child (node, "source");

  for (const char *const *name = attributes; *name != NULL; name++)
    {
      char *network = mtv_libvirt_xml_attribute (source, *name);
      if (network != NULL)
        return network;
    }
  return mtv_libvirt_xml_attribute (node, "type"); /* "user" has no source */
}

static void
read_nic (MtvVm *vm, const xmlNode *node)
{
  MtvVmNic *nic = mtv_vm_add_nic (vm);
  g_autofree char *mac = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (node, "mac"), "address");
  g_autofree char *alias
      = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (node, "alias"), "name");

  g_free (nic->id);
  g_free (nic->name);
  nic->mac = mac != NULL ? g_ascii_strdown (mac, -1) : NULL;
  nic->id = g_strdup_printf ("net%u", vm->nics->len - 1);
  nic->name = g_strdup (alias != NULL ? alias : nic->id);
  nic->network = nic_network (node);
  nic->model = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (node, "model"), "type");
  nic->disconnected = mtv_libvirt_xml_has (mtv_libvirt_xml_child (node, "link"), "state", "down");
  if (mtv_libvirt_xml_has (node, "type", "hostdev"))
    mtv_concerns_add (vm->concerns, "device.passthrough", MTV_CONCERN_WARNING, vm->name,
                      "A device is passed through",
                      "Network card %s is a device of the host: at the destination it becomes an "
                      "ordinary one.",
                      nic->mac != NULL ? nic->mac : nic->name);
}

static void
add_lost (MtvVm *vm, const char *what)
{
  mtv_concerns_add (vm->concerns, "device.passthrough", MTV_CONCERN_WARNING, vm->name,
                    "A device is passed through",
                    "The VM has %s of the host, which it will not have at the destination.", what);
}

void
mtv_libvirt_device_read_all (MtvVm *vm, const xmlNode *devices)
{
  read_disks (vm, devices);
  for (const xmlNode *node = mtv_libvirt_xml_child (devices, "interface"); node != NULL;
       node = mtv_libvirt_xml_next (node, "interface"))
    read_nic (vm, node);
  for (const xmlNode *node = mtv_libvirt_xml_child (devices, "hostdev"); node != NULL;
       node = mtv_libvirt_xml_next (node, "hostdev"))
    {
      g_autofree char *type = mtv_libvirt_xml_attribute (node, "type");
      g_autofree char *what = g_strdup_printf ("a %s device", type != NULL ? type : "device");
      add_lost (vm, type != NULL ? what : "a device");
    }
  for (const xmlNode *node = mtv_libvirt_xml_child (devices, "filesystem"); node != NULL;
       node = mtv_libvirt_xml_next (node, "filesystem"))
    add_lost (vm, "a folder");
  if (mtv_libvirt_xml_child (devices, "shmem") != NULL)
    add_lost (vm, "shared memory");
}
