/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Where a disk has data, as its reader's extents tell, in bounded memory: fine structure is rounded
 * up to granules, and where there is too much of it to blocks. Private to transfer/. */
typedef struct _MtvDataRuns MtvDataRuns;

#define MTV_DATA_GRANULE (64 * 1024)

typedef enum
{
  MTV_RUN_DATA,
  MTV_RUN_ZERO,
  MTV_RUN_KEEP, /* not changed: neither read nor written */
} MtvRunKind;

/* Blocking. @block_size: a multiple of the granule. @changes (nullable) (element-type MtvExtent):
 * in order; all else is kept. */
MtvDataRuns *mtv_data_runs_new (MtvReader *reader, guint64 block_size, GArray *changes,
                                GCancellable *cancellable, GError **error);
void mtv_data_runs_free (MtvDataRuns *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvDataRuns, mtv_data_runs_free)

/* Where what is at @at ends, at most @end. */
guint64 mtv_data_runs_next (MtvDataRuns *self, guint64 at, guint64 end, MtvRunKind *kind);

/* The bytes of data in [@start, @end). */
guint64 mtv_data_runs_count (MtvDataRuns *self, guint64 start, guint64 end);

G_END_DECLS
