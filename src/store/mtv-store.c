/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "store/mtv-store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* As many batches become durable by one flush. */
#define GROUP_MAX 64

struct _MtvStore
{
  GObject parent;

  char *path;  /* (owned) */
  int lock_fd; /* (owned) -1: none */

  GThread *thread;    /* (owned) (nullable) */
  GAsyncQueue *queue; /* (owned) (element-type Request); its lock guards closed */
  gboolean closed;
  MtvStoreDb *writer; /* (owned) (nullable) the thread's */

  GMutex reader_mutex;
  MtvStoreDb *reader; /* (owned) (nullable) opened when it is first needed */
};

G_DEFINE_FINAL_TYPE (MtvStore, mtv_store, G_TYPE_OBJECT)

typedef struct
{
  GMutex mutex;
  GCond cond;
  gboolean done;
  GError *error; /* (owned) (nullable) */
} Waiter;

typedef struct
{
  MtvStoreBatch *batch; /* (owned) NULL: the last request */
  GTask *task;          /* (owned) (nullable) */
  Waiter *waiter;       /* (unowned) (nullable) */
  GError *error;        /* (owned) (nullable) */
} Request;

/* ---- Opening ---- */

static gboolean
lock_directory (MtvStore *self, const char *directory, GError **error)
{
  g_autofree char *path = g_build_filename (directory, "lock", NULL);
  char pid[32] = { 0 };

  self->lock_fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (self->lock_fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open '%s'", path);
      return FALSE;
    }
  if (flock (self->lock_fd, LOCK_EX | LOCK_NB) < 0)
    {
      if (errno != EWOULDBLOCK)
        mtv_error_set_errno (error, errno, "Cannot lock '%s'", path);
      else if (pread (self->lock_fd, pid, sizeof pid - 1, 0) > 0)
        g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE, "Another mtvd uses '%s' (process %s)",
                     directory, g_strstrip (pid));
      else
        g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE, "Another mtvd uses '%s'", directory);
      return FALSE;
    }

  int length = g_snprintf (pid, sizeof pid, "%d\n", (int) getpid ());
  if (ftruncate (self->lock_fd, 0) == 0)
    return mtv_io_pwrite (self->lock_fd, pid, length, 0, path, error);
  mtv_error_set_errno (error, errno, "Cannot write '%s'", path);
  return FALSE;
}

/* A journal that was left behind says that the last daemon did not come to close the database. */
static gboolean
was_left_open (const char *path)
{
  g_autofree char *journal = g_strconcat (path, "-wal", NULL);
  GStatBuf st;

  return g_stat (journal, &st) == 0 && st.st_size > 0;
}

