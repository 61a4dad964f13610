/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ovf.h"

#include "base/mtv-error.h"
#include "provider/ova/mtv-ovf-hardware.h"
#include "provider/ova/mtv-ovf-units.h"
#include "provider/ova/mtv-ovf-xml.h"

#include <string.h>

typedef struct
{
  char *href;
  char *compression;
  guint64 chunk_size;
  guint64 size;
} File;

static void
file_free (gpointer data)
{
  File *file = data;

  g_free (file->href);
  g_free (file->compression);
  g_free (file);
}

static void
disk_free (gpointer data)
{
  MtvOvfDisk *disk = data;

  g_free (disk->id);
  g_free (disk->href);
  g_free (disk->file_id);
  g_free (disk->interface);
  g_free (disk->problem);
  g_free (disk->capacity_problem);
  g_free (disk);
}

void
mtv_ovf_free (MtvOvf *self)
{
  g_ptr_array_unref (self->vms);
  g_hash_table_unref (self->disks_by_id);
  g_hash_table_unref (self->disks_by_file);
  g_ptr_array_unref (self->disks);
  g_hash_table_unref (self->properties);
  g_free (self->configuration);
  g_free (self);
}

const MtvOvfDisk *
mtv_ovf_find_disk (MtvOvf *self, const char *id)
{
  return g_hash_table_lookup (self->disks_by_id, id);
}

const char *
mtv_ovf_expand (MtvOvf *self, const char *value)
{
  if (value == NULL || !g_str_has_prefix (value, "${") || !g_str_has_suffix (value, "}"))
    return value;

  g_autofree char *key = g_strndup (value + 2, strlen (value) - 3);
  return g_hash_table_lookup (self->properties, key);
}

static guint64
number_attribute (const xmlNode *node, const char *name)
{
  g_autofree char *text = mtv_ovf_xml_attribute (node, name);
  guint64 number;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, G_MAXINT64, &number, NULL)
             ? number
             : 0;
}

