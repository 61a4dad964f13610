/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The org.mtv.Migration.VM of @job. (transfer full) */
GDBusInterfaceSkeleton *mtv_dbus_job_new (MtvEngine *engine, MtvJob *job);

/* The options of Cutover(); @at is 0 for now. */
gboolean mtv_dbus_job_parse_cutover (GVariant *options, guint64 *at, GError **error);

G_END_DECLS
