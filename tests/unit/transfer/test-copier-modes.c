/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "fake-queue.h"
#include "fake-sparse-disk.h"
#include "transfer-fixture.h"

#include <string.h>

#define GRANULE (64 * KIB)
#define PIECE (256 * KIB)

typedef struct
{
  gsize size;
  FakeMemoryDisk *source;
  FakeMemoryDisk *target;
  guint8 *from; /* (unowned) the bytes of the two */
  guint8 *to;
  MtvBlockMap *map;
} Ends;

static void
ends_init (Ends *e, gsize size, MtvHash hash)
{
  e->size = size;
  e->source = fake_memory_disk_new (size);
  e->target = fake_memory_disk_new (size);
  e->from = fake_memory_disk_get_data (e->source);
  e->to = fake_memory_disk_get_data (e->target);
  e->map = mtv_block_map_new (size, hash);
}

static void
ends_clear (Ends *e)
{
  g_object_unref (e->source);
  g_object_unref (e->target);
  mtv_block_map_unref (e->map);
}

static MtvCopier *
ends_copier (Ends *e, gboolean target_is_zero)
{
  MtvCopier *copier
      = mtv_copier_new (MTV_READER (e->source), MTV_WRITER (e->target), e->map, target_is_zero);

  mtv_copier_set_threads (copier, 2);
  return copier;
}

static void
copy_well (MtvCopier *copier)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (copy_to_end (copier, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_copier_get_bytes_done (copier), ==, mtv_copier_get_bytes_total (copier));
}

static void
assert_equal (Ends *e)
{
  g_assert_cmpmem (e->to, e->size, e->from, e->size);
  assert_map_is_of (e->map, e->from);
}

static void
fill (guint8 *data, gsize length, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (gsize i = 0; i < length; i++)
    data[i] = g_rand_int (rand);
}

