/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "transfer/mtv-image.h"
#include "transfer/mtv-qcow2-check.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (BytesReader) file = bytes_reader_new (bytes);
  g_autoptr (GError) error = NULL;
  MtvImage image;

  if (!mtv_image_probe (MTV_READER (file), "disk", &image, NULL, &error))
    g_assert_true (error != NULL && error->domain == MTV_ERROR);
  else if (image.format == MTV_IMAGE_VHD_FIXED)
    g_assert_cmpuint (image.capacity, <=, size);
  else if (image.format == MTV_IMAGE_QCOW2
           && !mtv_qcow2_check (MTV_READER (file), "disk", NULL, &error))
    g_assert_true (error != NULL && error->domain == MTV_ERROR);
  return 0;
}
