/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.Plan of @entry. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_plan_new (MtvEngine *engine, MtvPlanEntry *entry);

G_END_DECLS
