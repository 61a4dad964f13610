/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-xml.h"

#include "base/mtv-error.h"

#include <libxml/SAX2.h>
#include <libxml/parser.h>
#include <string.h>

#define CHUNK (32 * 1024)
/* libxml2 compares each attribute of an element with all others, once it has the whole tag: a tag
 * that is longer than this is not waited for. */
#define MAX_TAG (32 * 1024)
#define ITEM_DEPTH 5 /* Envelope, Body, XyzResponse, returnval, item */
#define XSI "http://www.w3.org/2001/XMLSchema-instance"

typedef struct
{
  const MtvVsphereXmlItems *items; /* (nullable) */
  guint64 n_bytes;                 /* since the last item, or the beginning */
  guint n_elements;                /* likewise */
  gboolean has_doctype;
  gboolean has_parser_error;
  GError *error; /* (owned) (nullable): what @items said */
} Reading;

static void
refuse_doctype (void *data, const xmlChar *name, const xmlChar *external_id, const xmlChar *uri)
{
  xmlParserCtxt *context = data;

  (void) name;
  (void) external_id;
  (void) uri;
  ((Reading *) context->_private)->has_doctype = TRUE;
  xmlStopParser (context);
}

static void
count_element (void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri,
               int n_namespaces, const xmlChar **namespaces, int n_attributes, int n_defaulted,
               const xmlChar **attributes)
{
  xmlParserCtxt *context = data;

  if (++((Reading *) context->_private)->n_elements > MTV_VSPHERE_XML_MAX_ELEMENTS)
    xmlStopParser (context);
  else
    xmlSAX2StartElementNs (data, name, prefix, uri, n_namespaces, namespaces, n_attributes,
                           n_defaulted, attributes);
}

/* Of an item that was handed over the empty element stays: the parser goes on to link to it. */
static void
hand_over (xmlParserCtxt *context, Reading *reading, xmlNode *element)
{
  if (!reading->items->func (element, reading->items->user_data, &reading->error))
    xmlStopParser (context);
  xmlFreeNodeList (element->children);
  element->children = element->last = NULL;
  reading->n_elements = 0;
  reading->n_bytes = 0;
}

static void
end_element (void *data, const xmlChar *name, const xmlChar *prefix, const xmlChar *uri)
{
  xmlParserCtxt *context = data;
  Reading *reading = context->_private;
  xmlNode *element = context->node;
  gboolean is_item = reading->items != NULL && context->nodeNr == ITEM_DEPTH
                     && strcmp ((const char *) name, reading->items->name) == 0;

  xmlSAX2EndElementNs (data, name, prefix, uri);
  if (is_item && reading->error == NULL)
    hand_over (context, reading, element);
}

static void
be_silent (void *data, xmlError *problem)
{
  (void) data;
  (void) problem;
}

static xmlParserCtxt *
new_parser (Reading *reading)
{
  xmlInitParser (); /* any number of times, any thread */
  xmlParserCtxt *context = xmlCreatePushParserCtxt (NULL, NULL, NULL, 0, NULL);

  if (context == NULL)
    g_error ("out of memory");
  xmlCtxtUseOptions (context, XML_PARSE_NONET | XML_PARSE_NOERROR | XML_PARSE_NOWARNING
                                  | XML_PARSE_NOCDATA | XML_PARSE_NOBLANKS | XML_PARSE_COMPACT);
  context->_private = reading;
  context->sax->internalSubset = refuse_doctype;
  context->sax->startElementNs = count_element;
  context->sax->endElementNs = end_element;
  return context;
}

/* Complaints about encodings pass by the parser's own handlers and onto stderr. The handler belongs
 * to the thread. */
static void
parse_silently (xmlParserCtxt *context, const char *data, gsize length)
{
  xmlStructuredErrorFunc handler = xmlStructuredError;
  void *handler_data = xmlStructuredErrorContext;

  xmlSetStructuredErrorFunc (NULL, be_silent);
  xmlParseChunk (context, data, length, data == NULL);
  xmlSetStructuredErrorFunc (handler_data, handler);
}

static void
set_limit_error (GError **error, const char *what)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "the answer has %s", what);
}

/* What of the chunk before was not good? */
static gboolean
check (xmlParserCtxt *context, const Reading *reading, GError **error)
{
  if (reading->error != NULL)
    g_propagate_error (error, g_error_copy (reading->error));
  else if (reading->has_doctype)
    set_limit_error (error,
                     "a document type declaration, which no SOAP has: is this an HTML page?");
  else if (reading->n_elements > MTV_VSPHERE_XML_MAX_ELEMENTS)
    set_limit_error (error, "more elements than any that is known");
  else if (reading->n_bytes > MTV_VSPHERE_XML_MAX_SIZE)
    set_limit_error (error, "more bytes than any that is known");
  else if (!context->wellFormed)
    {
      const xmlError *problem = xmlCtxtGetLastError (context);
      g_autofree char *message = problem != NULL && problem->message != NULL
                                     ? g_strstrip (g_utf8_make_valid (problem->message, -1))
                                     : g_strdup ("not well-formed");
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "the answer is not XML: %s", message);
    }
  else if (context->input != NULL && context->input->end - context->input->cur > MAX_TAG)
    set_limit_error (error, "an element with more attributes than any that is known");
  else
    return TRUE;
  return FALSE;
}

