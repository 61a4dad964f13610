/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "dbus/mtv-authority.h"

G_BEGIN_DECLS

/* org.freedesktop.LogControl1 as org.freedesktop.LogControl1(5) has it: what "systemctl
 * service-log-level mtvd debug" speaks to. The level may be set by whom @authority trusts unasked;
 * the target cannot be changed. 0 on error. */
guint mtv_log_control_export (GDBusConnection *connection, MtvAuthority *authority, GError **error);

G_END_DECLS
