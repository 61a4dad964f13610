/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-budget.h"
#include "transfer/mtv-data-runs.h"
#include "transfer/mtv-hash.h"
#include "transfer/mtv-throttle.h"

G_BEGIN_DECLS

/* A few threads, the lanes, that read, hash and write the blocks of a disk, each with many requests
 * under way at both ends. What is to be done comes from its owner, whose thread also says when to
 * flush. Private to transfer/. */
typedef struct _MtvCrew MtvCrew;

#define MTV_CREW_MAX_LANES 4

/* Something to do with neighbouring blocks. Those of the first part are filled by next(), those of
 * the second are there when it has finished. */
typedef struct
{
  guint first;
  guint n;
  guint64 start; /* bytes of the disk, of block @first */
  guint64 end;
  gboolean read_back;   /* all of it, from the destination; otherwise the data of the source */
  gboolean expect_data; /* these three are the owner's */
  gboolean expect_partial;
  guint8 expected[MTV_HASH_MAX_SIZE];
  enum
  {
    MTV_TASK_DROP,
    MTV_TASK_WRITE,
    MTV_TASK_DECIDE, /* once all of it is hashed; only for what one lane can hold */
  } sink;

  gboolean has_data;   /* and so @hash */
  gboolean is_partial; /* @hash is that of the changed parts only */
  guint8 hash[MTV_HASH_MAX_SIZE];
  /* The same of the changed parts alone, for what was read back. */
  gboolean changed_has_data;
  guint8 changed_hash[MTV_HASH_MAX_SIZE];
  guint64 written; /* bytes that went out as data */
} MtvTask;

/* The most that can be decided about at the end. */
#define MTV_TASK_MAX_DECIDE (1024 * 1024)

typedef enum
{
  MTV_CREW_TASK,
  MTV_CREW_LATER, /* nothing now: mtv_crew_wake() tells when to ask again */
} MtvCrewAnswer;

typedef struct
{
  /* Fills @task, which is all zero. Lanes' threads, never two at once. */
  MtvCrewAnswer (*next) (gpointer owner, guint lane, MtvTask *task);
  /* TRUE: it shall be written. Lanes' threads. */
  gboolean (*decide) (gpointer owner, const MtvTask *task);
  /* All of it was read and written. Lanes' threads. */
  gboolean (*finished) (gpointer owner, const MtvTask *task, GError **error);
} MtvCrewFuncs;

/* What the crew works with; all stays with the owner while there is a crew. */
typedef struct
{
  MtvReader *source;  /* (nullable) */
  MtvWriter *writer;  /* (nullable) */
  MtvReader *written; /* (nullable) */
  MtvDataRuns *runs;  /* (nullable) of the source */
  MtvHash hash;
  gboolean target_is_zero; /* zeroes need not be written */
  gboolean hash_changes;   /* of what is read back, those too */
  MtvThrottle *throttle;   /* (nullable) */
  MtvBudget *budget;       /* (nullable) */
  const MtvCrewFuncs *funcs;
  gpointer owner;
} MtvCrewWork;

/* The error for a block at @offset that is not what was copied; always FALSE. */
gboolean mtv_crew_mismatch (guint64 offset, const char *what, GError **error);

/* How many threads suit the ends of @work. */
guint mtv_crew_get_n_lanes (const MtvCrewWork *work);

MtvCrew *mtv_crew_new (const MtvCrewWork *work, guint n_lanes);
void mtv_crew_start (MtvCrew *self, GCancellable *cancellable);

/* All below: the owner's thread, but for wake and poke, which are for any. */

/* next() has something again. */
void mtv_crew_wake (MtvCrew *self);
/* Ends mtv_crew_wait(). */
void mtv_crew_poke (MtvCrew *self);

gboolean mtv_crew_has_failed (MtvCrew *self);

/* Waits for a poke, at most until @until_usec (monotonic); FALSE: the work has failed. */
gboolean mtv_crew_wait (MtvCrew *self, gint64 until_usec);

/* Flushes what was written, also after a failure: then half a minute is all it may take, and after
 * a cancel the blink of an eye. */
gboolean mtv_crew_flush (MtvCrew *self, GError **error);

/* Ends the lanes and frees the crew; FALSE with the first error if there was one. */
gboolean mtv_crew_end (MtvCrew *self, GError **error);

G_END_DECLS