static gboolean
finish (xmlParserCtxt *context, Reading *reading, GError **error)
{
  parse_silently (context, NULL, 0);
  if (reading->error != NULL)
    return check (context, reading, error);
  if (context->wellFormed && context->myDoc != NULL
      && xmlDocGetRootElement (context->myDoc) != NULL)
    return TRUE;
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "the answer ended in the middle");
  return FALSE;
}

/* Streams of libsoup tell of a lost connection in several domains. */
static void
set_read_error (GError **error, const GError *failed)
{
  if (failed->domain == MTV_ERROR)
    g_propagate_error (error, g_error_copy (failed));
  else if (g_error_matches (failed, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_set_error_literal (error, MTV_ERROR, MTV_ERROR_CANCELLED, failed->message);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "the answer broke off: %s",
                 failed->message);
}

static gboolean
read_all (xmlParserCtxt *context, Reading *reading, GInputStream *stream, GCancellable *cancellable,
          GError **error)
{
  char buffer[CHUNK];

  for (;;)
    {
      g_autoptr (GError) failed = NULL;
      gssize n = g_input_stream_read (stream, buffer, sizeof buffer, cancellable, &failed);

      if (n < 0)
        {
          set_read_error (error, failed);
          return FALSE;
        }
      if (n == 0)
        return finish (context, reading, error);
      reading->n_bytes += n;
      parse_silently (context, buffer, n);
      if (!check (context, reading, error))
        return FALSE;
    }
}

xmlDoc *
mtv_vsphere_xml_read (GInputStream *stream, const MtvVsphereXmlItems *items,
                      GCancellable *cancellable, GError **error)
{
  Reading reading = { .items = items };
  xmlParserCtxt *context = new_parser (&reading);
  xmlDoc *document = NULL;

  if (read_all (context, &reading, stream, cancellable, error))
    document = g_steal_pointer (&context->myDoc);
  g_clear_pointer (&context->myDoc, xmlFreeDoc);
  xmlFreeParserCtxt (context);
  g_clear_error (&reading.error);
  return document;
}

static xmlNode *
element_from (xmlNode *node, const char *name, gsize length)
{
  for (; node != NULL; node = node->next)
    if (node->type == XML_ELEMENT_NODE
        && (name == NULL
            || (strncmp ((const char *) node->name, name, length) == 0
                && node->name[length] == '\0')))
      return node;
  return NULL;
}

xmlNode *
mtv_vsphere_xml_child (const xmlNode *node, const char *name)
{
  return node == NULL ? NULL : element_from (node->children, name, strlen (name));
}

xmlNode *
mtv_vsphere_xml_next (const xmlNode *node)
{
  const char *name = node == NULL ? NULL : (const char *) node->name;

  return node == NULL ? NULL : element_from (node->next, name, strlen (name));
}

xmlNode *
mtv_vsphere_xml_first (const xmlNode *node)
{
  return node == NULL ? NULL : element_from (node->children, NULL, 0);
}

xmlNode *
mtv_vsphere_xml_after (const xmlNode *node)
{
  return node == NULL ? NULL : element_from (node->next, NULL, 0);
}

const char *
mtv_vsphere_xml_text (const xmlNode *node, const char *path)
{
  while (node != NULL && path != NULL)
    {
      const char *slash = strchr (path, '/');
      node = element_from (node->children, path,
                           slash != NULL ? slash - path : (gssize) strlen (path));
      path = slash != NULL ? slash + 1 : NULL;
    }
  if (node == NULL || node->children == NULL || node->children->type != XML_TEXT_NODE)
    return NULL;
  return (const char *) node->children->content;
}

gboolean
mtv_vsphere_xml_boolean (const xmlNode *node, const char *path)
{
  const char *text = mtv_vsphere_xml_text (node, path);

  return g_strcmp0 (text, "true") == 0 || g_strcmp0 (text, "1") == 0;
}

guint64
mtv_vsphere_xml_number (const xmlNode *node, const char *path)
{
  const char *text = mtv_vsphere_xml_text (node, path);
  guint64 number = 0;

  if (text != NULL)
    g_ascii_string_to_unsigned (text, 10, 0, G_MAXUINT64, &number, NULL);
  return number;
}

static const char *
attribute (const xmlNode *node, gboolean of_xsi)
{
  for (xmlAttr *at = node == NULL ? NULL : node->properties; at != NULL; at = at->next)
    if (strcmp ((const char *) at->name, "type") == 0 && at->children != NULL
        && (at->ns != NULL && strcmp ((const char *) at->ns->href, XSI) == 0) == of_xsi)
      return (const char *) at->children->content;
  return NULL;
}

const char *
mtv_vsphere_xml_type (const xmlNode *node)
{
  const char *type = attribute (node, TRUE);
  const char *colon = type == NULL ? NULL : strchr (type, ':');

  return colon != NULL ? colon + 1 : type;
}

const char *
mtv_vsphere_xml_ref_type (const xmlNode *node)
{
  return attribute (node, FALSE);
}
