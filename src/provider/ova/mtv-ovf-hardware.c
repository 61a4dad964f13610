/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ovf-hardware.h"

#include "provider/ova/mtv-ovf-units.h"
#include "provider/ova/mtv-ovf-xml.h"

#include <string.h>

/* DMTF DSP1043 / CIM_ResourceAllocationSettingData.ResourceType */
enum
{
  TYPE_CPU = 3,
  TYPE_MEMORY = 4,
  TYPE_IDE = 5,
  TYPE_SCSI = 6,
  TYPE_ETHERNET = 10,
  TYPE_DISK = 17,
  TYPE_STORAGE = 19,
  TYPE_OTHER_STORAGE = 20,
  TYPE_USB = 23,
  TYPE_LOGICAL_DISK = 31,
};

/* In the order in which a PC's firmware tries them: what is on the board (IDE, then AHCI) before
 * what brings its own option ROM or driver. Items' own order decides between equals. */
static const char *const buses[] = { "ide", "sata", "scsi", "nvme", "virtio", "usb" };
#define N_BUSES G_N_ELEMENTS (buses)

typedef struct
{
  xmlNode *node;
  guint type;
  char *instance;      /* (nullable) */
  char *subtype;       /* (nullable) lower case */
  char *configuration; /* (nullable) */
  guint bus;           /* of a controller: index in buses, else N_BUSES */
  guint bus_number;
} Item;

typedef struct
{
  MtvVmDisk *disk; /* (unowned) */
  gboolean boot;
  guint bus;
  guint index; /* in the OVF */
} Place;

typedef struct
{
  MtvOvf *ovf;
  MtvVm *vm;
  GPtrArray *items;        /* (element-type Item) */
  GHashTable *by_instance; /* InstanceID (unowned) → Item */
  GHashTable *seen_disks;  /* ids of disks of this VM */
  GArray *places;          /* (element-type Place) */
  guint64 used[N_BUSES];   /* bus numbers that are taken */
} Hardware;

static void
item_free (gpointer data)
{
  Item *item = data;

  g_free (item->instance);
  g_free (item->subtype);
  g_free (item->configuration);
  g_free (item);
}

static guint64
to_number (const char *text, guint64 limit, guint64 fallback)
{
  guint64 number;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, limit, &number, NULL) ? number
                                                                                        : fallback;
}

static guint64
item_number (const Item *item, const char *name, guint64 limit, guint64 fallback)
{
  g_autofree char *text = mtv_ovf_xml_child_text (item->node, name);

  return to_number (text, limit, fallback);
}

static char *
item_text (const Item *item, const char *name, const char *older_name)
{
  char *text = mtv_ovf_xml_child_text (item->node, name);

  return text != NULL || older_name == NULL ? text
                                            : mtv_ovf_xml_child_text (item->node, older_name);
}

static gboolean
has_word (const char *list, const char *word)
{
  g_auto (GStrv) words = g_strsplit_set (list, " \t\r\n", -1);

  return word != NULL && g_strv_contains ((const char *const *) words, word);
}

/* Bounds tell what may be changed at deployment (DSP0243 8.4), other configurations what is not
 * deployed. */
static gboolean
is_wanted (const Hardware *self, const xmlNode *node)
{
  g_autofree char *bound = mtv_ovf_xml_attribute (node, "bound");
  g_autofree char *configuration = mtv_ovf_xml_attribute (node, "configuration");

  return (bound == NULL || strcmp (bound, "normal") == 0)
         && (configuration == NULL || has_word (configuration, self->ovf->configuration));
}

static guint
find_bus (guint type, const char *subtype)
{
  const char *kind = subtype != NULL ? subtype : "";

  switch (type)
    {
    case TYPE_IDE:
      return 0;
    case TYPE_SCSI:
      return 2;
    case TYPE_OTHER_STORAGE:
      if (strstr (kind, "nvme") != NULL)
        return 3;
      return strstr (kind, "scsi") != NULL ? 2 : 1;
    case TYPE_USB:
      return 5;
    default:
      return N_BUSES;
    }
}

/* The Address of a controller is its number where producers count; else they count by order. */
static void
number_controller (Hardware *self, Item *item)
{
  guint64 *used = &self->used[item->bus];
  guint64 number = item_number (item, "Address", 63, 64);

  if (number == 64 || (*used >> number & 1))
    for (number = 0; number < 63 && (*used >> number & 1);)
      number++;
  *used |= G_GUINT64_CONSTANT (1) << number;
  item->bus_number = number;
}

