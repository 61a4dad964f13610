/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-tables.h"

#include "base/mtv-error.h"

#define MARKER_END 0
#define MARKER_TABLE 1
#define MARKER_DIRECTORY 2
#define MARKER_FOOTER 3

static gint
compare_grains (gconstpointer a, gconstpointer b)
{
  const MtvVmdkStreamGrain *left = a;
  const MtvVmdkStreamGrain *right = b;

  return (left->grain > right->grain) - (left->grain < right->grain);
}

static gboolean
check_duplicates (GArray *grains, const char *label, GError **error)
{
  const MtvVmdkStreamGrain *all = (const MtvVmdkStreamGrain *) (gpointer) grains->data;

  for (guint i = 1; i < grains->len; i++)
    if (all[i].grain == all[i - 1].grain)
      {
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                     "%s has grain %u twice, at bytes %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT,
                     label, all[i].grain, (guint64) all[i - 1].sector * MTV_VMDK_SECTOR,
                     (guint64) all[i].sector * MTV_VMDK_SECTOR);
        return FALSE;
      }
  return TRUE;
}

/* Looks at the marker in @sector; @step is how many sectors on the next one is, 0 at the end of the
 * stream. FALSE: it is none. */
static gboolean
take_marker (GArray *grains, const guint8 *bytes, guint64 sector, const MtvVmdkHeader *header,
             guint64 *step)
{
  guint64 value = mtv_vmdk_get64 (bytes);
  guint32 size = mtv_vmdk_get32 (bytes + 8);
  guint32 type = mtv_vmdk_get32 (bytes + 12);

  if (size > 0)
    {
      MtvVmdkStreamGrain grain = { value / header->grain_size, sector };

      if (value >= header->capacity || value % header->grain_size != 0
          || size > mtv_vmdk_max_record (header) - 12)
        return FALSE;
      g_array_append_val (grains, grain);
      *step = (12 + (guint64) size + MTV_VMDK_SECTOR - 1) / MTV_VMDK_SECTOR;
      return TRUE;
    }
  if (type > MARKER_FOOTER || value >= G_MAXUINT32 || (type == MARKER_END && value != 0))
    return FALSE;
  *step = type == MARKER_END ? 0 : 1 + value;
  return TRUE;
}

GArray *
mtv_vmdk_stream_scan (MtvReader *file, const MtvVmdkHeader *header, const char *label,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) grains = g_array_new (FALSE, FALSE, sizeof (MtvVmdkStreamGrain));
  guint64 end = mtv_reader_get_size (file) / MTV_VMDK_SECTOR;
  guint64 sector = MAX (header->overhead, 1);

  /* Every step goes forward, so no stream can make this loop for ever. */
  for (guint64 step = 1; step > 0; sector += step)
    {
      guint8 bytes[MTV_VMDK_SECTOR];

      if (sector >= MIN (end, G_MAXUINT32))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "%s is cut short: its end-of-stream marker is missing", label);
          return NULL;
        }
      if (!mtv_reader_read (file, sector * MTV_VMDK_SECTOR, bytes, sizeof bytes, cancellable,
                            error))
        return NULL;
      if (!take_marker (grains, bytes, sector, header, &step))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "%s has a broken marker at byte %" G_GUINT64_FORMAT, label,
                       sector * MTV_VMDK_SECTOR);
          return NULL;
        }
    }
  g_array_sort (grains, compare_grains);
  return check_duplicates (grains, label, error) ? g_steal_pointer (&grains) : NULL;
}
