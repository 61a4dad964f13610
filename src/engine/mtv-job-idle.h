/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-job-private.h"

G_BEGIN_DECLS

/* A warm job between its rounds: waits for what is due next, then for a slot, then goes. Neither
 * busy nor in need of a slot until then; may be called again whenever something has changed. */
void mtv_job_idle (MtvJob *self);

/* Reckons anew when the next round is due, for the record. */
void mtv_job_plan_round (MtvJob *self);

/* What can be said of the cutover now; "cutover-ready" comes when that is news. */
void mtv_job_tell_ready (MtvJob *self, gboolean ready);

/* Of an idle warm job, nothing of others: reckons again when its next round is due, after something
 * was asked or a default has changed; then, once that is committed, acts on it. */
void mtv_job_replan (MtvJob *self);
void mtv_job_reconsider (MtvJob *self);

/* The last round that was copied to its end, from which the next is reckoned. (nullable) */
MtvRoundRecord *mtv_job_get_base (MtvJob *self);
G_END_DECLS
