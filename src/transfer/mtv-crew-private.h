/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-aligned.h"
#include "transfer/mtv-block-hash.h"
#include "transfer/mtv-crew.h"

G_BEGIN_DECLS

/* A lane's memory is in units. What is read at once and written at once, a piece, has a few
 * neighbouring ones: many where much follows in a row, since a file system takes large requests at
 * less expense; otherwise one, so that scattered data has many pieces under way. */
#define MTV_UNIT_SIZE (256 * 1024)
#define MTV_PIECE_MAX_UNITS 4
#define MTV_PIECE_MAX_RUNS (MTV_PIECE_MAX_UNITS * MTV_UNIT_SIZE / MTV_DATA_GRANULE)
#define MTV_LANE_MAX_UNITS 64
#define MTV_LANE_MIN_UNITS (2 * MTV_TASK_MAX_DECIDE / MTV_UNIT_SIZE)

/* Of a lane's channels; those that its work has. */
enum
{
  MTV_LANE_SOURCE,
  MTV_LANE_WRITER,
  MTV_LANE_WRITTEN,
  MTV_LANE_N_ENDS,
};

typedef struct _MtvLane MtvLane;
typedef struct _MtvPiece MtvPiece;
typedef struct _MtvTaskRun MtvTaskRun;

/* A task under way on one lane. */
struct _MtvTaskRun
{
  MtvTask task;
  MtvLane *lane;         /* (unowned) */
  MtvBlockHash *hash;    /* (owned) */
  MtvBlockHash *changed; /* (owned) (nullable) */
  guint64 issued;        /* where the next piece begins */
  guint64 last_end;      /* where the last of those issued ends */
  guint64 seen;          /* where the last of those hashed ends */
  MtvPiece *arrived;     /* (unowned) (nullable) read before its turn, in order */
  MtvPiece *held;        /* (unowned) (nullable) hashed, until it is decided */
  guint under_way;       /* pieces, and zero requests */
  guint64 zero_start;    /* zeroes that were not asked for yet */
  guint64 zero_end;
  gboolean ended;   /* all is hashed */
  MtvTaskRun *next; /* (unowned) (nullable) of the idle ones */
};

/* A buffer, and the part of a task that is in it. A lane has one for each unit: the piece of which
 * that is the first. */
struct _MtvPiece
{
  MtvTaskRun *run; /* (unowned) (nullable) */
  guint8 *buffer;  /* (unowned) of the lane's arena */
  guint n_units;
  guint64 start; /* of the disk; up to @from there is no data */
  guint64 from;  /* what @buffer begins with */
  guint64 end;
  guint requests; /* under way */
  MtvIo ios[MTV_PIECE_MAX_RUNS];
  MtvPiece *next; /* (unowned) (nullable) of the list that it is in */
};

struct _MtvLane
{
  MtvCrew *crew; /* (unowned) */
  guint index;
  GThread *thread;

  MtvChannel *channels[MTV_LANE_N_ENDS]; /* (owned) (nullable) each */
  int wake_fd;                           /* (owned) */

  guint8 *arena;    /* (owned) */
  MtvPiece *pieces; /* (owned) */
  guint n_units;
  guint n_used;
  guint64 free_units;    /* a bit each */
  GPtrArray *runs;       /* (owned) (element-type MtvTaskRun) all that were ever made */
  MtvTaskRun *idle_runs; /* (unowned) (nullable) */
  GPtrArray *zeroes;     /* (owned) (element-type MtvIo) zero requests under way */
  MtvTaskRun *current;   /* (unowned) (nullable) of which more pieces are to be issued */

  gint64 throttled_until_usec;
  gboolean stopping;
  MtvIo flush;
  gboolean flushing;
};

struct _MtvCrew
{
  MtvCrewWork work;
  GCancellable
      *cancellable;    /* (owned) of the lanes: cancelled with the owner's, or after an error */
  GCancellable *outer; /* (owned) (nullable) */
  gulong cancelled_id;
  MtvLane *lanes; /* (owned) */
  guint n_lanes;

  GMutex next_lock; /* around next() */
  GMutex lock;      /* for all below */
  GCond changed;
  gboolean poked;
  gboolean closing;
  GError *error; /* (owned) (nullable) the first one */
  enum
  {
    MTV_FLUSH_NONE,
    MTV_FLUSH_WANTED,
    MTV_FLUSH_DONE,
  } flush;
  GError *flush_error; /* (owned) (nullable) */
  gboolean flusher_gone;
};

/* mtv-crew.c */
void mtv_crew_fail (MtvCrew *self, GError *error); /* (transfer full) */
gboolean mtv_crew_is_closing (MtvCrew *self);
gboolean mtv_crew_take_flush (MtvCrew *self);         /* TRUE: it is the caller's to do */
void mtv_crew_flushed (MtvCrew *self, GError *error); /* (transfer full) (nullable) */
void mtv_crew_lane_ended (MtvCrew *self, guint index);

/* mtv-lane.c */
gpointer mtv_lane_thread (gpointer lane);
void mtv_lane_wake (MtvLane *self);

/* mtv-task-run.c, of a lane's thread. */

/* Begins with the next piece of what there is to do, of at most @max_units; FALSE: not now. */
gboolean mtv_lane_issue (MtvLane *self, guint max_units);
void mtv_lane_free_runs (MtvLane *self);

G_END_DECLS
