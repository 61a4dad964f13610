/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-idle.h"

#include "engine/mtv-job-moves.h"
#include "engine/mtv-round-plan.h"

/* What defining a VM takes, for what is expected of a cutover. */
#define DEFINE_USEC ((guint64) G_USEC_PER_SEC)

/* How far ahead is looked where nothing else is due. */
#define LONGEST_USEC (24 * 3600 * (guint64) G_USEC_PER_SEC)

/* A warm job between its rounds. */

static gboolean
has_points_left (MtvJob *self)
{
  return self->record->rounds->len + 1 < self->context->settings.max_snapshots;
}

/* The jobs whose rounds fell due while we were down. */
static guint
count_overdue (MtvJob *self)
{
  guint n = 0;

  for (guint i = 0; i < self->context->migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context->migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        n += ((MtvJob *) g_ptr_array_index (jobs, j))->overdue;
    }
  return n;
}

static MtvReadinessCosts
get_costs (MtvJob *self)
{
  MtvReadinessCosts costs = { .fixed = DEFINE_USEC, .without_removal = TRUE };

  for (guint i = 0; i < self->record->disks->len; i++)
    costs.size += ((MtvDiskRecord *) g_ptr_array_index (self->record->disks, i))->size;
  return costs;
}

void
mtv_job_plan_round (MtvJob *self)
{
  const MtvJobRecord *record = self->record;
  const MtvRoundRecord *last = record->rounds->len == 0
                                   ? NULL
                                   : g_ptr_array_index (record->rounds, record->rounds->len - 1);
  MtvRoundSettings settings = {
    .interval = mtv_job_get_interval (self),
    .interval_auto = record->schedule.interval_auto,
    .max_downtime = mtv_job_get_max_downtime (self),
    .cutover_time = self->cutover_missed ? 0 : record->schedule.cutover_time,
    .paused = record->paused,
    .max_points = self->context->settings.max_snapshots,
    .costs = get_costs (self),
    .planned = record->next_round,
    .restarted = self->came_up,
    .n_overdue = count_overdue (self),
    .run_id = record->run_id,
    .number = record->number,
  };

  if (record->paused || !has_points_left (self))
    self->record->next_round = 0;
  else if (last != NULL && last->copied_time == 0) /* it came to nothing */
    self->record->next_round = last->removed_time + self->context->settings.retry_interval_usec;
  else
    self->record->next_round
        = mtv_round_plan (record->rounds, mtv_clock_now (self->context->clock), &settings).due;
}

/* It is ready until so much has changed that it is not; the next round brings it back. */
static gboolean
is_ready_at (MtvJob *self, guint64 at)
{
  MtvReadinessCosts costs = get_costs (self);
  MtvPrediction prediction = mtv_readiness_predict (self->record->rounds, at, &costs);

  return mtv_readiness_is_ready (&prediction, mtv_job_get_max_downtime (self), self->cutover_ready);
}

/* When "ready" is to be taken back; @until: not before that. */
static guint64
find_end_of_ready (MtvJob *self, guint64 now, guint64 until)
{
  guint64 low = now, high = until;

  if (!self->cutover_ready || is_ready_at (self, until))
    return until;
  while (high - low > G_USEC_PER_SEC)
    {
      guint64 middle = low + (high - low) / 2;

      if (is_ready_at (self, middle))
        low = middle;
      else
        high = middle;
    }
  return high;
}

static void
predict (MtvJob *self)
{
  guint64 now = mtv_clock_now (self->context->clock);
  MtvReadinessCosts costs = get_costs (self);

  self->prediction = mtv_readiness_predict (self->record->rounds, now, &costs);
  mtv_job_tell_ready (self, is_ready_at (self, now));
}

/* When a cutover is due that can be gone for; 0: none. Without a whole copy there is nothing to
 * shut a VM down for. */
static guint64
get_cutover (MtvJob *self)
{
  return self->record->paused || self->cutover_missed || mtv_job_get_base (self) == NULL
             ? 0
             : self->record->schedule.cutover_time;
}

static void
tell_waiting (MtvJob *self)
{
  const char *text = "waiting for the next round";

  if (self->why != NULL)
    text = self->why;
  else if (self->record->paused)
    text = "paused";
  else if (self->cutover_missed)
    text = "the time of its cutover passed while mtvd was not running; ask for it again";
  else if (!has_points_left (self))
    text = "all snapshots but the last are used: waiting for the cutover";
  mtv_job_set_waiting (self, text);
}

static void
idle_again (gpointer user_data)
{
  MtvJob *self = user_data;

  self->alarm = 0;
  mtv_job_idle (self);
  mtv_job_changed (self);
}

static void
set_off (MtvJob *self)
{
  if (self->due == MTV_JOB_CUTOVER)
    {
      self->record->predicted_downtime = self->prediction.likely;
      mtv_job_tell_ready (self, FALSE);
    }
  mtv_job_forget_alarm (self);
  self->record->next_round = self->came_up = 0;
  self->overdue = FALSE;
  g_clear_pointer (&self->why, g_free);
  mtv_job_go (self, self->due, mtv_store_batch_new ());
}

/* It is due: with a slot it goes, for which the VM does not wait shut down. */
static void
take_slot (MtvJob *self, MtvJobEvent event)
{
  MtvScheduler *scheduler = self->context->scheduler;

  if (mtv_scheduler_has (scheduler, self) && !mtv_scheduler_has_slot (scheduler, self)
      && event != self->due)
    mtv_scheduler_leave (scheduler, self);
  self->due = event;
  if (mtv_scheduler_has_slot (scheduler, self))
    set_off (self);
  else if (!mtv_scheduler_has (scheduler, self))
    mtv_job_queue (self);
}

static void
wait_for (MtvJob *self, guint64 next)
{
  guint64 now = mtv_clock_now (self->context->clock);
  guint64 at = find_end_of_ready (self, now, next != 0 ? next : now + LONGEST_USEC);

  mtv_scheduler_leave (self->context->scheduler, self);
  tell_waiting (self);
  if (next != 0 || at < now + LONGEST_USEC)
    self->alarm = mtv_clock_add_alarm (self->context->clock, at, idle_again, self, NULL);
}

void
mtv_job_idle (MtvJob *self)
{
  guint64 now = mtv_clock_now (self->context->clock), cutover = get_cutover (self), round;

  mtv_job_forget_alarm (self);
  self->suspended = FALSE;
  g_clear_object (&self->disks);
  mtv_job_drop_target (self);
  mtv_job_plan_round (self);
  predict (self);
  round = self->record->next_round;
  if (cutover != 0 && cutover <= now)
    take_slot (self, MTV_JOB_CUTOVER);
  else if (round != 0 && round <= now)
    {
      if (cutover != 0) /* it does not wait behind rounds */
        self->alarm = mtv_clock_add_alarm (self->context->clock, cutover, idle_again, self, NULL);
      take_slot (self, MTV_JOB_TICK);
    }
  else
    wait_for (self, cutover != 0 && (round == 0 || cutover < round) ? cutover : round);
}

static gboolean
is_idle (MtvJob *self)
{
  return !self->busy && self->state == MTV_JOB_IDLE && !self->context->stopping;
}

void
mtv_job_replan (MtvJob *self)
{
  if (is_idle (self))
    mtv_job_plan_round (self);
}

void
mtv_job_reconsider (MtvJob *self)
{
  if (!is_idle (self))
    return;
  mtv_job_idle (self);
  mtv_job_changed (self);
}
