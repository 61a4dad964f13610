/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer-fixture.h"
#include "transfer/mtv-digest.h"

#include <string.h>

typedef struct
{
  FakeMemoryDisk *source;
  FakeMemoryDisk *target;
  MtvBlockMap *map;
  MtvBlockMap *kept; /* what the checkpoints told */
  guint n_checkpoints;
  guint flushes_at_last;
  int fail_with; /* an MTV_ERROR, 0: none */
} Fixture;

static void
fixture_init (Fixture *f, gsize size)
{
  memset (f, 0, sizeof *f);
  f->source = fake_memory_disk_new (size);
  f->target = fake_memory_disk_new (size);
  f->map = mtv_block_map_new (size, MTV_HASH_SHA256);
  f->kept = mtv_block_map_new (size, MTV_HASH_SHA256);
}

static void
fixture_clear (Fixture *f)
{
  g_object_unref (f->source);
  g_object_unref (f->target);
  mtv_block_map_unref (f->map);
  mtv_block_map_unref (f->kept);
}

static gboolean
checkpoint (GBytes *blocks, gpointer data, GError **error)
{
  Fixture *f = data;
  guint flushes = fake_memory_disk_count (f->target, FAKE_FLUSH, 0, 0);

  /* No checkpoint without a flush of its own before it. */
  g_assert_cmpuint (flushes, >, f->flushes_at_last);
  f->flushes_at_last = flushes;
  f->n_checkpoints++;
  if (f->fail_with != 0)
    {
      g_set_error_literal (error, MTV_ERROR, f->fail_with, "The store is full");
      return FALSE;
    }
  return mtv_block_map_unpack (f->kept, blocks, error);
}

static gboolean
run (Fixture *f, gboolean target_is_zero, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (f->source), MTV_WRITER (f->target), f->map, target_is_zero);

  mtv_copier_set_threads (copier, 3);
  mtv_copier_set_checkpoint (copier, 2 * MIB, checkpoint, f, NULL);
  gboolean ok = copy_to_end (copier, cancellable, error);
  if (ok)
    g_assert_cmpuint (mtv_copier_get_bytes_done (copier), ==, mtv_copier_get_bytes_total (copier));
  else
    g_assert_cmpuint (mtv_copier_get_bytes_done (copier), <=, mtv_copier_get_bytes_total (copier));
  return ok;
}

static void
assert_block_is_copied (Fixture *f, MtvBlockMap *map, guint index)
{
  gsize size = mtv_block_map_get_disk_size (map);
  gsize start = index * MIB;
  gsize length = MIN (MIB, size - start);
  guint8 *source = fake_memory_disk_get_data (f->source) + start;
  guint8 *target = fake_memory_disk_get_data (f->target) + start;
  guint8 hash[MTV_HASH_MAX_SIZE];
  guint8 expected[MTV_HASH_MAX_SIZE];

  g_assert_cmpmem (target, length, source, length);
  if (mtv_block_map_get (map, index, hash) == MTV_BLOCK_DATA)
    {
      mtv_hash_data (MTV_HASH_SHA256, source, length, expected);
      g_assert_cmpmem (hash, sizeof hash, expected, sizeof expected);
    }
  else
    g_assert_true (source[0] == 0 && memcmp (source, source + 1, length - 1) == 0);
}

static void
assert_kept_is_copied (Fixture *f)
{
  for (guint i = 0; i < mtv_block_map_get_n_blocks (f->kept); i++)
    if (mtv_block_map_get (f->kept, i, NULL) != MTV_BLOCK_PENDING)
      assert_block_is_copied (f, f->kept, i);
}

static void
test_equal_bytes (void)
{
  static const gsize sizes[] = { 0, 1, 512, 64 * KIB + 1, MIB, MIB + 513, 17 * MIB - 1 };
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);

  for (guint round = 0; round < 4 * G_N_ELEMENTS (sizes); round++)
    {
      Fixture f;
      gsize size = sizes[round / 4];
      gboolean target_is_zero = round & 1;
      g_autoptr (GError) error = NULL;

      fixture_init (&f, size);
      fill_sparse (fake_memory_disk_get_data (f.source), size, rand);
      if (round & 2)
        fake_memory_disk_set_all_data (f.source);
      if (!target_is_zero && size > 0)
        memset (fake_memory_disk_get_data (f.target), 0xaa, size);
      g_assert_true (run (&f, target_is_zero, NULL, &error));
      g_assert_no_error (error);

      g_assert_cmpmem (fake_memory_disk_get_data (f.source), size,
                       fake_memory_disk_get_data (f.target), size);
      g_assert_cmpuint (mtv_block_map_get_n_done (f.map), ==, mtv_block_map_get_n_blocks (f.map));
      g_assert_cmpuint (mtv_block_map_get_n_done (f.kept), ==, mtv_block_map_get_n_blocks (f.map));
      g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_FLUSH, 0, 0), >, 0);
      if (target_is_zero)
        g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_ZERO, 0, size), ==, 0);
      assert_kept_is_copied (&f);
      fixture_clear (&f);
    }
}

