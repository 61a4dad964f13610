/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-round-plan.h"

#include <math.h>

#define SECOND ((guint64) G_USEC_PER_SEC)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

#define LEAST_GAP MINUTE
#define AUTO_UNKNOWN (5 * MINUTE)
#define AUTO_MOST (24 * HOUR)
#define STAGGER_MOST (10 * MINUTE)
#define LAST_GAP (5 * MINUTE) /* from the last round to the cutover, about */
#define MARGIN (30 * SECOND)  /* what the last round before a cutover is earlier than it need be */
#define FEW_LEFT 8
#define KEPT_FOR_CUTOVER 4

/* What all the steps below look at. */
typedef struct
{
  const GPtrArray *rounds;
  const MtvRoundSettings *settings;
  guint64 now;
  guint64 end;       /* of the last copy; not after now */
  gboolean set_back; /* the clock was: the copy ended after now */
  guint left;
} Plan;

static guint64
get_end (const MtvRoundRecord *round)
{
  return MAX (MAX (round->start_time, round->snapshot_time), round->copied_time);
}

/* What a whole round costs, and not a cutover. */
static MtvPrediction
predict_round (const Plan *self, guint64 at)
{
  MtvReadinessCosts costs = { .size = self->settings->costs.size };

  return mtv_readiness_predict (self->rounds, at, &costs);
}

static gboolean
is_too_long (const Plan *self, guint64 interval)
{
  MtvPrediction prediction
      = mtv_readiness_predict (self->rounds, self->end + interval, &self->settings->costs);

  /* A fifth is kept for what is not as before. */
  return prediction.high > self->settings->max_downtime / 5 * 4;
}

/* Whether it takes longer to copy what changes in @interval than to get there. */
static gboolean
is_worth (const Plan *self, guint64 interval)
{
  guint64 nothing = predict_round (self, mtv_readiness_get_base (self->rounds)).likely;

  return nothing == 0 || predict_round (self, self->end + interval).likely >= 2 * nothing;
}

/* The longest interval for which @test does not hold, as it does for all longer ones. */
static guint64
find_last (const Plan *self, gboolean (*test) (const Plan *self, guint64 interval))
{
  guint64 low = LEAST_GAP, high = AUTO_MOST;

  if (test (self, low))
    return low;
  if (!test (self, high))
    return high;
  while (high - low > SECOND)
    {
      guint64 middle = low + (high - low) / 2;

      if (test (self, middle))
        high = middle;
      else
        low = middle;
    }
  return low;
}

static guint64
get_auto_interval (const Plan *self)
{
  if (predict_round (self, self->end).likely == 0)
    return AUTO_UNKNOWN;
  return MAX (find_last (self, is_too_long), find_last (self, is_worth));
}

/* The interval, with a view to how many rounds are left. */
static guint64
get_interval (const Plan *self)
{
  const MtvRoundSettings *settings = self->settings;
  guint64 interval = settings->interval_auto ? get_auto_interval (self) : settings->interval;

  interval = CLAMP (interval, LEAST_GAP, G_MAXUINT64 / 64);
  if (settings->cutover_time > self->end)
    {
      guint64 until = settings->cutover_time - self->end;

      return MAX (interval,
                  self->left > KEPT_FOR_CUTOVER ? until / (self->left - KEPT_FOR_CUTOVER) : until);
    }
  return self->left <= FEW_LEFT ? interval * (FEW_LEFT + 2 - self->left) : interval;
}

/* From 0 to below @most, far apart for jobs that follow each other, and always the same for one. */
static guint64
stagger (const MtvRoundSettings *settings, guint64 most)
{
  guint64 hash = (g_str_hash (settings->run_id) + settings->number)
                 * G_GUINT64_CONSTANT (0x9e3779b97f4a7c15);

  return (guint64) ((double) (hash >> 32) / 4294967296.0 * (double) most);
}

static guint64
find_overdue (const Plan *self, guint64 due, guint64 interval)
{
  const MtvRoundSettings *settings = self->settings;

  if (due >= settings->restarted || settings->restarted > self->now || settings->n_overdue < 2)
    return due;
  return settings->restarted + stagger (settings, MIN (interval, STAGGER_MOST));
}

/* How much of @until goes by before the next round: half of it, or more where there are not enough
 * rounds to come down to a few minutes that way. */
static guint64
get_share (const Plan *self, guint64 until)
{
  double parts = pow ((double) until / LAST_GAP, 1.0 / self->left);

  return until - (guint64) ((double) until / MAX (parts, 2));
}

/* @due, or what is better with the cutover in view; 0: nothing is. */
static guint64
converge (const Plan *self, guint64 due)
{
  guint64 cutover = self->settings->cutover_time, until = cutover - self->end;
  guint64 takes = predict_round (self, cutover).high;

  if (!is_worth (self, until))
    return due + MARGIN < cutover ? due : 0;
  if (takes == 0) /* not known yet */
    takes = MAX (LEAST_GAP, until / 8);

  guint64 early = takes + takes / 4 + MARGIN;
  guint64 last = cutover > early ? cutover - early : 0;
  due = MIN (due, MIN (self->end + get_share (self, until), last));
  due = MAX (due, self->end + LEAST_GAP);
  /* An alarm may be a little late. */
  return MAX (due, self->now) + takes <= cutover ? due : 0;
}

static gboolean
has_copy (const GPtrArray *rounds)
{
  for (guint i = 0; i < rounds->len; i++)
    if (((MtvRoundRecord *) rounds->pdata[i])->copied_time > 0)
      return TRUE;
  return FALSE;
}

static guint64
find_due (const Plan *self, guint64 interval)
{
  guint64 cutover = self->settings->cutover_time;

  if (!has_copy (self->rounds))
    return self->end + LEAST_GAP;
  if (cutover > 0 && cutover <= self->now)
    return 0;

  guint64 due = find_overdue (self, self->end + interval, interval);
  return cutover > self->end ? converge (self, due) : due;
}

MtvRoundPlan
mtv_round_plan (const GPtrArray *rounds, guint64 now, const MtvRoundSettings *settings)
{
  MtvRoundPlan plan = { 0 };
  guint points = MTV_ROUND_MAX_POINTS;
  Plan self = { .rounds = rounds, .settings = settings, .now = now };

  g_return_val_if_fail (rounds != NULL && settings != NULL && settings->run_id != NULL, plan);

  if (settings->max_points > 0)
    points = MIN (points, settings->max_points);
  if (rounds->len + 1 < points)
    plan.left = points - 1 - rounds->len;
  if (settings->paused || plan.left == 0)
    return plan;
  if (rounds->len == 0)
    {
      plan.due = now;
      return plan;
    }

  guint64 end = get_end (rounds->pdata[rounds->len - 1]);
  self.left = plan.left;
  self.set_back = end > now;
  self.end = MIN (end, now);
  plan.interval = get_interval (&self);
  plan.due = find_due (&self, plan.interval);
  /* Counted from a now that moves on, it would never come. */
  if (self.set_back && plan.due > 0 && settings->planned > 0)
    plan.due = MIN (plan.due, settings->planned);
  return plan;
}