static gboolean
make_file (const char *path, GError **error)
{
  g_autofree char *directory = g_path_get_dirname (path);
  int fd = open (path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
  gboolean ok = fd >= 0 && fchmod (fd, 0600) == 0;

  if (!ok)
    mtv_error_set_errno (error, errno, "Cannot open '%s'", path);
  if (fd >= 0)
    close (fd);

  int dirfd = ok ? open (directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
  if (dirfd < 0)
    return ok;
  ok = mtv_io_sync_directory (dirfd, directory, error);
  close (dirfd);
  return ok;
}

static gpointer writer_thread (gpointer data);

MtvStore *
mtv_store_open (const char *directory, GError **error)
{
  g_return_val_if_fail (directory != NULL, NULL);

  g_autoptr (MtvStore) self = g_object_new (MTV_TYPE_STORE, NULL);
  GStatBuf st;

  self->path = g_build_filename (directory, "mtv.db", NULL);
  if (!lock_directory (self, directory, error))
    return NULL;
  if (g_stat (self->path, &st) == 0 && st.st_size > 0
      && !mtv_store_schema_inspect (self->path, was_left_open (self->path), error))
    return NULL;
  if (!make_file (self->path, error))
    return NULL;

  self->writer = mtv_store_db_open (self->path, MTV_STORE_DB_WRITE, error);
  if (self->writer == NULL || !mtv_store_schema_upgrade (self->writer, error))
    return NULL;
  self->thread = g_thread_new ("mtv-store", writer_thread, self);
  return g_steal_pointer (&self);
}

/* ---- Writing ---- */

static void
answer (Request *request)
{
  g_clear_pointer (&request->batch, mtv_store_batch_free);
  if (request->waiter != NULL)
    {
      Waiter *waiter = request->waiter;

      g_mutex_lock (&waiter->mutex);
      waiter->error = g_steal_pointer (&request->error);
      waiter->done = TRUE;
      g_cond_signal (&waiter->cond);
      g_mutex_unlock (&waiter->mutex);
    }
  else if (request->error != NULL)
    g_task_return_error (request->task, g_steal_pointer (&request->error));
  else
    g_task_return_boolean (request->task, TRUE);
  g_clear_object (&request->task);
  g_free (request);
}

static gboolean
run_batch (MtvStoreDb *db, MtvStoreBatch *batch, GError **error)
{
  for (guint i = 0; i < batch->statements->len; i++)
    {
      MtvStoreStatement *statement = &g_array_index (batch->statements, MtvStoreStatement, i);

      if (!mtv_store_db_run (db, statement->sql, statement->parameters, NULL, NULL, error))
        return FALSE;
    }
  return TRUE;
}

/* A batch that fails is undone alone, unless SQLite has undone the whole transaction: then FALSE.
 */
static gboolean
run_in_savepoint (MtvStoreDb *db, Request *request, GError **error)
{
  g_clear_error (&request->error);
  if (!mtv_store_db_run (db, "SAVEPOINT batch", NULL, NULL, NULL, error))
    return FALSE;
  if (!run_batch (db, request->batch, &request->error))
    {
      if (!mtv_store_db_is_in_transaction (db))
        {
          g_propagate_error (error, g_error_copy (request->error));
          return FALSE;
        }
      if (!mtv_store_db_run (db, "ROLLBACK TO batch", NULL, NULL, NULL, error))
        return FALSE;
    }
  return mtv_store_db_run (db, "RELEASE batch", NULL, NULL, NULL, error);
}

/* FALSE: none of the batches is committed. */
static gboolean
commit_group (MtvStoreDb *db, Request **requests, guint n, GError **error)
{
  gboolean ok = mtv_store_db_run (db, "BEGIN IMMEDIATE", NULL, NULL, NULL, error);

  for (guint i = 0; ok && i < n; i++)
    ok = run_in_savepoint (db, requests[i], error);
  if (ok && mtv_store_db_run (db, "COMMIT", NULL, NULL, NULL, error))
    return TRUE;
  if (mtv_store_db_is_in_transaction (db))
    mtv_store_db_run (db, "ROLLBACK", NULL, NULL, NULL, NULL);
  return FALSE;
}

static void
commit_requests (MtvStoreDb *db, GPtrArray *requests)
{
  Request **all = (Request **) requests->pdata;

  if (!commit_group (db, all, requests->len, NULL))
    for (guint i = 0; i < requests->len; i++)
      {
        g_autoptr (GError) error = NULL;

        /* One by one: what is too much for all may do for some. */
        if (!commit_group (db, all + i, 1, &error))
          {
            g_clear_error (&all[i]->error);
            all[i]->error = g_steal_pointer (&error);
          }
      }
  for (guint i = 0; i < requests->len; i++)
    answer (all[i]);
  g_ptr_array_set_size (requests, 0);
}

static gpointer
writer_thread (gpointer data)
{
  MtvStore *self = data;
  g_autoptr (GPtrArray) group = g_ptr_array_new ();
  gboolean last = FALSE;

  while (!last)
    {
      Request *request = g_async_queue_pop (self->queue);

      for (; request != NULL && request->batch != NULL;
           request = g_async_queue_try_pop (self->queue))
        {
          g_ptr_array_add (group, request);
          if (group->len == GROUP_MAX)
            break;
        }
      last = request != NULL && request->batch == NULL;
      if (last)
        g_free (request);
      if (group->len > 0)
        commit_requests (self->writer, group);
    }
  return NULL;
}

/* (transfer full); FALSE: closed */
static gboolean
hand_over (MtvStore *self, Request *request)
{
  g_async_queue_lock (self->queue);
  gboolean open = !self->closed;
  if (open)
    g_async_queue_push_unlocked (self->queue, request);
  if (request->batch == NULL)
    self->closed = TRUE;
  g_async_queue_unlock (self->queue);

  if (open)
    return TRUE;
  g_clear_pointer (&request->batch, mtv_store_batch_free);
  g_clear_object (&request->task);
  g_free (request);
  return FALSE;
}

void
mtv_store_commit_async (MtvStore *self, MtvStoreBatch *batch, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_return_if_fail (MTV_IS_STORE (self));
  g_return_if_fail (batch != NULL);

  Request *request = g_new0 (Request, 1);
  request->batch = batch;
  request->task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (request->task, mtv_store_commit_async);
  gboolean open = hand_over (self, request);
  g_return_if_fail (open);
}

gboolean
mtv_store_commit_finish (MtvStore *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
mtv_store_commit (MtvStore *self, MtvStoreBatch *batch, GError **error)
{
  g_return_val_if_fail (MTV_IS_STORE (self), FALSE);
  g_return_val_if_fail (batch != NULL, FALSE);

  Waiter waiter = { 0 };
  Request *request = g_new0 (Request, 1);
  request->batch = batch;
  request->waiter = &waiter;
  if (!hand_over (self, request))
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_CANCELLED,
                           "The daemon's database is closed");
      return FALSE;
    }

  g_mutex_lock (&waiter.mutex);
  while (!waiter.done)
    g_cond_wait (&waiter.cond, &waiter.mutex);
  g_mutex_unlock (&waiter.mutex);
  g_mutex_clear (&waiter.mutex);
  g_cond_clear (&waiter.cond);
  if (waiter.error == NULL)
    return TRUE;
  g_propagate_error (error, waiter.error);
  return FALSE;
}

/* ---- Reading ---- */

gboolean
mtv_store_foreach (MtvStore *self, const char *sql, GVariant *parameters, MtvStoreRowFunc func,
                   gpointer user_data, GError **error)
{
  g_autoptr (GVariant) tuple = g_variant_ref_sink (parameters);
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);

  for (gsize i = 0; i < g_variant_n_children (tuple); i++)
    g_ptr_array_add (values, g_variant_get_child_value (tuple, i));

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->reader_mutex);
  if (self->reader == NULL)
    self->reader = mtv_store_db_open (self->path, MTV_STORE_DB_READ, error);
  return self->reader != NULL
         && mtv_store_db_run (self->reader, sql, values, func, user_data, error);
}

