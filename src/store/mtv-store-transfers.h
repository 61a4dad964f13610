/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/mtv-store.h"

G_BEGIN_DECLS

/* Stand-alone copies that did not come to their end, so that the same copy goes on where it was.
 * @key stands for all that makes it the same; @destination for what is written to: what was known
 * of that is void as soon as another copy writes there. */

/* As many unfinished copies are remembered; the oldest are forgotten. */
#define MTV_STORE_MAX_TRANSFERS 64

/* Before the first byte is written. @keep: what is known of @key stays; otherwise nothing of
 * @destination does. */
void mtv_store_transfer_begin (MtvStoreBatch *batch, const char *key, const char *destination,
                               guint64 time, gboolean keep);
/* A piece of packed blocks (mtv_block_map_pack()) that is durable at the destination. */
void mtv_store_transfer_add (MtvStoreBatch *batch, const char *key, GBytes *blocks);
void mtv_store_transfer_remove (MtvStoreBatch *batch, const char *key);
/* Something else is about to write to @destination. */
void mtv_store_transfer_void (MtvStoreBatch *batch, const char *destination);

/* (element-type GBytes), in the order of adding. @known (out): whether @key was begun, onto
 * @destination. Worker threads. (transfer full) */
GPtrArray *mtv_store_transfer_load (MtvStore *store, const char *key, const char *destination,
                                    gboolean *known, GError **error);

G_END_DECLS
