/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-rate.h"
#include "engine/mtv-disk-set.h"
#include "engine/mtv-engine-context.h"
#include "engine/mtv-job-states.h"
#include "engine/mtv-job-warm.h"
#include "engine/mtv-migration.h"

G_BEGIN_DECLS

/* The inside of a job, for those who move it: mtv-job.c (record, requests, transitions) and the
 * file that knows what each state does. */
struct _MtvJob
{
  GObject parent;

  MtvEngineContext *context; /* (unowned) */
  MtvJobRecord *record;      /* (owned) */
  char *plan_name;           /* (owned) */
  MtvJobState state;         /* what the store has; record->state says the same */

  gboolean busy;             /* an operation or a commit is under way */
  GCancellable *cancellable; /* (owned) of the operation */
  guint requests;            /* that are being committed */
  guint asked;               /* requests so far */
  gboolean cancelling;       /* somebody asked, and it is committed */

  gboolean suspended;
  char *waiting; /* (owned) (nullable) */
  guint64 waiting_since;
  guint alarm;          /* of the clock: when to look again */
  gboolean no_space;    /* the destination was full */
  MtvProvider *room_at; /* (owned) (nullable) while it is asked for its free space … */
  guint64 room_needed;  /* … and how much would do */

  MtvTarget *target; /* (owned) (nullable) from the record, on demand */
  gboolean fresh;    /* the volumes were never written to */
  MtvDiskSet *disks; /* (owned) (nullable) while it copies or verifies */
  guint leftovers;   /* entries in the ledger */
  MtvRate rate;
  guint ticker;        /* source id: progress while it copies or verifies */
  guint64 ticked_done; /* what the last tick told */
  guint64 saved_done;  /* what the store was told last */

  /* Of a warm job, between its rounds. */
  char *why;               /* (owned) (nullable) what was not done last time */
  MtvJobEvent due;         /* what it waits for a slot for */
  guint64 came_up;         /* when it came from the store; 0: not since its last round */
  gboolean overdue;        /* its round was by then */
  gboolean cutover_missed; /* its time had passed by more than the grace then */
  gboolean cutover_ready;
  MtvPrediction prediction;
  GPtrArray *read_back; /* (owned) (nullable) (element-type GBytes) see MtvDiskSet */

  gboolean intended_off, asked_off, forced; /* while it shuts the VM down */

  MtvThrottle *throttle; /* (owned) (nullable) of its copies, but for the last of a warm job */
};

/* @record: (transfer full). For a new job, and for one that the store had. */
MtvJob *mtv_job_new (MtvEngineContext *context, MtvJobRecord *record, const char *plan_name,
                     guint leftovers);

/* Goes on where the record says: at the start, and after a restart. */
void mtv_job_enter (MtvJob *self);

/* Ends what runs at its next safe point, and what waits at once; the state stays. */
void mtv_job_stop (MtvJob *self);

/* To the journal; @text begins without the VM's name. */
void mtv_job_log (MtvJob *self, GLogLevelFlags level, const char *message_id, const char *text);

void mtv_job_changed (MtvJob *self);
void mtv_job_completed (MtvJob *self);
void mtv_job_forget_alarm (MtvJob *self);
void mtv_job_set_waiting (MtvJob *self, const char *waiting);

/* The step that stands for the state, made on demand. (transfer none) */
MtvStepRecord *mtv_job_get_step (MtvJob *self, const char *name);

MtvProvider *mtv_job_get_provider (MtvJob *self, const char *id, GError **error);

/* Only the last run of a plan is tried again: what an earlier one lacks, a later one took over. And
 * not while it is being forgotten, or its plan removed or started. FALSE with
 * MTV_ERROR_WRONG_STATE. */
gboolean mtv_job_check_retry (MtvJob *self, GError **error);

/* FALSE with MTV_ERROR_WRONG_STATE when another run has the VM in hand and one of both is warm. */
gboolean mtv_job_check_rivals (MtvEngineContext *context, const char *source, const char *vm_id,
                               gboolean warm, GError **error);

/* Is there another job under way that is to have @name at @destination? */
gboolean mtv_job_name_is_taken (MtvJob *self, const char *name);

G_END_DECLS