/* Producers are told by the namespaces they declare; VirtualBox and oVirt declare VMware's too. */
static const char *
find_producer (const xmlNode *root)
{
  static const struct
  {
    const char *prefix;
    const char *producer;
  } known[] = {
    { "http://www.ovirt.org/ovf", "ovirt" },
    { "http://www.virtualbox.org/ovf/machine", "virtualbox" },
    { "http://schemas.citrix.com/ovf/envelope", "xen" },
    { "http://www.citrix.com/xenclient/ovf", "xen" },
    { "http://www.vmware.com/schema/ovf", "vmware" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (known); i++)
    for (const xmlNs *ns = root->nsDef; ns != NULL; ns = ns->next)
      if (ns->href != NULL && g_str_has_prefix ((const char *) ns->href, known[i].prefix))
        return known[i].producer;
  return "unknown";
}

/* DSP0243 9.8: the one marked as default, else the first. */
static char *
find_configuration (xmlNode *root)
{
  xmlNode *section = mtv_ovf_xml_section (root, "DeploymentOptionSection");
  char *first = NULL;

  if (section == NULL)
    return NULL;
  for (xmlNode *node = mtv_ovf_xml_child (section, "Configuration"); node != NULL;
       node = mtv_ovf_xml_next (node, "Configuration"))
    {
      g_autofree char *is_default = mtv_ovf_xml_attribute (node, "default");
      g_autofree char *id = mtv_ovf_xml_attribute (node, "id");

      if (g_strcmp0 (is_default, "true") == 0 || g_strcmp0 (is_default, "1") == 0)
        {
          g_free (first);
          return g_steal_pointer (&id);
        }
      if (first == NULL)
        first = g_steal_pointer (&id);
    }
  return first;
}

/* The value for the chosen configuration, if there is one of its own. */
static char *
property_value (MtvOvf *self, const xmlNode *property)
{
  for (xmlNode *node = mtv_ovf_xml_child (property, "Value"); node != NULL;
       node = mtv_ovf_xml_next (node, "Value"))
    {
      g_autofree char *configuration = mtv_ovf_xml_attribute (node, "configuration");

      if (configuration != NULL && g_strcmp0 (configuration, self->configuration) == 0)
        return mtv_ovf_xml_attribute (node, "value");
    }
  return mtv_ovf_xml_attribute (property, "value");
}

/* Known by their key, and by "class.key.instance" as DSP0243 9.5.1 composes it. */
static void
read_properties (MtvOvf *self, xmlNode *root)
{
  g_autoptr (GPtrArray) properties = mtv_ovf_xml_descendants (root, "Property");

  for (guint i = 0; i < properties->len; i++)
    {
      const xmlNode *node = g_ptr_array_index (properties, i);
      g_autofree char *key = mtv_ovf_xml_attribute (node, "key");
      g_autofree char *class = mtv_ovf_xml_attribute (node->parent, "class");
      g_autofree char *instance = mtv_ovf_xml_attribute (node->parent, "instance");
      char *value = property_value (self, node);

      if (key == NULL || value == NULL)
        {
          g_free (value);
          continue;
        }
      if (class != NULL || instance != NULL)
        g_hash_table_insert (self->properties,
                             g_strconcat (class != NULL ? class : "", class != NULL ? "." : "", key,
                                          instance != NULL ? "." : "", instance, NULL),
                             g_strdup (value));
      g_hash_table_insert (self->properties, g_steal_pointer (&key), value);
    }
}

static GHashTable *
read_files (const xmlNode *root)
{
  GHashTable *files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, file_free);
  xmlNode *section = mtv_ovf_xml_child (root, "References");

  if (section == NULL)
    return files;
  for (xmlNode *node = mtv_ovf_xml_child (section, "File"); node != NULL;
       node = mtv_ovf_xml_next (node, "File"))
    {
      char *id = mtv_ovf_xml_attribute (node, "id");
      File *file = g_new0 (File, 1);

      file->href = mtv_ovf_xml_attribute (node, "href");
      file->compression = mtv_ovf_xml_attribute (node, "compression");
      file->chunk_size = number_attribute (node, "chunkSize");
      file->size = number_attribute (node, "size");
      if (id == NULL)
        file_free (file);
      else
        g_hash_table_insert (files, id, file);
    }
  return files;
}

static void
read_capacity (MtvOvf *self, const xmlNode *node, MtvOvfDisk *disk)
{
  g_autofree char *given = mtv_ovf_xml_attribute (node, "capacity");
  g_autofree char *unit = mtv_ovf_xml_attribute (node, "capacityAllocationUnits");
  guint64 factor = 1;

  if (given == NULL) /* oVirt's export domains: whole gibibytes */
    {
      given = mtv_ovf_xml_attribute (node, "size");
      factor = G_GUINT64_CONSTANT (1) << 30;
    }

  const char *number = mtv_ovf_expand (self, given);
  if (given == NULL)
    disk->capacity_problem = g_strdup_printf ("Disk '%s' has no capacity in the OVF", disk->id);
  else if (number == NULL)
    disk->capacity_problem = g_strdup_printf (
        "Disk '%s' has the capacity '%s', which no property tells", disk->id, given);
  else if (!mtv_ovf_units_parse (number, unit, factor, &disk->capacity))
    disk->capacity_problem
        = g_strdup_printf ("Disk '%s' has the capacity '%s%s%s', which is not a number of bytes",
                           disk->id, number, unit != NULL ? " " : "", unit != NULL ? unit : "");
  else if (disk->capacity == 0)
    disk->capacity_problem = g_strdup_printf ("Disk '%s' has the capacity 0", disk->id);
  else if (disk->capacity > MTV_OVF_MAX_CAPACITY)
    {
      disk->capacity_problem = g_strdup_printf ("Disk '%s' has the capacity %" G_GUINT64_FORMAT
                                                " bytes, more than the 64 TiB that a disk can have",
                                                disk->id, disk->capacity);
      disk->capacity = 0;
    }
  disk->capacity = (disk->capacity + 511) / 512 * 512;
}

