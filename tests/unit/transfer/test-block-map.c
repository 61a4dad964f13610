/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer/mtv-block-map.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT (1) << 20)
#define TIB (MIB << 20)

static void
fill_hash (guint8 hash[MTV_HASH_MAX_SIZE], guint index)
{
  memset (hash, index, MTV_HASH_MAX_SIZE);
  memcpy (hash, &index, sizeof index);
}

static void
test_sizes (void)
{
  static const struct
  {
    guint64 disk;
    guint64 block;
    guint n;
  } cases[] = {
    { 0, MIB, 0 },
    { 1, MIB, 1 },
    { MIB, MIB, 1 },
    { MIB + 513, MIB, 2 },
    { TIB / 2, MIB, 1 << 19 },
    { TIB / 2 + 1, 2 * MIB, (1 << 18) + 1 },
    { 64 * TIB, 128 * MIB, 1 << 19 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (MtvBlockMap) map = mtv_block_map_new (cases[i].disk, MTV_HASH_SHA256);

      g_assert_cmpuint (mtv_block_map_get_disk_size (map), ==, cases[i].disk);
      g_assert_cmpuint (mtv_block_map_get_block_size (map), ==, cases[i].block);
      g_assert_cmpuint (mtv_block_map_get_n_blocks (map), ==, cases[i].n);
      g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, 0);
    }
}

static void
test_states (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (3 * MIB, MTV_HASH_SHA256);
  guint8 hash[MTV_HASH_MAX_SIZE];
  guint8 got[MTV_HASH_MAX_SIZE];

  fill_hash (hash, 7);
  mtv_block_map_set (map, 1, hash);
  mtv_block_map_set (map, 2, NULL);
  g_assert_cmpint (mtv_block_map_get (map, 0, got), ==, MTV_BLOCK_PENDING);
  g_assert_cmpint (mtv_block_map_get (map, 1, got), ==, MTV_BLOCK_DATA);
  g_assert_cmpmem (got, sizeof got, hash, sizeof hash);
  g_assert_cmpint (mtv_block_map_get (map, 2, NULL), ==, MTV_BLOCK_ZERO);
  g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, 2);
  g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 1);

  /* A block may be set again. */
  mtv_block_map_set (map, 1, NULL);
  mtv_block_map_set (map, 2, hash);
  mtv_block_map_set (map, 2, hash);
  g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, 2);
  g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 1);
}

static MtvBlockMap *
mixed_map (guint n_blocks, GRand *rand, GArray *indices)
{
  MtvBlockMap *map = mtv_block_map_new (n_blocks * MIB - 5, MTV_HASH_SHA256);
  guint8 hash[MTV_HASH_MAX_SIZE];

  for (guint32 i = n_blocks; i-- > 0;)
    {
      gint kind = g_rand_int_range (rand, 0, 3);

      if (kind == 0)
        continue;
      fill_hash (hash, i);
      mtv_block_map_set (map, i, kind == 1 ? hash : NULL);
      g_array_append_val (indices, i);
    }
  return map;
}

static void
test_pack (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autoptr (GArray) indices = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (MtvBlockMap) map = mixed_map (500, rand, indices);
  g_autoptr (MtvBlockMap) copy = mtv_block_map_new (500 * MIB - 5, MTV_HASH_SHA256);
  g_autoptr (GError) error = NULL;
  guint half = indices->len / 2;
  const guint32 *all = (const guint32 *) indices->data;

  g_autoptr (GBytes) first = mtv_block_map_pack (map, all, half);
  g_autoptr (GBytes) second = mtv_block_map_pack (map, all + half, indices->len - half);
  g_assert_true (mtv_block_map_unpack (copy, first, &error));
  g_assert_cmpuint (mtv_block_map_get_n_done (copy), ==, half);
  g_assert_true (mtv_block_map_unpack (copy, second, &error));
  g_assert_no_error (error);

  g_assert_cmpuint (mtv_block_map_get_n_data (copy), ==, mtv_block_map_get_n_data (map));
  for (guint i = 0; i < 500; i++)
    {
      guint8 a[MTV_HASH_MAX_SIZE] = { 0 };
      guint8 b[MTV_HASH_MAX_SIZE] = { 0 };

      g_assert_cmpint (mtv_block_map_get (map, i, a), ==, mtv_block_map_get (copy, i, b));
      g_assert_cmpmem (a, sizeof a, b, sizeof b);
    }
}

