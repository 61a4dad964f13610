/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ovf-xml.h"

#include "base/mtv-error.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <string.h>

#define MAX_ELEMENTS 200000
#define MAX_ATTRIBUTES 256          /* of one element */
#define MAX_WIDE_SIZE (1024 * 1024) /* of a document in UTF-16 or -32 */

typedef struct
{
  gboolean has_doctype;
  guint n_elements;
} Limits;

static void
refuse_doctype (void *data, const xmlChar *name, const xmlChar *external_id, const xmlChar *uri)
{
  xmlParserCtxt *context = data;

  (void) name;
  (void) external_id;
  (void) uri;
  ((Limits *) context->_private)->has_doctype = TRUE;
  xmlStopParser (context);
}

static void
count_element (void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
               int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
               const xmlChar **attributes)
{
  xmlParserCtxt *context = data;

  if (++((Limits *) context->_private)->n_elements > MAX_ELEMENTS)
    xmlStopParser (context);
  else
    xmlSAX2StartElementNs (data, name, prefix, uri, n_namespaces, namespaces, n_attributes,
                           n_defaulted, attributes);
}

/* Behind @end, or the end of the document. */
static const char *
skip_past (const char *at, const char *limit, const char *end)
{
  const char *found = memmem (at, limit - at, end, strlen (end));

  return found == NULL ? limit : found + strlen (end);
}

/* Behind the tag that begins at @at; NULL when it has too many attributes. */
static const char *
skip_tag (const char *at, const char *limit)
{
  guint n_attributes = 0;
  char quote = '\0';

  for (; at < limit && (quote != '\0' || *at != '>'); at++)
    if (quote != '\0')
      quote = *at == quote ? '\0' : quote;
    else if (*at == '"' || *at == '\'')
      quote = *at;
    else if (*at == '=' && ++n_attributes > MAX_ATTRIBUTES)
      return NULL;
  return at;
}

/* libxml2 compares each attribute of an element with all others: a few megabytes of attributes
 * would take it hours. Encodings in which ASCII is not ASCII escape this look at the bytes. */
static gboolean
has_sane_tags (const char *data, gsize length)
{
  const char *limit = data + length;

  if (memchr (data, '\0', MIN (length, 64)) != NULL && length > MAX_WIDE_SIZE)
    return FALSE;
  for (const char *at = data; at != NULL && at < limit;)
    {
      at = memchr (at, '<', limit - at);
      if (at == NULL)
        return TRUE;
      if (limit - at >= 4 && memcmp (at, "<!--", 4) == 0)
        at = skip_past (at + 4, limit, "-->");
      else if (limit - at >= 9 && memcmp (at, "<![CDATA[", 9) == 0)
        at = skip_past (at + 9, limit, "]]>");
      else if (limit - at >= 2 && at[1] == '?')
        at = skip_past (at + 2, limit, "?>");
      else
        at = skip_tag (at, limit);
      if (at == NULL)
        return FALSE;
    }
  return TRUE;
}

static void
set_parse_error (xmlParserCtxt *context, const Limits *limits, const char *label, GError **error)
{
  const xmlError *problem = xmlCtxtGetLastError (context);

  if (limits->has_doctype)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                 "'%s' has a document type declaration, which no OVF has", label);
  else if (limits->n_elements > MAX_ELEMENTS)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' has more than %d elements", label,
                 MAX_ELEMENTS);
  else if (problem != NULL && problem->message != NULL)
    {
      g_autofree char *message = g_utf8_make_valid (problem->message, -1);
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' is not XML: line %d: %s", label,
                   problem->line, g_strstrip (message));
    }
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' is not XML", label);
}

static void
be_silent (void *data, xmlError *problem)
{
  (void) data;
  (void) problem;
}

/* Complaints about encodings pass by the parser's own handlers and onto stderr. The handler belongs
 * to the thread. */
static xmlDoc *
read_silently (xmlParserCtxt *context, const char *data, gsize length)
{
  xmlStructuredErrorFunc handler = xmlStructuredError;
  void *handler_data = xmlStructuredErrorContext;

  xmlSetStructuredErrorFunc (NULL, be_silent);
  xmlDoc *document
      = xmlCtxtReadMemory (context, data, length, NULL, NULL,
                           XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING
                               | XML_PARSE_NOCDATA | XML_PARSE_NOBLANKS | XML_PARSE_COMPACT);
  xmlSetStructuredErrorFunc (handler_data, handler);
  return document;
}

