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

  MtvTarget *target;          /* (owned) (nullable) from the record, on demand */
  gboolean fresh;             /* the volumes were never written to */
  char *why;                  /* (owned) (nullable) what was not done last time, of a warm job */
  MtvJobEvent due;            /* what an idle job waits for a slot for */
  guint64 came_up;            /* when it came from the store; 0: not since its last round */
  gboolean overdue;           /* its round was by then */
  gboolean asked_off, forced; /* while it shuts the VM down */
  GPtrArray *read_back;       /* (owned) (nullable) (element-type GBytes) see MtvDiskSet */
  MtvDiskSet *disks;          /* (owned) (nullable) while it copies or verifies */
  guint leftovers;            /* entries in the ledger */
  gboolean cutover_ready;
  gboolean cutover_missed; /* its time had passed by more than the grace when we came up */
  MtvPrediction prediction;
  MtvRate rate;
  guint ticker;        /* source id: progress while it copies or verifies */
  guint64 ticked_done; /* what the last tick told */
  guint64 saved_done;  /* what the store was told last */

  MtvThrottle *throttle; /* (owned) (nullable) of its copies, but for the last of a warm job */
};

/* @record: (transfer full). For a new job, and for one that the store had. */
MtvJob *mtv_job_new (MtvEngineContext *context, MtvJobRecord *record, const char *plan_name,
                     guint leftovers);

/* Goes on where the record says: at the start, and after a restart. */
void mtv_job_enter (MtvJob *self);

/* Ends what runs at its next safe point, and what waits at once; the state stays. */
void mtv_job_stop (MtvJob *self);

/* The operation of the state that the job is in, in mtv-job-steps.c, which knows them all. Ends in
 * mtv_job_done(). */
void mtv_job_enter_state (MtvJob *self);

/* Those that other files have. */
void mtv_job_copy (MtvJob *self);
void mtv_job_verify (MtvJob *self);
void mtv_job_clean_up (MtvJob *self);

/* A warm job between its rounds: waits for what is due next, then for a slot, then goes. Neither
 * busy nor in need of a slot until then; may be called again whenever something has changed. */
void mtv_job_idle (MtvJob *self);

/* Reckons anew when the next round is due, for the record. */
void mtv_job_plan_round (MtvJob *self);

/* Asks the scheduler for a slot, in the class that the state stands for. */
void mtv_job_queue (MtvJob *self);

/* Commits the step that @event means, with what @batch (transfer full) has to say as well. */
void mtv_job_go (MtvJob *self, MtvJobEvent event, MtvStoreBatch *batch);

/* Waits until what @error tells is over, and enters the state again. */
void mtv_job_suspend (MtvJob *self, const GError *error);

/* Commits what somebody asked for, which the record has already, then calls @then with the job,
 * unless the daemon is stopping. Other commits may be under way. */
typedef void (*MtvJobFunc) (MtvJob *self);
void mtv_job_request (MtvJob *self, MtvJobFunc then, const char *event, guint32 uid,
                      const char *format, ...) G_GNUC_PRINTF (5, 6);

/* The operation ended: with @error (transfer full), or without, and then @batch (nullable)
 * (transfer full) is committed together with the step to the next state. */
void mtv_job_done (MtvJob *self, MtvStoreBatch *batch, GError *error);

/* Commits @batch (transfer full) with the record as it is, then calls @then with the job, unless
 * the daemon is stopping. Until it can be committed the job is suspended. */
void mtv_job_commit (MtvJob *self, MtvStoreBatch *batch, MtvJobFunc then);

/* Appends an entry of the job's timeline. @uid G_MAXUINT32: the daemon itself. */
void mtv_job_add_event (MtvJob *self, MtvStoreBatch *batch, const char *event, guint32 uid,
                        const char *format, ...) G_GNUC_PRINTF (5, 6);

/* To the journal; @text begins without the VM's name. */
void mtv_job_log (MtvJob *self, GLogLevelFlags level, const char *message_id, const char *text);

void mtv_job_changed (MtvJob *self);
void mtv_job_completed (MtvJob *self);
void mtv_job_forget_alarm (MtvJob *self);
/* What can be said of the cutover now; "cutover-ready" comes when that is news. */
void mtv_job_tell_ready (MtvJob *self, gboolean ready);

/* Of an idle warm job, nothing of others: reckons again when its next round is due, after something
 * was asked or a default has changed; then, once that is committed, acts on it. */
void mtv_job_replan (MtvJob *self);
void mtv_job_reconsider (MtvJob *self);

/* The last round that was copied to its end, from which the next is reckoned. (nullable) */
MtvRoundRecord *mtv_job_get_base (MtvJob *self);
void mtv_job_set_waiting (MtvJob *self, const char *waiting);

/* The step that stands for the state, made on demand. (transfer none) */
MtvStepRecord *mtv_job_get_step (MtvJob *self, const char *name);

/* Holds the copies of its disk set back as its schedule and all that is above it say; at once if
 * its schedule was changed. */
void mtv_job_throttle (MtvJob *self);

/* What the record says should be made, as destinations take it. (transfer none) */
MtvTarget *mtv_job_get_target (MtvJob *self, GError **error);

/* Gives that up, to be made again; what was read back is remembered. */
void mtv_job_drop_target (MtvJob *self);

MtvProvider *mtv_job_get_provider (MtvJob *self, const char *id, GError **error);

/* Only the last run of a plan is tried again: what an earlier one lacks, a later one took over. And
 * not while it is being forgotten, or its plan removed or started. FALSE with
 * MTV_ERROR_WRONG_STATE. */
gboolean mtv_job_check_retry (MtvJob *self, GError **error);

/* Has its source @cap? FALSE while the source is not usable. */
gboolean mtv_job_source_has (MtvJob *self, MtvSourceCaps cap);

/* Is there another job under way that is to have @name at @destination? */
gboolean mtv_job_name_is_taken (MtvJob *self, const char *name);

G_END_DECLS
