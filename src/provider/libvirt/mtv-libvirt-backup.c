/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-backup.h"

#include "provider/libvirt/mtv-libvirt-xml.h"

#include <stdlib.h>
#include <string.h>

MtvLibvirtBackup *
mtv_libvirt_backup_new (const char *socket, const char *since)
{
  MtvLibvirtBackup *self = g_new0 (MtvLibvirtBackup, 1);

  self->socket = g_strdup (socket);
  self->since = g_strdup (since);
  self->disks = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  return self;
}

void
mtv_libvirt_backup_free (MtvLibvirtBackup *self)
{
  g_free (self->socket);
  g_free (self->since);
  g_hash_table_unref (self->disks);
  g_free (self);
}

void
mtv_libvirt_backup_add_disk (MtvLibvirtBackup *self, const char *id, const char *scratch)
{
  g_hash_table_insert (self->disks, g_strdup (id), g_strdup (scratch));
}

static void
read_disk (MtvLibvirtBackup *self, const xmlNode *node)
{
  g_autofree char *id = mtv_libvirt_xml_attribute (node, "name");
  g_autofree char *scratch
      = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (node, "scratch"), "file");

  if (id != NULL && mtv_libvirt_xml_has (node, "backup", "yes"))
    mtv_libvirt_backup_add_disk (self, id, scratch);
}

MtvLibvirtBackup *
mtv_libvirt_backup_parse (const char *xml, gsize length, GError **error)
{
  g_autoptr (xmlDoc) document
      = mtv_libvirt_xml_parse (xml, length, "domainbackup", "a backup job", error);

  if (document == NULL)
    return NULL;
  const xmlNode *root = xmlDocGetRootElement (document);
  const xmlNode *server = mtv_libvirt_xml_child (root, "server");
  MtvLibvirtBackup *self = mtv_libvirt_backup_new (NULL, NULL);
  if (mtv_libvirt_xml_has (server, "transport", "unix"))
    self->socket = mtv_libvirt_xml_attribute (server, "socket");
  self->since = mtv_libvirt_xml_text (mtv_libvirt_xml_child (root, "incremental"));
  for (const xmlNode *node = mtv_libvirt_xml_child (mtv_libvirt_xml_child (root, "disks"), "disk");
       node != NULL; node = mtv_libvirt_xml_next (node, "disk"))
    read_disk (self, node);
  return self;
}

static int
compare_ids (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* Up to a NULL. (transfer container) */
static const char **
sorted_disks (const MtvLibvirtBackup *self)
{
  guint n;
  const char **ids = (const char **) g_hash_table_get_keys_as_array (self->disks, &n);

  qsort (ids, n, sizeof *ids, compare_ids);
  return ids;
}

static void
append_disk (const MtvLibvirtBackup *self, GString *xml, const char *id)
{
  const char *scratch = g_hash_table_lookup (self->disks, id);
  g_autofree char *bitmap = mtv_libvirt_backup_bitmap (id);
  g_autofree char *attribute
      = self->since != NULL ? g_markup_printf_escaped (" exportbitmap='%s'", bitmap) : NULL;
  g_autofree char *text = g_markup_printf_escaped (
      "<disk name='%s' backup='yes' type='file' exportname='%s'", id, id);
  g_autofree char *rest
      = g_markup_printf_escaped ("><driver type='qcow2'/><scratch file='%s'/></disk>", scratch);

  g_string_append_printf (xml, "%s%s%s", text, attribute != NULL ? attribute : "", rest);
}

/* Disks that are not named take no part. */
char *
mtv_libvirt_backup_to_xml (const MtvLibvirtBackup *self)
{
  GString *xml = g_string_new ("<domainbackup mode='pull'>");
  g_autofree const char **ids = sorted_disks (self);
  g_autofree char *server
      = g_markup_printf_escaped ("<server transport='unix' socket='%s'/>", self->socket);

  if (self->since != NULL)
    {
      g_autofree char *since
          = g_markup_printf_escaped ("<incremental>%s</incremental>", self->since);
      g_string_append (xml, since);
    }
  g_string_append_printf (xml, "%s<disks>", server);
  for (const char **id = ids; *id != NULL; id++)
    append_disk (self, xml, *id);
  g_string_append (xml, "</disks></domainbackup>");
  return g_string_free (xml, FALSE);
}

char *
mtv_libvirt_backup_checkpoint_to_xml (const MtvLibvirtBackup *self, const char *name)
{
  g_autofree char *head
      = g_markup_printf_escaped ("<domaincheckpoint><name>%s</name><disks>", name);
  GString *xml = g_string_new (head);
  g_autofree const char **ids = sorted_disks (self);

  for (const char **id = ids; *id != NULL; id++)
    {
      g_autofree char *disk = g_markup_printf_escaped (
          "<disk name='%s' checkpoint='bitmap' bitmap='%s'/>", *id, name);
      g_string_append (xml, disk);
    }
  g_string_append (xml, "</disks></domaincheckpoint>");
  return g_string_free (xml, FALSE);
}

char *
mtv_libvirt_backup_bitmap (const char *id)
{
  return g_strconcat ("backup-", id, NULL);
}

char *
mtv_libvirt_backup_uri (const MtvLibvirtBackup *self, const char *id)
{
  g_autofree char *export = g_uri_escape_string (id, NULL, FALSE);
  g_autofree char *socket = g_uri_escape_string (self->socket, "/", FALSE);

  return g_strdup_printf ("nbd+unix:///%s?socket=%s", export, socket);
}

char *
mtv_libvirt_backup_reduce_checkpoint (const char *xml, const char *only)
{
  g_autoptr (xmlDoc) document
      = mtv_libvirt_xml_parse (xml, strlen (xml), "domaincheckpoint", "a checkpoint", NULL);
  xmlNode *root = document != NULL ? xmlDocGetRootElement (document) : NULL;
  gboolean found = FALSE;
  xmlChar *text = NULL;
  int length = 0;

  for (xmlNode *node = mtv_libvirt_xml_child (mtv_libvirt_xml_child (root, "disks"), "disk");
       node != NULL; node = mtv_libvirt_xml_next (node, "disk"))
    if (mtv_libvirt_xml_has (node, "name", only))
      found = mtv_libvirt_xml_has (node, "checkpoint", "bitmap");
    else
      {
        xmlSetProp (node, (const xmlChar *) "checkpoint", (const xmlChar *) "no");
        xmlUnsetProp (node, (const xmlChar *) "bitmap");
      }
  if (!found)
    return NULL;
  xmlDocDumpMemory (document, &text, &length);
  char *reduced = g_strndup ((const char *) text, length);
  xmlFree (text);
  return reduced;
}
