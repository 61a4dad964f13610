/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-destination.h"
#include "provider/mtv-source.h"
#include "store/mtv-store.h"
#include "transfer/mtv-budget.h"
#include "transfer/mtv-throttle.h"

G_BEGIN_DECLS

/* The copies (or the reading back) of one VM's disks: some at a time, their progress, and the first
 * error, which stops the others. Main thread, but for what its threads do. */
#define MTV_TYPE_DISK_SET (mtv_disk_set_get_type ())
G_DECLARE_FINAL_TYPE (MtvDiskSet, mtv_disk_set, MTV, DISK_SET, GObject)

/* @target: not changed and not freed while a call is under way. */
MtvDiskSet *mtv_disk_set_new (MtvTarget *target, MtvSource *source, MtvDestination *destination,
                              MtvStore *store, guint parallel);

/* The memory that its copies share with those of others. */
void mtv_disk_set_set_budget (MtvDiskSet *self, MtvBudget *budget);
/* What its copies may read, see mtv-throttles.h; NULL: no limit. */
void mtv_disk_set_set_throttle (MtvDiskSet *self, MtvThrottle *throttle);

/* The copy is round @number of a warm job: it reads what the disks were at @point, and of that what
 * has changed since @since (nullable); both (transfer full). @read_back: (element-type GBytes) for
 * each disk, or NULL, see mtv_disk_map_get_read_back(); what a map has taken up is cleared. */
void mtv_disk_set_set_round (MtvDiskSet *self, guint number, MtvPoint *point, MtvPoint *since,
                             GPtrArray *read_back);

/* Copies what the maps of the target (and what the store knows of them) call pending. @fresh: the
 * volumes were never written to. @read_back: what was flushed is read back while the copy goes on,
 * if the destination allows it. The source's own checksums are compared at the same time. */
void mtv_disk_set_copy_async (MtvDiskSet *self, gboolean fresh, gboolean read_back,
                              GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data);
/* Reads all disks back, but for what the copy has read back; @full: their holes as well. */
void mtv_disk_set_verify_async (MtvDiskSet *self, gboolean full, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_disk_set_finish (MtvDiskSet *self, GAsyncResult *result, GError **error);

typedef enum
{
  MTV_DISK_PENDING,
  MTV_DISK_ACTIVE,
  MTV_DISK_DONE,
} MtvDiskState;

/* Of disk @index, or the sum of all for -1. */
void mtv_disk_set_get_progress (MtvDiskSet *self, gint index, guint64 *done, guint64 *total);
/* Of a round: what the source told of the disks that are open so far, in bytes. FALSE: it did not,
 * and all is looked at. */
gboolean mtv_disk_set_get_changed (MtvDiskSet *self, guint64 *bytes);
/* Does it have to compare, because the source could not tell? */
gboolean mtv_disk_set_is_comparing (MtvDiskSet *self);

MtvDiskState mtv_disk_set_get_state (MtvDiskSet *self, guint index);

/* Fills the map of a target's disk with what the store knows of it. Worker threads. */
gboolean mtv_disk_set_load_map (MtvStore *store, MtvTarget *target, guint disk, GError **error);

G_END_DECLS
