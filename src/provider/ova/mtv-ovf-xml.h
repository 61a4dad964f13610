/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libxml/tree.h>

G_BEGIN_DECLS

#define MTV_OVF_MAX_SIZE (16 * 1024 * 1024)

/* A document from somebody else, read without touching anything but @data: no document type, so
 * no entities; bounded in size, depth, elements and attributes. Errors are MTV_ERROR_BAD_DATA and
 * name @label. (transfer full), for xmlFreeDoc() */
xmlDoc *mtv_ovf_xml_parse (const char *data, gsize length, const char *label, GError **error);

/* OVF's producers do not agree on namespaces and prefixes: names are local names. */
gboolean mtv_ovf_xml_is (const xmlNode *node, const char *name);
/* The first child element of this name (nullable), and the next sibling element. */
xmlNode *mtv_ovf_xml_child (const xmlNode *node, const char *name);
xmlNode *mtv_ovf_xml_next (const xmlNode *node, const char *name);
/* All elements of this name below @node, in document order. (element-type xmlNode) */
GPtrArray *mtv_ovf_xml_descendants (xmlNode *node, const char *name);

/* NULL when missing or blank; stripped. (transfer full) */
char *mtv_ovf_xml_attribute (const xmlNode *node, const char *name);
char *mtv_ovf_xml_text (const xmlNode *node);
char *mtv_ovf_xml_child_text (const xmlNode *node, const char *name);

/* The sections of an envelope: <DiskSection>, or <Section xsi:type="ovf:DiskSection_Type"> as OVF
 * 0.9 and oVirt's export domains write it. */
gboolean mtv_ovf_xml_is_section (const xmlNode *node, const char *name);
xmlNode *mtv_ovf_xml_section (const xmlNode *node, const char *name);

G_END_DECLS
