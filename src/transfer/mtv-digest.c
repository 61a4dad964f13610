/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-digest.h"

#include "base/mtv-error.h"
#include "transfer/mtv-aligned.h"

#include <openssl/evp.h>

#define PIECE (1024 * 1024)

G_DEFINE_AUTOPTR_CLEANUP_FUNC (EVP_MD_CTX, EVP_MD_CTX_free)

/* OpenSSL uses the processor's SHA instructions; GChecksum is several times slower. */
static const EVP_MD *
algorithm_for_name (const char *name)
{
  if (g_strcmp0 (name, "sha1") == 0)
    return EVP_sha1 ();
  if (g_strcmp0 (name, "sha256") == 0)
    return EVP_sha256 ();
  if (g_strcmp0 (name, "sha512") == 0)
    return EVP_sha512 ();
  return NULL;
}

static char *
hex_from_bytes (const guint8 *bytes, guint n)
{
  GString *hex = g_string_sized_new (2 * n);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (hex, "%02x", bytes[i]);
  return g_string_free (hex, FALSE);
}

char *
mtv_digest_reader (MtvReader *reader, const char *algorithm, GCancellable *cancellable,
                   GError **error)
{
  const EVP_MD *md = algorithm_for_name (algorithm);
  guint8 digest[EVP_MAX_MD_SIZE];
  unsigned int n;

  g_return_val_if_fail (MTV_IS_READER (reader), NULL);

  if (md == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "Checksum algorithm '%s' is not known",
                   algorithm);
      return NULL;
    }

  g_autoptr (MtvAligned) buffer = mtv_aligned_new (PIECE);
  g_autoptr (EVP_MD_CTX) context = EVP_MD_CTX_new ();
  gboolean ok = EVP_DigestInit_ex (context, md, NULL) == 1;
  guint64 size = mtv_reader_get_size (reader);
  for (guint64 at = 0; ok && at < size;)
    {
      gsize step = MIN (PIECE, size - at);

      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !mtv_reader_read (reader, at, buffer, step, cancellable, error))
        {
          if (error != NULL)
            *error = mtv_error_normalize (*error);
          return NULL;
        }
      ok = EVP_DigestUpdate (context, buffer, step) == 1;
      at += step;
    }
  if (!ok || EVP_DigestFinal_ex (context, digest, &n) != 1)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Cannot compute a %s checksum", algorithm);
      return NULL;
    }
  return hex_from_bytes (digest, n);
}
