/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-disk-map.h"

#include "base/mtv-error.h"
#include "store/mtv-store-progress.h"
#include "transfer/mtv-disk-io.h"

#include <string.h>

/* Between the packs of the map: the beginning of a round, its number and how it finds what has
 * changed, little-endian. */
#define MARK_MAGIC "mtvround"
#define MARK_MAGIC_SIZE (sizeof (MARK_MAGIC) - 1)
#define MARK_SIZE (MARK_MAGIC_SIZE + 2 * sizeof (guint32))

static GBytes *
make_mark (guint round, gboolean compares)
{
  guint32 words[2] = { GUINT32_TO_LE (round), GUINT32_TO_LE ((guint32) compares) };
  guint8 mark[MARK_SIZE];

  memcpy (mark, MARK_MAGIC, MARK_MAGIC_SIZE);
  memcpy (mark + MARK_MAGIC_SIZE, words, sizeof words);
  return g_bytes_new (mark, sizeof mark);
}

static gboolean
parse_mark (GBytes *piece, guint *round, gboolean *compares)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (piece, &length);
  guint32 words[2];

  if (length != MARK_SIZE || memcmp (data, MARK_MAGIC, MARK_MAGIC_SIZE) != 0)
    return FALSE;
  memcpy (words, data + MARK_MAGIC_SIZE, sizeof words);
  *round = GUINT32_FROM_LE (words[0]);
  *compares = words[1] != 0;
  return TRUE;
}

gboolean
mtv_disk_map_load (MtvStore *store, MtvTarget *target, guint index, guint *round,
                   gboolean *compares, GError **error)
{
  MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  g_autoptr (GPtrArray) pieces
      = mtv_store_progress_load (store, target->run_id, target->number, index, error);

  *round = 0;
  *compares = FALSE;
  if (pieces == NULL)
    return FALSE;
  for (guint i = 0; i < pieces->len; i++)
    if (!parse_mark (g_ptr_array_index (pieces, i), round, compares)
        && !mtv_block_map_unpack (disk->map, g_ptr_array_index (pieces, i), error))
      return FALSE;
  return TRUE;
}

static GBytes *
forget (MtvBlockMap *map, GArray *changes)
{
  g_autoptr (GArray) indices = g_array_new (FALSE, FALSE, sizeof (guint32));
  guint64 size = mtv_block_map_get_block_size (map);
  guint32 next = 0;

  for (guint i = 0; i < changes->len; i++)
    {
      const MtvExtent *extent = &g_array_index (changes, MtvExtent, i);

      mtv_block_map_forget (map, extent->offset, extent->length);
      next = MAX (next, (guint32) (extent->offset / size));
      for (; extent->length > 0 && next * size < extent->offset + extent->length; next++)
        g_array_append_val (indices, next);
    }
  return mtv_block_map_pack (map, (const guint32 *) indices->data, indices->len);
}

gboolean
mtv_disk_map_begin_round (MtvStore *store, MtvTarget *target, guint index, guint round,
                          gboolean compares, GArray *changes, GError **error)
{
  MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  MtvStoreBatch *batch = mtv_store_batch_new ();
  g_autoptr (GBytes) mark = make_mark (round, compares);

  if (changes != NULL && changes->len > 0)
    {
      g_autoptr (GBytes) packed = forget (disk->map, changes);

      mtv_store_progress_add (batch, target->run_id, target->number, index, packed);
    }
  mtv_store_progress_add (batch, target->run_id, target->number, index, mark);
  return mtv_store_commit (store, batch, error);
}

GArray *
mtv_disk_map_widen (MtvBlockMap *map, GArray *changes)
{
  GArray *wide = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  guint64 size = mtv_block_map_get_block_size (map);

  for (guint i = 0; i < changes->len; i++)
    {
      const MtvExtent *extent = &g_array_index (changes, MtvExtent, i);
      MtvExtent *last = wide->len == 0 ? NULL : &g_array_index (wide, MtvExtent, wide->len - 1);
      guint64 start = extent->offset / size * size;
      guint64 end = MIN ((extent->offset + extent->length + size - 1) / size * size,
                         mtv_block_map_get_disk_size (map));

      if (extent->length == 0)
        continue;
      if (last != NULL && start <= last->offset + last->length)
        {
          last->length = MAX (end - last->offset, last->length);
          continue;
        }
      MtvExtent more = { .offset = start, .length = end - start };
      g_array_append_val (wide, more);
    }
  return wide;
}

GBytes *
mtv_disk_map_get_read_back (MtvBlockMap *map)
{
  guint n = mtv_block_map_get_n_blocks (map);
  gsize size = (n + 7) / 8;
  guint8 *bits = g_malloc0 (size);

  for (guint i = 0; i < n; i++)
    if (mtv_block_map_is_read_back (map, i))
      bits[i / 8] |= (guint8) (1 << i % 8);
  return g_bytes_new_take (bits, size);
}

void
mtv_disk_map_take_read_back (MtvBlockMap *map, GBytes *bits)
{
  guint n = mtv_block_map_get_n_blocks (map);
  const guint8 *data = g_bytes_get_data (bits, NULL);

  g_return_if_fail (g_bytes_get_size (bits) == (n + 7) / 8);

  for (guint i = 0; i < n; i++)
    if ((data[i / 8] & 1 << i % 8) != 0 && mtv_block_map_get (map, i, NULL) == MTV_BLOCK_DATA)
      mtv_block_map_set_read_back (map, i);
}
