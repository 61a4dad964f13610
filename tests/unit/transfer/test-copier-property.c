/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "fake-queue.h"
#include "transfer-fixture.h"
#include "transfer/mtv-aligned.h"

#include <string.h>

/* Random disks, modes and faults: a copy that is resumed from nothing but what its checkpoints kept
 * ends with the same bytes and an exact map, and does nothing twice that was kept.
 * MTV_TEST_SEEDS=FIRST-END in the environment tries other seeds than those of every run. */

#define GRANULE (64 * KIB)
#define MAX_RUNS 40

typedef struct
{
  GRand *rand;
  gsize size;
  MtvHash hash;
  gboolean target_is_zero;
  gboolean in_order;
  gboolean compare;
  gboolean read_back;
  GArray *changes; /* (nullable) */

  FakeMemoryDisk *source;
  FakeMemoryDisk *target;
  FakeQueue queue;
  guint8 *expected;   /* what the target shall hold */
  MtvBlockMap *first; /* before all */
  MtvBlockMap *kept;  /* like the store */
} Case;

static gboolean
chance (Case *c, gint one_in)
{
  return g_rand_int_range (c->rand, 0, one_in) == 0;
}

/* Some of the granules, or all of them that touch a range. */
static GArray *
make_changes (Case *c)
{
  GArray *changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  for (guint64 at = 0; at < c->size;)
    {
      guint64 length = g_rand_int_range (c->rand, 1, 30) * GRANULE;
      MtvExtent extent = { at, MIN (c->size - at, length), FALSE };

      if (chance (c, 3))
        g_array_append_val (changes, extent);
      at += extent.length;
    }
  return changes;
}

static void
make_pending (Case *c, guint64 start, guint64 end)
{
  for (guint64 i = start / MIB; i * MIB < end; i++)
    mtv_block_map_set_state (c->first, i, MTV_BLOCK_PENDING);
}

static void
make_contents (Case *c)
{
  guint8 *from = fake_memory_disk_get_data (c->source);
  guint8 *to = fake_memory_disk_get_data (c->target);

  fill_sparse (from, c->size, c->rand);
  if (c->compare || c->changes != NULL)
    {
      fill_sparse (to, c->size, c->rand);
      if (c->compare) /* some of it alike */
        for (gsize at = 0; at < c->size; at += MIB)
          if (chance (c, 2))
            memcpy (to + at, from + at, MIN (MIB, c->size - at));
      set_map_of (c->first, to);
    }
  else if (!c->target_is_zero)
    memset (to, 0xaa, c->size);
  memcpy (c->expected, c->changes != NULL ? to : from, c->size);
  for (guint i = 0; c->changes != NULL && i < c->changes->len; i++)
    {
      MtvExtent *extent = &g_array_index (c->changes, MtvExtent, i);

      memcpy (c->expected + extent->offset, from + extent->offset, extent->length);
      make_pending (c, extent->offset, extent->offset + extent->length);
    }
}

static void
case_init (Case *c, guint32 seed)
{
  static const gsize sizes[] = { 1, 513, 4097, 65535, 65537, MIB - 1, MIB + 1 };
  gint mode;

  memset (c, 0, sizeof *c);
  c->rand = g_rand_new_with_seed (seed);
  c->size = chance (c, 6) ? sizes[g_rand_int_range (c->rand, 0, G_N_ELEMENTS (sizes))]
                          : (gsize) g_rand_int_range (c->rand, 1, 9 * MIB);
  c->hash = g_rand_int_range (c->rand, 0, MTV_N_HASHES);
  c->target_is_zero = g_rand_boolean (c->rand);
  c->read_back = g_rand_boolean (c->rand);
  mode = g_rand_int_range (c->rand, 0, 4);
  c->in_order = mode == 1;
  c->compare = mode == 2;
  c->changes = mode == 3 ? make_changes (c) : NULL;

  c->source = fake_memory_disk_new (c->size);
  c->target = fake_memory_disk_new (c->size);
  c->expected = g_malloc (c->size);
  c->first = mtv_block_map_new (c->size, c->hash);
  c->kept = mtv_block_map_new (c->size, c->hash);
  make_contents (c);
  if (c->in_order)
    fake_memory_disk_set_in_order (c->source);
  if (chance (c, 3))
    fake_memory_disk_set_all_data (c->source);
  c->queue.seed = seed;
  if (!chance (c, 3))
    fake_memory_disk_set_channels (c->source, fake_queue_open, &c->queue);
  if (!chance (c, 3))
    fake_memory_disk_set_channels (c->target, fake_queue_open, &c->queue);
}

