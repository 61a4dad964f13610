/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The hash of a disk's blocks. */
typedef enum
{
  MTV_HASH_XXH3_128, /* finds every accident at the speed of memory; the canonical, big-endian form
                      */
  MTV_HASH_SHA256,   /* stands up to intent */
  MTV_N_HASHES,
} MtvHash;

#define MTV_HASH_MAX_SIZE 32

gsize mtv_hash_get_size (MtvHash hash); /* bytes: 16, 32 */

/* "xxh3-128", "sha256": in plans, manifests and on the bus. */
const char *mtv_hash_to_string (MtvHash hash);
gboolean mtv_hash_from_string (const char *name, MtvHash *hash);

/* The hash of a block that holds @data. */
void mtv_hash_data (MtvHash hash, const guint8 *data, gsize length,
                    guint8 result[MTV_HASH_MAX_SIZE]);

G_END_DECLS
