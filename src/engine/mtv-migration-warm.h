/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-migration.h"

G_BEGIN_DECLS

/* The requests of mtv-job-warm.h for all jobs of a run. Those to which one does not apply are
 * passed over; FALSE with MTV_ERROR_WRONG_STATE when there is no other. What is no good for one of
 * them is refused as it refuses it, and then nothing is changed. */
gboolean mtv_migration_cutover (MtvMigration *self, guint64 at, guint32 uid, GError **error);
gboolean mtv_migration_withdraw_cutover (MtvMigration *self, guint32 uid, GError **error);
gboolean mtv_migration_pause (MtvMigration *self, guint32 uid, GError **error);
gboolean mtv_migration_resume (MtvMigration *self, guint32 uid, GError **error);
gboolean mtv_migration_configure (MtvMigration *self, GVariant *changes, guint32 uid,
                                  GError **error);

G_END_DECLS
