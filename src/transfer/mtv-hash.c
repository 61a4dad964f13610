/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-hash.h"

#include "transfer/mtv-block-hash.h"

static const struct
{
  const char *name;
  gsize size;
} hashes[] = {
  [MTV_HASH_XXH3_128] = { "xxh3-128", 16 },
  [MTV_HASH_SHA256] = { "sha256", 32 },
};
G_STATIC_ASSERT (G_N_ELEMENTS (hashes) == MTV_N_HASHES);

gsize
mtv_hash_get_size (MtvHash hash)
{
  g_return_val_if_fail (hash < MTV_N_HASHES, 0);

  return hashes[hash].size;
}

const char *
mtv_hash_to_string (MtvHash hash)
{
  g_return_val_if_fail (hash < MTV_N_HASHES, NULL);

  return hashes[hash].name;
}

gboolean
mtv_hash_from_string (const char *name, MtvHash *hash)
{
  g_return_val_if_fail (name != NULL, FALSE);

  for (guint i = 0; i < MTV_N_HASHES; i++)
    if (g_str_equal (name, hashes[i].name))
      {
        *hash = i;
        return TRUE;
      }
  return FALSE;
}

void
mtv_hash_data (MtvHash hash, const guint8 *data, gsize length, guint8 result[MTV_HASH_MAX_SIZE])
{
  g_autoptr (MtvBlockHash) block = mtv_block_hash_new (hash);

  mtv_block_hash_add_data (block, data, length);
  mtv_block_hash_end (block, result);
}