static void
read_file (MtvOvfDisk *disk, GHashTable *files)
{
  const File *file = g_hash_table_lookup (files, disk->file_id);

  if (file == NULL || file->href == NULL)
    {
      disk->problem
          = g_strdup_printf ("Disk '%s' is in file '%s', which the OVF's references do not list",
                             disk->id, disk->file_id);
      return;
    }

  disk->href = g_strdup (file->href);
  disk->chunk_size = file->chunk_size;
  disk->file_size = file->size;
  disk->gzip = g_strcmp0 (file->compression, "gzip") == 0;
  if (file->compression != NULL && !disk->gzip && strcmp (file->compression, "identity") != 0)
    disk->problem = g_strdup_printf ("Disk '%s': file '%s' is compressed by '%s', only gzip can "
                                     "be read",
                                     disk->id, disk->href, file->compression);
}

static MtvOvfDisk *
read_disk (MtvOvf *self, const xmlNode *node, GHashTable *files)
{
  g_autofree char *parent = mtv_ovf_xml_attribute (node, "parentRef");
  g_autofree char *boot = mtv_ovf_xml_attribute (node, "boot");
  MtvOvfDisk *disk = g_new0 (MtvOvfDisk, 1);

  disk->id = mtv_ovf_xml_attribute (node, "diskId");
  disk->file_id = mtv_ovf_xml_attribute (node, "fileRef");
  disk->interface = mtv_ovf_xml_attribute (node, "disk-interface");
  disk->populated = number_attribute (node, "populatedSize");
  disk->boot = g_strcmp0 (boot, "true") == 0;
  if (disk->id == NULL)
    disk->id = g_strdup (disk->file_id);
  if (disk->id == NULL)
    {
      disk_free (disk);
      return NULL;
    }

  read_capacity (self, node, disk);
  if (disk->file_id != NULL)
    read_file (disk, files);
  /* oVirt writes an all-zero parent where there is none. */
  if (parent != NULL && strcmp (parent, "00000000-0000-0000-0000-000000000000") != 0)
    {
      g_free (disk->problem);
      disk->problem = g_strdup_printf ("Disk '%s' holds only the changes to disk '%s': export the "
                                       "machine without snapshots",
                                       disk->id, parent);
    }
  return disk;
}

static gboolean
read_disks (MtvOvf *self, xmlNode *root, const char *label, GError **error)
{
  g_autoptr (GHashTable) files = read_files (root);
  xmlNode *section = mtv_ovf_xml_section (root, "DiskSection");

  if (section == NULL)
    return TRUE;
  for (xmlNode *node = mtv_ovf_xml_child (section, "Disk"); node != NULL;
       node = mtv_ovf_xml_next (node, "Disk"))
    {
      MtvOvfDisk *disk = read_disk (self, node, files);

      if (disk == NULL)
        continue;
      g_ptr_array_add (self->disks, disk);
      if (!g_hash_table_insert (self->disks_by_id, disk->id, disk))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "'%s' describes two disks of the id '%s'", label, disk->id);
          return FALSE;
        }
      if (disk->file_id != NULL)
        g_hash_table_insert (self->disks_by_file, disk->file_id, disk);
      if (disk->href != NULL)
        g_hash_table_insert (self->disks_by_file, disk->href, disk);
    }
  return TRUE;
}

static void
read_operating_system (const xmlNode *system, MtvVm *vm)
{
  xmlNode *section = mtv_ovf_xml_section (system, "OperatingSystemSection");

  if (section == NULL)
    return;
  vm->os_name = mtv_ovf_xml_child_text (section, "Description");
  vm->os_id = mtv_ovf_xml_attribute (section, "osType"); /* VMware's attribute */
  if (vm->os_id == NULL)
    vm->os_id = mtv_ovf_xml_child_text (section, "OSType"); /* VirtualBox's element */
  if (vm->os_id == NULL)
    vm->os_id = mtv_ovf_xml_attribute (section, "id");
}