static void
case_clear (Case *c)
{
  g_rand_free (c->rand);
  g_clear_pointer (&c->changes, g_array_unref);
  g_object_unref (c->source);
  g_object_unref (c->target);
  g_free (c->expected);
  mtv_block_map_unref (c->first);
  mtv_block_map_unref (c->kept);
}

static gboolean
keep_cb (GBytes *blocks, gpointer data, GError **error)
{
  Case *c = data;

  return mtv_block_map_unpack (c->kept, blocks, error);
}

/* A map as one that starts anew makes it: what there was at first, and over it what was kept. */
static MtvBlockMap *
make_map (Case *c)
{
  MtvBlockMap *maps[] = { c->first, c->kept };
  MtvBlockMap *map = mtv_block_map_new (c->size, c->hash);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (maps); i++)
    {
      g_autoptr (GArray) known = g_array_new (FALSE, FALSE, sizeof (guint32));

      for (guint32 j = 0; j < mtv_block_map_get_n_blocks (map); j++)
        if (mtv_block_map_get (maps[i], j, NULL) != MTV_BLOCK_PENDING)
          g_array_append_val (known, j);
      g_autoptr (GBytes) packed
          = mtv_block_map_pack (maps[i], (const guint32 *) known->data, known->len);
      g_assert_true (mtv_block_map_unpack (map, packed, &error));
      g_assert_no_error (error);
    }
  return map;
}

static void
set_fault (Case *c, guint run)
{
  static const FakeOp ops[] = { FAKE_READ, FAKE_WRITE, FAKE_ZERO, FAKE_FLUSH, FAKE_READ };
  gint which = g_rand_int_range (c->rand, 0, G_N_ELEMENTS (ops));
  FakeMemoryDisk *disk = which == 0 ? c->source : c->target; /* 4: while it is read back */

  fake_memory_disk_fail_nth (c->source, FAKE_READ, 0, 0);
  fake_memory_disk_fail_nth (c->target, FAKE_READ, 0, 0);
  if (run < MAX_RUNS / 2 && !chance (c, 6))
    fake_memory_disk_fail_nth (disk, ops[which], g_rand_int_range (c->rand, 1, which == 3 ? 4 : 30),
                               MTV_ERROR_UNREACHABLE);
}

static gboolean
run_once (Case *c, MtvBlockMap *map, GError **error)
{
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (c->source), MTV_WRITER (c->target), map, c->target_is_zero);

  mtv_copier_set_threads (copier, g_rand_int_range (c->rand, 1, 5));
  mtv_copier_set_checkpoint (copier, g_rand_int_range (c->rand, 1, 4 * MIB), keep_cb, c, NULL);
  if (c->read_back)
    mtv_copier_set_read_back (copier, MTV_READER (c->target));
  if (c->compare)
    mtv_copier_set_compare (copier);
  if (c->changes != NULL)
    mtv_copier_set_changes (copier, c->changes);
  gboolean ok = copy_to_end (copier, NULL, error);
  g_assert_cmpuint (mtv_copier_get_bytes_done (copier), <=, mtv_copier_get_bytes_total (copier));
  if (ok)
    g_assert_cmpuint (mtv_copier_get_bytes_done (copier), ==, mtv_copier_get_bytes_total (copier));
  return ok;
}

