/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "dbus/mtv-authority.h"
#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.* objects of an engine on a bus: they come and go with what the engine holds. Main
 * thread. */
#define MTV_TYPE_FRONT (mtv_front_get_type ())
G_DECLARE_FINAL_TYPE (MtvFront, mtv_front, MTV, FRONT, GObject)

MtvFront *mtv_front_new (MtvEngine *engine, const char *version, MtvAuthorityMode mode);

/* Everything is there once this has returned; the bus name may be taken then. */
gboolean mtv_front_export (MtvFront *self, GDBusConnection *connection, GError **error);

/* Calls under way are still answered. Also when nothing is exported. */
void mtv_front_unexport (MtvFront *self);

G_END_DECLS
