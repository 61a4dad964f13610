/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/vsphere/mtv-soap.h"
#include "provider/vsphere/mtv-vsphere-concerns.h"
#include "provider/vsphere/mtv-vsphere-snapshot.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_error (const GError *error)
{
  g_assert_true (error != NULL && error->domain == MTV_ERROR);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

/* What is parsed must be fit for the bus and the store. */
static gboolean
take_object (xmlNode *object, gpointer user_data, GError **error)
{
  MtvVspherePlaces *places = user_data;
  g_autoptr (GPtrArray) warm = mtv_concerns_new ();
  g_autoptr (MtvVsphereVm) vm = mtv_vsphere_vm_new (object, places);

  mtv_vsphere_places_add (places, object);
  if (vm == NULL)
    return TRUE;
  mtv_vsphere_concerns_add (vm, places);
  mtv_vsphere_concerns_add_warm (vm, places, warm);
  g_assert_cmpuint (vm->disks->len, ==, vm->vm->disks->len);
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_vm_to_variant (vm->vm));
  g_autoptr (MtvVm) again = mtv_vm_from_variant (variant, error);
  g_assert_nonnull (again);
  g_free (mtv_vsphere_places_get_datacenter (places, vm->vm->id));
  return TRUE;
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (MtvVspherePlaces) places = mtv_vsphere_places_new ();
  const MtvVsphereXmlItems items = { "objects", take_object, places };
  g_autoptr (GInputStream) stream = g_memory_input_stream_new_from_data (data, (gssize) size, NULL);
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("RetrievePropertiesEx", "PropertyCollector", "pc");
  g_autoptr (GError) error = NULL;
  g_autofree char *fault = NULL;
  g_autoptr (xmlDoc) document = mtv_vsphere_xml_read (stream, &items, NULL, &error);

  if (document == NULL)
    {
      check_error (error);
      return 0;
    }
  xmlNode *response = mtv_soap_get_response (document, call, &fault, &error);
  if (response == NULL)
    check_error (error);
  mtv_vsphere_snapshot_count (mtv_vsphere_xml_first (response));
  return 0;
}
