/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-job-private.h"

G_BEGIN_DECLS

/* How a job moves on: what its states do, and how they end. For the files of the job itself. */

/* The operation of the state that the job is in, in mtv-job-steps.c, which knows them all. Ends in
 * mtv_job_done(). */
void mtv_job_enter_state (MtvJob *self);

/* Those that other files have. */
void mtv_job_copy (MtvJob *self);
void mtv_job_verify (MtvJob *self);
void mtv_job_clean_up (MtvJob *self);

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

/* Holds the copies of its disk set back as its schedule and all that is above it say; at once if
 * its schedule was changed. */
void mtv_job_throttle (MtvJob *self);

/* What the record says should be made, as destinations take it. (transfer none) */
MtvTarget *mtv_job_get_target (MtvJob *self, GError **error);

/* Gives that up, to be made again; what was read back is remembered. */
void mtv_job_drop_target (MtvJob *self);

/* Has its source @cap? FALSE while the source is not usable. */
gboolean mtv_job_source_has (MtvJob *self, MtvSourceCaps cap);

G_END_DECLS