static void
test_zeroes_cost_nothing (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  /* One granule of data in block 5 of 100: one read of it, and zeroes in runs around it. */
  fixture_init (&f, 100 * MIB);
  fake_memory_disk_get_data (f.source)[5 * MIB + 100 * KIB] = 1;
  g_assert_true (run (&f, FALSE, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_memory_disk_count (f.source, FAKE_READ, 0, 100 * MIB), ==, 1);
  g_assert_cmpuint (fake_memory_disk_count (f.source, FAKE_READ, 5 * MIB + 64 * KIB, 64 * KIB), ==,
                    1);
  g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_WRITE, 0, 100 * MIB), ==, 1);
  /* Before it, after it, and both sides within its block; a run more for each further thread. */
  g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_ZERO, 0, 100 * MIB), >=, 4);
  g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_ZERO, 0, 100 * MIB), <, 4 + 4);
  g_assert_cmpuint (mtv_block_map_get_n_data (f.map), ==, 1);
  assert_block_is_copied (&f, f.map, 5);
  fixture_clear (&f);
}

static void
test_resume (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;
  guint8 hash[MTV_HASH_MAX_SIZE];

  fixture_init (&f, 12 * MIB + 7);
  guint8 *source = fake_memory_disk_get_data (f.source);
  memset (source, 'x', 12 * MIB + 7);
  memset (source + 9 * MIB, 0, MIB);
  for (guint i = 0; i < 13; i += 3) /* 0 3 6 9 12 were done by an earlier run */
    {
      gsize length = MIN (MIB, 12 * MIB + 7 - i * MIB);

      mtv_hash_data (MTV_HASH_SHA256, source + i * MIB, length, hash);
      mtv_block_map_set (f.map, i, i == 9 ? NULL : hash);
      memcpy (fake_memory_disk_get_data (f.target) + i * MIB, source + i * MIB, length);
    }
  g_assert_true (run (&f, TRUE, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < 13; i++)
    {
      gsize length = i == 12 ? 7 : MIB;

      guint pieces = i % 3 == 0 ? 0 : 1; /* of a MiB at once */

      g_assert_cmpuint (fake_memory_disk_count (f.source, FAKE_READ, i * MIB, length), ==, pieces);
      g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_WRITE, i * MIB, length), ==, pieces);
      assert_block_is_copied (&f, f.map, i);
    }
  g_assert_cmpuint (mtv_block_map_get_n_done (f.kept), ==, 8);
  fixture_clear (&f);
}

static void
test_progress_of_a_resumed_copy (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  fixture_init (&f, 4 * MIB);
  memset (fake_memory_disk_get_data (f.source), 'x', 2 * MIB);
  mtv_block_map_set (f.map, 0, (const guint8 *) "0123456789abcdef0123456789abcdef");
  fake_memory_disk_fail (f.source, FAKE_READ, MIB, MTV_ERROR_UNREACHABLE);
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (f.source), MTV_WRITER (f.target), f.map, TRUE);
  g_assert_cmpuint (mtv_copier_get_bytes_total (copier), ==, 0);
  g_assert_false (copy_to_end (copier, NULL, &error));
  g_assert_cmpuint (mtv_copier_get_bytes_total (copier), ==, 2 * MIB);
  g_assert_cmpuint (mtv_copier_get_bytes_done (copier), ==, MIB);
  fixture_clear (&f);
}

/* Whatever stops a copy: what was told to be kept is at the destination, the map agrees, and a
 * second run does the rest only. */
