/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-power-off.h"

#include "base/mtv-error.h"
#include "engine/mtv-job-work.h"
#include "store/mtv-store-ledger.h"

/* How often a VM that goes down is looked at. */
#define LOOK_USEC (2 * (guint64) G_USEC_PER_SEC)

/* What one that was switched off has to be seen off. */
#define FORCE_USEC (60 * (guint64) G_USEC_PER_SEC)

static void look (MtvJob *self);

static gboolean
policy_is (MtvJob *self, const char *policy)
{
  return g_strcmp0 (self->record->schedule.shutdown, policy) == 0;
}

/* The wait began with the state, also for a later process. */
static guint64
get_deadline (MtvJob *self)
{
  const MtvSchedule *schedule = &self->record->schedule;

  return mtv_job_get_step (self, "powering-off")->start_time
         + (schedule->shutdown_timeout > 0 ? schedule->shutdown_timeout
                                           : self->context->settings.shutdown_timeout_usec);
}

guint64
mtv_power_off_get_deadline (MtvJob *self)
{
  return self->record->off_time != 0 || self->record->power_state == NULL
                 || policy_is (self, "manual")
             ? 0
             : get_deadline (self);
}

static void
done (MtvJob *self, GError *error)
{
  mtv_job_drop_target (self); /* it knows of the power */
  mtv_job_done (self, NULL, error);
}

static void
look_again (gpointer user_data)
{
  MtvJob *self = user_data;

  self->alarm = 0;
  self->busy = TRUE;
  look (self);
}

static void
look_later (MtvJob *self)
{
  guint64 now = mtv_clock_now (self->context->clock), deadline = get_deadline (self);
  g_autofree char *text
      = g_strdup_printf ("waiting for '%s' to %s, %" G_GUINT64_FORMAT " s left", self->record->name,
                         policy_is (self, "manual") ? "be shut down by somebody" : "shut down",
                         deadline > now ? (deadline - now) / G_USEC_PER_SEC : 0);

  mtv_job_set_waiting (self, text);
  self->busy = FALSE;
  self->alarm = mtv_clock_add_alarm (self->context->clock, now + LOOK_USEC, look_again, self, NULL);
  mtv_job_changed (self);
}

static gboolean
shut_down (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJobWork *work = data;

  return mtv_source_shut_down (work->source, work->target->vm, work->force, cancellable, error);
}

static void
asked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  GError *error = NULL;

  (void) user_data;
  if (!mtv_work_finish (result, &error))
    {
      /* A guest that cannot be asked will not have been heard by the deadline either. */
      if (!self->forced && policy_is (self, "guest-then-force") && !self->cancelling
          && g_error_matches (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED))
        {
          g_clear_error (&error);
          self->forced = TRUE;
          self->asked_off = FALSE;
          look (self);
          return;
        }
      if (g_error_matches (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED)) /* it never heard of it */
        g_clear_pointer (&self->record->power_state, g_free);
      done (self, error);
    }
  else if (self->cancelling || self->context->stopping)
    mtv_job_done (self, NULL, NULL);
  else
    look_later (self);
}

static void
ask (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work == NULL)
    return;
  work->force = self->forced;
  self->asked_off = TRUE;
  self->busy = TRUE;
  mtv_job_work_run (self, "mtv-shut-down", shut_down, work, asked_cb);
}

/* It is on, and nobody is asking at the moment. */
static void
still_on (MtvJob *self)
{
  guint64 now = mtv_clock_now (self->context->clock), deadline = get_deadline (self);
  gboolean may_force = policy_is (self, "guest-then-force");

  if (self->cancelling)
    {
      mtv_job_done (self, NULL, NULL);
      return;
    }
  if (now >= deadline + (self->forced ? FORCE_USEC : 0) && (self->forced || !may_force))
    {
      guint64 seconds
          = (now - mtv_job_get_step (self, "powering-off")->start_time) / G_USEC_PER_SEC;

      done (self, g_error_new (MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
                               "'%s' was not shut down within %" G_GUINT64_FORMAT " s",
                               self->record->name, seconds));
      return;
    }
  if (may_force && now >= deadline && !self->forced)
    {
      self->forced = TRUE;
      self->asked_off = FALSE;
    }
  if (self->asked_off || policy_is (self, "manual"))
    look_later (self);
  else
    ask (self);
}

/* The power that it had before is for the destination, and for the way back. */
static void
begin (MtvJob *self, MtvPower power)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  if (self->record->power_state == NULL)
    self->record->power_state = g_strdup (power == MTV_POWER_ON ? "on" : "suspended");
  self->intended_off = TRUE;
  if (!policy_is (self, "manual"))
    {
      mtv_store_ledger_intend (batch, self->record->run_id, self->record->number,
                               self->record->source, MTV_POWER_ENTRY, self->record->vm_id);
      self->leftovers++;
    }
  self->busy = FALSE;
  mtv_job_commit (self, batch, still_on);
}

/* Off: from now on the disks stay as they are, and have an identity. */
static void
is_off (MtvJob *self, const MtvJobWork *work)
{
  MtvJobRecord *record = self->record;

  if (record->power_state == NULL)
    record->power_state = g_strdup ("off");
  if (record->off_time == 0)
    record->off_time = mtv_clock_now (self->context->clock);
  g_free (record->source_identity);
  record->source_identity = g_strdup (work->target->source_identity);
  done (self, NULL);
}

static gboolean
find_power (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJobWork *work = data;

  if (!mtv_source_get_power (work->source, work->target->vm, &work->power, cancellable, error))
    return FALSE;
  if (work->power != MTV_POWER_OFF || work->warm)
    return TRUE;
  g_clear_pointer (&work->target->source_identity, g_free);
  return mtv_job_work_identify (work, cancellable, error);
}

static void
looked_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  MtvJobWork *work = mtv_work_get_data (result);
  GError *error = NULL;

  (void) user_data;
  if (!mtv_work_finish (result, &error))
    done (self, error);
  else if (work->power == MTV_POWER_OFF)
    is_off (self, work);
  else if (self->cancelling || self->context->stopping)
    mtv_job_done (self, NULL, NULL);
  else if (!self->intended_off)
    begin (self, work->power);
  else
    still_on (self);
}

static void
look (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work != NULL)
    mtv_job_work_run (self, "mtv-power", find_power, work, looked_cb);
}

void
mtv_power_off (MtvJob *self)
{
  self->intended_off = self->asked_off = FALSE;
  self->forced = policy_is (self, "force");
  look (self);
}
