/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* The checksum of all bytes of @reader as lower-case hex. @algorithm: "sha1", "sha256" or "sha512";
 * NULL with MTV_ERROR_UNSUPPORTED for another. Blocking, one thread. (transfer full) */
char *mtv_digest_reader (MtvReader *reader, const char *algorithm, GCancellable *cancellable,
                         GError **error);

G_END_DECLS
