/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-soap.h"

#include "base/mtv-error.h"

#include <string.h>

#define SOAP "http://schemas.xmlsoap.org/soap/envelope/"

MtvSoapCall *
mtv_soap_call_new (const char *method, const char *type, const char *id)
{
  MtvSoapCall *self = g_new0 (MtvSoapCall, 1);

  self->method = g_strdup (method);
  self->subject = g_strdup (id);
  self->body = g_string_new (NULL);
  mtv_soap_call_add_ref (self, "_this", type, id);
  return self;
}

void
mtv_soap_call_free (MtvSoapCall *self)
{
  g_free (self->method);
  g_free (self->subject);
  g_string_free (self->body, TRUE);
  g_free (self);
}

void
mtv_soap_call_add (MtvSoapCall *self, const char *name, const char *text)
{
  g_autofree char *escaped = g_markup_escape_text (text, -1);

  g_string_append_printf (self->body, "<%s>%s</%s>", name, escaped, name);
}

void
mtv_soap_call_add_number (MtvSoapCall *self, const char *name, guint64 number)
{
  g_string_append_printf (self->body, "<%s>%" G_GUINT64_FORMAT "</%s>", name, number, name);
}

void
mtv_soap_call_add_boolean (MtvSoapCall *self, const char *name, gboolean value)
{
  mtv_soap_call_add (self, name, value ? "true" : "false");
}

void
mtv_soap_call_add_ref (MtvSoapCall *self, const char *name, const char *type, const char *id)
{
  g_autofree char *escaped_type = g_markup_escape_text (type, -1);
  g_autofree char *escaped_id = g_markup_escape_text (id, -1);

  g_string_append_printf (self->body, "<%s type=\"%s\">%s</%s>", name, escaped_type, escaped_id,
                          name);
}

void
mtv_soap_call_begin (MtvSoapCall *self, const char *name, const char *type)
{
  if (type != NULL)
    g_string_append_printf (self->body, "<%s xsi:type=\"%s\">", name, type);
  else
    g_string_append_printf (self->body, "<%s>", name);
}

void
mtv_soap_call_end (MtvSoapCall *self, const char *name)
{
  g_string_append_printf (self->body, "</%s>", name);
}

GBytes *
mtv_soap_call_to_bytes (const MtvSoapCall *self)
{
  GString *envelope
      = g_string_new ("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Envelope xmlns=\"" SOAP "\""
                      " xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\""
                      " xmlns:xsd=\"http://www.w3.org/2001/XMLSchema\"><Body>");

  g_string_append_printf (envelope, "<%s xmlns=\"urn:vim25\">%s</%s></Body></Envelope>",
                          self->method, self->body->str, self->method);
  return g_string_free_to_bytes (envelope);
}

static xmlNode *
first_with_suffix (const xmlNode *node, const char *suffix)
{
  xmlNode *child = mtv_vsphere_xml_first (node);

  while (child != NULL && !g_str_has_suffix ((const char *) child->name, suffix))
    child = mtv_vsphere_xml_after (child);
  return child;
}

xmlNode *
mtv_soap_get_response (xmlDoc *document, const MtvSoapCall *call, char **fault, GError **error)
{
  xmlNode *root = xmlDocGetRootElement (document);
  xmlNode *body = strcmp ((const char *) root->name, "Envelope") == 0
                      ? mtv_vsphere_xml_child (root, "Body")
                      : NULL;
  xmlNode *answer = mtv_vsphere_xml_first (body);
  gsize length = strlen (call->method);

  if (answer != NULL && strncmp ((const char *) answer->name, call->method, length) == 0
      && strcmp ((const char *) answer->name + length, "Response") == 0)
    return answer;
  if (answer == NULL || strcmp ((const char *) answer->name, "Fault") != 0)
    {
      const xmlNode *odd = answer != NULL ? answer : root;
      g_autofree char *cut = g_strndup ((const char *) odd->name, 64);
      g_autofree char *name = g_utf8_make_valid (cut, -1);
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s was answered with <%s>, which is not of the vSphere API: is this the URL of "
                   "a vCenter or an ESXi?",
                   call->method, name);
      return NULL;
    }

  xmlNode *detail = first_with_suffix (mtv_vsphere_xml_child (answer, "detail"), "Fault");
  if (fault != NULL)
    *fault = mtv_soap_get_fault_name (detail);
  mtv_soap_set_fault (error, detail, mtv_vsphere_xml_text (answer, "faultstring"), "%s of %s",
                      call->method, call->subject);
  return NULL;
}

