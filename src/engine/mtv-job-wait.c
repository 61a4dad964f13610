/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "base/mtv-work.h"
#include "engine/mtv-job-moves.h"

/* How much room a job that found the destination full wants to see before it tries again. */
#define MIN_ROOM (1024 * 1024)
#define ENOUGH_ROOM (64 * 1024 * 1024)

static void look_again (gpointer user_data);

static void
look_later (MtvJob *self)
{
  self->alarm = mtv_clock_add_alarm (self->context->clock,
                                     mtv_clock_now (self->context->clock)
                                         + self->context->settings.retry_interval_usec,
                                     look_again, self, NULL);
}

static gboolean
find_room (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJob *self = data;
  g_autoptr (MtvProvider) destination = g_object_ref (self->room_at);

  if (mtv_destination_get_free_space (MTV_DESTINATION (destination), cancellable)
      >= self->room_needed)
    return TRUE;
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_NO_SPACE, "");
  return FALSE;
}

static void
room_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  gboolean found = mtv_work_finish (result, NULL);

  (void) user_data;
  self->busy = FALSE;
  g_clear_object (&self->room_at);
  if (self->context->stopping)
    mtv_job_changed (self);
  else if (self->cancelling && self->state < MTV_JOB_FINAL_REMOVING)
    mtv_job_go (self, MTV_JOB_CANCEL, mtv_store_batch_new ());
  else if (!found)
    look_later (self);
  else
    {
      mtv_job_log (self, G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_RESUMED, "there is room again");
      mtv_job_enter (self);
      mtv_job_changed (self);
    }
}

/* A full destination is asked for its free space before the work is begun again. */
static void
look_again (gpointer user_data)
{
  MtvJob *self = user_data;
  MtvProvider *destination = mtv_job_get_provider (self, self->record->destination, NULL);
  guint64 done = mtv_job_get_bytes_done (self), total = mtv_job_get_bytes_total (self);

  self->alarm = 0;
  if (!self->no_space || destination == NULL || self->state >= MTV_JOB_FINAL_REMOVING)
    {
      mtv_job_enter (self);
      mtv_job_changed (self);
      return;
    }
  self->busy = TRUE;
  self->room_at = g_object_ref (destination);
  self->room_needed = CLAMP (total > done ? total - done : 0, MIN_ROOM,
                             self->state == MTV_JOB_PREPARING ? G_MAXUINT64 : ENOUGH_ROOM);
  mtv_work_async ("mtv-room", find_room, self, NULL, self, self->cancellable, room_cb, NULL);
}

/* What it knew of the way is read from the store again: a checkpoint may have failed. */
void
mtv_job_suspend (MtvJob *self, const GError *error)
{
  g_autofree char *text = g_strdup_printf ("waiting to try again: %s", error->message);

  if (g_strcmp0 (self->waiting, text) != 0)
    mtv_job_log (self, G_LOG_LEVEL_WARNING, MTV_MESSAGE_JOB_SUSPENDED, error->message);
  self->no_space = g_error_matches (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  self->suspended = TRUE;
  g_clear_object (&self->disks);
  mtv_job_drop_target (self);
  mtv_job_set_waiting (self, text);
  mtv_scheduler_leave (self->context->scheduler, self);
  look_later (self);
  mtv_job_changed (self);
}