static void
test_read_back (gconstpointer hash)
{
  Ends e;
  g_autoptr (GError) error = NULL;

  ends_init (&e, 10 * MIB + 513, GPOINTER_TO_UINT (hash));
  fill (e.from, 4 * MIB, 1);
  memset (e.from + 2 * MIB, 0, MIB);
  e.from[7 * MIB + 3] = 1;
  e.from[10 * MIB + 512] = 1;
  g_autoptr (MtvCopier) copier = ends_copier (&e, TRUE);
  mtv_copier_set_read_back (copier, MTV_READER (e.target));
  mtv_copier_set_checkpoint (copier, 2 * MIB, NULL, NULL, NULL);
  copy_well (copier);
  assert_equal (&e);
  g_assert_cmpuint (mtv_copier_get_bytes_verified (copier), ==, 4 * MIB + 513);
  for (guint i = 0; i < 11; i++)
    {
      gboolean is_data = mtv_block_map_get (e.map, i, NULL) == MTV_BLOCK_DATA;

      g_assert_cmpint (mtv_block_map_is_read_back (e.map, i), ==, is_data);
      g_assert_cmpuint (fake_memory_disk_count (e.target, FAKE_READ, i * MIB, MIB), ==, is_data);
    }

  /* Nothing is left to who verifies it, unless he wants the zeroes read as well. */
  fake_memory_disk_forget (e.target);
  g_assert_true (verify (MTV_READER (e.target), e.map, FALSE, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_memory_disk_count (e.target, FAKE_READ, 0, e.size), ==, 0);
  g_assert_true (verify (MTV_READER (e.target), e.map, TRUE, &error));
  g_assert_cmpuint (fake_memory_disk_count (e.target, FAKE_READ, 0, e.size), ==, 6);
  ends_clear (&e);
}

/* What lies in a row is one request; what does not is read for itself alone. */
static void
test_pieces (void)
{
  Ends e;

  ends_init (&e, 3 * MIB, MTV_HASH_XXH3_128);
  fill (e.from, MIB, 1);
  fill (e.from + MIB + 64 * KIB, 64 * KIB, 2);
  fill (e.from + MIB + 512 * KIB, 128 * KIB, 3);
  fill (e.from + 2 * MIB + 128 * KIB, MIB - 128 * KIB, 4);
  g_autoptr (MtvCopier) copier = ends_copier (&e, TRUE);
  copy_well (copier);
  assert_equal (&e);
  for (guint i = 0; i < 3; i++)
    {
      g_assert_cmpuint (fake_memory_disk_count (e.source, FAKE_READ, i * MIB, MIB), ==,
                        i == 1 ? 2 : 1);
      g_assert_cmpuint (fake_memory_disk_count (e.target, FAKE_WRITE, i * MIB, MIB), ==,
                        i == 1 ? 2 : 1);
    }
  g_assert_cmpuint (mtv_copier_get_bytes_written (copier), ==, 3 * MIB - 960 * KIB);
  ends_clear (&e);
}

static void
test_read_back_finds (void)
{
  Ends e;
  g_autoptr (GError) error = NULL;

  ends_init (&e, 6 * MIB, MTV_HASH_XXH3_128);
  fill (e.from, e.size, 1);
  fake_memory_disk_corrupt (e.target, 4 * MIB + 700001);
  g_autoptr (MtvCopier) copier = ends_copier (&e, TRUE);
  mtv_copier_set_read_back (copier, MTV_READER (e.target));
  g_assert_false (copy_to_end (copier, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  g_assert_nonnull (strstr (error->message, " 4194304 "));
  g_assert_false (mtv_block_map_is_read_back (e.map, 4));
  ends_clear (&e);
}

/* Zeroes that were written over something: a hole is as good as read, the rest is read. */
static void
test_read_back_zeroes (gconstpointer lost)
{
  Ends e;
  g_autoptr (GError) error = NULL;

  ends_init (&e, 6 * MIB, MTV_HASH_XXH3_128);
  fill (e.from, MIB, 1);
  fill (e.to, e.size, 2);
  if (lost != NULL)
    fake_memory_disk_corrupt (e.target, 4 * MIB + 77);
  g_autoptr (MtvCopier) copier = ends_copier (&e, FALSE);
  mtv_copier_set_read_back (copier, MTV_READER (e.target));
  g_assert_cmpint (copy_to_end (copier, NULL, &error), ==, lost == NULL);
  if (lost != NULL)
    {
      g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
      g_assert_nonnull (strstr (error->message, " 4194304 should be all zeroes"));
    }
  else
    {
      assert_equal (&e);
      g_assert_cmpuint (fake_memory_disk_count (e.target, FAKE_READ, MIB, 5 * MIB), ==, 0);
      for (guint i = 0; i < 6; i++)
        g_assert_true (mtv_block_map_is_read_back (e.map, i));
    }
  ends_clear (&e);
}

static void
assert_only_written (Ends *e, guint64 written, guint64 zeroed)
{
  for (guint i = 0; i < mtv_block_map_get_n_blocks (e->map); i++)
    {
      g_assert_cmpint (fake_memory_disk_count (e->target, FAKE_WRITE, i * MIB, MIB) > 0, ==,
                       (written >> i) & 1);
      g_assert_cmpint (fake_memory_disk_count (e->target, FAKE_ZERO, i * MIB, MIB) > 0, ==,
                       (zeroed >> i) & 1);
    }
}

static void
test_compare (gconstpointer hash)
{
  Ends e;

  /* 0, 1, 2, 8 (short): data; then what becomes of 1: differs, 3: zero to data, 4: data to zero,
   * 5: zero in both, 6: not copied yet, 7: zeroes that are told to be data. */
  ends_init (&e, 8 * MIB + 5, GPOINTER_TO_UINT (hash));
  fill (e.to, 3 * MIB, 1);
  fill (e.to + 4 * MIB, MIB, 2);
  e.to[8 * MIB + 4] = 1;
  set_map_of (e.map, e.to);
  memcpy (e.from, e.to, e.size);
  e.from[MIB + 99] ^= 1;
  e.from[3 * MIB + 5 * GRANULE] = 1;
  memset (e.from + 4 * MIB, 0, MIB);
  fill (e.from + 6 * MIB, MIB, 3);
  mtv_block_map_set_state (e.map, 6, MTV_BLOCK_PENDING);
  fake_memory_disk_set_all_data (e.source);
  g_autoptr (MtvCopier) copier = ends_copier (&e, TRUE);
  mtv_copier_set_compare (copier);
  copy_well (copier);
  assert_equal (&e);
  assert_only_written (&e, 1 << 1 | 1 << 3 | 1 << 6, 1 << 3 | 1 << 4);
  g_assert_cmpuint (mtv_copier_get_bytes_written (copier), ==, 2 * MIB + GRANULE);
  for (guint i = 0; i < 9; i++)
    g_assert_cmpuint (fake_memory_disk_count (e.source, FAKE_READ, i * MIB, MIB), ==, 1);
  ends_clear (&e);
}

/* What cannot go back is read from its beginning, and written where it was not yet. */
static void
test_in_order (void)
{
  Ends e;

  ends_init (&e, 5 * MIB, MTV_HASH_SHA256);
  fill (e.from, 4 * MIB, 1);
  memcpy (e.to, e.from, 2 * MIB);
  set_map_of (e.map, e.to);
  for (guint i = 2; i < 5; i++)
    mtv_block_map_set_state (e.map, i, MTV_BLOCK_PENDING);
  fake_memory_disk_set_in_order (e.source);
  g_autoptr (MtvCopier) copier = ends_copier (&e, TRUE);
  copy_well (copier);
  assert_equal (&e);
  g_assert_cmpuint (fake_memory_disk_count (e.source, FAKE_READ, 0, 4 * MIB), ==, 4);
  g_assert_cmpuint (fake_memory_disk_count (e.target, FAKE_WRITE, 0, 2 * MIB), ==, 0);
  g_assert_cmpuint (mtv_copier_get_bytes_written (copier), ==, 2 * MIB);
  ends_clear (&e);
}

#define TIB (MIB * MIB)

static void
test_compare_large_blocks (void)
{
  /* In blocks of 2 MiB: equal, different, data only at the source, data only at the target. */
  static const guint64 windows[]
      = { 0, 3 * MIB, 600 * 1024 * MIB + GRANULE, TIB - 2 * MIB + 3 * GRANULE };
  g_autoptr (FakeSparseDisk) source = fake_sparse_disk_new (TIB, windows, G_N_ELEMENTS (windows));
  g_autoptr (FakeSparseDisk) target = fake_sparse_disk_new (TIB, windows, G_N_ELEMENTS (windows));
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (TIB, MTV_HASH_XXH3_128);

  fill (fake_sparse_disk_get_window (target, 0), FAKE_WINDOW_SIZE, 1);
  fill (fake_sparse_disk_get_window (target, 1), FAKE_WINDOW_SIZE, 2);
  fill (fake_sparse_disk_get_window (target, 3), FAKE_WINDOW_SIZE, 3);
  g_autoptr (MtvCopier) first
      = mtv_copier_new (MTV_READER (target), MTV_WRITER (source), map, TRUE);
  copy_well (first);
  g_assert_cmpuint (mtv_block_map_get_block_size (map), ==, 2 * MIB);
  g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 3);
  guint n_reads = fake_sparse_disk_get_n_reads (source);

  fake_sparse_disk_get_window (source, 1)[77] ^= 1;
  fake_sparse_disk_get_window (source, 2)[5] = 1;
  memset (fake_sparse_disk_get_window (source, 3), 0, FAKE_WINDOW_SIZE);
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (source), MTV_WRITER (target), map, FALSE);
  mtv_copier_set_compare (copier);
  copy_well (copier);
  for (guint i = 0; i < G_N_ELEMENTS (windows); i++)
    g_assert_cmpmem (fake_sparse_disk_get_window (target, i), FAKE_WINDOW_SIZE,
                     fake_sparse_disk_get_window (source, i), FAKE_WINDOW_SIZE);
  g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 3);
  g_assert_cmpint (mtv_block_map_get (map, TIB / (2 * MIB) - 1, NULL), ==, MTV_BLOCK_ZERO);
  g_assert_cmpuint (fake_sparse_disk_get_n_writes (target), ==, 2);
  /* Those that differ are read again: they do not fit in to be held. */
  g_assert_cmpuint (fake_sparse_disk_get_n_reads (source) - n_reads, ==, 5);
}

