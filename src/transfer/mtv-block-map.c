/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-block-map.h"

#include "base/mtv-error.h"

#include <stdlib.h>
#include <string.h>

#define MIN_BLOCK_SIZE (1024 * 1024)
#define MAX_BLOCKS (1U << 19)

/* A pack is a header (magic, MtvHash, size of the disk) and then runs of neighbours of one state,
 * all little-endian: the first index, the count with the state above it, and for data the hashes.
 */
#define PACK_MAGIC "mtvmap2\n"
#define PACK_MAGIC_SIZE (sizeof (PACK_MAGIC) - 1)
#define PACK_HEADER_SIZE (PACK_MAGIC_SIZE + sizeof (guint32) + sizeof (guint64))
#define RUN_HEADER_SIZE (2 * sizeof (guint32))
#define RUN_STATE_SHIFT 30

/* In a state's byte, beside the state. */
#define READ_BACK 0x80

struct _MtvBlockMap
{
  gatomicrefcount refs;
  MtvHash hash;
  gsize hash_size;
  guint64 disk_size;
  guint64 block_size;
  guint n_blocks;

  GMutex lock; /* for all below */
  guint n_done;
  guint n_data;
  guint8 *states; /* (owned) MtvBlockState of each, and READ_BACK */
  guint8 *hashes; /* (owned) hash_size bytes of each */
};

MtvBlockMap *
mtv_block_map_new (guint64 disk_size, MtvHash hash)
{
  g_return_val_if_fail (disk_size <= G_MAXINT64, NULL);
  g_return_val_if_fail (hash < MTV_N_HASHES, NULL);

  MtvBlockMap *self = g_new0 (MtvBlockMap, 1);
  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->hash = hash;
  self->hash_size = mtv_hash_get_size (hash);
  self->disk_size = disk_size;
  self->block_size = MIN_BLOCK_SIZE;
  while ((disk_size - (disk_size > 0)) / self->block_size >= MAX_BLOCKS)
    self->block_size *= 2;
  self->n_blocks = disk_size / self->block_size + (disk_size % self->block_size > 0);
  self->states = g_new0 (guint8, self->n_blocks);
  self->hashes = g_malloc0_n (self->n_blocks, self->hash_size);
  return self;
}

MtvBlockMap *
mtv_block_map_ref (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
mtv_block_map_unref (MtvBlockMap *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_mutex_clear (&self->lock);
  g_free (self->states);
  g_free (self->hashes);
  g_free (self);
}

MtvHash
mtv_block_map_get_hash (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, MTV_HASH_XXH3_128);

  return self->hash;
}

guint64
mtv_block_map_get_disk_size (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->disk_size;
}

guint64
mtv_block_map_get_block_size (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->block_size;
}

guint
mtv_block_map_get_n_blocks (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, 0);

  return self->n_blocks;
}

guint64
mtv_block_map_get_start (MtvBlockMap *self, guint index)
{
  g_return_val_if_fail (self != NULL, 0);

  return MIN (index * self->block_size, self->disk_size);
}

guint
mtv_block_map_get_n_done (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, 0);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  return self->n_done;
}

guint
mtv_block_map_get_n_data (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, 0);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  return self->n_data;
}

static MtvBlockState
get_locked (MtvBlockMap *self, guint index)
{
  return self->states[index] & ~READ_BACK;
}

guint64
mtv_block_map_get_data_bytes (MtvBlockMap *self)
{
  g_return_val_if_fail (self != NULL, 0);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  guint64 bytes = self->n_data * self->block_size;
  if (self->n_blocks > 0 && get_locked (self, self->n_blocks - 1) == MTV_BLOCK_DATA)
    bytes -= self->n_blocks * self->block_size - self->disk_size;
  return bytes;
}

