/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-block-hash.h"

#include <openssl/evp.h>
#include <string.h>
#ifdef __x86_64__
#include <xxh_x86dispatch.h> /* the same functions, by what this processor has: AVX2, AVX-512 */
#else
#include <xxhash.h>
#endif

struct _MtvBlockHash
{
  EVP_MD_CTX *sha256; /* (owned) (nullable) one of the two */
  XXH3_state_t *xxh3; /* (owned) (nullable) */
  guint64 zeroes;     /* added, not hashed yet */
  gboolean has_data;
};

static void
update (MtvBlockHash *self, const guint8 *data, gsize length)
{
  gboolean ok = self->xxh3 != NULL ? XXH3_128bits_update (self->xxh3, data, length) == XXH_OK
                                   : EVP_DigestUpdate (self->sha256, data, length) == 1;

  g_assert (ok);
}

static void
hash_zeroes (MtvBlockHash *self)
{
  static const guint8 zeroes[64 * 1024];

  for (; self->zeroes > 0; self->zeroes -= MIN (self->zeroes, sizeof zeroes))
    update (self, zeroes, MIN (self->zeroes, sizeof zeroes));
}

void
mtv_block_hash_reset (MtvBlockHash *self)
{
  gboolean ok = self->xxh3 != NULL ? XXH3_128bits_reset (self->xxh3) == XXH_OK
                                   : EVP_DigestInit_ex (self->sha256, EVP_sha256 (), NULL) == 1;

  g_assert (ok);
  self->zeroes = 0;
  self->has_data = FALSE;
}

MtvBlockHash *
mtv_block_hash_new (MtvHash hash)
{
  g_return_val_if_fail (hash < MTV_N_HASHES, NULL);

  MtvBlockHash *self = g_new0 (MtvBlockHash, 1);
  if (hash == MTV_HASH_XXH3_128)
    self->xxh3 = XXH3_createState ();
  else
    self->sha256 = EVP_MD_CTX_new ();
  mtv_block_hash_reset (self);
  return self;
}

void
mtv_block_hash_free (MtvBlockHash *self)
{
  XXH3_freeState (self->xxh3);
  EVP_MD_CTX_free (self->sha256);
  g_free (self);
}

void
mtv_block_hash_add_data (MtvBlockHash *self, const guint8 *data, gsize length)
{
  hash_zeroes (self);
  update (self, data, length);
  self->has_data = TRUE;
}

void
mtv_block_hash_add_zeroes (MtvBlockHash *self, guint64 length)
{
  self->zeroes += length;
}

static void
finish (MtvBlockHash *self, guint8 hash[MTV_HASH_MAX_SIZE])
{
  XXH128_canonical_t canonical;

  if (self->xxh3 != NULL)
    {
      XXH128_canonicalFromHash (&canonical, XXH3_128bits_digest (self->xxh3));
      memcpy (hash, canonical.digest, sizeof canonical.digest);
      return;
    }
  int ok = EVP_DigestFinal_ex (self->sha256, hash, NULL);
  g_assert (ok == 1);
}

gboolean
mtv_block_hash_end (MtvBlockHash *self, guint8 hash[MTV_HASH_MAX_SIZE])
{
  gboolean has_data = self->has_data;

  if (has_data)
    {
      hash_zeroes (self);
      finish (self, hash);
    }
  mtv_block_hash_reset (self);
  return has_data;
}
