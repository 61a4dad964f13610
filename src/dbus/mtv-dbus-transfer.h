/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* org.mtv.Transfer for @transfer. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_transfer_new (MtvEngine *engine, MtvTransfer *transfer);

G_END_DECLS
