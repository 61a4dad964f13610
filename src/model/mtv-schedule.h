/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-fields.h"

G_BEGIN_DECLS

/* When the parts of a migration are to happen, and at what price for the source. A plan has one,
 * and each job a copy of its own that can be changed while it runs. Times and durations are µs. */
typedef struct
{
  gboolean warm;          /* copied while the VM runs, in rounds; else it is shut down first */
  guint64 interval;       /* from the end of a round to the next; 0: the default of the daemon */
  gboolean interval_auto; /* rounds follow the rate at which the VM changes its disks */
  guint64 max_downtime;   /* what is wanted at most; 0: the default of the daemon */
  char *shutdown; /* never NULL: "guest" (asked, else it stays up), "guest-then-force", "force",
                     "manual" (somebody else does it) */
  guint64 shutdown_timeout; /* how long that may take; 0: the default of the daemon */
  guint64 cutover_time;     /* since the epoch; 0: none was set */
  guint64 throttle;         /* bytes a second of its copies, but for the last; 0: no limit */
} MtvSchedule;

/* Its fields within a table of @Type, which has it as @member. */
#define MTV_SCHEDULE_FIELDS(Type, member)                                                         \
  MTV_FIELD (Type, member.warm, "warm", 'b'), MTV_FIELD (Type, member.interval, "interval", 't'), \
      MTV_FIELD (Type, member.interval_auto, "interval-auto", 'b'),                               \
      MTV_FIELD (Type, member.max_downtime, "max-downtime", 't'),                                 \
      MTV_FIELD (Type, member.shutdown, "shutdown", 's'),                                         \
      MTV_FIELD (Type, member.shutdown_timeout, "shutdown-timeout", 't'),                         \
      MTV_FIELD (Type, member.cutover_time, "cutover-time", 't'),                                 \
      MTV_FIELD (Type, member.throttle, "throttle", 't')

/* Frees what @self holds, and gives it copies of what @other has. */
void mtv_schedule_assign (MtvSchedule *self, const MtvSchedule *other);

/* Interval below a minute or above a year, a maximal downtime of less than a second (but 0), a time
 * of cutover that is not ahead of @now (0: not looked at) or by more than a year, a shutdown that
 * does not exist: MTV_ERROR_INVALID_ARGUMENT, which names it. */
gboolean mtv_schedule_check (const MtvSchedule *self, guint64 now, GError **error);

G_END_DECLS
