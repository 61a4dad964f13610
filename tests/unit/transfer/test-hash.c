/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-block-hash.h"

static char *
hex_of (MtvHash hash, const guint8 *bytes)
{
  GString *hex = g_string_new (NULL);

  for (gsize i = 0; i < mtv_hash_get_size (hash); i++)
    g_string_append_printf (hex, "%02x", bytes[i]);
  return g_string_free (hex, FALSE);
}

static void
test_known (void)
{
  /* The first from FIPS 180-4's example, the second as xxhsum -H128 prints it. */
  static const char *const expected[]
      = { [MTV_HASH_SHA256] = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
          [MTV_HASH_XXH3_128] = "06b05ab6733a618578af5f94892f3950" };

  for (MtvHash hash = 0; hash < MTV_N_HASHES; hash++)
    {
      guint8 result[MTV_HASH_MAX_SIZE];

      mtv_hash_data (hash, (const guint8 *) "abc", 3, result);
      g_autofree char *hex = hex_of (hash, result);
      g_assert_cmpstr (hex, ==, expected[hash]);
    }
}

static void
test_names (void)
{
  MtvHash again;

  for (MtvHash hash = 0; hash < MTV_N_HASHES; hash++)
    {
      g_assert_true (mtv_hash_from_string (mtv_hash_to_string (hash), &again));
      g_assert_cmpint (again, ==, hash);
      g_assert_cmpuint (mtv_hash_get_size (hash), <=, MTV_HASH_MAX_SIZE);
    }
  g_assert_false (mtv_hash_from_string ("md5", &again));
}

/* In pieces, with zeroes told apart or not: the same bytes have the same hash. */
static void
test_pieces (void)
{
  g_autofree guint8 *data = g_malloc0 (300000);
  guint8 whole[MTV_HASH_MAX_SIZE], pieces[MTV_HASH_MAX_SIZE];

  memset (data + 100000, 7, 50000);
  for (MtvHash hash = 0; hash < MTV_N_HASHES; hash++)
    {
      g_autoptr (MtvBlockHash) block = mtv_block_hash_new (hash);

      mtv_hash_data (hash, data, 300000, whole);
      mtv_block_hash_add_data (block, data, 10);
      mtv_block_hash_reset (block);
      mtv_block_hash_add_zeroes (block, 100000);
      mtv_block_hash_add_data (block, data + 100000, 50000);
      mtv_block_hash_add_zeroes (block, 150000);
      g_assert_true (mtv_block_hash_end (block, pieces));
      g_assert_cmpmem (pieces, mtv_hash_get_size (hash), whole, mtv_hash_get_size (hash));
      mtv_block_hash_add_zeroes (block, 5);
      g_assert_false (mtv_block_hash_end (block, pieces));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/hash/known", test_known);
  g_test_add_func ("/hash/names", test_names);
  g_test_add_func ("/hash/pieces", test_pieces);
  return g_test_run ();
}
