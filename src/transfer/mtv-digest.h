/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* The checksum of all bytes of @reader as lower-case hex. @algorithm: "sha1", "sha256" or "sha512";
 * NULL with MTV_ERROR_UNSUPPORTED for another. Blocking, one thread. (transfer full) */
char *mtv_digest_reader (MtvReader *reader, const char *algorithm, GCancellable *cancellable,
                         GError **error);

/* SHA-256 of @data into @hash; the hash of a block in a manifest. Any thread. */
void mtv_digest_block (const guint8 *data, gsize length, guint8 hash[32]);

G_END_DECLS
