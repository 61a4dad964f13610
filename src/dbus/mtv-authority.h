/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  MTV_AUTHORITY_SYSTEM,  /* root and the daemon's own user may all, polkit decides on the others */
  MTV_AUTHORITY_SESSION, /* the daemon's own user may all, nobody else anything */
  MTV_AUTHORITY_STRICT,  /* polkit decides on everybody */
} MtvAuthorityMode;

/* Who may call what on @connection. */
#define MTV_TYPE_AUTHORITY (mtv_authority_get_type ())
G_DECLARE_FINAL_TYPE (MtvAuthority, mtv_authority, MTV, AUTHORITY, GObject)

MtvAuthority *mtv_authority_new (GDBusConnection *connection, MtvAuthorityMode mode);

/* Every call to @skeleton from now on needs what the table says; while somebody is asked, nothing
 * else waits. */
void mtv_authority_guard (MtvAuthority *self, GDBusInterfaceSkeleton *skeleton);

/* May the caller of @invocation do @action? NULL: only whom nobody needs to be asked for. FALSE
 * with G_DBUS_ERROR_ACCESS_DENIED, or MTV_ERROR_AUTH_REQUIRED if it could be had by a dialog that
 * the caller did not allow. Main thread. */
void mtv_authority_check_async (MtvAuthority *self, GDBusMethodInvocation *invocation,
                                const char *action, GAsyncReadyCallback callback,
                                gpointer user_data);
gboolean mtv_authority_check_finish (MtvAuthority *self, GAsyncResult *result, GError **error);

/* The user who called; G_MAXUINT32 for a method that is free to all. */
guint32 mtv_authority_get_uid (GDBusMethodInvocation *invocation);

/* The table: the polkit action that a method needs, "" if it is free to all, NULL if it has no
 * rule; and its rows (NULL, NULL after the last). */
const char *mtv_authority_get_action (const char *interface, const char *method);
void mtv_authority_get_rule (guint row, const char **interface, const char **method);

G_END_DECLS
