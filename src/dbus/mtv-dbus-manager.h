/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.Manager of @engine. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_manager_new (MtvEngine *engine, const char *version);

G_END_DECLS
