/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-xml.h"

G_BEGIN_DECLS

/* A call of the vSphere API (urn:vim25) on its way to a server. Elements have to come in the order
 * in which the API's reference lists a method's parameters. */
typedef struct
{
  char *method;  /* (owned) */
  char *subject; /* (owned) the object's id, for errors */
  GString *body; /* (owned) */
} MtvSoapCall;

/* @method of the object @id, of type @type. (transfer full) */
MtvSoapCall *mtv_soap_call_new (const char *method, const char *type, const char *id);
void mtv_soap_call_free (MtvSoapCall *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvSoapCall, mtv_soap_call_free)

void mtv_soap_call_add (MtvSoapCall *self, const char *name, const char *text);
void mtv_soap_call_add_number (MtvSoapCall *self, const char *name, guint64 number);
void mtv_soap_call_add_boolean (MtvSoapCall *self, const char *name, gboolean value);
void mtv_soap_call_add_ref (MtvSoapCall *self, const char *name, const char *type, const char *id);
/* An element with others in it; @type: (nullable) xsi:type. */
void mtv_soap_call_begin (MtvSoapCall *self, const char *name, const char *type);
void mtv_soap_call_end (MtvSoapCall *self, const char *name);

/* The envelope. (transfer full) */
GBytes *mtv_soap_call_to_bytes (const MtvSoapCall *self);

/* The <MethodResponse> in what came back; NULL with an error when that is a fault, or no SOAP.
 * @fault: (out) (nullable) (transfer full): VMware's name of the fault, "NotAuthenticated".
 * (transfer none) */
xmlNode *mtv_soap_get_response (xmlDoc *document, const MtvSoapCall *call, char **fault,
                                GError **error);

/* The name of a fault: of <XyzFault xsi:type="Xyz"> or <fault xsi:type="Xyz">. (transfer full) */
char *mtv_soap_get_fault_name (const xmlNode *fault);

/* Sets @error for a fault (nullable) that came as @message (nullable): "<what>: <name>: <message>
 * (<evidence>)". */
void mtv_soap_set_fault (GError **error, const xmlNode *fault, const char *message,
                         const char *format, ...) G_GNUC_PRINTF (4, 5);

G_END_DECLS
