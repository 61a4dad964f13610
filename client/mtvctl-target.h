/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* What a command shall work on: a run as a whole, or some of its virtual machines. */
typedef struct
{
  MtvDBusMigration *migration; /* (owned) */
  GPtrArray *jobs;             /* (owned) (element-type MtvDBusMigrationVM) */
  gboolean whole;
} MtvctlTarget;

/* @args: a migration (id or path) or a plan, whose newest run it is, and then perhaps some of its
 * virtual machines; or else the name, id or path of one virtual machine, of the newest run that has
 * it. */
gboolean mtvctl_target_find (Mtvctl *ctl, char **args, MtvctlTarget *target, GError **error);
void mtvctl_target_clear (MtvctlTarget *target);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MtvctlTarget, mtvctl_target_clear)

/* What it is, for people; escaped. (transfer full) */
char *mtvctl_target_describe (const MtvctlTarget *target);

/* The one of @jobs with that name, number, id at the source or path. (transfer none) */
MtvDBusMigrationVM *mtvctl_target_find_job (GPtrArray *jobs, const char *name, GError **error);

G_END_DECLS
