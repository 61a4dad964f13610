/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* @string as it may go out: valid UTF-8, "" for NULL. (transfer full) */
char *mtv_utf8 (const char *string);

/* An error as properties show it, (ss): bus name and text, both empty for NULL. (transfer floating)
 */
GVariant *mtv_reply_describe_error (const GError *error);

/* Each of these answers, and is done with @invocation. @error: (transfer full). */
void mtv_reply (GDBusMethodInvocation *invocation, GError *error); /* @error (nullable) */
void mtv_reply_error (GDBusMethodInvocation *invocation, GError *error);
void mtv_reply_path (GDBusMethodInvocation *invocation, const char *kind, const char *id);

G_END_DECLS
