/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-transfer-request.h"
#include "store/mtv-store.h"
#include "transfer/mtv-block-map.h"

G_BEGIN_DECLS

/* What a stand-alone copy does on worker threads, before and after the copying itself: everything
 * in here blocks. */
typedef struct
{
  MtvCopyRequest *request; /* (owned) */
  MtvStore *store;         /* (owned) */
  MtvBlockMap *map;        /* (owned) (nullable) once it is prepared */
  char *key;               /* (owned) (nullable) under which the store knows it */
  gboolean is_zero;        /* the destination reads as zeroes */
  guint64 resumed;         /* bytes that an earlier run had copied */
} MtvCopyRun;

MtvCopyRun *mtv_copy_run_new (MtvCopyRequest *request /* (transfer full) */, MtvStore *store);
void mtv_copy_run_free (MtvCopyRun *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvCopyRun, mtv_copy_run_free)

/* Opens the source and looks at the destination, without changing it. */
gboolean mtv_copy_run_find (MtvCopyRun *self, GCancellable *cancellable, GError **error);
/* Once nothing else writes to the destination: takes up what is known of this very copy, or refuses
 * to write over something else (MTV_ERROR_EXISTS), and opens it. */
gboolean mtv_copy_run_prepare (MtvCopyRun *self, guint64 now, GCancellable *cancellable,
                               GError **error);
/* An MtvCheckpointFunc. */
gboolean mtv_copy_run_save (GBytes *blocks, gpointer self, GError **error);
/* All is there: writes the manifest, and forgets what was kept for going on. */
gboolean mtv_copy_run_conclude (MtvCopyRun *self, guint64 now, GError **error);
/* What was kept turned out wrong: nothing of it counts any more. */
gboolean mtv_copy_run_forget (MtvCopyRun *self, guint64 now, GError **error);

G_END_DECLS