static void
set_locked (MtvBlockMap *self, guint index, MtvBlockState state, const guint8 *hash)
{
  MtvBlockState before = get_locked (self, index);

  self->n_done += (state != MTV_BLOCK_PENDING) - (before != MTV_BLOCK_PENDING);
  self->n_data += (state == MTV_BLOCK_DATA) - (before == MTV_BLOCK_DATA);
  self->states[index] = state;
  if (state == MTV_BLOCK_DATA && hash != NULL)
    memcpy (self->hashes + index * self->hash_size, hash, self->hash_size);
}

void
mtv_block_map_set (MtvBlockMap *self, guint index, const guint8 *hash)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (index < self->n_blocks);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  set_locked (self, index, hash != NULL ? MTV_BLOCK_DATA : MTV_BLOCK_ZERO, hash);
}

void
mtv_block_map_set_state (MtvBlockMap *self, guint index, MtvBlockState state)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (index < self->n_blocks);
  g_return_if_fail (state == MTV_BLOCK_PENDING || state == MTV_BLOCK_UNHASHED);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  set_locked (self, index, state, NULL);
}

void
mtv_block_map_forget (MtvBlockMap *self, guint64 offset, guint64 length)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (length <= self->disk_size && offset <= self->disk_size - length);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  guint end = (offset + length + self->block_size - 1) / self->block_size;
  for (guint i = offset / self->block_size; length > 0 && i < end; i++)
    set_locked (self, i, MTV_BLOCK_PENDING, NULL);
}

void
mtv_block_map_set_read_back (MtvBlockMap *self, guint index)
{
  g_return_if_fail (self != NULL);
  g_return_if_fail (index < self->n_blocks);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  self->states[index] |= READ_BACK;
}

gboolean
mtv_block_map_is_read_back (MtvBlockMap *self, guint index)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (index < self->n_blocks, FALSE);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  return (self->states[index] & READ_BACK) != 0;
}

MtvBlockState
mtv_block_map_get (MtvBlockMap *self, guint index, guint8 hash[MTV_HASH_MAX_SIZE])
{
  g_return_val_if_fail (self != NULL, MTV_BLOCK_PENDING);
  g_return_val_if_fail (index < self->n_blocks, MTV_BLOCK_PENDING);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  MtvBlockState state = get_locked (self, index);
  if (state == MTV_BLOCK_DATA && hash != NULL)
    memcpy (hash, self->hashes + index * self->hash_size, self->hash_size);
  return state;
}

gboolean
mtv_block_map_is (MtvBlockMap *self, guint index, const guint8 *hash)
{
  guint8 known[MTV_HASH_MAX_SIZE];

  switch (mtv_block_map_get (self, index, known))
    {
    case MTV_BLOCK_ZERO:
      return hash == NULL;
    case MTV_BLOCK_DATA:
      return hash != NULL && memcmp (known, hash, self->hash_size) == 0;
    case MTV_BLOCK_PENDING:
    case MTV_BLOCK_UNHASHED:
    default:
      return FALSE;
    }
}

static int
compare_indices (const void *a, const void *b)
{
  guint32 left = *(const guint32 *) a;
  guint32 right = *(const guint32 *) b;

  return (left > right) - (left < right);
}

static void
append_le32 (GByteArray *pack, guint32 value)
{
  value = GUINT32_TO_LE (value);
  g_byte_array_append (pack, (const guint8 *) &value, sizeof value);
}

