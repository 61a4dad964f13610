/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "engine/mtv-job-idle.h"
#include "engine/mtv-job-moves.h"
#include "store/mtv-store-objects.h"

G_DEFINE_FINAL_TYPE (MtvJob, mtv_job, G_TYPE_OBJECT)

enum
{
  SIGNAL_CHANGED,
  SIGNAL_COMPLETED,
  SIGNAL_CUTOVER_READY,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static const char *const cold_way[]
    = { "preparing", "allocating", "powering-off", "copying", "verifying", "defining", NULL };
static const char *const warm_way[] = { "preparing",
                                        "allocating",
                                        "snapshotting",
                                        "precopying",
                                        "removing-snapshot",
                                        "idle",
                                        "powering-off",
                                        "final-snapshotting",
                                        "final-copying",
                                        "verifying",
                                        "defining",
                                        "final-removing",
                                        NULL };

static void
mtv_job_dispose (GObject *object)
{
  MtvJob *self = MTV_JOB (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->ticker, g_source_remove);
  mtv_job_forget_alarm (self);
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
  g_free (self->why);
  g_clear_pointer (&self->read_back, g_ptr_array_unref);

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
  signals[SIGNAL_CUTOVER_READY] = g_signal_new ("cutover-ready", MTV_TYPE_JOB, G_SIGNAL_RUN_LAST, 0,
                                                NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
}

static void
mtv_job_init (MtvJob *self)
{
  self->cancellable = g_cancellable_new ();
}

/* The steps that it will go, in order, for those who watch. */
static void
lay_out_steps (MtvJob *self)
{
  gboolean warm = self->record->schedule.warm;

  for (const char *const *name = warm ? warm_way : cold_way; *name != NULL; name++)
    if (warm || !g_str_equal (*name, "powering-off")
        || mtv_job_source_has (self, MTV_SOURCE_HAS_POWER))
      mtv_job_get_step (self, *name);
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
  if (!mtv_job_state_from_string (record->state, &self->state))
    self->state = MTV_JOB_FAILED; /* of a later version; it has nothing that can run */
  lay_out_steps (self);
  self->came_up = self->state == MTV_JOB_IDLE ? mtv_clock_now (context->clock) : 0;
  self->overdue = record->next_round != 0 && record->next_round < self->came_up;
  self->cutover_missed = self->state < MTV_JOB_POWERING_OFF && record->schedule.cutover_time != 0
                         && record->schedule.cutover_time + context->settings.cutover_grace_usec
                                < mtv_clock_now (context->clock);
  return self;
}

void
mtv_job_changed (MtvJob *self)
{
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

void
mtv_job_completed (MtvJob *self)
{
  g_signal_emit (self, signals[SIGNAL_COMPLETED], 0);
}

void
mtv_job_tell_ready (MtvJob *self, gboolean ready)
{
  if (self->cutover_ready == ready)
    return;
  self->cutover_ready = ready;
  g_signal_emit (self, signals[SIGNAL_CUTOVER_READY], 0, ready);
}

void
mtv_job_forget_alarm (MtvJob *self)
{
  if (self->alarm != 0)
    mtv_clock_remove_alarm (self->context->clock, self->alarm);
  self->alarm = 0;
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

void
mtv_job_log (MtvJob *self, GLogLevelFlags level, const char *message_id, const char *text)
{
  MtvLogFields fields
      = { .run = self->record->run_id, .vm = self->record->name, .provider = self->record->source };

  mtv_log (level, message_id, &fields, "%s: %s", self->record->name, text);
}

void
mtv_job_stop (MtvJob *self)
{
  g_cancellable_cancel (self->cancellable);
  if (self->alarm == 0)
    return;
  mtv_job_forget_alarm (self);
  self->busy = FALSE; /* it waited to commit: that is left to the next process */
}

/* Requests. */

static void
cancel_now (MtvJob *self)
{
  if (self->state >= MTV_JOB_FINAL_REMOVING)
    return;
  g_cancellable_cancel (self->cancellable);
  if (self->busy)
    return;
  mtv_job_forget_alarm (self);
  mtv_job_go (self, MTV_JOB_CANCEL, mtv_store_batch_new ());
}

gboolean
mtv_job_cancel (MtvJob *self, guint32 uid, GError **error)
{
  g_return_val_if_fail (MTV_IS_JOB (self), FALSE);

  const char *text
      = mtv_job_state_is_final (self->state) ? "has ended"
        : self->cancelling                   ? "is being cancelled already"
        : self->state == MTV_JOB_CLEANING_UP ? "is cleaning up already"
        : self->state == MTV_JOB_FINAL_REMOVING
            ? "has brought it over already, and only removes what is left at the source"
            : NULL;
  if (text != NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The migration of '%s' %s",
                   self->record->name, text);
      return FALSE;
    }

  self->cancelling = TRUE;
  g_free (self->record->outcome);
  self->record->outcome = g_strdup ("cancelled");
  mtv_job_request (self, cancel_now, "cancel", uid, "cancelling was asked for");
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
  for (guint i = 0; i < record->rounds->len; i++)
    mtv_fields_free (&mtv_round_record_fields, g_ptr_array_index (record->rounds, i));
  g_ptr_array_set_size (record->rounds, 0);
  g_clear_pointer (&record->power_state, g_free);
  record->off_time = record->downtime = record->predicted_downtime = record->next_round = 0;
  record->schedule.cutover_time = 0; /* was for that try */
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

  MtvJobState next;

  if (self->busy
      || !mtv_job_state_next (self->record->schedule.warm, self->state, MTV_JOB_RETRY, &next))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                   "The migration of '%s' is '%s'; only one that failed or was cancelled can be "
                   "retried",
                   self->record->name, mtv_job_get_state (self));
      return FALSE;
    }
  if (!mtv_job_check_retry (self, error)
      || !mtv_job_check_rivals (self->context, self->record->source, self->record->vm_id,
                                self->record->schedule.warm, error))
    return FALSE;

  MtvStoreBatch *batch = mtv_store_batch_new ();

  self->cancelling = FALSE;
  self->fresh = FALSE;
  g_clear_pointer (&self->read_back, g_ptr_array_unref);
  g_clear_pointer (&self->why, g_free);
  forget_result (self->record);
  refresh_vm (self);
  lay_out_steps (self);
  mtv_job_add_event (self, batch, "retry", uid, "another try was asked for");
  mtv_job_go (self, MTV_JOB_RETRY, batch);
  mtv_job_changed (self);
  return TRUE;
}