static void
test_pack_is_small (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (TIB / 2, MTV_HASH_SHA256);
  g_autofree guint32 *indices = g_new (guint32, 1 << 19);

  for (guint32 i = 0; i < 1 << 19; i++)
    {
      mtv_block_map_set (map, i, NULL);
      indices[i] = i;
    }
  g_autoptr (GBytes) packed = mtv_block_map_pack (map, indices, 1 << 19);
  g_assert_cmpuint (g_bytes_get_size (packed), <, 64);
  g_autoptr (GBytes) none = mtv_block_map_pack (map, NULL, 0);
  g_assert_true (mtv_block_map_unpack (map, none, NULL));
}

static void
assert_refused (guint64 disk_size, const guint8 *data, gsize length)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (disk_size, MTV_HASH_SHA256);
  g_autoptr (GBytes) bytes = g_bytes_new (data, length);
  g_autoptr (GError) error = NULL;

  g_assert_false (mtv_block_map_unpack (map, bytes, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "block map"));
  g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, 0);
}

static void
test_garbage (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (2);
  g_autoptr (GArray) indices = g_array_new (FALSE, FALSE, sizeof (guint32));
  g_autoptr (MtvBlockMap) map = mixed_map (20, rand, indices);
  gsize length;

  g_autoptr (GBytes) packed
      = mtv_block_map_pack (map, (const guint32 *) indices->data, indices->len);
  g_autofree guint8 *data = g_bytes_unref_to_data (g_steal_pointer (&packed), &length);

  assert_refused (20 * MIB, data, length); /* another size of disk */
  assert_refused (20 * MIB - 5, data, length - 1);
  assert_refused (20 * MIB - 5, (const guint8 *) "", 0);
  for (guint i = 0; i < 20000; i++)
    {
      g_autofree guint8 *bad = g_memdup2 (data, length);
      g_autoptr (MtvBlockMap) target = mtv_block_map_new (20 * MIB - 5, MTV_HASH_SHA256);
      g_autoptr (GError) error = NULL;

      for (gint n = g_rand_int_range (rand, 1, 5); n > 0; n--)
        bad[g_rand_int_range (rand, 0, length)] = g_rand_int (rand);
      g_autoptr (GBytes) bytes = g_bytes_new (bad, g_rand_int_range (rand, 0, length + 1));
      if (!mtv_block_map_unpack (target, bytes, &error))
        {
          g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
          g_assert_cmpuint (mtv_block_map_get_n_done (target), ==, 0);
        }
    }
}

static void
test_forget (void)
{
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (5 * MIB + 1, MTV_HASH_XXH3_128);

  for (guint i = 0; i < 6; i++)
    mtv_block_map_set (map, i, NULL);
  mtv_block_map_forget (map, MIB, 0);
  g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, 6);
  mtv_block_map_forget (map, 2 * MIB - 1, 2);
  mtv_block_map_forget (map, 5 * MIB, 1);
  g_assert_cmpuint (mtv_block_map_get_n_done (map), ==, 3);
  for (guint i = 0; i < 6; i++)
    g_assert_cmpint (mtv_block_map_get (map, i, NULL), ==,
                     i == 1 || i == 2 || i == 5 ? MTV_BLOCK_PENDING : MTV_BLOCK_ZERO);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/block-map/sizes", test_sizes);
  g_test_add_func ("/block-map/states", test_states);
  g_test_add_func ("/block-map/pack", test_pack);
  g_test_add_func ("/block-map/pack-is-small", test_pack_is_small);
  g_test_add_func ("/block-map/garbage", test_garbage);
  g_test_add_func ("/block-map/forget", test_forget);
  return g_test_run ();
}