static Item *
item_new (xmlNode *node)
{
  Item *item = g_new0 (Item, 1);
  g_autofree char *type = mtv_ovf_xml_child_text (node, "ResourceType");
  g_autofree char *subtype = mtv_ovf_xml_child_text (node, "ResourceSubType");

  item->node = node;
  item->type = to_number (type, G_MAXUINT, 0);
  item->subtype = subtype != NULL ? g_ascii_strdown (subtype, -1) : NULL;
  item->instance = item_text (item, "InstanceID", "InstanceId");
  item->configuration = mtv_ovf_xml_attribute (node, "configuration");
  item->bus = find_bus (item->type, item->subtype);
  return item;
}

/* An item of the chosen configuration takes the place of the one for all configurations. */
static void
add_item (Hardware *self, xmlNode *node)
{
  Item *item = item_new (node);
  Item *other
      = item->instance != NULL ? g_hash_table_lookup (self->by_instance, item->instance) : NULL;

  if (other != NULL && item->configuration != NULL && other->configuration == NULL)
    {
      Item swap = *other;
      *other = *item;
      *item = swap;
      g_hash_table_replace (self->by_instance, other->instance, other);
      item_free (item);
      return;
    }
  if (other != NULL && other->configuration != NULL && item->configuration == NULL)
    {
      item_free (item);
      return;
    }
  g_ptr_array_add (self->items, item);
  if (item->instance != NULL && other == NULL)
    g_hash_table_insert (self->by_instance, item->instance, item);
}

static void
read_items (Hardware *self, const xmlNode *section)
{
  for (xmlNode *node = section->children; node != NULL; node = node->next)
    if ((mtv_ovf_xml_is (node, "Item") || mtv_ovf_xml_is (node, "StorageItem")
         || mtv_ovf_xml_is (node, "EthernetPortItem"))
        && is_wanted (self, node))
      add_item (self, node);
  for (guint i = 0; i < self->items->len; i++)
    {
      Item *item = g_ptr_array_index (self->items, i);
      if (item->bus < N_BUSES)
        number_controller (self, item);
    }
}

static void
read_cpu (Hardware *self, const Item *item)
{
  g_autofree char *quantity = mtv_ovf_xml_child_text (item->node, "VirtualQuantity");
  guint cpus = to_number (mtv_ovf_expand (self->ovf, quantity), G_MAXUINT16, 0);
  guint sockets = item_number (item, "num_of_sockets", G_MAXUINT16, 0); /* oVirt's three */
  guint cores = item_number (item, "cpu_per_socket", G_MAXUINT16, 0);
  guint threads = item_number (item, "threads_per_cpu", G_MAXUINT16, 0);

  if (self->vm->cpus != 0)
    return;
  if (cores == 0)
    cores = item_number (item, "CoresPerSocket", G_MAXUINT16, 0);
  if (cpus == 0)
    cpus = MIN ((guint64) sockets * MAX (cores, 1) * MAX (threads, 1), G_MAXUINT16);
  self->vm->cpus = cpus;
  self->vm->cores_per_socket = cores;
  self->vm->threads_per_core = threads;
}

static void
read_memory (Hardware *self, const Item *item)
{
  g_autofree char *quantity = mtv_ovf_xml_child_text (item->node, "VirtualQuantity");
  g_autofree char *units = item_text (item, "AllocationUnits", "VirtualQuantityUnits");
  const char *number = mtv_ovf_expand (self->ovf, quantity);
  guint64 memory;

  if (self->vm->memory == 0 && number != NULL
      && mtv_ovf_units_parse (number, units, 1024 * 1024, &memory))
    self->vm->memory = memory;
}

/* Names that clients know; anything else as the producer has it. oVirt numbers its models. */
static char *
translate (const char *subtype)
{
  static const struct
  {
    const char *from;
    const char *to;
  } names[] = {
    { "virtualscsi", "pvscsi" },
    { "vmware.sata.ahci", "ahci" },
    { "vmware.nvme.controller", "nvme" },
    { "virtio_scsi", "virtio-scsi" },
    { "virtioscsi", "virtio-scsi" },
    { "virtio-net", "virtio" },
    { "virtionet", "virtio" },
    { "pv", "virtio" },
    { "1", "rtl8139" },
    { "2", "e1000" },
    { "3", "virtio" },
  };

  for (gsize i = 0; subtype != NULL && i < G_N_ELEMENTS (names); i++)
    if (strcmp (subtype, names[i].from) == 0)
      return g_strdup (names[i].to);
  return g_strdup (subtype);
}