static void
test_eight_tebibytes (void)
{
  static const guint64 windows[] = { GRANULE, 5 * TIB + 7 * GRANULE, 8 * TIB - GRANULE };
  const guint64 size = 8 * TIB;

  for (guint target_is_zero = 0; target_is_zero <= 1; target_is_zero++)
    {
      g_autoptr (FakeSparseDisk) source
          = fake_sparse_disk_new (size, windows, G_N_ELEMENTS (windows));
      g_autoptr (FakeSparseDisk) target
          = fake_sparse_disk_new (size, windows, G_N_ELEMENTS (windows));
      g_autoptr (MtvBlockMap) map = mtv_block_map_new (size, MTV_HASH_XXH3_128);
      g_autoptr (MtvCopier) copier
          = mtv_copier_new (MTV_READER (source), MTV_WRITER (target), map, target_is_zero);

      for (guint i = 0; i < G_N_ELEMENTS (windows); i++)
        fill (fake_sparse_disk_get_window (source, i), FAKE_WINDOW_SIZE, i);
      g_test_timer_start ();
      copy_well (copier);
      g_assert_cmpfloat (g_test_timer_elapsed (), <, 20);
      g_test_message ("8 TiB with 192 KiB of data: %.2f s", g_test_timer_last ());
      for (guint i = 0; i < G_N_ELEMENTS (windows); i++)
        g_assert_cmpmem (fake_sparse_disk_get_window (target, i), FAKE_WINDOW_SIZE,
                         fake_sparse_disk_get_window (source, i), FAKE_WINDOW_SIZE);
      g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, mtv_block_map_get_n_blocks (map));
      g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 3);
      g_assert_cmpuint (mtv_copier_get_bytes_written (copier), ==, 3 * GRANULE);
      g_assert_cmpuint (fake_sparse_disk_get_n_reads (source), ==, 3);
      /* 1 GiB each. */
      g_assert_cmpuint (fake_sparse_disk_get_n_extents (source), ==, 8 * 1024);
      g_assert_cmpuint (fake_sparse_disk_get_n_zeroes (target), <=,
                        target_is_zero ? 0 : 8 * 1024 + 16);
    }
}

