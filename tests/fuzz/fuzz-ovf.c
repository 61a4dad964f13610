/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/ova/mtv-ovf.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_disk (MtvOvf *ovf, const MtvVmDisk *disk)
{
  const MtvOvfDisk *source = mtv_ovf_find_disk (ovf, disk->id);

  g_assert_true (disk->name != NULL);
  g_assert_true (disk->problem != NULL || disk->capacity > 0);
  g_assert_cmpuint (disk->capacity, <=, MTV_OVF_MAX_CAPACITY);
  g_assert_true (source != NULL || disk->problem != NULL);
}

/* What is parsed must be fit for the bus and the store. */
static void
check_machine (MtvOvf *ovf, MtvVm *vm)
{
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_vm_to_variant (vm));
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) again = mtv_vm_from_variant (variant, &error);

  g_assert_no_error (error);
  g_assert_nonnull (again);
  for (guint i = 0; i < vm->disks->len; i++)
    check_disk (ovf, g_ptr_array_index (vm->disks, i));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvOvf) ovf = mtv_ovf_parse ((const char *) data, size, "web.ovf", &error);

  g_assert_true (ovf != NULL || (error != NULL && error->domain == MTV_ERROR));
  g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
  for (guint i = 0; ovf != NULL && i < ovf->vms->len; i++)
    check_machine (ovf, g_ptr_array_index (ovf->vms, i));
  return 0;
}