static gboolean
says_false (const char *text)
{
  return text != NULL && (g_ascii_strcasecmp (text, "false") == 0 || strcmp (text, "0") == 0);
}

static void
read_nic (Hardware *self, const Item *item)
{
  MtvVmNic *nic = mtv_vm_add_nic (self->vm);
  g_autofree char *mac = item_text (item, "MACAddress", "Address");
  g_autofree char *linked = mtv_ovf_xml_child_text (item->node, "Linked"); /* oVirt */
  g_autofree char *automatic = mtv_ovf_xml_child_text (item->node, "AutomaticAllocation");

  nic->id = g_strdup (item->instance);
  if (nic->id == NULL)
    nic->id = g_strdup_printf ("%u", self->vm->nics->len);
  nic->name = item_text (item, "ElementName", "Caption");
  nic->mac = mac != NULL ? mtv_ovf_units_normalize_mac (mac) : NULL;
  nic->network = mtv_ovf_xml_child_text (item->node, "Connection");
  nic->model = translate (item->subtype);
  nic->disconnected = says_false (linked) || says_false (automatic);
}

/* "ovf:/disk/ID", "/disk/ID", "disk/ID" (DSP0243 8.4.3), or as oVirt's export domains "GROUP/FILE".
 * References to files are ISO and floppy images. */
static const MtvOvfDisk *
resolve (Hardware *self, const char *reference, const char **id)
{
  if (g_str_has_prefix (reference, "ovf:"))
    reference += strlen ("ovf:");
  while (*reference == '/')
    reference++;
  *id = reference;
  if (g_str_has_prefix (reference, "file/"))
    return NULL;
  if (g_str_has_prefix (reference, "disk/"))
    {
      *id = reference + strlen ("disk/");
      return mtv_ovf_find_disk (self->ovf, *id);
    }

  const MtvOvfDisk *disk = mtv_ovf_find_disk (self->ovf, reference);
  const char *slash = strrchr (reference, '/');
  if (disk == NULL)
    disk = g_hash_table_lookup (self->ovf->disks_by_file, reference);
  if (disk == NULL && slash != NULL)
    disk = mtv_ovf_find_disk (self->ovf, slash + 1);
  return disk;
}

MtvVmDisk *
mtv_ovf_hardware_add_disk (MtvVm *vm, const MtvOvfDisk *disk)
{
  MtvVmDisk *added = mtv_vm_add_disk (vm);

  added->id = g_strdup (disk->id);
  added->name = disk->href != NULL ? g_path_get_basename (disk->href) : g_strdup (disk->id);
  added->capacity = disk->capacity;
  added->allocated = MIN (disk->populated, disk->capacity);
  added->problem = g_strdup (disk->problem != NULL ? disk->problem : disk->capacity_problem);
  return added;
}

/* oVirt tells the bus at the disk. */
static guint
bus_of_interface (const char *interface)
{
  g_autofree char *name = interface != NULL ? g_ascii_strdown (interface, -1) : NULL;
  guint bus;

  if (name == NULL)
    return N_BUSES;
  if (strstr (name, "scsi") != NULL)
    return 2;
  for (bus = 0; bus < N_BUSES && strcmp (buses[bus], name) != 0;)
    bus++;
  return bus;
}

static void
place_disk (Hardware *self, const Item *item, const MtvOvfDisk *source, MtvVmDisk *disk)
{
  g_autofree char *parent = mtv_ovf_xml_child_text (item->node, "Parent");
  const Item *controller = parent != NULL ? g_hash_table_lookup (self->by_instance, parent) : NULL;
  Place place = { disk, source != NULL && source->boot, N_BUSES, self->places->len };

  if (controller != NULL && controller->bus < N_BUSES)
    {
      place.bus = controller->bus;
      disk->bus_number = controller->bus_number;
      disk->controller = translate (controller->subtype);
    }
  else if (source != NULL && source->interface != NULL)
    {
      g_autofree char *interface = g_ascii_strdown (source->interface, -1);
      place.bus = bus_of_interface (source->interface);
      disk->controller = place.bus == 2 ? translate (interface) : NULL;
    }
  if (place.bus < N_BUSES)
    disk->bus = g_strdup (buses[place.bus]);
  disk->unit = item_number (item, "AddressOnParent", G_MAXUINT16, 0);
  g_array_append_val (self->places, place);
}

