/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Where a disk has data, as its reader's extents tell, in bounded memory: fine structure is rounded
 * up to granules, and where there is too much of it to blocks. Private to transfer/. */
typedef struct _MtvDataRuns MtvDataRuns;

#define MTV_DATA_GRANULE (64 * 1024)

/* Blocking. @block_size: a multiple of the granule. */
MtvDataRuns *mtv_data_runs_new (MtvReader *reader, guint64 block_size, GCancellable *cancellable,
                                GError **error);
void mtv_data_runs_free (MtvDataRuns *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvDataRuns, mtv_data_runs_free)

/* Where the data or the zeroes at @at end, at most @end. */
guint64 mtv_data_runs_next (MtvDataRuns *self, guint64 at, guint64 end, gboolean *zero);

/* The bytes of data in [@start, @end). */
guint64 mtv_data_runs_count (MtvDataRuns *self, guint64 start, guint64 end);

G_END_DECLS
