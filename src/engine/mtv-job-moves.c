/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-moves.h"
#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "engine/mtv-job-idle.h"
#include "engine/mtv-power-off.h"
#include "engine/mtv-round.h"
#include "store/mtv-store-ledger.h"

static void
end_step (MtvJob *self, const char *state)
{
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);

  step->end_time = mtv_clock_now (self->context->clock);
  g_free (step->state);
  step->state = g_strdup (state);
}

/* A round has steps that an earlier one had, too: they tell of the last. */
static void
begin_step (MtvJob *self)
{
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);

  step->start_time = mtv_clock_now (self->context->clock);
  step->end_time = step->bytes_done = step->bytes_total = 0;
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
    [MTV_JOB_SUCCEEDED] = { G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_SUCCEEDED },
    [MTV_JOB_FAILED] = { G_LOG_LEVEL_WARNING, MTV_MESSAGE_JOB_FAILED },
    [MTV_JOB_CANCELLED] = { G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_CANCELLED },
  };
  const MtvJobRecord *record = self->record;

  g_autofree char *text = describe_end (record);
  mtv_job_log (self, how[self->state].level, how[self->state].message_id, text);
  g_clear_object (&self->disks);
  g_clear_pointer (&self->target, mtv_target_free);
  mtv_scheduler_leave (self->context->scheduler, self);
  mtv_job_completed (self);
}

static void
moved_on (MtvJob *self)
{
  mtv_job_state_from_string (self->record->state, &self->state);
  mtv_job_set_waiting (self, NULL);
  if (!mtv_job_state_is_final (self->state))
    mtv_job_enter (self);
  mtv_job_changed (self);
  if (mtv_job_state_is_final (self->state)) /* last: it ends the run as well */
    tell_end (self);
}

static const char *
get_step_end (MtvJob *self, MtvJobEvent event)
{
  if (self->state == MTV_JOB_CLEANING_UP)
    return "completed";
  if (event == MTV_JOB_FAIL || event == MTV_JOB_STAY)
    return "failed";
  return event == MTV_JOB_CANCEL
                 || (self->state == MTV_JOB_VERIFYING && g_str_equal (self->record->verify, "off"))
             ? "skipped"
             : "completed";
}

static void
note_steps (MtvJob *self, MtvJobState next, MtvJobEvent event)
{
  if (self->state != MTV_JOB_QUEUED && !mtv_job_state_is_final (self->state))
    end_step (self, get_step_end (self, event));
  g_free (self->record->state);
  self->record->state = g_strdup (mtv_job_state_to_string (next));
  if (next != MTV_JOB_QUEUED && !mtv_job_state_is_final (next))
    begin_step (self);
}

/* What the timeline says of the step to @next, from the one named @left. (transfer full) */
static char *
describe_move (MtvJob *self, MtvJobState next, MtvJobEvent event, const char *left)
{
  if (mtv_job_state_is_final (next))
    return describe_end (self->record);
  if (event == MTV_JOB_STAY)
    return g_strdup (self->why);
  return self->state == MTV_JOB_QUEUED || next == MTV_JOB_QUEUED
             ? g_strdup ("")
             : describe_step (mtv_job_get_step (self, left));
}

