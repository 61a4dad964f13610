/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer-fixture.h"

#include <string.h>

#define SIZE (10 * MIB + 513)

/* A disk with data in block 0, 3 (a byte) and 10, and the map that belongs to it. */
static FakeMemoryDisk *
copied_disk (MtvBlockMap *map)
{
  g_autoptr (FakeMemoryDisk) source = fake_memory_disk_new (SIZE);
  FakeMemoryDisk *target = fake_memory_disk_new (SIZE);
  guint8 *data = fake_memory_disk_get_data (source);
  g_autoptr (GError) error = NULL;

  memset (data, 'x', MIB);
  data[3 * MIB + 77] = 1;
  data[SIZE - 1] = 2;
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (source), MTV_WRITER (target), map, TRUE);
  g_assert_true (copy_to_end (copier, NULL, &error));
  g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 3);
  return target;
}

static void
test_good (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  g_autoptr (FakeMemoryDisk) disk = copied_disk (map);
  g_autoptr (GError) error = NULL;

  g_assert_true (verify (MTV_READER (disk), map, FALSE, &error));
  g_assert_no_error (error);
  /* Where there is data, block by block. */
  g_assert_cmpuint (fake_memory_disk_count (disk, FAKE_READ, 0, SIZE), ==, 3);
  g_assert_cmpuint (fake_memory_disk_count (disk, FAKE_EXTENTS, 0, SIZE), ==, 1);

  g_assert_true (verify (MTV_READER (disk), map, TRUE, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (fake_memory_disk_count (disk, FAKE_READ, 0, SIZE), ==, 3 + 11);

  mtv_block_map_set_read_back (map, 0);
  g_assert_true (verify (MTV_READER (disk), map, FALSE, &error));
  g_assert_cmpuint (fake_memory_disk_count (disk, FAKE_READ, 0, MIB), ==, 2);
}

static void
assert_mismatch_at (guint64 flipped, guint64 block, gboolean full)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  g_autoptr (FakeMemoryDisk) disk = copied_disk (map);
  g_autoptr (GError) error = NULL;
  g_autofree char *offset = g_strdup_printf (" %" G_GUINT64_FORMAT " ", block);

  fake_memory_disk_get_data (disk)[flipped] ^= 0x10;
  g_assert_false (verify (MTV_READER (disk), map, full, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  g_assert_nonnull (strstr (error->message, offset));
}

static void
test_flipped (void)
{
  for (gint full = 0; full <= 1; full++)
    {
      assert_mismatch_at (0, 0, full);
      assert_mismatch_at (4 * MIB - 1, 3 * MIB, full);
      assert_mismatch_at (7 * MIB + 99999, 7 * MIB, full); /* in a block of zeroes */
      assert_mismatch_at (SIZE - 1, 10 * MIB, full);
    }
}

static void
test_pending (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (2 * MIB, MTV_HASH_SHA256);
  g_autoptr (FakeMemoryDisk) disk = fake_memory_disk_new (2 * MIB);
  g_autoptr (GError) error = NULL;

  mtv_block_map_set (map, 0, NULL);
  g_assert_false (verify (MTV_READER (disk), map, FALSE, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  g_assert_nonnull (strstr (error->message, " 1048576 "));
}

static void
test_short_disk (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (2 * MIB, MTV_HASH_SHA256);
  g_autoptr (FakeMemoryDisk) disk = fake_memory_disk_new (2 * MIB - 512);
  g_autoptr (GError) error = NULL;

  mtv_block_map_set (map, 0, NULL);
  mtv_block_map_set (map, 1, NULL);
  g_assert_false (verify (MTV_READER (disk), map, FALSE, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  g_assert_nonnull (strstr (error->message, "2096640"));
}

static void
test_read_error (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  g_autoptr (FakeMemoryDisk) disk = copied_disk (map);
  g_autoptr (GError) error = NULL;

  fake_memory_disk_fail (disk, FAKE_READ, 3 * MIB, MTV_ERROR_FAILED);
  g_assert_false (verify (MTV_READER (disk), map, FALSE, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/verifier/good", test_good);
  g_test_add_func ("/verifier/flipped", test_flipped);
  g_test_add_func ("/verifier/pending", test_pending);
  g_test_add_func ("/verifier/short-disk", test_short_disk);
  g_test_add_func ("/verifier/read-error", test_read_error);
  return g_test_run ();
}
