/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-properties.h"

G_BEGIN_DECLS

/* Waiting, without asking again and again (WaitForUpdatesEx); through restarts of the server, too,
 * as long as it is not away for minutes. Times are of g_get_monotonic_time(). */

/* Returns once @is_done says so of the property @path, whose value is then @val: (out) (transfer
 * none) of what is returned. Not until @deadline: MTV_ERROR_UNREACHABLE, so that it is tried again.
 * An object that is gone: MTV_ERROR_NOT_FOUND. (transfer full) */
xmlDoc *mtv_vsphere_wait_for (MtvVsphereSession *session, const char *type, const char *id,
                              const char *path, gboolean (*is_done) (const xmlNode *val),
                              gint64 deadline, xmlNode **val, GCancellable *cancellable,
                              GError **error);

/* Makes a call that is answered with a task, and waits for its end. When cancelled, the task is
 * asked to end, too. @result: (out) (optional) (nullable) (transfer full) the id in the task's
 * result. @fault: (out) (nullable) (transfer full) of the call, or of the task. */
gboolean mtv_vsphere_task_run (MtvVsphereSession *session, const MtvSoapCall *call, gint64 deadline,
                               char **result, char **fault, GCancellable *cancellable,
                               GError **error);

/* Waits for a task that somebody else, or we in an earlier life, began; however it ends. */
gboolean mtv_vsphere_task_await (MtvVsphereSession *session, const char *task, gint64 deadline,
                                 GCancellable *cancellable, GError **error);

/* FALSE when cancelled. */
gboolean mtv_vsphere_pause (gint64 usec, GCancellable *cancellable);

/* After a @fault (nullable) that says that the object is busy: waits, a little longer each time,
 * and tells that it is worth another try before @deadline. @n: how many there were, at first 0. */
gboolean mtv_vsphere_task_back_off (const char *fault, guint *n, gint64 deadline,
                                    GCancellable *cancellable);

G_END_DECLS