xmlDoc *
mtv_ovf_xml_parse (const char *data, gsize length, const char *label, GError **error)
{
  Limits limits = { FALSE, 0 };

  if (length > MTV_OVF_MAX_SIZE || !has_sane_tags (data, length))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   length > MTV_OVF_MAX_SIZE
                       ? "'%s' is %" G_GSIZE_FORMAT " bytes long, more than an OVF may have"
                       : "'%s', %" G_GSIZE_FORMAT " bytes, has an element with more attributes "
                         "than an OVF has, or a size that its encoding may not have",
                   label, length);
      return NULL;
    }

  xmlInitParser (); /* any number of times, any thread */
  xmlParserCtxt *context = xmlNewParserCtxt ();
  if (context == NULL)
    g_error ("out of memory");
  context->_private = &limits;
  context->sax->internalSubset = refuse_doctype;
  context->sax->startElementNs = count_element;
  xmlDoc *document = read_silently (context, data, length);
  gboolean stopped = limits.has_doctype || limits.n_elements > MAX_ELEMENTS;
  if (document == NULL || stopped || xmlDocGetRootElement (document) == NULL)
    {
      set_parse_error (context, &limits, label, error);
      g_clear_pointer (&document, xmlFreeDoc);
    }
  xmlFreeParserCtxt (context);
  return document;
}

gboolean
mtv_ovf_xml_is (const xmlNode *node, const char *name)
{
  return node->type == XML_ELEMENT_NODE && strcmp ((const char *) node->name, name) == 0;
}

static xmlNode *
first_of (xmlNode *node, const char *name)
{
  while (node != NULL && !mtv_ovf_xml_is (node, name))
    node = node->next;
  return node;
}

xmlNode *
mtv_ovf_xml_child (const xmlNode *node, const char *name)
{
  return first_of (node->children, name);
}

xmlNode *
mtv_ovf_xml_next (const xmlNode *node, const char *name)
{
  return first_of (node->next, name);
}

/* The parser keeps the depth, and so the recursion, below 256. */
static void
collect (xmlNode *node, const char *name, GPtrArray *found)
{
  for (xmlNode *child = node->children; child != NULL; child = child->next)
    {
      if (child->type != XML_ELEMENT_NODE)
        continue;
      if (mtv_ovf_xml_is (child, name))
        g_ptr_array_add (found, child);
      collect (child, name, found);
    }
}

GPtrArray *
mtv_ovf_xml_descendants (xmlNode *node, const char *name)
{
  GPtrArray *found = g_ptr_array_new ();

  collect (node, name, found);
  return found;
}

static char *
take_text (xmlChar *text)
{
  char *copy = text != NULL ? g_strstrip (g_strdup ((const char *) text)) : NULL;

  xmlFree (text);
  if (copy != NULL && *copy == '\0')
    g_clear_pointer (&copy, g_free);
  return copy;
}

char *
mtv_ovf_xml_attribute (const xmlNode *node, const char *name)
{
  for (xmlAttr *attribute = node->properties; attribute != NULL; attribute = attribute->next)
    if (strcmp ((const char *) attribute->name, name) == 0)
      return take_text (xmlNodeGetContent ((xmlNode *) attribute));
  return NULL;
}

char *
mtv_ovf_xml_text (const xmlNode *node)
{
  return take_text (xmlNodeGetContent (node));
}

char *
mtv_ovf_xml_child_text (const xmlNode *node, const char *name)
{
  xmlNode *child = mtv_ovf_xml_child (node, name);

  return child != NULL ? mtv_ovf_xml_text (child) : NULL;
}

gboolean
mtv_ovf_xml_is_section (const xmlNode *node, const char *name)
{
  if (mtv_ovf_xml_is (node, name))
    return TRUE;
  if (!mtv_ovf_xml_is (node, "Section") && !mtv_ovf_xml_is (node, "Content"))
    return FALSE;

  g_autofree char *type = mtv_ovf_xml_attribute (node, "type");
  g_autofree char *wanted = g_strconcat (name, "_Type", NULL);
  const char *colon = type != NULL ? strchr (type, ':') : NULL;
  return g_strcmp0 (colon != NULL ? colon + 1 : type, wanted) == 0;
}

xmlNode *
mtv_ovf_xml_section (const xmlNode *node, const char *name)
{
  for (xmlNode *child = node->children; child != NULL; child = child->next)
    if (mtv_ovf_xml_is_section (child, name))
      return child;
  return NULL;
}
