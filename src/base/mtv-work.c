/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-work.h"

#include "base/mtv-error.h"

typedef struct
{
  MtvWorkFunc func;
  gpointer data;
  GDestroyNotify destroy;
  GError *error; /* (owned) (nullable) */
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  if (work->destroy != NULL)
    work->destroy (work->data);
  g_clear_error (&work->error);
  g_free (work);
}

static gboolean
return_result (gpointer data)
{
  GTask *task = data;
  Work *work = g_task_get_task_data (task);

  if (work->error == NULL)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, g_steal_pointer (&work->error));
  return G_SOURCE_REMOVE;
}

/* Gives its reference away: the last one must not be dropped in here, after the callback, for the
 * task's source object belongs to the main thread. */
static gpointer
work_thread (gpointer data)
{
  GTask *task = data;
  Work *work = g_task_get_task_data (task);
  g_autoptr (GSource) source = g_idle_source_new ();
  GError *error = NULL;

  if (!work->func (work->data, g_task_get_cancellable (task), &error))
    work->error = mtv_error_normalize (error);
  g_source_set_priority (source, g_task_get_priority (task));
  g_source_set_callback (source, return_result, task, g_object_unref);
  g_source_attach (source, g_task_get_context (task));
  return NULL;
}

void
mtv_work_async (const char *name, MtvWorkFunc func, gpointer data, GDestroyNotify destroy,
                gpointer source, GCancellable *cancellable, GAsyncReadyCallback callback,
                gpointer user_data)
{
  g_return_if_fail (func != NULL);

  g_autoptr (GTask) task = g_task_new (source, cancellable, callback, user_data);
  Work *work = g_new0 (Work, 1);

  work->func = func;
  work->data = data;
  work->destroy = destroy;
  g_task_set_source_tag (task, mtv_work_async);
  g_task_set_check_cancellable (task, FALSE);
  g_task_set_task_data (task, work, work_free);
  g_thread_unref (g_thread_new (name, work_thread, g_steal_pointer (&task)));
}

gboolean
mtv_work_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, mtv_work_async), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

gpointer
mtv_work_get_data (GAsyncResult *result)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, mtv_work_async), NULL);

  return ((Work *) g_task_get_task_data (G_TASK (result)))->data;
}
