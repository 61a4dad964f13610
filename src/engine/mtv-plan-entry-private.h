/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-plan-entry.h"

G_BEGIN_DECLS

MtvPlanEntry *mtv_plan_entry_new (MtvPlan *plan); /* @plan: (transfer full) */
MtvPlan *mtv_plan_entry_peek_plan (MtvPlanEntry *self);
void mtv_plan_entry_set_last_migration (MtvPlanEntry *self, MtvMigration *migration);
void mtv_plan_entry_changed (MtvPlanEntry *self);

G_END_DECLS
