/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-xml.h"

#include "base/mtv-error.h"

#include <libxml/parser.h>
#include <string.h>

static gboolean
is_element (const xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && strcmp ((const char *) node->name, name) == 0;
}

static gboolean
check_document (xmlDoc *document, const char *root, const char *label, GError **error)
{
  xmlNode *node = document != NULL ? xmlDocGetRootElement (document) : NULL;

  if (node != NULL && document->intSubset == NULL && is_element (node, root))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "The description of %s is %s", label,
               document == NULL              ? "not XML"
               : document->intSubset != NULL ? "XML with a document type, which libvirt never has"
                                             : "not what libvirt would write");
  return FALSE;
}

xmlDoc *
mtv_libvirt_xml_parse (const char *xml, gsize length, const char *root, const char *label,
                       GError **error)
{
  if (length > MTV_LIBVIRT_XML_MAX)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "The description of %s has %" G_GSIZE_FORMAT " bytes, more than %d", label,
                   length, MTV_LIBVIRT_XML_MAX);
      return NULL;
    }
  g_autoptr (xmlDoc) document = xmlReadMemory (
      xml, (int) length, NULL, NULL, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING);
  return check_document (document, root, label, error) ? g_steal_pointer (&document) : NULL;
}

static xmlNode *
find_from (xmlNode *node, const char *name)
{
  while (node != NULL && !is_element (node, name))
    node = node->next;
  return node;
}

xmlNode *
mtv_libvirt_xml_child (const xmlNode *node, const char *name)
{
  return node != NULL ? find_from (node->children, name) : NULL;
}

xmlNode *
mtv_libvirt_xml_next (const xmlNode *node, const char *name)
{
  return node != NULL ? find_from (node->next, name) : NULL;
}

/* What comes out goes to the bus, which takes nothing but UTF-8; libxml2 sees to that. */
static char *
take (xmlChar *value)
{
  char *text = g_strdup ((const char *) value);

  xmlFree (value);
  if (text != NULL && *g_strstrip (text) == '\0')
    g_clear_pointer (&text, g_free);
  return text;
}

char *
mtv_libvirt_xml_attribute (const xmlNode *node, const char *name)
{
  return node != NULL ? take (xmlGetNoNsProp (node, (const xmlChar *) name)) : NULL;
}

char *
mtv_libvirt_xml_text (const xmlNode *node)
{
  return node != NULL ? take (xmlNodeGetContent (node)) : NULL;
}

gboolean
mtv_libvirt_xml_has (const xmlNode *node, const char *name, const char *value)
{
  g_autofree char *has = mtv_libvirt_xml_attribute (node, name);

  return g_strcmp0 (has, value) == 0;
}

guint64
mtv_libvirt_xml_number (const xmlNode *node, const char *attribute, guint64 max)
{
  g_autofree char *text = attribute != NULL ? mtv_libvirt_xml_attribute (node, attribute)
                                            : mtv_libvirt_xml_text (node);
  guint64 value = 0;

  return text != NULL && g_ascii_string_to_unsigned (text, 10, 0, max, &value, NULL) ? value : 0;
}
