/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-hash.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_BLOCK_PENDING,
  MTV_BLOCK_ZERO, /* all its bytes are zero */
  MTV_BLOCK_DATA,
  MTV_BLOCK_UNHASHED, /* copied in part, over what was there: its hash is not known */
} MtvBlockState;

/* What is known of each block of one disk: not copied yet, zero, or data with its hash. It is
 * the copied-range map that survives a restart and the manifest that stays beside the result.
 * Thread-safe. The size of a block is a power of two, 1 MiB or, so that a map has at most 2^19
 * blocks (16 MiB of hashes), more; the last block may be short. */
typedef struct _MtvBlockMap MtvBlockMap;

MtvBlockMap *mtv_block_map_new (guint64 disk_size, MtvHash hash);
MtvBlockMap *mtv_block_map_ref (MtvBlockMap *self);
void mtv_block_map_unref (MtvBlockMap *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvBlockMap, mtv_block_map_unref)

MtvHash mtv_block_map_get_hash (MtvBlockMap *self);
guint64 mtv_block_map_get_disk_size (MtvBlockMap *self);
guint64 mtv_block_map_get_block_size (MtvBlockMap *self);
guint mtv_block_map_get_n_blocks (MtvBlockMap *self);
/* Where block @index begins; the size of the disk for what follows the last. */
guint64 mtv_block_map_get_start (MtvBlockMap *self, guint index);
/* Blocks that are not pending. */
guint mtv_block_map_get_n_done (MtvBlockMap *self);
guint mtv_block_map_get_n_data (MtvBlockMap *self);
/* Bytes in blocks of data, from first to last; the disk's last block may be short. */
guint64 mtv_block_map_get_data_bytes (MtvBlockMap *self);

/* @hash: mtv_hash_get_size() bytes, or NULL for a zero block. A block may be set again, and is not
 * read back then. */
void mtv_block_map_set (MtvBlockMap *self, guint index, const guint8 *hash);
/* Pending, or MTV_BLOCK_UNHASHED: a state without more. */
void mtv_block_map_set_state (MtvBlockMap *self, guint index, MtvBlockState state);
/* Makes all blocks pending that have a byte in the range, which lies within the disk. */
void mtv_block_map_forget (MtvBlockMap *self, guint64 offset, guint64 length);
/* That this process read the block at the destination and found it right; not packed. */
void mtv_block_map_set_read_back (MtvBlockMap *self, guint index);
gboolean mtv_block_map_is_read_back (MtvBlockMap *self, guint index);
/* @hash (out) (optional): filled when the answer is MTV_BLOCK_DATA. */
MtvBlockState mtv_block_map_get (MtvBlockMap *self, guint index, guint8 hash[MTV_HASH_MAX_SIZE]);

/* Is the block known to be that: data of @hash, or all zeroes for NULL? */
gboolean mtv_block_map_is (MtvBlockMap *self, guint index, const guint8 *hash);

/* The given blocks as bytes for the store, pending ones too. (transfer full) */
GBytes *mtv_block_map_pack (MtvBlockMap *self, const guint32 *indices, guint n_indices);
/* Sets what mtv_block_map_pack() packed; MTV_ERROR_BAD_DATA when it does not fit this map,
 * which has the other hash, say. */
gboolean mtv_block_map_unpack (MtvBlockMap *self, GBytes *packed, GError **error);

G_END_DECLS
