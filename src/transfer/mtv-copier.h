/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-block-map.h"
#include "transfer/mtv-budget.h"
#include "transfer/mtv-disk-io.h"
#include "transfer/mtv-throttle.h"

G_BEGIN_DECLS

/* Data between two checkpoints, and so what may be copied again after a crash: a flush costs little
 * next to it. */
#define MTV_COPIER_CHECKPOINT_BYTES (256 * 1024 * 1024)

/* Makes @blocks (from mtv_block_map_pack()) durable knowledge: they are flushed at the destination.
 * Called on the copy's own thread, never on two at once; may block. */
typedef gboolean (*MtvCheckpointFunc) (GBytes *blocks, gpointer user_data, GError **error);

/* Copies one disk, once: every block that its map calls pending. A few threads of its own, each
 * with many requests under way at both ends; memory is bounded, and shared out between all copies.
 */
#define MTV_TYPE_COPIER (mtv_copier_get_type ())
G_DECLARE_FINAL_TYPE (MtvCopier, mtv_copier, MTV, COPIER, GObject)

/* @target_is_zero: the destination is known to read as zeroes wherever @map is pending, so that
 * zeroes need no request; otherwise they are written as zeroes. @map has the size of @reader and
 * is filled on the way. */
MtvCopier *mtv_copier_new (MtvReader *reader, MtvWriter *writer, MtvBlockMap *map,
                           gboolean target_is_zero);

void mtv_copier_set_threads (MtvCopier *self, guint n_threads); /* default: one a core, at most 4 */
void mtv_copier_set_throttle (MtvCopier *self, MtvThrottle *throttle); /* counts what is read */
/* The memory that it shares with others; by itself it takes 16 MiB. */
void mtv_copier_set_budget (MtvCopier *self, MtvBudget *budget);

/* Reads back every block of data through @written after the flush that covers it, while the copy
 * goes on, and of zeroes that were written over something what @written does not say to be a hole;
 * a block that differs fails the copy. What was read back is marked in the map. */
void mtv_copier_set_read_back (MtvCopier *self, MtvReader *written);

/* Reads the whole source again, also where the map is not pending, and writes the blocks that
 * differ from it: the map is trusted to tell what the destination has. */
void mtv_copier_set_compare (MtvCopier *self);

/* Of the pending blocks, copies nothing but @changed (element-type MtvExtent), in order: what of
 * the source may differ from the destination; the extents' own zero flag is not looked at. Blocks
 * that are changed in part lose their hash unless mtv_copier_set_read_back() was called: they are
 * hashed again from there, once the changed parts were found right. */
void mtv_copier_set_changes (MtvCopier *self, GArray *changed);

/* A checkpoint comes after a flush, at the latest @bytes of data or 5 s after the previous one, and
 * a last one at the end, also of a copy that failed or was cancelled. Default: none. */
void mtv_copier_set_checkpoint (MtvCopier *self, guint64 bytes, MtvCheckpointFunc func,
                                gpointer user_data, GDestroyNotify destroy);

/* Finishes when all is written and flushed, or with the first error after all threads ended.
 * Callback on the caller's main context. */
void mtv_copier_copy_async (MtvCopier *self, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_copier_copy_finish (MtvCopier *self, GAsyncResult *result, GError **error);

/* Progress, from any thread. Total: the bytes of data to be copied as the reader's extents tell
 * (0 until they are known). Done: those of them that are written (or found zero), including what an
 * earlier run of this map had done; never falls, equals total at the end. */
guint64 mtv_copier_get_bytes_total (MtvCopier *self);
guint64 mtv_copier_get_bytes_done (MtvCopier *self);
/* Read back and found right. */
guint64 mtv_copier_get_bytes_verified (MtvCopier *self);
/* Gone out as data, not as zeroes and not left out for being equal. */
guint64 mtv_copier_get_bytes_written (MtvCopier *self);

G_END_DECLS
