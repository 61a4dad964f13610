/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/mtv-store.h"

G_BEGIN_DECLS

/* The copied-range map of each disk of a job: pieces of packed blocks (mtv_block_map_pack()), in
 * the order in which they became durable at the destination. */
void mtv_store_progress_add (MtvStoreBatch *batch, const char *run_id, guint number, guint disk,
                             GBytes *blocks);
void mtv_store_progress_clear (MtvStoreBatch *batch, const char *run_id, guint number);

/* (element-type GBytes), in that order. Worker threads and start-up. (transfer full) */
GPtrArray *mtv_store_progress_load (MtvStore *store, const char *run_id, guint number, guint disk,
                                    GError **error);

G_END_DECLS
