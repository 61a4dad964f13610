/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-job.h"
#include "engine/mtv-readiness.h"

G_BEGIN_DECLS

/* What a warm job has beyond a cold one; of a cold one all of it is 0, FALSE or empty. Main thread.
 * Times are µs since the epoch, durations µs. MtvJob has the signal "cutover-ready" (gboolean):
 * it came, or is withdrawn.
 *
 * Requests take effect at once, and are committed before anything comes of them; what @uid asked
 * for stands in the timeline. FALSE with MTV_ERROR_WRONG_STATE, which says why. */

MtvPrediction mtv_job_get_prediction (MtvJob *self);
gboolean mtv_job_is_cutover_ready (MtvJob *self);

const MtvSchedule *mtv_job_get_schedule (MtvJob *self);
/* With the daemon's defaults filled in. */
guint64 mtv_job_get_interval (MtvJob *self);
guint64 mtv_job_get_max_downtime (MtvJob *self);

/* aa{sv}, in order, as the fields of MtvRoundRecord but for "change-ids" and "remote-id", with
 * "rate" (t, bytes a second). (transfer floating) */
GVariant *mtv_job_get_rounds (MtvJob *self);

/* Shuts the VM down and copies the rest: now (@at 0), as soon as a round under way has ended, or at
 * a time, which must lie ahead, by a year at most. An earlier request is replaced; now also ends a
 * pause. Possible until the VM is being shut down. */
gboolean mtv_job_cutover (MtvJob *self, guint64 at, guint32 uid, GError **error);
gboolean mtv_job_withdraw_cutover (MtvJob *self, guint32 uid, GError **error);

/* No new round, and no cutover at a time, until resumed; what is under way goes on to its end. */
gboolean mtv_job_pause (MtvJob *self, guint32 uid, GError **error);
gboolean mtv_job_resume (MtvJob *self, guint32 uid, GError **error);

/* Changes the schedule; @options: a{sv} of "interval" (t, at least a minute, which ends
 * "interval-auto"), "interval-auto" (b), "max-downtime" (t), "shutdown" (s), "shutdown-timeout"
 * (t), "throttle" (t). MTV_ERROR_INVALID_ARGUMENT names what is not good, and then nothing is
 * changed. Also of a cold job, as far as it means something there. */
gboolean mtv_job_configure (MtvJob *self, GVariant *options, guint32 uid, GError **error);

G_END_DECLS
