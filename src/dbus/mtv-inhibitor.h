/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* Holds a logind inhibitor lock (shutdown, sleep) while data moves. A machine without logind, or
 * one that does not let us, is no reason to complain: a migration survives both. Main thread. */
#define MTV_TYPE_INHIBITOR (mtv_inhibitor_get_type ())
G_DECLARE_FINAL_TYPE (MtvInhibitor, mtv_inhibitor, MTV, INHIBITOR, GObject)

/* @system_bus: where logind is. */
MtvInhibitor *mtv_inhibitor_new (MtvEngine *engine, GDBusConnection *system_bus);

G_END_DECLS