static void
read_disk (Hardware *self, const Item *item)
{
  g_autofree char *reference = mtv_ovf_xml_child_text (item->node, "HostResource");
  const char *id = NULL;
  const MtvOvfDisk *source = reference != NULL ? resolve (self, reference, &id) : NULL;
  MtvVmDisk *disk;

  if (reference == NULL || g_str_has_prefix (id, "file/"))
    return; /* a drive without a medium, or with an image that is no disk */
  if (*id == '\0')
    id = reference; /* "ovf:/disk/" names nothing, the user still has to find it */
  if (!g_hash_table_add (self->seen_disks, g_strdup (source != NULL ? source->id : id)))
    return;

  if (source != NULL)
    disk = mtv_ovf_hardware_add_disk (self->vm, source);
  else
    {
      disk = mtv_vm_add_disk (self->vm);
      disk->id = g_strdup (id);
      disk->name = g_strdup (id);
      disk->problem = g_strdup_printf ("Disk '%s' is used but not described by the OVF", id);
    }
  place_disk (self, item, source, disk);
}

static void
read_item (Hardware *self, const Item *item)
{
  switch (item->type)
    {
    case TYPE_CPU:
      read_cpu (self, item);
      break;
    case TYPE_MEMORY:
      read_memory (self, item);
      break;
    case TYPE_ETHERNET:
      read_nic (self, item);
      break;
    case TYPE_DISK:
    case TYPE_STORAGE:
    case TYPE_LOGICAL_DISK:
      read_disk (self, item);
      break;
    default:
      if (item->subtype != NULL && strcmp (item->subtype, "vmware.vtpm") == 0)
        self->vm->tpm = TRUE;
      break;
    }
}

static int
compare_places (gconstpointer a, gconstpointer b)
{
  const Place *one = a;
  const Place *two = b;

  if (one->boot != two->boot)
    return one->boot ? -1 : 1;
  if (one->bus != two->bus)
    return one->bus < two->bus ? -1 : 1;
  if (one->disk->bus_number != two->disk->bus_number)
    return one->disk->bus_number < two->disk->bus_number ? -1 : 1;
  if (one->disk->unit != two->disk->unit)
    return one->disk->unit < two->disk->unit ? -1 : 1;
  return one->index < two->index ? -1 : 1;
}

static void
sort_disks (Hardware *self)
{
  g_array_sort (self->places, compare_places);
  for (guint i = 0; i < self->places->len; i++)
    self->vm->disks->pdata[i] = g_array_index (self->places, Place, i).disk;
}

static void
set_efi (MtvVm *vm)
{
  g_free (vm->firmware);
  vm->firmware = g_strdup ("efi");
}

static void
apply_setting (MtvVm *vm, const char *key, const char *value)
{
  gboolean on = g_ascii_strcasecmp (value, "true") == 0;

  if (strcmp (key, "firmware") == 0 && g_ascii_strcasecmp (value, "efi") == 0)
    set_efi (vm);
  else if (strcmp (key, "bootOptions.efiSecureBootEnabled") == 0
           || strcmp (key, "uefi.secureBoot.enabled") == 0)
    vm->secure_boot |= on;
  else if (strcmp (key, "cpuHotAddEnabled") == 0)
    vm->cpu_hot_add = on;
  else if (strcmp (key, "memoryHotAddEnabled") == 0)
    vm->memory_hot_add = on;
}

/* VMware: <vmw:Config key value>, <vmw:ExtraConfig key value>. */
static void
read_settings (Hardware *self, const xmlNode *section)
{
  for (const xmlNode *node = section->children; node != NULL; node = node->next)
    {
      if ((!mtv_ovf_xml_is (node, "Config") && !mtv_ovf_xml_is (node, "ExtraConfig"))
          || !is_wanted (self, node))
        continue;

      g_autofree char *key = mtv_ovf_xml_attribute (node, "key");
      g_autofree char *value = mtv_ovf_xml_attribute (node, "value");
      if (key != NULL && value != NULL)
        apply_setting (self->vm, key, value);
    }
}

