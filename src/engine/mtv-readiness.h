/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-migration-record.h"

G_BEGIN_DECLS

/* What a cutover of a warm job would cost, told from its rounds. Pure functions: no clock, no I/O.
 * Times are µs since the epoch, durations µs, rates bytes a second. */

/* What the next final round is expected to be, from the rounds that were. All 0: not known yet. */
typedef struct
{
  guint64 bytes;  /* changed since the last round by now */
  guint64 low;    /* downtime: as it was in good rounds … */
  guint64 likely; /* … in the mean … */
  guint64 high;   /* … and in bad ones */
} MtvPrediction;

/* What the rounds do not tell. */
typedef struct
{
  guint64 size;  /* of all disks: no more than that can change; 0: not known */
  guint64 fixed; /* what a cutover takes whatever has changed: verification, definition, start */
  gboolean without_removal; /* the last snapshot may go after the VM is up at the destination */
} MtvReadinessCosts;

/* For a VM that is off at @at. The rounds (MtvRoundRecord, in order) count the more the newer they
 * are; how they differ from each other is the distance from low to high, which is wide where only
 * one told how much changes. Not known before the second snapshot is there, which is the first that
 * tells what changed. Where nothing changed, it is still what a guest writes as it shuts down. */
MtvPrediction mtv_readiness_predict (const GPtrArray *rounds, guint64 at,
                                     const MtvReadinessCosts *costs);

/* Whether a cutover takes @max_downtime at most. It is the high bound that must hold: who is told
 * "ready" will shut down a service, and one time in two is not a promise. Once @was_ready, only a
 * quarter above @max_downtime takes it back, so that it does not come and go with every byte. */
gboolean mtv_readiness_is_ready (const MtvPrediction *prediction, guint64 max_downtime,
                                 gboolean was_ready);

/* When the snapshot was taken against which the next one will be compared; 0: there is none. */
guint64 mtv_readiness_get_base (const GPtrArray *rounds);

G_END_DECLS
