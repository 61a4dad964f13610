/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What survives a restart: an SQLite database (WAL, synchronous=FULL) in the state folder, with one
 * thread that writes. A change is a batch of statements that becomes durable as a whole or not at
 * all; batches are committed in the order in which they were handed over. Errors are
 * MTV_ERROR_STORE, or MTV_ERROR_NO_SPACE. */
#define MTV_TYPE_STORE (mtv_store_get_type ())
G_DECLARE_FINAL_TYPE (MtvStore, mtv_store, MTV, STORE, GObject)

/* Opens (or makes) the database in @directory, which exists, and locks it against a second daemon
 * (MTV_ERROR_IN_USE). Brings an older schema up to date; a newer one, or a damaged file, is refused
 * with what to do, and is left as it is. Blocking; at start-up. */
MtvStore *mtv_store_open (const char *directory, GError **error);

/* Statements, in the making; plain data, any thread. */
typedef struct _MtvStoreBatch MtvStoreBatch;
MtvStoreBatch *mtv_store_batch_new (void);
/* To keep one over its commit, which may have to be tried again; nothing is added meanwhile. */
MtvStoreBatch *mtv_store_batch_ref (MtvStoreBatch *batch);
void mtv_store_batch_free (MtvStoreBatch *batch);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvStoreBatch, mtv_store_batch_free)
gboolean mtv_store_batch_is_empty (MtvStoreBatch *batch);

/* Appends @sql (static) with its parameters, one GVariant (transfer floating) each,
 * NULL-terminated: s, u, t, b, or a byte array ay for a BLOB. */
void mtv_store_batch_add (MtvStoreBatch *batch, const char *sql, ...) G_GNUC_NULL_TERMINATED;

/* Commits; the callback comes on the caller's main context, in order. @batch: (transfer full). */
void mtv_store_commit_async (MtvStore *self, MtvStoreBatch *batch, GAsyncReadyCallback callback,
                             gpointer user_data);
gboolean mtv_store_commit_finish (MtvStore *self, GAsyncResult *result, GError **error);

/* The same, waiting for it: for copy threads, never on the main thread. @batch: (transfer full).
 * MTV_ERROR_CANCELLED once the store is closed: a thread may be late. */
gboolean mtv_store_commit (MtvStore *self, MtvStoreBatch *batch, GError **error);

/* Rows of @sql (static, with one optional string parameter), as tuples of columns: TEXT is s,
 * INTEGER is x, BLOB is ay. Blocking; at start-up and in worker threads. (element-type GVariant)
 * (transfer full) */
GPtrArray *mtv_store_query (MtvStore *self, const char *sql, const char *parameter, GError **error);

/* Waits until all that was handed over is committed, ends the thread and closes. */
void mtv_store_close (MtvStore *self);

G_END_DECLS
