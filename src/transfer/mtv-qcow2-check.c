/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-qcow2-check.h"

#include "base/mtv-error.h"

#include <string.h>

/* All below is docs/interop/qcow2.txt of QEMU. */
#define HEADER_SIZE 104
#define EXTENDED_L2 (1 << 4) /* of the incompatible features */
#define OFFSET_MASK G_GUINT64_CONSTANT (0x00fffffffffffe00)
#define COMPRESSED (G_GUINT64_CONSTANT (1) << 62)
#define ALL_ZEROES 1
#define MAX_L1_BYTES (32 * 1024 * 1024) /* that QEMU takes */
#define SECTOR 512

typedef struct
{
  MtvReader *file;   /* (unowned) */
  const char *label; /* (unowned) */
  guint64 file_size;
  guint64 disk_size;
  guint cluster_bits;
  gboolean extended; /* an entry has a second half: which of its 32 parts are allocated */
  GCancellable *cancellable;
} Image;

static guint64
get_be (const guint8 *at, guint n_bytes)
{
  guint64 value = 0;

  for (guint i = 0; i < n_bytes; i++)
    value = value << 8 | at[i];
  return value;
}

static gboolean
read_table (const Image *image, const char *what, guint64 offset, guint8 *to, gsize length,
            GError **error)
{
  if (length <= image->file_size && offset <= image->file_size - length)
    return mtv_reader_read (image->file, offset, to, length, image->cancellable, error);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s is cut short: %s lies at byte %" G_GUINT64_FORMAT
               ", and the file ends at byte %" G_GUINT64_FORMAT,
               image->label, what, offset, image->file_size);
  return FALSE;
}

/* How many bytes of the file there have to be for this entry, whose cluster holds the disk from
 * byte @at on. */
static guint64
get_end (const Image *image, const guint8 *entry, guint64 at)
{
  guint64 cluster = G_GUINT64_CONSTANT (1) << image->cluster_bits;
  guint64 value = get_be (entry, 8);
  guint64 used = MIN (cluster, image->disk_size - at);

  if (value & COMPRESSED)
    {
      guint bits = 62 - (image->cluster_bits - 8);
      guint64 host = value & ((G_GUINT64_CONSTANT (1) << bits) - 1);
      guint64 more = (value & (COMPRESSED - 1)) >> bits; /* sectors; the last may be begun only */

      return host / SECTOR * SECTOR + more * SECTOR + 1;
    }
  if ((value & OFFSET_MASK) == 0 || (!image->extended && (value & ALL_ZEROES)))
    return 0;
  if (image->extended)
    {
      guint32 allocated = get_be (entry + 12, 4);

      if (allocated == 0)
        return 0;
      used = MIN (used, cluster / 32 * g_bit_storage (allocated));
    }
  return (value & OFFSET_MASK) + used;
}

static gboolean
check_entries (const Image *image, const guint8 *entries, guint64 n, guint64 start, GError **error)
{
  gsize size = image->extended ? 16 : 8;

  for (guint64 i = 0; i < n; i++)
    {
      guint64 at = start + (i << image->cluster_bits);
      guint64 end = get_end (image, entries + i * size, at);

      if (end <= image->file_size)
        continue;
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s is cut short: what the disk has at byte %" G_GUINT64_FORMAT
                   " goes on to byte %" G_GUINT64_FORMAT
                   " of the file, which ends at byte %" G_GUINT64_FORMAT,
                   image->label, at, end, image->file_size);
      return FALSE;
    }
  return TRUE;
}

/* Of the tables that hold where the clusters are, each as large as a cluster, and where they are
 * themselves. */
static gboolean
check_tables (const Image *image, const guint8 *l1, guint64 n_l1, GError **error)
{
  gsize cluster = (gsize) 1 << image->cluster_bits;
  guint64 n_entries = cluster / (image->extended ? 16 : 8);
  g_autofree guint8 *table = g_malloc (cluster);

  for (guint64 i = 0; i < n_l1; i++)
    {
      guint64 start = (i * n_entries) << image->cluster_bits;
      guint64 offset = get_be (l1 + i * 8, 8) & OFFSET_MASK;

      if (start >= image->disk_size)
        return TRUE;
      if (offset == 0)
        continue;
      guint64 left = (image->disk_size - start + cluster - 1) >> image->cluster_bits;
      if (!read_table (image, "a table", offset, table, cluster, error)
          || !check_entries (image, table, MIN (n_entries, left), start, error))
        return FALSE;
    }
  return TRUE;
}

gboolean
mtv_qcow2_check (MtvReader *file, const char *label, GCancellable *cancellable, GError **error)
{
  Image image = { .file = file,
                  .label = label,
                  .file_size = mtv_reader_get_size (file),
                  .cancellable = cancellable };
  guint8 header[HEADER_SIZE];

  if (!read_table (&image, "its header", 0, header, sizeof header, error))
    return FALSE;
  image.cluster_bits = get_be (header + 20, 4);
  image.disk_size = get_be (header + 24, 8);
  image.extended = get_be (header + 4, 4) >= 3 && (get_be (header + 72, 8) & EXTENDED_L2) != 0;
  guint64 n_l1 = get_be (header + 36, 4);
  if (image.cluster_bits < 9 || image.cluster_bits > 21 || image.disk_size > G_MAXINT64
      || n_l1 * 8 > MAX_L1_BYTES)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s has a broken qcow2 header", label);
      return FALSE;
    }
  g_autofree guint8 *l1 = g_malloc (n_l1 * 8);
  return n_l1 == 0
         || (read_table (&image, "its table of tables", get_be (header + 40, 8), l1, n_l1 * 8,
                         error)
             && check_tables (&image, l1, n_l1, error));
}
