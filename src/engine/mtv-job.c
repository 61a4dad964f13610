/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "base/mtv-work.h"
#include "engine/mtv-job-private.h"
#include "store/mtv-store-objects.h"

G_DEFINE_FINAL_TYPE (MtvJob, mtv_job, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  SIGNAL_COMPLETED,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

/* How much room a job that found the destination full wants to see before it tries again. */
#define MIN_ROOM (1024 * 1024)
#define ENOUGH_ROOM (64 * 1024 * 1024)

static const char *const way[] = { "preparing", "allocating", "copying", "verifying", "defining" };

static void
mtv_job_dispose (GObject *object)
{
  MtvJob *self = MTV_JOB (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->ticker, g_source_remove);
  if (self->alarm != 0)
    mtv_clock_remove_alarm (self->context->clock, self->alarm);
  self->alarm = 0;
  if (self->context != NULL)
    mtv_scheduler_leave (self->context->scheduler, self);
  g_clear_object (&self->disks);
  g_clear_pointer (&self->target, mtv_target_free);

  G_OBJECT_CLASS (mtv_job_parent_class)->dispose (object);
}

static void
mtv_job_finalize (GObject *object)
{
  MtvJob *self = MTV_JOB (object);

  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->record, mtv_job_record_free);
  g_clear_pointer (&self->throttle, mtv_throttle_unref);
  g_free (self->plan_name);
  g_free (self->waiting);

  G_OBJECT_CLASS (mtv_job_parent_class)->finalize (object);
}

static void
mtv_job_class_init (MtvJobClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_job_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_job_finalize;

  signals[SIGNAL_CHANGED] = g_signal_new ("changed", MTV_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL, NULL,
                                          NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_COMPLETED] = g_signal_new ("completed", MTV_TYPE_JOB, G_SIGNAL_RUN_LAST, 0, NULL,
                                            NULL, NULL, G_TYPE_NONE, 0);
}

static void
mtv_job_init (MtvJob *self)
{
  self->cancellable = g_cancellable_new ();
}

MtvJob *
mtv_job_new (MtvEngineContext *context, MtvJobRecord *record, const char *plan_name,
             guint leftovers)
{
  MtvJob *self = g_object_new (MTV_TYPE_JOB, NULL);

  self->context = context;
  self->record = record;
  self->plan_name = g_strdup (plan_name);
  self->leftovers = leftovers;
  if (!mtv_cold_state_from_string (record->state, &self->state))
    self->state = MTV_COLD_FAILED; /* of a later version; it has nothing that can run */
  for (guint i = 0; i < G_N_ELEMENTS (way); i++)
    mtv_job_get_step (self, way[i]);
  return self;
}

void
mtv_job_changed (MtvJob *self)
{
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

void
mtv_job_set_waiting (MtvJob *self, const char *waiting)
{
  if (g_strcmp0 (self->waiting, waiting) == 0)
    return;
  if (self->waiting == NULL || waiting == NULL)
    self->waiting_since = waiting == NULL ? 0 : mtv_clock_now (self->context->clock);
  g_free (self->waiting);
  self->waiting = g_strdup (waiting);
}

MtvStepRecord *
mtv_job_get_step (MtvJob *self, const char *name)
{
  for (guint i = 0; i < self->record->steps->len; i++)
    {
      MtvStepRecord *step = g_ptr_array_index (self->record->steps, i);

      if (g_str_equal (step->name, name))
        return step;
    }

  MtvStepRecord *step = mtv_fields_new (&mtv_step_record_fields);
  step->name = g_strdup (name);
  step->state = g_strdup ("pending");
  g_ptr_array_add (self->record->steps, step);
  return step;
}

void
mtv_job_add_event (MtvJob *self, MtvStoreBatch *batch, const char *event, guint32 uid,
                   const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  mtv_store_add_event (batch, mtv_clock_now (self->context->clock), self->record->run_id,
                       self->record->number, event, text, uid);
}

static void
log_event (MtvJob *self, GLogLevelFlags level, const char *message_id, const char *text)
{
  MtvLogFields fields
      = { .run = self->record->run_id, .vm = self->record->name, .provider = self->record->source };

  mtv_log (level, message_id, &fields, "%s: %s", self->record->name, text);
}

/* Committing. */

typedef struct
{
  MtvJob *job;          /* (owned) */
  MtvStoreBatch *batch; /* (owned) to be tried again */
  gboolean cancelling;  /* what the record said in it */
  MtvJobFunc then;
} Commit;

static void start_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then);

