/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-readiness.h"

G_BEGIN_DECLS

/* When the next round of a warm job is due. A pure function: no clock, no I/O. Times are µs since
 * the epoch, durations µs. */

/* A source takes no more snapshots of a VM in one run. The last one is kept for the cutover. */
#define MTV_ROUND_MAX_POINTS 28

typedef struct
{
  guint64 interval;       /* from the end of a copy to the next round; below a minute is a minute */
  gboolean interval_auto; /* not @interval, but what follows from how much changes */
  guint64 max_downtime;   /* never 0 */
  guint64 cutover_time;   /* 0: none is set */
  gboolean paused;
  guint max_points; /* with the one for the cutover; 0, or too many: MTV_ROUND_MAX_POINTS */
  MtvReadinessCosts costs;

  guint64 planned;    /* what was answered since the last round; 0: not asked yet */
  guint64 restarted;  /* when the daemon came up, if since the last round; else 0 */
  guint n_overdue;    /* jobs whose round fell due while it was down, this one included */
  const char *run_id; /* never NULL; of the job, as @number */
  guint number;
} MtvRoundSettings;

typedef struct
{
  guint64 due;      /* at or before now: at once; 0: no round (but by hand) before the cutover */
  guint64 interval; /* that this came from */
  guint left;       /* rounds that may still be, 0: used up, and none until the cutover */
} MtvRoundPlan;

/* Asked while no round is under way; @rounds: MtvRoundRecord, in order.
 *
 * - No round is due while paused, nor when all points but one are used up.
 * - interval-auto makes rounds as long as max-downtime allows, but not so short that what they copy
 *   takes less time than their snapshot; five minutes until it is known how much changes.
 * - When few points are left and no cutover is set, rounds get rarer. With a cutover set they are
 *   spread over the time until then, four kept for the end of it.
 * - Towards a cutover, rounds come at half of what is left of the time (later, if few may be), and
 *   the last one so that it ends just before, as long as a round gains more than its snapshot
 *   costs.
 * - A round that fell due while the daemon was down runs once, at once; if several jobs wait for
 *   theirs, each at a time of its own within ten minutes or the interval.
 * - No round is due within a minute of the one before, nor, wherever the clock was set, later than
 *   the interval from now. */
MtvRoundPlan mtv_round_plan (const GPtrArray *rounds, guint64 now,
                             const MtvRoundSettings *settings);

G_END_DECLS
