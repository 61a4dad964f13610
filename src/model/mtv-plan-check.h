/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-concern.h"
#include "model/mtv-plan.h"
#include "model/mtv-vm.h"

G_BEGIN_DECLS

/* Adds to @concerns what stands against @plan, as far as plan and inventory tell.
 * @vms: (element-type MtvVm) one for each of plan->vms; NULL where the inventory has none. */
void mtv_plan_check (const MtvPlan *plan, GPtrArray *vms, GPtrArray *concerns);

/* Makes "information" of every concern that the plan ignores. Twice does no harm; also for what a
 * destination added. */
void mtv_plan_ignore_concerns (const MtvPlan *plan, GPtrArray *concerns);

/* "virtio" or "compatible": what @vm gets. */
const char *mtv_plan_devices_for (const MtvPlan *plan, const MtvVm *vm);

G_END_DECLS
