/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-block-hash.h"

#include <openssl/evp.h>

struct _MtvBlockHash
{
  EVP_MD_CTX *context; /* (owned) */
  guint64 zeroes;      /* added, not hashed yet */
  gboolean has_data;
};

static void
update (MtvBlockHash *self, const guint8 *data, gsize length)
{
  int ok = EVP_DigestUpdate (self->context, data, length);

  g_assert (ok == 1);
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
  int ok = EVP_DigestInit_ex (self->context, EVP_sha256 (), NULL);

  g_assert (ok == 1);
  self->zeroes = 0;
  self->has_data = FALSE;
}

MtvBlockHash *
mtv_block_hash_new (void)
{
  MtvBlockHash *self = g_new0 (MtvBlockHash, 1);

  self->context = EVP_MD_CTX_new ();
  mtv_block_hash_reset (self);
  return self;
}

void
mtv_block_hash_free (MtvBlockHash *self)
{
  EVP_MD_CTX_free (self->context);
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

gboolean
mtv_block_hash_end (MtvBlockHash *self, guint8 hash[MTV_BLOCK_HASH_SIZE])
{
  gboolean has_data = self->has_data;

  if (has_data)
    {
      hash_zeroes (self);
      int ok = EVP_DigestFinal_ex (self->context, hash, NULL);
      g_assert (ok == 1);
    }
  mtv_block_hash_reset (self);
  return has_data;
}