/* VirtualBox describes its own machine beside the OVF's: firmware, TPM and MACs are only there. */
static void
read_virtualbox (MtvVm *vm, xmlNode *machine)
{
  g_autoptr (GPtrArray) firmwares = mtv_ovf_xml_descendants (machine, "Firmware");
  g_autoptr (GPtrArray) tpms = mtv_ovf_xml_descendants (machine, "TrustedPlatformModule");
  g_autoptr (GPtrArray) secure_boots = mtv_ovf_xml_descendants (machine, "SecureBoot");
  g_autoptr (GPtrArray) adapters = mtv_ovf_xml_descendants (machine, "Adapter");
  g_autofree char *firmware
      = firmwares->len > 0 ? mtv_ovf_xml_attribute (firmwares->pdata[0], "type") : NULL;
  g_autofree char *tpm = tpms->len > 0 ? mtv_ovf_xml_attribute (tpms->pdata[0], "type") : NULL;
  g_autofree char *secure
      = secure_boots->len > 0 ? mtv_ovf_xml_attribute (secure_boots->pdata[0], "enabled") : NULL;

  if (firmware != NULL && g_str_has_prefix (firmware, "EFI"))
    set_efi (vm);
  vm->tpm |= tpm != NULL && strcmp (tpm, "None") != 0;
  vm->secure_boot |= g_strcmp0 (secure, "true") == 0;

  for (guint i = 0, n = 0; i < adapters->len && n < vm->nics->len; i++)
    {
      MtvVmNic *nic = g_ptr_array_index (vm->nics, n);
      g_autofree char *enabled = mtv_ovf_xml_attribute (adapters->pdata[i], "enabled");
      g_autofree char *mac = mtv_ovf_xml_attribute (adapters->pdata[i], "MACAddress");

      if (g_strcmp0 (enabled, "true") != 0)
        continue;
      if (nic->mac == NULL && mac != NULL)
        nic->mac = mtv_ovf_units_normalize_mac (mac);
      n++;
    }
}

/* oVirt: <BiosType>, a number from 4.4 on (3 is OVMF, 4 OVMF with secure boot) or its name. */
static void
read_bios_type (MtvVm *vm, const xmlNode *system)
{
  g_autofree char *type = mtv_ovf_xml_child_text (system, "BiosType");
  gboolean secure = g_strcmp0 (type, "4") == 0 || g_strcmp0 (type, "Q35_SECURE_BOOT") == 0;

  if (secure || g_strcmp0 (type, "3") == 0 || g_strcmp0 (type, "Q35_OVMF") == 0)
    set_efi (vm);
  vm->secure_boot |= secure;
}

/* Xen: <VirtualSystemOtherConfigurationData Name="HVM_boot_params">…firmware=uefi…, "platform". */
static void
read_xen (MtvVm *vm, const xmlNode *section)
{
  for (xmlNode *node = mtv_ovf_xml_child (section, "VirtualSystemOtherConfigurationData");
       node != NULL; node = mtv_ovf_xml_next (node, "VirtualSystemOtherConfigurationData"))
    {
      g_autofree char *text = mtv_ovf_xml_text (node);

      if (text != NULL && strstr (text, "firmware=uefi") != NULL)
        set_efi (vm);
      vm->secure_boot |= text != NULL && strstr (text, "secureboot=true") != NULL;
    }
}

void
mtv_ovf_hardware_read (MtvOvf *ovf, xmlNode *system, xmlNode *section, MtvVm *vm)
{
  Hardware self = { .ovf = ovf, .vm = vm };
  xmlNode *machine = mtv_ovf_xml_child (system, "Machine");

  self.items = g_ptr_array_new_with_free_func (item_free);
  self.by_instance = g_hash_table_new (g_str_hash, g_str_equal);
  self.seen_disks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self.places = g_array_new (FALSE, FALSE, sizeof (Place));

  read_items (&self, section);
  for (guint i = 0; i < self.items->len; i++)
    read_item (&self, g_ptr_array_index (self.items, i));
  sort_disks (&self);
  read_settings (&self, section);
  read_xen (vm, section);
  read_bios_type (vm, system);
  if (machine != NULL)
    read_virtualbox (vm, machine);

  g_array_unref (self.places);
  g_hash_table_unref (self.seen_disks);
  g_hash_table_unref (self.by_instance);
  g_ptr_array_unref (self.items);
}
