/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The states of a job, cold or warm, in the order of the way. */
typedef enum
{
  MTV_JOB_QUEUED,
  MTV_JOB_PREPARING,  /* sizes, identity of the source, name and space at the destination */
  MTV_JOB_ALLOCATING, /* intents into the ledger, volumes made */

  MTV_JOB_SNAPSHOTTING,       /* a point of the running VM, its change ids committed */
  MTV_JOB_PRECOPYING,         /* what has changed since the point before */
  MTV_JOB_REMOVING_SNAPSHOT,  /* of this round; then the mark of the round before */
  MTV_JOB_IDLE,               /* until a round is due, or the cutover: nothing of ours but a mark */
  MTV_JOB_POWERING_OFF,       /* cold: before the copy, where the source has power */
  MTV_JOB_FINAL_SNAPSHOTTING, /* the same with the VM shut down … */
  MTV_JOB_FINAL_COPYING,

  MTV_JOB_COPYING, /* all of a cold VM */
  MTV_JOB_VERIFYING,
  MTV_JOB_DEFINING,
  MTV_JOB_FINAL_REMOVING, /* … until the source has nothing of ours; the VM is at its target */
  MTV_JOB_CLEANING_UP,    /* everything that is in the ledger removed */
  MTV_JOB_SUCCEEDED,
  MTV_JOB_FAILED,
  MTV_JOB_CANCELLED,
  MTV_JOB_N_STATES
} MtvJobState;

typedef enum
{
  MTV_JOB_OK,     /* the state's work is done */
  MTV_JOB_FAIL,   /* … cannot be done; also the end of cleaning up after a failure */
  MTV_JOB_CANCEL, /* somebody asked; also the end of cleaning up after that */
  MTV_JOB_RETRY,
  MTV_JOB_TICK,    /* a round is due */
  MTV_JOB_CUTOVER, /* the VM is to be shut down */
  MTV_JOB_STAY,    /* it cannot be done this time, but the VM stays on its way: not shut down, or
                      this round is given up */
  MTV_JOB_N_EVENTS
} MtvJobEvent;

/* FALSE: @event means nothing in @state, and @next is untouched. */
gboolean mtv_job_state_next (gboolean warm, MtvJobState state, MtvJobEvent event,
                             MtvJobState *next);

gboolean mtv_job_state_is_final (MtvJobState state);

const char *mtv_job_state_to_string (MtvJobState state);
gboolean mtv_job_state_from_string (const char *string, MtvJobState *state);

G_END_DECLS
