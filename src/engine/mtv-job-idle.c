/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-private.h"

/* A warm job between its rounds. */

static gboolean
has_points_left (MtvJob *self)
{
  return self->record->rounds->len + 1 < self->context->settings.max_snapshots;
}

/* How many jobs have their round overdue since we came up, and which of them this is: they must not
 * all begin at once. */
static guint64
stagger (MtvJob *self)
{
  guint64 spread = MIN (mtv_job_get_interval (self), 600 * (guint64) G_USEC_PER_SEC);
  guint hash = g_str_hash (self->record->run_id) + self->record->number * 2654435761U;

  return spread / 64 * (hash % 64);
}

void
mtv_job_plan_round (MtvJob *self)
{
  const MtvRoundRecord *base = mtv_job_get_base (self);
  guint64 now = mtv_clock_now (self->context->clock);
  GPtrArray *rounds = self->record->rounds;
  const MtvRoundRecord *last
      = rounds->len == 0 ? NULL : g_ptr_array_index (rounds, rounds->len - 1);

  if (self->record->paused || !has_points_left (self))
    self->record->next_round = 0;
  else if (last == NULL || last->copied_time == 0) /* it came to nothing */
    self->record->next_round = now + self->context->settings.retry_interval_usec;
  else
    self->record->next_round = MIN (MAX (base->copied_time, now - mtv_job_get_interval (self)), now)
                               + mtv_job_get_interval (self);
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
    self->record->predicted_downtime = self->prediction.likely;
  self->record->next_round = 0;
  self->came_up = FALSE;
  g_clear_pointer (&self->why, g_free);
  mtv_job_go (self, self->due, mtv_store_batch_new ());
}

/* It is due: with a slot it goes, for which the VM does not wait shut down. */
static void
take_slot (MtvJob *self, MtvJobEvent event)
{
  MtvScheduler *scheduler = self->context->scheduler;

  if (mtv_scheduler_has (scheduler, self) && event != self->due)
    mtv_scheduler_leave (scheduler, self);
  self->due = event;
  if (mtv_scheduler_has_slot (scheduler, self))
    set_off (self);
  else if (!mtv_scheduler_has (scheduler, self))
    mtv_job_queue (self);
}

void
mtv_job_idle (MtvJob *self)
{
  guint64 now = mtv_clock_now (self->context->clock);
  guint64 cutover = get_cutover (self);
  guint64 round
      = self->record->paused || !has_points_left (self) ? 0 : MAX (self->record->next_round, 1);

  mtv_job_forget_alarm (self);
  self->suspended = FALSE;
  g_clear_object (&self->disks);
  mtv_job_drop_target (self);
  if (self->came_up && round > 0 && round <= now)
    {
      round = self->record->next_round = now + stagger (self);
      self->came_up = FALSE;
    }
  if (cutover != 0 && cutover <= now)
    take_slot (self, MTV_JOB_CUTOVER);
  else if (round != 0 && round <= now)
    take_slot (self, MTV_JOB_TICK);
  else
    {
      guint64 next = cutover != 0 && (round == 0 || cutover < round) ? cutover : round;

      mtv_scheduler_leave (self->context->scheduler, self);
      tell_waiting (self);
      if (next != 0)
        self->alarm = mtv_clock_add_alarm (self->context->clock, next, idle_again, self, NULL);
    }
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
