/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.Migration of @migration. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_migration_new (MtvEngine *engine, MtvMigration *migration);

G_END_DECLS
