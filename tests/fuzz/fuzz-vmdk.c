/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "transfer/mtv-vmdk-header.h"
#include "transfer/mtv-vmdk-reader.h"

#define CAP (16 * 1024 * 1024) /* bytes of the virtual disk that are read */
#define BLOCK (1024 * 1024)

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_extents (MtvReader *disk, guint64 offset, guint64 length)
{
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  if (!mtv_reader_extents (disk, offset, length, extents, NULL, NULL))
    return;
  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, offset);
      g_assert_cmpuint (extent->length, <=, length);
      offset += extent->length;
      length -= extent->length;
    }
  g_assert_cmpuint (length, ==, 0);
}

static void
read_disk (MtvReader *disk)
{
  g_autofree guint8 *buffer = g_malloc (BLOCK);
  guint64 end = MIN (mtv_reader_get_size (disk), CAP);

  for (guint64 at = 0; at < end;)
    {
      gsize length = MIN (end - at, BLOCK);

      if (!mtv_reader_read (disk, at, buffer, length, NULL, NULL))
        length = MIN (length, 4096); /* perhaps only this grain is bad */
      mtv_reader_read (disk, at, buffer, MIN (length, 777), NULL, NULL);
      at += length;
    }
  check_extents (disk, 0, end);
  check_extents (disk, end / 3, end / 2);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (BytesReader) file = bytes_reader_new (bytes);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVmdkReader) disk = mtv_vmdk_reader_new (MTV_READER (file), "disk", NULL, &error);
  g_autoptr (MtvVmdkDescriptor) descriptor
      = mtv_vmdk_descriptor_parse ((const char *) data, size, "disk", NULL);

  g_assert_true (disk || (error && error->domain == MTV_ERROR));
  g_assert_true (!descriptor || descriptor->extents->len > 0);
  if (disk)
    read_disk (MTV_READER (disk));
  return 0;
}
