/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

#define MTV_CALL_LIMIT_PER_SENDER 64
#define MTV_CALL_LIMIT_TOTAL 4096
#define MTV_CALL_LIMIT_BYTES (1024 * 1024)

/* From now on, and until mtv_call_limit_remove(), one client may have so many calls waiting for an
 * answer on @connection, all clients together so many, and none with more than so many bytes of
 * arguments: further ones are answered with org.mtv.Error.LimitExceeded before anything is kept of
 * them. Every kind of call counts, from its arrival until its answer leaves. */
guint mtv_call_limit_add (GDBusConnection *connection);
void mtv_call_limit_remove (GDBusConnection *connection, guint id);

G_END_DECLS
