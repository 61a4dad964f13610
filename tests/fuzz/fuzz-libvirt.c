/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "provider/libvirt/mtv-libvirt-backup.h"
#include "provider/libvirt/mtv-libvirt-domain.h"
#include "provider/libvirt/mtv-libvirt-qcow2.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_error (gboolean ok, const GError *error)
{
  g_assert_true (ok == (error == NULL));
  g_assert_true (ok || error->domain == MTV_ERROR);
  g_assert_true (ok || g_utf8_validate (error->message, -1, NULL));
}

/* What is parsed must be fit for the bus and the store. */
static void
check_domain (const char *text, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = mtv_libvirt_domain_parse (text, size, &error);

  check_error (vm != NULL, error);
  if (vm == NULL)
    return;
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_vm_to_variant (vm));
  g_autoptr (MtvVm) again = mtv_vm_from_variant (variant, &error);
  g_assert_no_error (error);
  g_assert_nonnull (again);
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = vm->disks->pdata[i];
      g_assert_true (disk->problem != NULL || disk->backing != NULL);
    }
}

static void
check_qcow2 (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (MtvReader) reader = MTV_READER (bytes_reader_new (bytes));
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvLibvirtQcow2) image = mtv_libvirt_qcow2_read (reader, "'it'", NULL, &error);

  check_error (image != NULL, error);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_backup_parse ((const char *) data, size, &error);
  g_autofree char *reduced = mtv_libvirt_backup_reduce_checkpoint (text, "vda");

  g_assert_true (reduced == NULL || g_utf8_validate (reduced, -1, NULL));
  check_error (job != NULL, error);
  mtv_libvirt_domain_can_be_asked (text);
  check_domain ((const char *) data, size);
  check_qcow2 (data, size);
  return 0;
}
