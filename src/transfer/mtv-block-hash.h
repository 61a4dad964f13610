/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-block-map.h"

G_BEGIN_DECLS

/* The hash of one block after the other, fed in pieces. Zeroes cost nothing in a block that has
 * nothing else. One thread. Private to transfer/. */
typedef struct _MtvBlockHash MtvBlockHash;

MtvBlockHash *mtv_block_hash_new (MtvHash hash);
void mtv_block_hash_free (MtvBlockHash *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvBlockHash, mtv_block_hash_free)

void mtv_block_hash_add_data (MtvBlockHash *self, const guint8 *data, gsize length);
void mtv_block_hash_add_zeroes (MtvBlockHash *self, guint64 length);
/* Ends the block; FALSE when it was all added as zeroes, and then @hash is not filled. */
gboolean mtv_block_hash_end (MtvBlockHash *self, guint8 hash[MTV_HASH_MAX_SIZE]);

/* Forgets what was added to a block that came to nothing. */
void mtv_block_hash_reset (MtvBlockHash *self);

G_END_DECLS