static GArray *
changed (const guint64 *granules, guint n)
{
  GArray *changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  for (guint i = 0; i < n; i++)
    {
      MtvExtent extent = { granules[i] * GRANULE, GRANULE, FALSE };

      g_array_append_val (changes, extent);
    }
  return changes;
}

/* Of four blocks: 0 changed in two granules, 1 not, 2 as a whole, 3 in a granule that is zero now.
 * What is not told to have changed differs, so that it shows when it is looked at. */
static MtvCopier *
changes_init (Ends *e, MtvHash hash)
{
  static const guint64 granules[]
      = { 3, 9, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 51 };
  g_autoptr (GArray) changes = changed (granules, G_N_ELEMENTS (granules));

  ends_init (e, 4 * MIB, hash);
  fill (e->to, e->size, 1);
  set_map_of (e->map, e->to);
  fill (e->from, e->size, 2);
  memset (e->from + 51 * GRANULE, 0, GRANULE);
  for (guint i = 0; i < 4; i++)
    if (i != 1)
      mtv_block_map_set_state (e->map, i, MTV_BLOCK_PENDING);
  MtvCopier *copier = ends_copier (e, FALSE);
  mtv_copier_set_changes (copier, changes);
  return copier;
}

static void
assert_changed_only (Ends *e)
{
  g_autofree guint8 *expected = g_malloc (e->size);

  fill (expected, e->size, 1);
  for (guint i = 0; i < 64; i++)
    {
      gboolean is_changed = i == 3 || i == 9 || (i >= 32 && i < 48);

      if (is_changed || i == 51)
        memcpy (expected + i * GRANULE, e->from + i * GRANULE, GRANULE);
      g_assert_cmpint (fake_memory_disk_count (e->source, FAKE_READ, i * GRANULE, GRANULE), ==,
                       is_changed);
      g_assert_cmpint (fake_memory_disk_count (e->target, FAKE_WRITE, i * GRANULE, GRANULE), ==,
                       is_changed);
      g_assert_cmpint (fake_memory_disk_count (e->target, FAKE_ZERO, i * GRANULE, GRANULE), ==,
                       i == 51);
    }
  g_assert_cmpmem (e->to, e->size, expected, e->size);
}

