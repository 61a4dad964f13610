/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libxml/tree.h>

G_BEGIN_DECLS

/* What libvirt describes things with. No namespaces but in its metadata. */

#define MTV_LIBVIRT_XML_MAX (2 * 1024 * 1024)

/* A document whose root element is <@root>. No document type, so no entities; nothing but @xml is
 * read. MTV_ERROR_BAD_DATA names @label. (transfer full), for xmlFreeDoc() */
xmlDoc *mtv_libvirt_xml_parse (const char *xml, gsize length, const char *root, const char *label,
                               GError **error);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)

/* The first child element of this name, and the next sibling; @node may be NULL. (nullable) */
xmlNode *mtv_libvirt_xml_child (const xmlNode *node, const char *name);
xmlNode *mtv_libvirt_xml_next (const xmlNode *node, const char *name);

/* Stripped; NULL when @node is NULL, or there is nothing. (transfer full) */
char *mtv_libvirt_xml_attribute (const xmlNode *node, const char *name);
char *mtv_libvirt_xml_text (const xmlNode *node);
gboolean mtv_libvirt_xml_has (const xmlNode *node, const char *name, const char *value);
guint64 mtv_libvirt_xml_number (const xmlNode *node, const char *attribute, guint64 max);

G_END_DECLS