/* Braces and case as the producer likes them. */
static char *
normalize_uuid (const char *text)
{
  g_autofree char *uuid = g_ascii_strdown (text, -1);
  gsize length = strlen (uuid);

  if (uuid[0] == '{' && uuid[length - 1] == '}')
    {
      uuid[length - 1] = '\0';
      return g_uuid_string_is_valid (uuid + 1) ? g_strdup (uuid + 1) : NULL;
    }
  return g_uuid_string_is_valid (uuid) ? g_steal_pointer (&uuid) : NULL;
}

static void
read_uuid (const xmlNode *system, MtvVm *vm)
{
  xmlNode *machine = mtv_ovf_xml_child (system, "Machine"); /* VirtualBox */
  g_autofree char *uuid = machine != NULL ? mtv_ovf_xml_attribute (machine, "uuid") : NULL;

  vm->uuid = normalize_uuid (uuid != NULL ? uuid : vm->id);
}

static void
read_system (MtvOvf *self, xmlNode *system)
{
  MtvVm *vm = mtv_vm_new ();
  xmlNode *hardware = mtv_ovf_xml_section (system, "VirtualHardwareSection");

  g_ptr_array_add (self->vms, vm);
  vm->producer = g_strdup (self->producer);
  g_free (vm->power_state);
  vm->power_state = g_strdup ("off"); /* nothing runs out of an archive */
  vm->id = mtv_ovf_xml_attribute (system, "id");
  vm->name = mtv_ovf_xml_child_text (system, "Name");
  if (vm->id == NULL)
    vm->id = g_strdup (vm->name != NULL ? vm->name : "vm");
  if (vm->name == NULL)
    vm->name = g_strdup (vm->id);

  read_operating_system (system, vm);
  read_uuid (system, vm);
  if (hardware != NULL)
    mtv_ovf_hardware_read (self, system, hardware, vm);
  else
    vm->problem = g_strdup_printf ("The OVF does not describe the hardware of '%s'", vm->name);
}

/* Collections nest; the parser bounds the depth. */
static void
read_systems (MtvOvf *self, xmlNode *parent)
{
  for (xmlNode *node = parent->children; node != NULL; node = node->next)
    if (mtv_ovf_xml_is_section (node, "VirtualSystem"))
      read_system (self, node);
    else if (mtv_ovf_xml_is_section (node, "VirtualSystemCollection"))
      read_systems (self, node);
}

/* Some hand-made envelopes with one machine do not bother to link its disks. */
static void
adopt_disks (MtvOvf *self)
{
  if (self->vms->len != 1)
    return;

  MtvVm *vm = g_ptr_array_index (self->vms, 0);
  if (vm->disks->len > 0)
    return;
  for (guint i = 0; i < self->disks->len; i++)
    mtv_ovf_hardware_add_disk (vm, g_ptr_array_index (self->disks, i));
}

static MtvOvf *
ovf_new (void)
{
  MtvOvf *self = g_new0 (MtvOvf, 1);

  self->vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  self->disks = g_ptr_array_new_with_free_func (disk_free);
  self->properties = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->disks_by_id = g_hash_table_new (g_str_hash, g_str_equal);
  self->disks_by_file = g_hash_table_new (g_str_hash, g_str_equal);
  return self;
}

static MtvOvf *
read_envelope (xmlNode *root, const char *label, GError **error)
{
  g_autoptr (MtvOvf) self = ovf_new ();

  if (!mtv_ovf_xml_is (root, "Envelope"))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "'%s' is not an OVF: it begins with <%s>, not with <Envelope>", label,
                   (const char *) root->name);
      return NULL;
    }

  self->producer = find_producer (root);
  self->configuration = find_configuration (root);
  read_properties (self, root);
  if (!read_disks (self, root, label, error))
    return NULL;
  read_systems (self, root);
  if (self->vms->len == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' describes no virtual machine",
                   label);
      return NULL;
    }
  adopt_disks (self);
  return g_steal_pointer (&self);
}

MtvOvf *
mtv_ovf_parse (const char *data, gsize length, const char *label, GError **error)
{
  xmlDoc *document = mtv_ovf_xml_parse (data, length, label, error);

  if (document == NULL)
    return NULL;

  MtvOvf *self = read_envelope (xmlDocGetRootElement (document), label, error);
  xmlFreeDoc (document);
  return self;
}
