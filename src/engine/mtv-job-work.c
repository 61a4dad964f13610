/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-work.h"

#include "base/mtv-error.h"

void
mtv_job_work_free (gpointer data)
{
  MtvJobWork *work = data;

  g_clear_object (&work->source);
  g_clear_object (&work->destination);
  g_clear_object (&work->store);
  g_clear_pointer (&work->objects, g_ptr_array_unref);
  g_clear_pointer (&work->since, mtv_point_free);
  g_clear_pointer (&work->point, mtv_point_free);
  g_free (work->location);
  g_free (work->put_back);
  g_free (work->key);
  g_free (work);
}

MtvJobWork *
mtv_job_work_new (MtvJob *self)
{
  GError *error = NULL;
  MtvProvider *source = NULL, *destination = NULL;
  MtvTarget *target = mtv_job_get_target (self, &error);

  if (target != NULL && self->state < MTV_JOB_VERIFYING)
    source = mtv_job_get_provider (self, self->record->source, &error);
  if (error == NULL)
    destination = mtv_job_get_provider (self, self->record->destination, &error);
  if (error != NULL)
    {
      mtv_job_done (self, NULL, error);
      return NULL;
    }

  MtvJobWork *work = g_new0 (MtvJobWork, 1);
  work->source = source == NULL ? NULL : MTV_SOURCE (g_object_ref (source));
  work->destination = MTV_DESTINATION (g_object_ref (destination));
  work->store = g_object_ref (self->context->store);
  work->target = target;
  work->warm = self->record->schedule.warm;
  return work;
}

void
mtv_job_work_run (MtvJob *self, const char *name, MtvWorkFunc func, MtvJobWork *work,
                  GAsyncReadyCallback callback)
{
  mtv_work_async (name, func, work, mtv_job_work_free, self, self->cancellable, callback, NULL);
}

gboolean
mtv_job_work_identify (MtvJobWork *work, GCancellable *cancellable, GError **error)
{
  MtvTarget *target = work->target;
  g_autofree char *identity
      = mtv_source_get_identity (work->source, target->vm, cancellable, error);

  if (identity == NULL)
    return FALSE;
  if (target->source_identity != NULL && !g_str_equal (target->source_identity, identity))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   "'%s' is not the same any more at its source as when its migration began",
                   target->vm->name);
      return FALSE;
    }
  g_free (target->source_identity);
  target->source_identity = g_steal_pointer (&identity);
  return TRUE;
}
