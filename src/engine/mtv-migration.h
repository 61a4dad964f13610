/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-job.h"

G_BEGIN_DECLS

/* One run of a plan: its jobs, and their sum. Main thread. Signals: "changed", "completed". */
#define MTV_TYPE_MIGRATION (mtv_migration_get_type ())
G_DECLARE_FINAL_TYPE (MtvMigration, mtv_migration, MTV, MIGRATION, GObject)

const MtvMigrationRecord *mtv_migration_get_record (MtvMigration *self);
GPtrArray *mtv_migration_get_jobs (MtvMigration *self); /* (element-type MtvJob) by number */

/* "running", "failed", "succeeded", "cancelled". */
const char *mtv_migration_get_state (MtvMigration *self);
GVariant *mtv_migration_get_counts (MtvMigration *self); /* (transfer floating) a{su} */
guint64 mtv_migration_get_bytes_done (MtvMigration *self);
guint64 mtv_migration_get_bytes_total (MtvMigration *self);
guint64 mtv_migration_get_rate (MtvMigration *self);
guint64 mtv_migration_get_expected_end (MtvMigration *self);

/* All jobs for which it means something; FALSE with MTV_ERROR_WRONG_STATE when there is none. */
gboolean mtv_migration_cancel (MtvMigration *self, guint32 uid, GError **error);
gboolean mtv_migration_retry (MtvMigration *self, guint32 uid, GError **error);

/* aa{sv} as org.mtv.Migration.GetTimeline() answers it. @number 0: all. */
void mtv_migration_load_timeline_async (MtvMigration *self, guint number, guint offset, guint limit,
                                        GAsyncReadyCallback callback, gpointer user_data);
GVariant *mtv_migration_load_timeline_finish (MtvMigration *self, GAsyncResult *result,
                                              GError **error); /* (transfer full) */

G_END_DECLS
