/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-readiness.h"

#include <math.h>

#define DECAY 0.7           /* what a round counts of the one after it */
#define SHUTDOWN_LIKELY 1e6 /* bytes that a guest writes as it goes down: logs, caches */
#define SHUTDOWN_HIGH 16e6
#define LEAST_COPY 0.01 /* seconds, below which differences mean nothing */

/* Weighted mean and spread. */
typedef struct
{
  double weight, mean, squares;
  guint n;
} Stats;

/* Copying takes @start and then @per_byte (both in seconds). */
typedef struct
{
  double start, per_byte;
  double spread; /* of what it took, in parts of what was expected */
} CopyFit;

typedef struct
{
  double low, likely, high;
} Bounds;

static void
stats_add (Stats *self, double value, double weight)
{
  double off = value - self->mean;

  self->n++;
  self->weight += weight;
  self->mean += off * weight / self->weight;
  self->squares += weight * off * (value - self->mean);
}

/* One value tells nothing of the spread: it is taken for as large as the mean, which counts for
 * less and less with each further value. */
static double
stats_get_spread (const Stats *self)
{
  double doubt = self->n > 0 ? 1.0 / ((double) self->n * self->n) : 0;

  return self->n == 0
             ? 0
             : sqrt ((self->squares + doubt * self->mean * self->mean) / (self->weight + doubt));
}

static Bounds
stats_get_bounds (const Stats *self)
{
  double twice = 2 * stats_get_spread (self);

  return (Bounds){ MAX (self->mean - twice, self->mean / 4), self->mean, self->mean + twice };
}

static double
seconds (guint64 from, guint64 to)
{
  return from == 0 || to <= from ? 0 : (double) (to - from) / G_USEC_PER_SEC;
}

/* Whose changes are known, and in which time they came about: not in the first round, nor where the
 * source could not tell. A round that was not copied to its end is not what the next one is
 * compared with. */
static double
get_change_span (const GPtrArray *rounds, guint i)
{
  const MtvRoundRecord *round = rounds->pdata[i];

  if (round->compared || round->final || round->snapshot_time == 0)
    return 0;
  for (guint j = i; j-- > 0;)
    {
      const MtvRoundRecord *before = rounds->pdata[j];

      if (before->copied_time > 0)
        return seconds (before->snapshot_time, round->snapshot_time);
    }
  return 0;
}

static void
collect_changes (const GPtrArray *rounds, Stats *rates, Stats *spans)
{
  double weight = 1;

  for (guint i = rounds->len; i-- > 0;)
    {
      const MtvRoundRecord *round = rounds->pdata[i];
      double span = get_change_span (rounds, i);

      if (span < 1)
        continue;
      stats_add (rates, (double) round->bytes_changed / span, weight);
      stats_add (spans, span, weight);
      weight *= DECAY;
    }
}

static double
get_copy_seconds (const MtvRoundRecord *round)
{
  return seconds (round->snapshot_time, round->copied_time);
}

static double
copy_seconds (const CopyFit *fit, double bytes)
{
  return fit->start + fit->per_byte * bytes;
}

/* The line through the rounds, by least squares; through the origin if it would go up to the left
 * or begin below 0. */
static gboolean
fit_copies (const GPtrArray *rounds, CopyFit *fit)
{
  Stats sizes = { 0 }, times = { 0 };
  double weight = 1, both = 0;

  for (guint i = rounds->len; i-- > 0;)
    {
      const MtvRoundRecord *round = rounds->pdata[i];
      double took = get_copy_seconds (round), off = (double) round->bytes_changed - sizes.mean;

      if (took <= 0)
        continue;
      stats_add (&sizes, (double) round->bytes_changed, weight);
      stats_add (&times, took, weight);
      both += weight * off * (took - times.mean);
      weight *= DECAY;
    }
  fit->per_byte = sizes.squares > 0 ? both / sizes.squares : 0;
  fit->start = times.mean - fit->per_byte * sizes.mean;
  if (fit->per_byte <= 0 || fit->start < 0)
    {
      fit->per_byte = sizes.mean > 0 ? times.mean / sizes.mean : 0;
      fit->start = sizes.mean > 0 ? 0 : times.mean;
    }
  return times.n > 0;
}

/* How far the rounds are from that line. Again, one that lies on it tells nothing: it is doubted by
 * half. */
