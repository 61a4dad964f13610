/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Runs on a thread of its own; GIO's pool has ten for the whole process, and we may block for
 * hours. */
typedef gboolean (*MtvWorkFunc) (gpointer data, GCancellable *cancellable, GError **error);

/* @source (nullable) is what the callback gets and is kept alive. @data belongs to the task and is
 * freed with it, on the caller's main context. The function's own answer stands, also when
 * @cancellable was cancelled. Errors are normalized to MTV_ERROR. */
void mtv_work_async (const char *name, MtvWorkFunc func, gpointer data, GDestroyNotify destroy,
                     gpointer source, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data);
gboolean mtv_work_finish (GAsyncResult *result, GError **error);

/* The data that was given to mtv_work_async(), in its callback. (transfer none) */
gpointer mtv_work_get_data (GAsyncResult *result);

G_END_DECLS