static void
commit_again (gpointer user_data)
{
  Commit *commit = user_data;

  commit->job->alarm = 0;
  if (commit->cancelling != commit->job->cancelling) /* asked for meanwhile */
    mtv_store_put_job (commit->batch, commit->job->record);
  start_commit (commit->job, mtv_store_batch_ref (commit->batch), commit->then);
}

static void
commit_free (gpointer user_data)
{
  Commit *commit = user_data;

  mtv_store_batch_free (commit->batch);
  g_object_unref (commit->job);
  g_free (commit);
}

static void
commit_later (Commit *commit, const GError *error)
{
  MtvJob *self = commit->job;
  g_autofree char *text = g_strdup_printf ("waiting for the daemon's database: %s", error->message);

  mtv_job_set_waiting (self, text);
  self->suspended = TRUE;
  self->alarm = mtv_clock_add_alarm (self->context->clock,
                                     mtv_clock_now (self->context->clock)
                                         + self->context->settings.retry_interval_usec,
                                     commit_again, commit, commit_free);
  mtv_job_changed (self);
}

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Commit *commit = user_data;
  g_autoptr (MtvJob) self = g_object_ref (commit->job);
  g_autoptr (GError) error = NULL;

  gboolean committed = mtv_store_commit_finish (MTV_STORE (source), result, &error);
  if (!committed && !self->context->stopping)
    {
      commit_later (commit, error);
      return;
    }

  MtvJobFunc then = commit->then;
  gboolean tell = self->context->stopping || self->suspended;

  commit_free (commit);
  self->busy = FALSE;
  if (self->suspended)
    mtv_job_set_waiting (self, NULL);
  self->suspended = FALSE;
  if (!self->context->stopping)
    then (self);
  if (tell) /* who stops waits for this */
    mtv_job_changed (self);
}

static void
start_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then)
{
  Commit *commit = g_new0 (Commit, 1);

  commit->job = g_object_ref (self);
  commit->batch = mtv_store_batch_ref (batch);
  commit->cancelling = self->cancelling;
  commit->then = then;
  mtv_store_commit_async (self->context->store, batch, committed_cb, commit);
}

void
mtv_job_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then)
{
  g_return_if_fail (!self->busy);

  self->busy = TRUE;
  mtv_store_put_job (batch, self->record);
  start_commit (self, batch, then);
}

void
mtv_job_stop (MtvJob *self)
{
  g_cancellable_cancel (self->cancellable);
  if (self->alarm == 0)
    return;
  mtv_clock_remove_alarm (self->context->clock, self->alarm);
  self->alarm = 0;
  self->busy = FALSE; /* it waited to commit: that is left to the next process */
}

/* Transitions. */

static void
end_step (MtvJob *self, const char *state)
{
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);

  step->end_time = mtv_clock_now (self->context->clock);
  g_free (step->state);
  step->state = g_strdup (state);
}

static void
begin_step (MtvJob *self)
{
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);

  if (step->start_time == 0)
    step->start_time = mtv_clock_now (self->context->clock);
  g_free (step->state);
  step->state = g_strdup ("running");
}

/* "2.0 GiB in 7.2 s", of a step that moved data and has ended; else how long it took. */
static char *
describe_step (const MtvStepRecord *step)
{
  double seconds = (double) (step->end_time - step->start_time) / G_USEC_PER_SEC;
  g_autofree char *size = g_format_size_full (step->bytes_done, G_FORMAT_SIZE_IEC_UNITS);

  return step->bytes_total > 0 ? g_strdup_printf ("%s: %s in %.1f s", step->name, size, seconds)
                               : g_strdup_printf ("%s: %.1f s", step->name, seconds);
}

static char *
describe_end (const MtvJobRecord *record)
{
  if (record->error_text != NULL)
    return g_strdup_printf ("migration %s: %s", record->state, record->error_text);
  if (record->location != NULL)
    return g_strdup_printf ("migrated to %s", record->location);
  return g_strdup_printf ("migration %s", record->state);
}

