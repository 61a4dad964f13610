/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.Provider of @entry. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_provider_new (MtvEngine *engine, MtvProviderEntry *entry);

G_END_DECLS
