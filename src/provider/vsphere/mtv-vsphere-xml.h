/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libxml/tree.h>

G_BEGIN_DECLS

#define MTV_VSPHERE_XML_MAX_SIZE \
  (32 * 1024 * 1024)                        /* of a document, or from one item to the next */
#define MTV_VSPHERE_XML_MAX_ELEMENTS 200000 /* likewise */

/* What a long answer is a list of: each is handed over, and then forgotten, as soon as it is there.
 * FALSE with an error ends the reading. */
typedef struct
{
  const char *name; /* of the elements: children of the answer's <returnval> */
  gboolean (*func) (xmlNode *element, gpointer user_data, GError **error);
  gpointer user_data;
} MtvVsphereXmlItems;

/* Reads @stream to its end: a document of somebody else's, bounded in size, depth, elements and
 * attributes, without a document type and so without entities. The elements that @items (nullable)
 * asks for have no children in what is returned.
 *
 * No XML, or too much of it: MTV_ERROR_BAD_DATA. The beginning of XML: MTV_ERROR_UNREACHABLE.
 * (transfer full), for xmlFreeDoc() */
xmlDoc *mtv_vsphere_xml_read (GInputStream *stream, const MtvVsphereXmlItems *items,
                              GCancellable *cancellable, GError **error);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (xmlDoc, xmlFreeDoc)

/* Names are local names. All of these take a NULL as @node, and have nothing to say then. */

/* The first child element of this name, the next sibling element of the same name as @node's, and
 * the first child element of any name. */
xmlNode *mtv_vsphere_xml_child (const xmlNode *node, const char *name);
xmlNode *mtv_vsphere_xml_next (const xmlNode *node);
xmlNode *mtv_vsphere_xml_first (const xmlNode *node);
/* The next sibling element of any name. */
xmlNode *mtv_vsphere_xml_after (const xmlNode *node);

/* The text of the element that @path ("a/b") leads to from @node, NULL: of @node itself. NULL when
 * it is not there, or empty. (transfer none) */
const char *mtv_vsphere_xml_text (const xmlNode *node, const char *path);
gboolean mtv_vsphere_xml_boolean (const xmlNode *node, const char *path);
/* 0 when it is not there, no number, or none of those that an guint64 holds. */
guint64 mtv_vsphere_xml_number (const xmlNode *node, const char *path);

/* The value of xsi:type without its prefix; of which type an object is that a reference refers to.
 * NULL: not told. (transfer none) */
const char *mtv_vsphere_xml_type (const xmlNode *node);
const char *mtv_vsphere_xml_ref_type (const xmlNode *node);

G_END_DECLS