/* Every block that is told to be there is. */
static void
assert_kept_is_there (Case *c)
{
  const guint8 *to = fake_memory_disk_get_data (c->target);

  for (guint i = 0; i < mtv_block_map_get_n_blocks (c->kept); i++)
    {
      gsize start = i * MIB;
      gsize length = MIN (MIB, c->size - start);
      guint8 hash[MTV_HASH_MAX_SIZE];
      guint8 expected[MTV_HASH_MAX_SIZE];

      MtvBlockState state = mtv_block_map_get (c->kept, i, hash);
      if (state == MTV_BLOCK_PENDING)
        continue;
      g_assert_cmpmem (to + start, length, c->expected + start, length);
      if (state != MTV_BLOCK_DATA)
        continue;
      mtv_hash_data (c->hash, to + start, length, expected);
      g_assert_cmpmem (hash, mtv_hash_get_size (c->hash), expected, mtv_hash_get_size (c->hash));
    }
}

/* @states: of what was kept before the run: that was not written again. Partly changed blocks
 * aside, of which nobody can tell the hash without having copied them. */
static void
assert_nothing_twice (Case *c, const guint8 *states)
{
  for (guint i = 0; i < mtv_block_map_get_n_blocks (c->kept); i++)
    {
      if (states[i] == MTV_BLOCK_PENDING || (states[i] == MTV_BLOCK_UNHASHED && c->read_back))
        continue;
      gsize length = MIN (MIB, c->size - i * MIB);
      g_assert_cmpuint (fake_memory_disk_count (c->target, FAKE_WRITE, i * MIB, length), ==, 0);
      g_assert_cmpuint (fake_memory_disk_count (c->target, FAKE_ZERO, i * MIB, length), ==, 0);
      if (!c->in_order && !c->compare)
        g_assert_cmpuint (fake_memory_disk_count (c->source, FAKE_READ, i * MIB, length), ==, 0);
    }
}

static void
assert_complete (Case *c, MtvBlockMap *map)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpmem (fake_memory_disk_get_data (c->target), c->size, c->expected, c->size);
  if (c->changes == NULL || c->read_back)
    {
      g_autoptr (MtvBlockMap) again = make_map (c);

      assert_map_is_of (map, c->expected);
      assert_map_is_of (again, c->expected);
      g_assert_true (verify (MTV_READER (c->target), map, TRUE, &error));
      g_assert_no_error (error);
    }
  else
    for (guint i = 0; i < mtv_block_map_get_n_blocks (map); i++)
      g_assert_cmpint (mtv_block_map_get (map, i, NULL), !=, MTV_BLOCK_PENDING);
}

static guint
try (guint32 seed)
{
  Case c;
  gboolean ok = FALSE;
  guint run;

  case_init (&c, seed);
  guint n_blocks = mtv_block_map_get_n_blocks (c.kept);
  for (run = 0; run < MAX_RUNS && !ok; run++)
    {
      g_autoptr (MtvBlockMap) map = make_map (&c);
      g_autofree guint8 *states = g_malloc0 (n_blocks);
      g_autoptr (GError) error = NULL;

      for (guint i = 0; i < n_blocks; i++)
        states[i] = mtv_block_map_get (c.kept, i, NULL);
      fake_memory_disk_forget (c.source);
      fake_memory_disk_forget (c.target);
      set_fault (&c, run);
      ok = run_once (&c, map, &error);
      if (!ok)
        g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
      assert_kept_is_there (&c);
      assert_nothing_twice (&c, states);
      fake_memory_disk_fail_nth (c.target, FAKE_READ, 0, 0);
      if (ok)
        assert_complete (&c, map);
    }
  g_assert_true (ok);
  case_clear (&c);
  return run;
}

static void
test_seeds (void)
{
  const char *wanted = g_getenv ("MTV_TEST_SEEDS");
  g_auto (GStrv) ends = g_strsplit (wanted != NULL ? wanted : "1-61", "-", 2);
  guint n_runs = 0;

  g_assert_cmpuint (g_strv_length (ends), ==, 2);
  for (guint64 seed = g_ascii_strtoull (ends[0], NULL, 10);
       seed < g_ascii_strtoull (ends[1], NULL, 10); seed++)
    {
      g_test_message ("seed %" G_GUINT64_FORMAT, seed);
      n_runs += try (seed);
    }
  g_test_message ("%u copies", n_runs);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/copier-property/seeds", test_seeds);
  return g_test_run ();
}
