/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-idle.h"
#include "engine/mtv-job-work.h"
#include "engine/mtv-round.h"
#include "store/mtv-store-objects.h"

/* How often progress is looked at; "changed" comes no more often than this. */
#define TICK_MSEC 500

/* How much progress is saved at a time, so that it does not fall when it is shown after a restart.
 */
#define SAVE_BYTES (256 * 1024 * 1024)

static void
saved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  (void) user_data;
  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    g_debug ("Cannot save progress, ignoring: %s", error->message);
}

static void
save_progress (MtvJob *self, guint64 done)
{
  MtvStoreBatch *batch;

  if (done < self->saved_done + SAVE_BYTES)
    return;
  self->saved_done = done;
  batch = mtv_store_batch_new ();
  mtv_store_put_job (batch, self->record);
  mtv_store_commit_async (self->context->store, batch, saved_cb, NULL);
}

static gboolean
tick (gpointer user_data)
{
  MtvJob *self = user_data;
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);
  guint64 done, total;

  mtv_disk_set_get_progress (self->disks, -1, &done, &total);
  step->bytes_total = MAX (total, done);
  step->bytes_done = MAX (step->bytes_done, done);
  mtv_round_note_progress (self);
  mtv_rate_add (&self->rate, mtv_clock_now (self->context->clock), done);
  if (done != self->ticked_done && !self->suspended)
    mtv_job_set_waiting (self, NULL);
  self->ticked_done = done;
  save_progress (self, done);
  mtv_job_changed (self);
  return G_SOURCE_CONTINUE;
}

void
mtv_job_start_disks (MtvJob *self, MtvJobWork *work)
{
  g_clear_object (&self->disks);
  self->disks = mtv_disk_set_new (self->target, work->source, work->destination,
                                  self->context->store, self->context->settings.max_disks_per_vm);
  mtv_disk_set_set_budget (self->disks, self->context->budget);
  if (self->state != MTV_JOB_FINAL_COPYING) /* nobody waits for that */
    mtv_job_throttle (self);
  mtv_rate_reset (&self->rate);
  self->saved_done = 0;
  g_clear_handle_id (&self->ticker, g_source_remove);
  self->ticker = g_timeout_add (TICK_MSEC, tick, self);
  mtv_job_work_free (work);
}

/* Of the disks as they arrive for the first time: what a later round brings stands there. */
static gboolean
is_first_copy (MtvJob *self)
{
  return self->state == MTV_JOB_COPYING
         || (self->state == MTV_JOB_PRECOPYING && mtv_job_get_base (self) == NULL);
}

static void
stop_ticking (MtvJob *self)
{
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);

  tick (self);
  g_clear_handle_id (&self->ticker, g_source_remove);
  for (guint i = 0; i < self->record->disks->len; i++)
    {
      MtvDiskRecord *disk = g_ptr_array_index (self->record->disks, i);

      guint64 done = disk->bytes_done;

      if (is_first_copy (self))
        mtv_disk_set_get_progress (self->disks, (gint) i, &disk->bytes_done, &disk->bytes_total);
      disk->bytes_done = MAX (disk->bytes_done, done);
      if (mtv_disk_set_get_state (self->disks, i) == MTV_DISK_DONE)
        *(self->state == MTV_JOB_VERIFYING ? &disk->verified : &disk->copied) = TRUE;
    }
  step->bytes_done = MIN (step->bytes_done, step->bytes_total);
}

gboolean
mtv_job_finish_disks (MtvJob *self, GAsyncResult *result, GError **error)
{
  gboolean good = mtv_disk_set_finish (self->disks, result, error);

  stop_ticking (self);
  return good;
}

static void
disks_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (MtvJob) self = user_data;
  GError *error = NULL;

  (void) source;
  mtv_job_finish_disks (self, result, &error);
  mtv_job_done (self, NULL, error);
}

static gboolean
still_the_same (gpointer data, GCancellable *cancellable, GError **error)
{
  return mtv_job_work_identify (data, cancellable, error);
}

static void
same_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  GError *error = NULL;
  MtvJobWork *work = NULL;

  (void) user_data;
  if (!mtv_work_finish (result, &error))
    mtv_job_done (self, NULL, error);
  else if ((work = mtv_job_work_new (self)) != NULL)
    {
      mtv_job_start_disks (self, work);
      mtv_disk_set_copy_async (self->disks, self->fresh, !g_str_equal (self->record->verify, "off"),
                               self->cancellable, disks_cb, g_object_ref (self));
      self->fresh = FALSE;
    }
}

/* Entered after a restart as well: what was copied before is worth nothing if the source changed.
 */
void
mtv_job_copy (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work != NULL)
    mtv_job_work_run (self, "mtv-identify", still_the_same, work, same_cb);
}

void
mtv_job_verify (MtvJob *self)
{
  if (g_str_equal (self->record->verify, "off"))
    {
      mtv_job_done (self, NULL, NULL);
      return;
    }

  MtvJobWork *work = mtv_job_work_new (self);
  if (work == NULL)
    return;
  mtv_job_start_disks (self, work);
  mtv_disk_set_verify_async (self->disks, g_str_equal (self->record->verify, "full"),
                             self->cancellable, disks_cb, g_object_ref (self));
}
