/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* The live lines at the bottom of a terminal. */
typedef struct _MtvctlProgress MtvctlProgress;

MtvctlProgress *mtvctl_progress_new (void);
void mtvctl_progress_free (MtvctlProgress *self); /* leaves the cursor as it was */

/* Draws over what was drawn before, as wide as the terminal is now. @jobs: of @migration. */
void mtvctl_progress_draw (MtvctlProgress *self, MtvDBusMigration *migration, GPtrArray *jobs);

/* A line that stays, above the live ones. @text is escaped already. */
void mtvctl_progress_say (MtvctlProgress *self, const char *name, const char *text);
void mtvctl_progress_clear (MtvctlProgress *self);

G_END_DECLS
