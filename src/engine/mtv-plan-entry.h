/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-migration.h"
#include "model/mtv-plan.h"

G_BEGIN_DECLS

/* A plan and its runs. Main thread. Signal "changed". */
#define MTV_TYPE_PLAN_ENTRY (mtv_plan_entry_get_type ())
G_DECLARE_FINAL_TYPE (MtvPlanEntry, mtv_plan_entry, MTV, PLAN_ENTRY, GObject)

const MtvPlan *mtv_plan_entry_get_plan (MtvPlanEntry *self);
GVariant *mtv_plan_entry_get_options (MtvPlanEntry *self); /* (transfer floating) a{sv} */
/* "ready", "executing", "succeeded", "failed", "cancelled", "archived". */
const char *mtv_plan_entry_get_state (MtvPlanEntry *self);
MtvMigration *mtv_plan_entry_get_last_migration (MtvPlanEntry *self); /* (nullable) */

G_END_DECLS
