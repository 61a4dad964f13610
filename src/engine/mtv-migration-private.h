/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine-context.h"
#include "engine/mtv-migration.h"

G_BEGIN_DECLS

/* @record: (transfer full). */
MtvMigration *mtv_migration_new (MtvEngineContext *context, MtvMigrationRecord *record);
void mtv_migration_add_job (MtvMigration *self, MtvJob *job); /* @job: (transfer full) */

/* After all jobs were added as the store had them: makes up for an end, or a new beginning, that a
 * crash kept from being saved. */
void mtv_migration_settle (MtvMigration *self);

G_END_DECLS
