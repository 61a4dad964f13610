/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.Migration of @migration, and the org.mtv.Migration.VM of @job. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_migration_new (MtvEngine *engine, MtvMigration *migration);
GDBusInterfaceSkeleton *mtv_dbus_migration_new_vm (MtvEngine *engine, MtvJob *job);

G_END_DECLS
