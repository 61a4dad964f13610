/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-migration-record.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* The migration of one virtual machine: its record and what it is doing. Main thread. Signals:
 * "changed" (at most twice a second for progress alone), "completed" once it has ended. */
#define MTV_TYPE_JOB (mtv_job_get_type ())
G_DECLARE_FINAL_TYPE (MtvJob, mtv_job, MTV, JOB, GObject)

const MtvJobRecord *mtv_job_get_record (MtvJob *self);

/* "queued", "running", "suspended", "cleaning-up", "succeeded", "failed", "cancelled". */
const char *mtv_job_get_state (MtvJob *self);
const char *mtv_job_get_phase (MtvJob *self);
gboolean mtv_job_has_ended (MtvJob *self);

/* Bytes and µs since the epoch; see org.mtv.Migration.VM for their meaning. */
guint64 mtv_job_get_bytes_done (MtvJob *self);
guint64 mtv_job_get_bytes_total (MtvJob *self);
guint64 mtv_job_get_rate (MtvJob *self);
guint64 mtv_job_get_expected_end (MtvJob *self);

/* (nullable) @since (out): µs since the epoch. */
const char *mtv_job_get_waiting (MtvJob *self, guint64 *since);
guint mtv_job_get_queue_place (MtvJob *self);
guint mtv_job_get_leftovers (MtvJob *self);

/* As the properties Steps and Disks: aa{sv}. (transfer floating) */
GVariant *mtv_job_get_steps (MtvJob *self);
GVariant *mtv_job_get_disks (MtvJob *self);

/* @uid: who asks, for the timeline; G_MAXUINT32: nobody. At once; the request is committed behind
 * the scenes before anything happens. FALSE with MTV_ERROR_WRONG_STATE. */
gboolean mtv_job_cancel (MtvJob *self, guint32 uid, GError **error);
gboolean mtv_job_retry (MtvJob *self, guint32 uid, GError **error);

G_END_DECLS