static void
tell_end (MtvJob *self)
{
  static const struct
  {
    GLogLevelFlags level;
    const char *message_id;
  } how[] = {
    [MTV_COLD_SUCCEEDED] = { G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_SUCCEEDED },
    [MTV_COLD_FAILED] = { G_LOG_LEVEL_WARNING, MTV_MESSAGE_JOB_FAILED },
    [MTV_COLD_CANCELLED] = { G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_CANCELLED },
  };
  const MtvJobRecord *record = self->record;

  g_autofree char *text = describe_end (record);
  log_event (self, how[self->state].level, how[self->state].message_id, text);
  g_clear_object (&self->disks);
  g_clear_pointer (&self->target, mtv_target_free);
  mtv_scheduler_leave (self->context->scheduler, self);
  g_signal_emit (self, signals[SIGNAL_COMPLETED], 0);
}

static void
moved_on (MtvJob *self)
{
  mtv_cold_state_from_string (self->record->state, &self->state);
  mtv_job_set_waiting (self, NULL);
  if (!mtv_cold_state_is_final (self->state))
    mtv_job_enter (self);
  mtv_job_changed (self);
  if (mtv_cold_state_is_final (self->state)) /* last: it ends the run as well */
    tell_end (self);
}

static void
note_steps (MtvJob *self, MtvColdState next, MtvColdEvent event)
{
  if (self->state != MTV_COLD_QUEUED && self->state != MTV_COLD_CLEANING_UP
      && !mtv_cold_state_is_final (self->state))
    {
      gboolean skipped
          = event == MTV_COLD_CANCEL
            || (self->state == MTV_COLD_VERIFYING && g_str_equal (self->record->verify, "off"));

      end_step (self, event == MTV_COLD_FAIL ? "failed" : skipped ? "skipped" : "completed");
    }
  if (self->state == MTV_COLD_CLEANING_UP)
    end_step (self, "completed");
  g_free (self->record->state);
  self->record->state = g_strdup (mtv_cold_state_to_string (next));
  if (next != MTV_COLD_QUEUED && !mtv_cold_state_is_final (next))
    begin_step (self);
}

/* Commits the step that @event means, with what @batch (transfer full) has to say as well. */
static void
go (MtvJob *self, MtvColdEvent event, MtvStoreBatch *batch)
{
  MtvColdState next = self->state;

  if (!mtv_cold_next (self->state, event, &next))
    g_return_if_reached ();

  g_autofree char *left = g_strdup (self->record->state);
  note_steps (self, next, event);
  if (self->state == MTV_COLD_QUEUED && next == MTV_COLD_PREPARING && self->record->start_time == 0)
    {
      self->record->start_time = mtv_clock_now (self->context->clock);
      log_event (self, G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_STARTED, "migration started");
    }
  if (mtv_cold_state_is_final (next))
    {
      self->record->end_time = mtv_clock_now (self->context->clock);
      self->leftovers = 0;
    }
  g_autofree char *text = mtv_cold_state_is_final (next) ? describe_end (self->record)
                          : self->state == MTV_COLD_QUEUED || next == MTV_COLD_QUEUED
                              ? g_strdup ("")
                              : describe_step (mtv_job_get_step (self, left));
  mtv_job_add_event (self, batch, self->record->state, G_MAXUINT32, "%s", text);
  mtv_job_commit (self, batch, moved_on);
}

static void
slot_granted (gpointer user_data)
{
  MtvJob *self = user_data;

  if (!self->suspended) /* else the reason stands until there is progress */
    mtv_job_set_waiting (self, NULL);
  if (self->busy || self->context->stopping)
    return;
  if (self->state == MTV_COLD_QUEUED)
    go (self, MTV_COLD_OK, mtv_store_batch_new ());
  else
    mtv_job_enter (self);
  mtv_job_changed (self);
}

static void
place_moved (gpointer user_data)
{
  MtvJob *self = user_data;
  MtvProviderEntry *entry = g_hash_table_lookup (self->context->providers, self->record->source);
  g_autofree char *text = g_strdup_printf (
      "waiting for a slot on provider '%s', place %u in its queue",
      entry != NULL ? mtv_provider_entry_get_config (entry)->name : self->record->source,
      mtv_scheduler_get_place (self->context->scheduler, self));

  self->suspended = FALSE;
  mtv_job_set_waiting (self, text);
  mtv_job_changed (self);
}