static void
find_spread (const GPtrArray *rounds, CopyFit *fit)
{
  double weight = 1, sum = 0, squares = 0;
  guint n = 0;

  for (guint i = rounds->len; i-- > 0;)
    {
      const MtvRoundRecord *round = rounds->pdata[i];
      double expected = copy_seconds (fit, (double) round->bytes_changed) + LEAST_COPY;
      double took = get_copy_seconds (round);

      if (took <= 0)
        continue;
      double off = MIN (took / expected, 3) - 1;
      squares += weight * off * off;
      sum += weight;
      weight *= DECAY;
      n++;
    }
  double doubt = 1.0 / ((double) n * n);
  fit->spread = MIN (1, sqrt ((squares + doubt / 4) / (sum + doubt)));
}

/* The bytes that change in @span seconds. Less time than the rounds took brings less, but not by as
 * much where the same blocks are written again and again: the high bound falls with its root. */
static Bounds
predict_bytes (const Stats *rates, const Stats *spans, double span, guint64 size)
{
  Bounds rate = stats_get_bounds (rates);
  double most = size > 0 ? (double) size : 1e18;
  double slow = span < spans->mean ? sqrt (span * spans->mean) : span;

  return (Bounds){ MIN (rate.low * span, most), MIN (rate.likely * span + SHUTDOWN_LIKELY, most),
                   MIN (rate.high * slow + SHUTDOWN_HIGH, most) };
}

/* How long snapshots take to come (or to go, in their rounds). */
static Bounds
predict_snapshot (const GPtrArray *rounds, gboolean removal)
{
  Stats stats = { 0 };
  double weight = 1;

  for (guint i = rounds->len; i-- > 0;)
    {
      const MtvRoundRecord *round = rounds->pdata[i];

      if ((removal ? round->removed_time : round->snapshot_time) == 0)
        continue;
      stats_add (&stats,
                 removal ? seconds (round->copied_time, round->removed_time)
                         : seconds (round->start_time, round->snapshot_time),
                 weight);
      weight *= DECAY;
    }
  return stats_get_bounds (&stats);
}

static guint64
to_usec (double value)
{
  return (guint64) (CLAMP (value, 0, 1e12) * G_USEC_PER_SEC);
}

guint64
mtv_readiness_get_base (const GPtrArray *rounds)
{
  for (guint i = rounds->len; i-- > 0;)
    {
      const MtvRoundRecord *round = rounds->pdata[i];

      /* One under way will have ended before anything else begins. */
      if (round->snapshot_time > 0 && (round->copied_time > 0 || i == rounds->len - 1))
        return round->snapshot_time;
    }
  return 0;
}

MtvPrediction
mtv_readiness_predict (const GPtrArray *rounds, guint64 at, const MtvReadinessCosts *costs)
{
  Stats rates = { 0 }, spans = { 0 };
  CopyFit fit = { 0 };
  Bounds removal = { 0 };

  g_return_val_if_fail (rounds != NULL && costs != NULL, (MtvPrediction){ 0 });

  collect_changes (rounds, &rates, &spans);
  if (rates.n == 0 || !fit_copies (rounds, &fit))
    return (MtvPrediction){ 0 };
  find_spread (rounds, &fit);

  double span = seconds (mtv_readiness_get_base (rounds), at);
  double fixed = (double) costs->fixed / G_USEC_PER_SEC;
  Bounds bytes = predict_bytes (&rates, &spans, span, costs->size);
  Bounds snapshot = predict_snapshot (rounds, FALSE);
  if (!costs->without_removal)
    removal = predict_snapshot (rounds, TRUE);

  return (MtvPrediction){
    .bytes = (guint64) bytes.likely,
    .low = to_usec (snapshot.low + copy_seconds (&fit, bytes.low) / (1 + 2 * fit.spread)
                    + removal.low + fixed),
    .likely
    = to_usec (snapshot.likely + copy_seconds (&fit, bytes.likely) + removal.likely + fixed) + 1,
    .high = to_usec (snapshot.high + copy_seconds (&fit, bytes.high) * (1 + 2 * fit.spread)
                     + removal.high + fixed)
            + 1,
  };
}

gboolean
mtv_readiness_is_ready (const MtvPrediction *prediction, guint64 max_downtime, gboolean was_ready)
{
  guint64 limit = was_ready ? max_downtime + max_downtime / 4 : max_downtime;

  return prediction->likely > 0 && prediction->high <= limit;
}
