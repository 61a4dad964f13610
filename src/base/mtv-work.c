/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-work.h"

#include "base/mtv-error.h"

typedef struct
{
  MtvWorkFunc func;
  gpointer data;
  GDestroyNotify destroy;
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  if (work->destroy != NULL)
    work->destroy (work->data);
  g_free (work);
}

static gpointer
work_thread (gpointer data)
{
  g_autoptr (GTask) task = data;
  Work *work = g_task_get_task_data (task);
  GError *error = NULL;

  if (work->func (work->data, g_task_get_cancellable (task), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, mtv_error_normalize (error));
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