static void
finish_after (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  guint n_done = mtv_block_map_get_n_done (f->kept);
  gsize size = mtv_block_map_get_disk_size (f->map);
  guint reads = fake_memory_disk_count (f->source, FAKE_READ, 0, size);

  assert_kept_is_copied (f);
  g_assert_cmpuint (n_done, >, 0);
  g_assert_cmpuint (n_done, <, mtv_block_map_get_n_blocks (f->map));
  g_assert_cmpuint (mtv_block_map_get_n_done (f->map), ==, n_done);

  fake_memory_disk_fail (f->source, FAKE_READ, G_MAXUINT64, 0);
  fake_memory_disk_fail (f->target, FAKE_READ, G_MAXUINT64, 0);
  fake_memory_disk_cancel_at (f->source, G_MAXUINT64, NULL);
  g_assert_true (run (f, TRUE, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_memory_disk_count (f->source, FAKE_READ, 0, size) - reads, ==,
                    mtv_block_map_get_n_blocks (f->map) - n_done);
  g_assert_cmpuint (mtv_block_map_get_n_done (f->kept), ==, mtv_block_map_get_n_blocks (f->map));
  assert_kept_is_copied (f);
}

static void
full_fixture_init (Fixture *f)
{
  fixture_init (f, 40 * MIB);
  memset (fake_memory_disk_get_data (f->source), 'x', 40 * MIB);
}

static void
test_cancel (void)
{
  Fixture f;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  fake_memory_disk_cancel_at (f.source, 20 * MIB, cancellable);
  g_assert_false (run (&f, TRUE, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  finish_after (&f);
  fixture_clear (&f);
}

static void
test_cancelled_before (void)
{
  Fixture f;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  g_cancellable_cancel (cancellable);
  g_assert_false (run (&f, TRUE, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_assert_cmpuint (fake_memory_disk_count (f.source, FAKE_READ, 0, 40 * MIB), ==, 0);
  fixture_clear (&f);
}

static void
test_read_error (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  fake_memory_disk_fail (f.source, FAKE_READ, 30 * MIB + 5, MTV_ERROR_BAD_DATA);
  g_assert_false (run (&f, TRUE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "31457285"));
  g_assert_cmpint (mtv_block_map_get (f.kept, 30, NULL), ==, MTV_BLOCK_PENDING);
  finish_after (&f);
  fixture_clear (&f);
}

static void
test_no_space (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  fake_memory_disk_fail (f.target, FAKE_WRITE, 30 * MIB, MTV_ERROR_NO_SPACE);
  g_assert_false (run (&f, TRUE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  finish_after (&f);
  fixture_clear (&f);
}

static void
test_flush_error (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  fake_memory_disk_fail (f.target, FAKE_FLUSH, 0, MTV_ERROR_NO_SPACE);
  g_assert_false (run (&f, TRUE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  /* Nothing counts as copied, and nobody tried whether a second flush would say otherwise. */
  g_assert_cmpuint (f.n_checkpoints, ==, 0);
  g_assert_cmpuint (mtv_block_map_get_n_done (f.map), ==, 0);
  g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_FLUSH, 0, 0), ==, 1);
  fixture_clear (&f);
}

static void
test_checkpoint_error (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  f.fail_with = MTV_ERROR_STORE;
  g_assert_false (run (&f, TRUE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_assert_cmpstr (error->message, ==, "The store is full");
  g_assert_cmpuint (f.n_checkpoints, ==, 1);
  fixture_clear (&f);
}

static void
test_extents_error (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  full_fixture_init (&f);
  fake_memory_disk_fail (f.source, FAKE_EXTENTS, 0, MTV_ERROR_UNREACHABLE);
  g_assert_false (run (&f, TRUE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_cmpuint (fake_memory_disk_count (f.target, FAKE_WRITE, 0, 40 * MIB), ==, 0);
  fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/copier/equal-bytes", test_equal_bytes);
  g_test_add_func ("/copier/zeroes-cost-nothing", test_zeroes_cost_nothing);
  g_test_add_func ("/copier/resume", test_resume);
  g_test_add_func ("/copier/progress-of-a-resumed-copy", test_progress_of_a_resumed_copy);
  g_test_add_func ("/copier/cancel", test_cancel);
  g_test_add_func ("/copier/cancelled-before", test_cancelled_before);
  g_test_add_func ("/copier/read-error", test_read_error);
  g_test_add_func ("/copier/no-space", test_no_space);
  g_test_add_func ("/copier/flush-error", test_flush_error);
  g_test_add_func ("/copier/checkpoint-error", test_checkpoint_error);
  g_test_add_func ("/copier/extents-error", test_extents_error);
  return g_test_run ();
}
