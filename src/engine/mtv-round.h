/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-job-work.h"

G_BEGIN_DECLS

/* One round of a warm job: its point is made, what has changed since the round before is copied
 * from there, then its snapshot is removed, and the mark of the round before. The same with the VM
 * shut down is the last one. Operations of states. */
void mtv_round_snapshot (MtvJob *self);
void mtv_round_copy (MtvJob *self);
void mtv_round_remove (MtvJob *self);

/* The round is given up for @error: the job stays on its way, and says why. FALSE: this was once
 * too often, or nothing that another try could mend. */
gboolean mtv_round_can_give_up (MtvJob *self, const GError *error);

/* What the disks tell goes into the record. */
void mtv_round_note_progress (MtvJob *self);

/* In mtv-job-copy.c: the disks of a job while they are copied, with the ticks of their progress. */
void mtv_job_start_disks (MtvJob *self, MtvJobWork *work);
gboolean mtv_job_finish_disks (MtvJob *self, GAsyncResult *result, GError **error);

G_END_DECLS
