/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-schedule.h"
#include "model/mtv-vm.h"

G_BEGIN_DECLS

/* One run of a plan, as it is kept. */
typedef struct
{
  char *id;           /* never NULL; the last part of its object path */
  char *plan_id;      /* never NULL */
  char *plan_name;    /* never NULL */
  guint64 start_time; /* µs since the epoch, as all times here */
  guint64 end_time;   /* 0: under way */
} MtvMigrationRecord;

/* A step of a job. */
typedef struct
{
  char *name; /* a phase of org.mtv.Migration.VM */
  guint64 start_time;
  guint64 end_time;
  guint64 bytes_done;
  guint64 bytes_total;
  char *state; /* "pending", "running", "completed", "failed", "skipped" */
} MtvStepRecord;

/* One disk of a job: what is known once its source was opened. */
typedef struct
{
  guint64 size;        /* 0: not opened yet */
  guint64 bytes_total; /* of data */
  guint64 bytes_done;
  gboolean copied; /* all flushed and noted */
  gboolean verified;
} MtvDiskRecord;

/* One round of a warm job: what was copied from one point of the source (see MtvPoint). */
typedef struct
{
  guint number;          /* from 1 */
  char *key;             /* never NULL; of the point */
  char *remote_id;       /* (nullable) of the point */
  GVariant *change_ids;  /* (nullable) as: of the point, for each disk; "" for NULL */
  guint64 start_time;    /* µs since the epoch, as all times here */
  guint64 snapshot_time; /* when the point was there */
  guint64 copied_time;   /* all of it copied and flushed; 0: not yet */
  guint64 removed_time;  /* its snapshot was gone again; 0: not yet */
  guint64 bytes_changed; /* what the source told; all data of the disks in the first round */
  guint64 bytes_done;    /* of them that are copied */
  gboolean compared;     /* the source could not tell what had changed: all was read */
  gboolean final;        /* with the VM shut down */
} MtvRoundRecord;

/* The job of one virtual machine, as it is kept: enough to go on after a restart. The options are
 * the plan's at the time of the start; later changes of the plan do not touch a run. */
typedef struct
{
  char *run_id;                                /* never NULL */
  guint number;                                /* from 1 */
  char *vm_id;                                 /* never NULL; at the source */
  char *name;                                  /* never NULL */
  char *target_name;                           /* never NULL */
  gboolean target_name_given;                  /* by the user: never changed */
  char *source;                                /* never NULL; a provider's id */
  char *destination;                           /* never NULL; a provider's id */
  char *devices, *format, *target_power_state; /* never NULL; see MtvPlan */
  char *hash, *verify; /* never NULL; see MtvPlan. The map of a disk goes on with the same hash. */
  GVariant *networks;  /* (nullable) a{ss} */
  GVariant *vm;        /* (nullable) the inventory's entry as the job started: a{sv} */
  char *source_identity; /* (nullable) */
  char *state;           /* never NULL; of the cold or warm state table */
  char *outcome;    /* (nullable) what it ends as once it has cleaned up: "failed", "cancelled" */
  char *error_name; /* (nullable) */
  char *error_text; /* (nullable) */
  char *location;   /* (nullable) */
  guint64 start_time;
  guint64 end_time;
  MtvSchedule schedule;
  gboolean paused;    /* by hand: no new round */
  guint64 next_round; /* when it is due; 0: not waiting for one */
  char *power_state;  /* (nullable) of the VM before we shut it down: "on", "off" */
  guint64 off_time;   /* when the VM was off, for the last round */
  guint64 downtime;   /* µs from then until it was defined, or running, at the destination */
  guint64 predicted_downtime; /* µs; what was expected when the cutover began */
  GPtrArray *rounds;          /* (element-type MtvRoundRecord) in order */
  GPtrArray *steps;           /* (element-type MtvStepRecord) */
  GPtrArray *disks;           /* (element-type MtvDiskRecord) in the order of the VM's disks */
} MtvJobRecord;

extern const MtvFields mtv_migration_record_fields;
extern const MtvFields mtv_step_record_fields;
extern const MtvFields mtv_disk_record_fields;
extern const MtvFields mtv_round_record_fields;
extern const MtvFields mtv_job_record_fields;

void mtv_migration_record_free (MtvMigrationRecord *self);
void mtv_job_record_free (MtvJobRecord *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvMigrationRecord, mtv_migration_record_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvJobRecord, mtv_job_record_free)

G_END_DECLS
