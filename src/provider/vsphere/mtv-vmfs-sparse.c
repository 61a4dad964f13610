/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vmfs-sparse.h"

#include "base/mtv-error.h"

#define MAGIC "COWD"
#define VERSION 1
#define ENTRIES 4096
#define MAX_GRAIN 2048 /* sectors */

/* Little-endian 32-bit fields: signature, version, flags, capacity, grain size, place of the
 * directory, its entries, first free sector; offsets and sizes in sectors. */
static gboolean
parse (const guint8 *header, const char *label, MtvSparseLayout *layout, GError **error)
{
  guint32 version = mtv_vmdk_get32 (header + 4);
  guint64 capacity = mtv_vmdk_get32 (header + 12);
  guint64 grain = mtv_vmdk_get32 (header + 16);
  guint64 directory = mtv_vmdk_get32 (header + 20);
  guint64 n_tables = mtv_vmdk_get32 (header + 24);

  if (memcmp (header, MAGIC, strlen (MAGIC)) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is no redo log of VMFS", label);
      return FALSE;
    }
  if (version != VERSION)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is a redo log of version %u, which is not known", label, version);
      return FALSE;
    }
  if (capacity == 0 || grain == 0 || grain > MAX_GRAIN || directory == 0
      || n_tables < (capacity + grain * ENTRIES - 1) / (grain * ENTRIES))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s has a broken header: %" G_GUINT64_FORMAT " sectors in grains of "
                   "%" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " tables",
                   label, capacity, grain, n_tables);
      return FALSE;
    }
  *layout = (MtvSparseLayout){
    .capacity = capacity * MTV_VMDK_SECTOR,
    .grain = grain * MTV_VMDK_SECTOR,
    .directory = directory * MTV_VMDK_SECTOR,
    .n_tables = (capacity + grain * ENTRIES - 1) / (grain * ENTRIES),
  };
  return TRUE;
}

static gboolean
table_at (const MtvSparseLayout *layout, const guint8 *entry, const char *label, guint64 *position,
          GError **error)
{
  (void) layout;
  (void) label;
  (void) error;
  *position = (guint64) mtv_vmdk_get32 (entry) * MTV_VMDK_SECTOR;
  return TRUE;
}

static gboolean
grain_at (const MtvSparseLayout *layout, const guint8 *entry, const char *label, MtvGrainKind *kind,
          guint64 *position, GError **error)
{
  (void) layout;
  (void) label;
  (void) error;
  *position = (guint64) mtv_vmdk_get32 (entry) * MTV_VMDK_SECTOR;
  *kind = *position > 0 ? MTV_GRAIN_DATA : MTV_GRAIN_PARENT;
  return TRUE;
}

const MtvSparseFormat mtv_vmfs_sparse = {
  .name = "vmfsSparse",
  .header = MTV_VMDK_SECTOR,
  .entry = 4,
  .entries = ENTRIES,
  .parse = parse,
  .table_at = table_at,
  .grain_at = grain_at,
};