void
mtv_job_enter (MtvJob *self)
{
  g_return_if_fail (!self->busy);

  if (self->context->stopping || mtv_cold_state_is_final (self->state))
    return;
  /* Asked for before a restart. A VM that may be defined already is not taken back. */
  if (g_strcmp0 (self->record->outcome, "cancelled") == 0
      && self->state < (self->cancelling ? MTV_COLD_CLEANING_UP : MTV_COLD_DEFINING))
    {
      go (self, MTV_COLD_CANCEL, mtv_store_batch_new ());
      return;
    }
  if (self->state != MTV_COLD_CLEANING_UP && !mtv_scheduler_has (self->context->scheduler, self))
    {
      mtv_scheduler_enter (self->context->scheduler, self, self->record->source,
                           self->state == MTV_COLD_QUEUED ? MTV_SCHEDULE_BEGIN
                                                          : MTV_SCHEDULE_RESUME,
                           slot_granted, place_moved, self);
      return;
    }
  if (self->state == MTV_COLD_QUEUED)
    return;
  self->suspended = FALSE;
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  mtv_cold_job_enter (self);
}

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
  else if (self->cancelling && self->state != MTV_COLD_CLEANING_UP)
    go (self, MTV_COLD_CANCEL, mtv_store_batch_new ());
  else if (!found)
    look_later (self);
  else
    {
      log_event (self, G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_RESUMED, "there is room again");
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
  if (!self->no_space || destination == NULL || self->state == MTV_COLD_CLEANING_UP)
    {
      mtv_job_enter (self);
      mtv_job_changed (self);
      return;
    }
  self->busy = TRUE;
  self->room_at = g_object_ref (destination);
  self->room_needed = CLAMP (total > done ? total - done : 0, MIN_ROOM,
                             self->state == MTV_COLD_PREPARING ? G_MAXUINT64 : ENOUGH_ROOM);
  mtv_work_async ("mtv-room", find_room, self, NULL, self, self->cancellable, room_cb, NULL);
}

/* What it knew of the way is read from the store again: a checkpoint may have failed. */
static void
suspend (MtvJob *self, GError *error)
{
  g_autofree char *text = g_strdup_printf ("waiting to try again: %s", error->message);

  if (g_strcmp0 (self->waiting, text) != 0)
    log_event (self, G_LOG_LEVEL_WARNING, MTV_MESSAGE_JOB_SUSPENDED, error->message);
  self->no_space = g_error_matches (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  self->suspended = TRUE;
  g_clear_object (&self->disks);
  g_clear_pointer (&self->target, mtv_target_free);
  mtv_job_set_waiting (self, text);
  mtv_scheduler_leave (self->context->scheduler, self);
  look_later (self);
  mtv_job_changed (self);
}

static void
fail (MtvJob *self, const GError *error)
{
  g_free (self->record->error_name);
  g_free (self->record->error_text);
  self->record->error_name = mtv_error_get_name (error);
  self->record->error_text = g_strdup (error->message);
  g_free (self->record->outcome);
  self->record->outcome = g_strdup ("failed");
  go (self, MTV_COLD_FAIL, mtv_store_batch_new ());
}

static void
cleaned_up (MtvJob *self, MtvStoreBatch *batch)
{
  gboolean cancelled = g_strcmp0 (self->record->outcome, "cancelled") == 0;

  go (self, cancelled ? MTV_COLD_CANCEL : MTV_COLD_FAIL, batch);
}

void
mtv_job_done (MtvJob *self, MtvStoreBatch *batch, GError *error)
{
  g_autoptr (MtvStoreBatch) owned_batch = batch != NULL ? batch : mtv_store_batch_new ();
  g_autoptr (GError) owned G_GNUC_UNUSED = error;

  self->busy = FALSE;
  if (self->context->stopping)
    mtv_job_changed (self);
  else if (self->state == MTV_COLD_CLEANING_UP && error == NULL)
    cleaned_up (self, g_steal_pointer (&owned_batch));
  else if (self->state == MTV_COLD_CLEANING_UP)
    suspend (self, error);
  /* A VM that is defined is not taken back by a request that came too late. */
  else if (self->cancelling && (error != NULL || self->state != MTV_COLD_DEFINING))
    go (self, MTV_COLD_CANCEL, mtv_store_batch_new ());
  else if (error == NULL)
    go (self, MTV_COLD_OK, g_steal_pointer (&owned_batch));
  else if (mtv_provider_error_is_transient (error)
           || g_error_matches (error, MTV_ERROR, MTV_ERROR_STORE))
    suspend (self, error);
  else
    fail (self, error);
}

/* Requests. */

static void
cancel_committed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (MtvJob) self = user_data;
  g_autoptr (GError) error = NULL;

  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    g_warning ("Cannot save the request to cancel '%s', ignoring: %s", self->record->name,
               error->message);
  self->requests--;
  if (self->context->stopping)
    mtv_job_changed (self);
  if (self->context->stopping || self->state >= MTV_COLD_CLEANING_UP)
    return;
  g_cancellable_cancel (self->cancellable);
  if (self->alarm != 0 && !self->busy)
    {
      mtv_clock_remove_alarm (self->context->clock, self->alarm);
      self->alarm = 0;
    }
  if (!self->busy)
    go (self, MTV_COLD_CANCEL, mtv_store_batch_new ());
}

