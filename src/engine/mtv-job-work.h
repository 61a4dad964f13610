/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-work.h"
#include "engine/mtv-job-moves.h"

G_BEGIN_DECLS

/* What a worker thread has of the job while the main thread leaves both alone, and what it brings
 * back. */
typedef struct
{
  MtvSource *source;           /* (owned) (nullable) once the source is not needed any more */
  MtvDestination *destination; /* (owned) */
  MtvStore *store;             /* (owned) */
  MtvTarget *target;           /* (unowned) the job's */
  gboolean warm;

  GPtrArray *objects; /* (owned) (nullable) (element-type MtvDestinationObject) */
  char *location;     /* (owned) (nullable) result of defining */
  char *put_back;     /* (owned) (nullable) see mtv_source_enable_tracking() */
  MtvPower power;
  gboolean force;
  char *key;       /* (owned) (nullable) of the point to be made … */
  MtvPoint *since; /* (owned) (nullable) … since this one */
  MtvPoint *point; /* (owned) (nullable) … made */
} MtvJobWork;

/* NULL, and the job is told, when an end is not there. */
MtvJobWork *mtv_job_work_new (MtvJob *self);
void mtv_job_work_free (gpointer work);

/* On a thread of its own; @work (transfer full). */
void mtv_job_work_run (MtvJob *self, const char *name, MtvWorkFunc func, MtvJobWork *work,
                       GAsyncReadyCallback callback);

/* Is the source the same as when the migration began? Takes what it says when nothing is known. */
gboolean mtv_job_work_identify (MtvJobWork *work, GCancellable *cancellable, GError **error);

G_END_DECLS
