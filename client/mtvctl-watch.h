/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* Follows the migration at @path until it has ended: live lines on a terminal, else a line for
 * each thing that changes, with --json an object a line. Then says what arrived where. The exit
 * code tells how it ended. */
int mtvctl_watch (Mtvctl *ctl, const char *path, GError **error);

/* The jobs of @migration that are known, in its order. (transfer full) */
GPtrArray *mtvctl_watch_get_jobs (Mtvctl *ctl, MtvDBusMigration *migration);

/* Whether a state of a migration or of one virtual machine is final. */
gboolean mtvctl_watch_is_final (const char *state);

/* "copying", "queued, place 3", "failed: …": escaped, for people. @live: with what changes as time
 * goes by. */
char *mtvctl_watch_describe (MtvDBusMigrationVM *job, gboolean live);

/* How far the step under way is; @total is 0 where that is not known. */
void mtvctl_watch_get_progress (MtvDBusMigrationVM *job, guint64 *done, guint64 *total);

/* What it waits for, or "". */
const char *mtvctl_watch_get_waiting (MtvDBusMigrationVM *job);

/* The text of the failure, or "". */
const char *mtvctl_watch_get_error (MtvDBusMigrationVM *job);

G_END_DECLS
