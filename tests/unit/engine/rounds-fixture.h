/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-migration-record.h"

G_BEGIN_DECLS

#define SEC ((guint64) G_USEC_PER_SEC)
#define MINUTE (60 * SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define MIB ((guint64) 1 << 20)
#define GIB ((guint64) 1 << 30)
#define NOW (1795435200 * SEC)

/* What a round takes at the source and on the way. */
typedef struct
{
  guint64 snapshot, removal; /* µs */
  guint64 rate;              /* bytes a second of copying */
} RoundPace;

/* A round that starts at @start and has @bytes to copy. */
static inline MtvRoundRecord *
add_round (GPtrArray *rounds, guint64 start, guint64 bytes, const RoundPace *pace)
{
  MtvRoundRecord *round = g_new0 (MtvRoundRecord, 1);

  round->number = rounds->len + 1;
  round->start_time = start;
  round->snapshot_time = start + pace->snapshot;
  round->copied_time
      = round->snapshot_time + (guint64) ((double) bytes / (double) pace->rate * 1e6) + 1;
  round->removed_time = round->copied_time + pace->removal;
  round->bytes_changed = round->bytes_done = bytes;
  g_ptr_array_add (rounds, round);
  return round;
}

static inline MtvRoundRecord *
last_round (const GPtrArray *rounds)
{
  return rounds->pdata[rounds->len - 1];
}

G_END_DECLS