void
mtv_job_go (MtvJob *self, MtvJobEvent event, MtvStoreBatch *batch)
{
  MtvJobState next = self->state;

  if (!mtv_job_state_next (self->record->schedule.warm, self->state, event, &next))
    g_return_if_reached ();

  g_autofree char *left = g_strdup (self->record->state);
  note_steps (self, next, event);
  if (self->state == MTV_JOB_QUEUED && next == MTV_JOB_PREPARING && self->record->start_time == 0)
    {
      self->record->start_time = mtv_clock_now (self->context->clock);
      mtv_job_log (self, G_LOG_LEVEL_MESSAGE, MTV_MESSAGE_JOB_STARTED, "migration started");
    }
  if (mtv_job_state_is_final (next))
    {
      self->record->end_time = mtv_clock_now (self->context->clock);
      self->leftovers = 0;
    }
  g_autofree char *text = describe_move (self, next, event, left);
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
  if (self->state == MTV_JOB_QUEUED)
    mtv_job_go (self, MTV_JOB_OK, mtv_store_batch_new ());
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

/* Those with a VM that is shut down, or is about to be, before all others; then those that keep up
 * with one that runs. */
static MtvScheduleClass
get_class (MtvJob *self)
{
  if (self->state == MTV_JOB_QUEUED)
    return MTV_SCHEDULE_BEGIN;
  if (self->state >= MTV_JOB_POWERING_OFF
      || (self->state == MTV_JOB_IDLE && self->due == MTV_JOB_CUTOVER))
    return MTV_SCHEDULE_CUTOVER;
  return mtv_job_get_base (self) != NULL ? MTV_SCHEDULE_PRECOPY : MTV_SCHEDULE_RESUME;
}

void
mtv_job_queue (MtvJob *self)
{
  mtv_scheduler_enter (self->context->scheduler, self, self->record->source, get_class (self),
                       slot_granted, place_moved, self);
}

/* What removes something does not wait for others. */
static gboolean
needs_slot (MtvJobState state)
{
  return state != MTV_JOB_REMOVING_SNAPSHOT && state < MTV_JOB_FINAL_REMOVING;
}

void
mtv_job_enter (MtvJob *self)
{
  g_return_if_fail (!self->busy);

  if (self->context->stopping || mtv_job_state_is_final (self->state))
    return;
  /* Asked for before a restart. A VM that may be defined already is not taken back. */
  if (g_strcmp0 (self->record->outcome, "cancelled") == 0
      && self->state < (self->cancelling ? MTV_JOB_FINAL_REMOVING : MTV_JOB_DEFINING))
    {
      mtv_job_go (self, MTV_JOB_CANCEL, mtv_store_batch_new ());
      return;
    }
  if (self->state == MTV_JOB_IDLE)
    {
      mtv_job_idle (self);
      return;
    }
  if (needs_slot (self->state) && !mtv_scheduler_has (self->context->scheduler, self))
    {
      mtv_job_queue (self);
      return;
    }
  if (self->state == MTV_JOB_QUEUED)
    return;
  self->suspended = FALSE;
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  mtv_job_enter_state (self);
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
  mtv_job_go (self, MTV_JOB_FAIL, mtv_store_batch_new ());
}

static void
cleaned_up (MtvJob *self, MtvStoreBatch *batch)
{
  gboolean cancelled = g_strcmp0 (self->record->outcome, "cancelled") == 0;

  mtv_job_go (self, cancelled ? MTV_JOB_CANCEL : MTV_JOB_FAIL, batch);
}

/* A cold job whose VM may run has to shut it down before it copies. */
static MtvJobEvent
get_success (MtvJob *self)
{
  return !self->record->schedule.warm && self->state == MTV_JOB_ALLOCATING
                 && mtv_job_source_has (self, MTV_SOURCE_HAS_POWER)
             ? MTV_JOB_CUTOVER
             : MTV_JOB_OK;
}

/* The source is still the live side: what did not work this time does not cost the job what it has
 * copied so far. */
static gboolean
can_stay (MtvJob *self, const GError *error)
{
  MtvJobState next;

  return mtv_job_state_next (self->record->schedule.warm, self->state, MTV_JOB_STAY, &next)
         && (self->state == MTV_JOB_POWERING_OFF || mtv_round_can_give_up (self, error));
}

static void
stay (MtvJob *self, const GError *error)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  g_free (self->why);
  if (self->state == MTV_JOB_POWERING_OFF)
    {
      self->why = g_strdup_printf ("the cutover did not happen: %s", error->message);
      self->record->schedule.cutover_time = 0;
      self->record->off_time = 0; /* the power state stays: the guest may still obey, later */
      mtv_store_ledger_strike (batch, self->record->run_id, self->record->number, MTV_POWER_ENTRY,
                               self->record->vm_id);
      mtv_job_plan_round (self);
    }
  else
    self->why = g_strdup_printf ("a round was given up: %s", error->message);
  mtv_job_log (self, G_LOG_LEVEL_WARNING, MTV_MESSAGE_JOB_SUSPENDED, self->why);
  mtv_job_go (self, MTV_JOB_STAY, batch);
}

static gboolean
is_transient (MtvJob *self, const GError *error)
{
  return self->state == MTV_JOB_REMOVING_SNAPSHOT || self->state >= MTV_JOB_FINAL_REMOVING
         || mtv_provider_error_is_transient (error)
         || g_error_matches (error, MTV_ERROR, MTV_ERROR_STORE);
}

void
mtv_job_done (MtvJob *self, MtvStoreBatch *batch, GError *error)
{
  g_autoptr (MtvStoreBatch) owned_batch = batch != NULL ? batch : mtv_store_batch_new ();
  g_autoptr (GError) owned G_GNUC_UNUSED = error;

  self->busy = FALSE;
  if (self->context->stopping)
    mtv_job_changed (self);
  else if (self->state == MTV_JOB_CLEANING_UP && error == NULL)
    cleaned_up (self, g_steal_pointer (&owned_batch));
  /* A VM that is defined is not taken back by a request that came too late. */
  else if (self->cancelling
           && (self->state < MTV_JOB_DEFINING
               || (self->state == MTV_JOB_DEFINING && error != NULL)))
    mtv_job_go (self, MTV_JOB_CANCEL, mtv_store_batch_new ());
  else if (error == NULL)
    mtv_job_go (self, get_success (self), g_steal_pointer (&owned_batch));
  else if (is_transient (self, error))
    mtv_job_suspend (self, error);
  else if (can_stay (self, error))
    stay (self, error);
  else
    fail (self, error);
}