gboolean
mtv_job_cancel (MtvJob *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  const char *text = mtv_cold_state_is_final (self->state) ? "has ended"
                     : self->cancelling                    ? "is being cancelled already"
                     : self->state == MTV_COLD_CLEANING_UP ? "is cleaning up already"
                                                           : NULL;
  if (text != NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The migration of '%s' %s",
                   self->record->name, text);
      return FALSE;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();

  self->cancelling = TRUE;
  self->requests++;
  g_free (self->record->outcome);
  self->record->outcome = g_strdup ("cancelled");
  mtv_job_add_event (self, batch, "cancel", uid, "cancelling was asked for");
  mtv_store_put_job (batch, self->record);
  mtv_store_commit_async (self->context->store, batch, cancel_committed, g_object_ref (self));
  mtv_job_changed (self);
  return TRUE;
}

static void
forget_result (MtvJobRecord *record)
{
  g_clear_pointer (&record->error_name, g_free);
  g_clear_pointer (&record->error_text, g_free);
  g_clear_pointer (&record->outcome, g_free);
  g_clear_pointer (&record->source_identity, g_free);
  record->start_time = record->end_time = 0;
  for (guint i = 0; i < record->steps->len; i++)
    mtv_fields_free (&mtv_step_record_fields, g_ptr_array_index (record->steps, i));
  g_ptr_array_set_size (record->steps, 0);
  for (guint i = 0; i < record->disks->len; i++)
    mtv_fields_free (&mtv_disk_record_fields, g_ptr_array_index (record->disks, i));
  g_ptr_array_set_size (record->disks, 0);
}

/* The VM as the inventory knows it now, if it still does: what made it fail may be mended. */
static void
refresh_vm (MtvJob *self)
{
  MtvProviderEntry *entry = g_hash_table_lookup (self->context->providers, self->record->source);
  MtvVm *vm = entry == NULL ? NULL : mtv_provider_entry_find_vm (entry, self->record->vm_id, NULL);

  if (vm == NULL)
    return;
  g_clear_pointer (&self->record->vm, g_variant_unref);
  self->record->vm = g_variant_ref_sink (mtv_vm_to_variant (vm));
}

gboolean
mtv_job_retry (MtvJob *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  MtvColdState next;

  if (self->busy || !mtv_cold_next (self->state, MTV_COLD_RETRY, &next))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                   "The migration of '%s' is '%s'; only one that failed or was cancelled can be "
                   "retried",
                   self->record->name, mtv_job_get_state (self));
      return FALSE;
    }
  if (!mtv_job_check_retry (self, error))
    return FALSE;

  MtvStoreBatch *batch = mtv_store_batch_new ();

  self->cancelling = FALSE;
  self->fresh = FALSE;
  forget_result (self->record);
  refresh_vm (self);
  for (guint i = 0; i < G_N_ELEMENTS (way); i++)
    mtv_job_get_step (self, way[i]);
  mtv_job_add_event (self, batch, "retry", uid, "another try was asked for");
  go (self, MTV_COLD_RETRY, batch);
  mtv_job_changed (self);
  return TRUE;
}