static void
test_changes (gconstpointer hash)
{
  Ends e;
  g_autoptr (MtvCopier) copier = changes_init (&e, GPOINTER_TO_UINT (hash));
  g_autoptr (GError) error = NULL;

  copy_well (copier);
  assert_changed_only (&e);
  g_assert_cmpint (mtv_block_map_get (e.map, 0, NULL), ==, MTV_BLOCK_UNHASHED);
  g_assert_cmpint (mtv_block_map_get (e.map, 1, NULL), ==, MTV_BLOCK_DATA);
  g_assert_cmpint (mtv_block_map_get (e.map, 2, NULL), ==, MTV_BLOCK_DATA);
  g_assert_cmpint (mtv_block_map_get (e.map, 3, NULL), ==, MTV_BLOCK_UNHASHED);
  g_assert_false (verify (MTV_READER (e.target), e.map, TRUE, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  g_assert_nonnull (strstr (error->message, "byte 0 was never hashed"));
  ends_clear (&e);
}

static gboolean
keep_cb (GBytes *blocks, gpointer kept, GError **error)
{
  return mtv_block_map_unpack (kept, blocks, error);
}

static void
test_changes_rehashed (gconstpointer hash)
{
  Ends e;
  g_autoptr (MtvCopier) copier = changes_init (&e, GPOINTER_TO_UINT (hash));
  g_autoptr (MtvBlockMap) kept = mtv_block_map_new (4 * MIB, GPOINTER_TO_UINT (hash));
  g_autoptr (GError) error = NULL;
  guint8 block_1[MTV_HASH_MAX_SIZE];

  mtv_copier_set_read_back (copier, MTV_READER (e.target));
  mtv_copier_set_checkpoint (copier, MIB, keep_cb, kept, NULL);
  copy_well (copier);
  assert_changed_only (&e);
  assert_map_is_of (e.map, e.to);
  for (guint i = 0; i < 4; i++)
    g_assert_cmpint (mtv_block_map_is_read_back (e.map, i), ==, i != 1);
  /* What was told to be kept is the new hashes, and not a word about what nobody changed. */
  g_assert_cmpint (mtv_block_map_get (kept, 1, NULL), ==, MTV_BLOCK_PENDING);
  mtv_block_map_get (e.map, 1, block_1);
  mtv_block_map_set (kept, 1, block_1);
  assert_map_is_of (kept, e.to);
  g_assert_true (verify (MTV_READER (e.target), e.map, TRUE, &error));
  g_assert_no_error (error);
  ends_clear (&e);
}

/* The changed part is compared with what was read at the source, not hashed as it lies there. */
static void
test_changes_corrupted (void)
{
  static const guint64 at[] = { 9 * GRANULE + 5, 40 * GRANULE };

  for (guint i = 0; i < G_N_ELEMENTS (at); i++)
    {
      Ends e;
      g_autoptr (MtvCopier) copier = changes_init (&e, MTV_HASH_XXH3_128);
      g_autoptr (GError) error = NULL;
      g_autofree char *block = g_strdup_printf (" %" G_GUINT64_FORMAT " ", at[i] / MIB * MIB);

      fake_memory_disk_corrupt (e.target, at[i]);
      mtv_copier_set_read_back (copier, MTV_READER (e.target));
      g_assert_false (copy_to_end (copier, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
      g_assert_nonnull (strstr (error->message, block));
      ends_clear (&e);
    }
}

static void
test_sizes (gconstpointer hash)
{
  static const gsize sizes[]
      = { 1,           511,         513,   4097,        MIB - 1,      MIB + 1,
          GRANULE - 1, GRANULE + 1, PIECE, 3 * MIB - 1, 2 * PIECE + 1 };
  FakeQueue queue = { .seed = 5 };

  for (guint round = 0; round < 4 * G_N_ELEMENTS (sizes); round++)
    {
      Ends e;
      g_autoptr (GError) error = NULL;

      ends_init (&e, sizes[round / 4], GPOINTER_TO_UINT (hash));
      fill (e.from, e.size, round);
      memset (e.to, 0xaa, e.size);
      if (round & 1)
        {
          fake_memory_disk_set_channels (e.source, fake_queue_open, &queue);
          fake_memory_disk_set_channels (e.target, fake_queue_open, &queue);
        }
      g_autoptr (MtvCopier) copier = ends_copier (&e, FALSE);
      if (round & 2)
        mtv_copier_set_read_back (copier, MTV_READER (e.target));
      copy_well (copier);
      assert_equal (&e);
      g_assert_cmpuint (mtv_copier_get_bytes_verified (copier), ==, round & 2 ? e.size : 0);
      g_assert_true (verify (MTV_READER (e.target), e.map, TRUE, &error));
      g_assert_no_error (error);
      ends_clear (&e);
    }
}

typedef struct
{
  FakeMemoryDisk *disk;
  FakeOp op;
  FakeQueue *queue; /* (nullable) instead */
  GCancellable *cancellable;
  gint64 cancelled_usec;
} Hang;

static gboolean
cancel_when_hung_cb (gpointer data)
{
  Hang *hang = data;
  gboolean hangs = hang->queue != NULL
                       ? fake_queue_get_n_submitted (hang->queue) > 0
                       : fake_memory_disk_count (hang->disk, hang->op, 0, 8 * MIB) > 0;

  if (!hangs)
    return G_SOURCE_CONTINUE;
  hang->cancelled_usec = g_get_monotonic_time ();
  g_cancellable_cancel (hang->cancellable);
  return G_SOURCE_REMOVE;
}

/* @source_hangs: otherwise the destination; @for_good: also what is cancelled never ends. */
static void
cancel_hung (gboolean source_hangs, gboolean for_good)
{
  Ends e;
  FakeQueue queue = { .hangs = TRUE };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  ends_init (&e, 8 * MIB, MTV_HASH_XXH3_128);
  fill (e.from, e.size, 1);
  Hang hang = { source_hangs ? e.source : e.target, source_hangs ? FAKE_READ : FAKE_WRITE,
                for_good ? &queue : NULL, cancellable, 0 };
  if (for_good)
    fake_memory_disk_set_channels (hang.disk, fake_queue_open, &queue);
  else
    fake_memory_disk_hang (hang.disk, hang.op);
  g_autoptr (MtvCopier) copier = ends_copier (&e, TRUE);
  g_timeout_add (1, cancel_when_hung_cb, &hang);
  g_assert_false (copy_to_end (copier, cancellable, &error));
  gint64 took_usec = g_get_monotonic_time () - hang.cancelled_usec;
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_test_message ("%s hangs%s: ended %.1f ms after the cancel", source_hangs ? "source" : "target",
                  for_good ? " for good" : "", took_usec / 1000.0);
  g_assert_cmpint (took_usec, <, 5 * G_USEC_PER_SEC);
  g_assert_cmpuint (mtv_block_map_get_n_done (e.map), ==, 0);
  ends_clear (&e);
}

static void
test_cancel_hung (void)
{
  for (guint i = 0; i < 4; i++)
    cancel_hung (i & 1, i & 2);
}

int
main (int argc, char **argv)
{
  static const struct
  {
    const char *name;
    void (*run) (gconstpointer hash);
  } tests[] = {
    { "read-back", test_read_back }, { "compare", test_compare },
    { "changes", test_changes },     { "changes-rehashed", test_changes_rehashed },
    { "sizes", test_sizes },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    for (guint hash = 0; hash < MTV_N_HASHES; hash++)
      {
        g_autofree char *path
            = g_strdup_printf ("/copier-modes/%s/%s", tests[i].name, mtv_hash_to_string (hash));

        g_test_add_data_func (path, GUINT_TO_POINTER (hash), tests[i].run);
      }
  g_test_add_func ("/copier-modes/pieces", test_pieces);
  g_test_add_func ("/copier-modes/read-back-finds", test_read_back_finds);
  g_test_add_data_func ("/copier-modes/read-back-zeroes", NULL, test_read_back_zeroes);
  g_test_add_data_func ("/copier-modes/read-back-finds-zeroes", "lost", test_read_back_zeroes);
  g_test_add_func ("/copier-modes/in-order", test_in_order);
  g_test_add_func ("/copier-modes/compare-large-blocks", test_compare_large_blocks);
  g_test_add_func ("/copier-modes/eight-tebibytes", test_eight_tebibytes);
  g_test_add_func ("/copier-modes/changes-corrupted", test_changes_corrupted);
  g_test_add_func ("/copier-modes/cancel-hung", test_cancel_hung);
  return g_test_run ();
}
