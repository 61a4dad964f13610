/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* Appends to @options, an a{sv}, what the command line says of the schedule of a migration. */
gboolean mtvctl_warm_add_options (Mtvctl *ctl, GVariantBuilder *options, GError **error);

/* --OPTION=@text as a point in time. */
gboolean mtvctl_warm_parse_time (const char *option, const char *text, guint64 *time,
                                 GError **error);

/* "round 3 done, next in 42min; ready: 12s expected"; @live: with what changes as time goes by.
 * NULL where there is nothing to say: of a cold migration, or one that is past its rounds. */
char *mtvctl_warm_describe (MtvDBusMigrationVM *job, gboolean live);

/* For a table of migrations: the highest round, when something happens next, how many are ready for
 * their cutover, each NULL where that means nothing. Any may be warm: TRUE. */
gboolean mtvctl_warm_summarize (GPtrArray *jobs, char **round, char **next, char **ready);

G_END_DECLS