char *
mtv_soap_get_fault_name (const xmlNode *fault)
{
  const char *type = mtv_vsphere_xml_type (fault);
  const char *name = fault == NULL ? NULL : (const char *) fault->name;

  if (type != NULL)
    return g_utf8_make_valid (type, -1);
  if (name == NULL || !g_str_has_suffix (name, "Fault"))
    return NULL;
  return g_strndup (name, strlen (name) - strlen ("Fault"));
}

/* Those that mean more than that it did not work; vSphere Web Services API, "Fault Types". */
static const struct
{
  const char *name;
  MtvError code;
} codes[] = {
  { "InvalidLogin", MTV_ERROR_AUTH_REQUIRED },
  { "NotAuthenticated", MTV_ERROR_AUTH_REQUIRED },
  { "NoPermission", MTV_ERROR_PERMISSION_DENIED },
  { "ManagedObjectNotFound", MTV_ERROR_NOT_FOUND },
  { "NotFound", MTV_ERROR_NOT_FOUND },
  { "FileNotFound", MTV_ERROR_NOT_FOUND },
  { "FileLocked", MTV_ERROR_IN_USE },
  { "TaskInProgress", MTV_ERROR_IN_USE },
  { "ConcurrentAccess", MTV_ERROR_IN_USE },
  { "ResourceInUse", MTV_ERROR_IN_USE },
  { "InvalidPowerState", MTV_ERROR_WRONG_STATE },
  { "InvalidState", MTV_ERROR_WRONG_STATE },
  { "ToolsUnavailable", MTV_ERROR_UNSUPPORTED },
  { "NotSupported", MTV_ERROR_UNSUPPORTED },
  { "RestrictedVersion", MTV_ERROR_UNSUPPORTED },
  { "MethodNotFound", MTV_ERROR_UNSUPPORTED },
  { "HostNotConnected", MTV_ERROR_UNREACHABLE },
  { "HostCommunication", MTV_ERROR_UNREACHABLE },
  { "HostNotReachable", MTV_ERROR_UNREACHABLE },
  { "Timedout", MTV_ERROR_UNREACHABLE },
  { "NoDiskSpace", MTV_ERROR_NO_SPACE },
  { "TooManySnapshotLevels", MTV_ERROR_LIMIT_EXCEEDED },
  { "RequestCanceled", MTV_ERROR_CANCELLED },
};

static MtvError
code_for (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    if (g_strcmp0 (codes[i].name, name) == 0)
      return codes[i].code;
  return MTV_ERROR_FAILED;
}

static void
append_evidence (GString *text, const xmlNode *fault)
{
  static const char *const fields[]
      = { "privilegeId", "file", "invalidProperty", "existingState", "name", "obj" };
  gboolean any = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      const char *value = mtv_vsphere_xml_text (fault, fields[i]);

      if (value != NULL)
        g_string_append_printf (text, "%s%s %.200s", any ? ", " : " (", fields[i], value);
      any |= value != NULL;
    }
  if (any)
    g_string_append_c (text, ')');
}

void
mtv_soap_set_fault (GError **error, const xmlNode *fault, const char *message, const char *format,
                    ...)
{
  g_autofree char *name = mtv_soap_get_fault_name (fault);
  g_autoptr (GString) text = g_string_new (NULL);
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (text, format, args);
  va_end (args);
  g_string_append_printf (text, ": %s", name != NULL ? name : "a fault without a name");
  if (message != NULL)
    g_string_append_printf (text, ": %.500s", message);
  append_evidence (text, fault);
  g_autofree char *valid = g_utf8_make_valid (text->str, -1); /* it may have been cut */
  g_set_error_literal (error, MTV_ERROR, code_for (name), valid);
}
