/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"
#include "store/mtv-store.h"

G_BEGIN_DECLS

/* What the store knows of the copied blocks of a disk, and of the rounds of a warm job: each begins
 * with the blocks that have changed being pending again. Worker threads. */

/* Fills the map of disk @index with all that is kept. @round, @compares: (out): the last round that
 * has begun for it, 0 if none, and how. */
gboolean mtv_disk_map_load (MtvStore *store, MtvTarget *target, guint index, guint *round,
                            gboolean *compares, GError **error);

/* From now on, and after a crash as well, the blocks of @changes (nullable) (element-type
 * MtvExtent) are pending for round @round. */
gboolean mtv_disk_map_begin_round (MtvStore *store, MtvTarget *target, guint index, guint round,
                                   gboolean compares, GArray *changes, GError **error);

/* @changes with the blocks that they lie in as a whole. (transfer full) */
GArray *mtv_disk_map_widen (MtvBlockMap *map, GArray *changes);

/* Which blocks this process has read back, a bit each, for when the map itself is given up; to be
 * taken up only by a map that has all that this one had. (transfer full) */
GBytes *mtv_disk_map_get_read_back (MtvBlockMap *map);
void mtv_disk_map_take_read_back (MtvBlockMap *map, GBytes *bits);

G_END_DECLS