GBytes *
mtv_block_map_pack (MtvBlockMap *self, const guint32 *indices, guint n_indices)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_autofree guint32 *sorted = g_memdup2 (indices, (gsize) n_indices * sizeof *indices);
  if (n_indices > 0)
    qsort (sorted, n_indices, sizeof *sorted, compare_indices);
  g_return_val_if_fail (n_indices == 0 || sorted[n_indices - 1] < self->n_blocks, NULL);

  g_autoptr (GByteArray) pack = g_byte_array_new ();
  guint64 size = GUINT64_TO_LE (self->disk_size);
  g_byte_array_append (pack, (const guint8 *) PACK_MAGIC, PACK_MAGIC_SIZE);
  append_le32 (pack, self->hash);
  g_byte_array_append (pack, (const guint8 *) &size, sizeof size);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  for (guint i = 0, n; i < n_indices; i += n)
    {
      guint32 first = sorted[i];
      MtvBlockState state = get_locked (self, first);

      for (n = 1; i + n < n_indices && sorted[i + n] == first + n; n++)
        if (get_locked (self, first + n) != state)
          break;
      append_le32 (pack, first);
      append_le32 (pack, n | (guint32) state << RUN_STATE_SHIFT);
      if (state == MTV_BLOCK_DATA)
        g_byte_array_append (pack, self->hashes + first * self->hash_size, n * self->hash_size);
    }
  return g_byte_array_free_to_bytes (g_steal_pointer (&pack));
}

typedef struct
{
  guint32 first;
  guint32 n;
  MtvBlockState state;
  const guint8 *hashes; /* (unowned) of data */
} Run;

/* Takes the run at @at, which must lie within the map and within the pack; 0 when it does not. */
static gsize
parse_run (MtvBlockMap *self, const guint8 *at, gsize left, Run *run)
{
  guint32 head[2];

  if (left < RUN_HEADER_SIZE)
    return 0;
  memcpy (head, at, RUN_HEADER_SIZE);
  run->first = GUINT32_FROM_LE (head[0]);
  run->n = GUINT32_FROM_LE (head[1]) & ((1U << RUN_STATE_SHIFT) - 1);
  run->state = GUINT32_FROM_LE (head[1]) >> RUN_STATE_SHIFT;
  if (run->n == 0 || run->n > self->n_blocks || run->first > self->n_blocks - run->n)
    return 0;
  run->hashes = at + RUN_HEADER_SIZE;
  if (run->state != MTV_BLOCK_DATA)
    return RUN_HEADER_SIZE;
  gsize hashes_size = run->n * self->hash_size;
  return left - RUN_HEADER_SIZE < hashes_size ? 0 : RUN_HEADER_SIZE + hashes_size;
}

/* The header must be that of a map of a disk of the same size, with the same hash. */
static gboolean
header_fits (MtvBlockMap *self, const guint8 *data, gsize length)
{
  guint32 hash;
  guint64 size;

  if (length < PACK_HEADER_SIZE || memcmp (data, PACK_MAGIC, PACK_MAGIC_SIZE) != 0)
    return FALSE;
  memcpy (&hash, data + PACK_MAGIC_SIZE, sizeof hash);
  memcpy (&size, data + PACK_MAGIC_SIZE + sizeof hash, sizeof size);
  return GUINT32_FROM_LE (hash) == self->hash && GUINT64_FROM_LE (size) == self->disk_size;
}

gboolean
mtv_block_map_unpack (MtvBlockMap *self, GBytes *packed, GError **error)
{
  gsize length;
  gsize used;
  Run run;

  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (packed != NULL, FALSE);

  const guint8 *data = g_bytes_get_data (packed, &length);
  gsize at = header_fits (self, data, length) ? PACK_HEADER_SIZE : 0;
  gboolean fits = at > 0;

  /* All of it is looked at before any of it counts: a damaged pack must not half fill the map. */
  for (; fits && at < length; at += used)
    fits = (used = parse_run (self, data + at, length - at, &run)) > 0;
  if (!fits)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "The kept block map does not fit a disk of %" G_GUINT64_FORMAT
                   " bytes: it is damaged at byte %" G_GSIZE_FORMAT " or of another disk",
                   self->disk_size, at);
      return FALSE;
    }

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  for (at = PACK_HEADER_SIZE; at < length; at += used)
    {
      used = parse_run (self, data + at, length - at, &run);
      for (guint32 i = 0; i < run.n; i++)
        set_locked (self, run.first + i, run.state, run.hashes + i * self->hash_size);
    }
  return TRUE;
}