static gboolean
collect_row (GVariant *row, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  g_ptr_array_add (user_data, g_variant_ref (row));
  return TRUE;
}

GPtrArray *
mtv_store_query (MtvStore *self, const char *sql, const char *parameter, GError **error)
{
  g_return_val_if_fail (MTV_IS_STORE (self), NULL);
  g_return_val_if_fail (sql != NULL, NULL);

  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  GVariant *parameters
      = parameter != NULL ? g_variant_new ("(s)", parameter) : g_variant_new ("()");
  return mtv_store_foreach (self, sql, parameters, collect_row, rows, error)
             ? g_steal_pointer (&rows)
             : NULL;
}

/* ---- The end ---- */

void
mtv_store_close (MtvStore *self)
{
  g_return_if_fail (MTV_IS_STORE (self));
  /* Else the last reference went with a commit under way. */
  g_return_if_fail (self->thread != g_thread_self ());

  if (self->thread != NULL)
    hand_over (self, g_new0 (Request, 1));
  g_clear_pointer (&self->thread, g_thread_join);
  g_mutex_lock (&self->reader_mutex);
  g_clear_pointer (&self->reader, mtv_store_db_free);
  g_mutex_unlock (&self->reader_mutex);
  g_clear_pointer (&self->writer, mtv_store_db_free);
  if (self->lock_fd >= 0)
    close (self->lock_fd);
  self->lock_fd = -1;
}

static void
mtv_store_dispose (GObject *object)
{
  mtv_store_close (MTV_STORE (object));

  G_OBJECT_CLASS (mtv_store_parent_class)->dispose (object);
}

static void
mtv_store_finalize (GObject *object)
{
  MtvStore *self = MTV_STORE (object);

  g_async_queue_unref (self->queue);
  g_mutex_clear (&self->reader_mutex);
  g_free (self->path);

  G_OBJECT_CLASS (mtv_store_parent_class)->finalize (object);
}

static void
mtv_store_class_init (MtvStoreClass *class)
{
  G_OBJECT_CLASS (class)->dispose = mtv_store_dispose;
  G_OBJECT_CLASS (class)->finalize = mtv_store_finalize;
}

static void
mtv_store_init (MtvStore *self)
{
  self->lock_fd = -1;
  self->queue = g_async_queue_new ();
  g_mutex_init (&self->reader_mutex);
}
