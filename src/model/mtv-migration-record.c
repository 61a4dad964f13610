/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-migration-record.h"

static const MtvField migration_fields[] = {
  MTV_FIELD (MtvMigrationRecord, id, "id", 's'),
  MTV_FIELD (MtvMigrationRecord, plan_id, "plan-id", 's'),
  MTV_FIELD (MtvMigrationRecord, plan_name, "plan-name", 's'),
  MTV_FIELD (MtvMigrationRecord, start_time, "start-time", 't'),
  MTV_FIELD (MtvMigrationRecord, end_time, "end-time", 't'),
};

static const MtvField step_fields[] = {
  MTV_FIELD (MtvStepRecord, name, "name", 's'),
  MTV_FIELD (MtvStepRecord, state, "state", 's'),
  MTV_FIELD (MtvStepRecord, start_time, "start-time", 't'),
  MTV_FIELD (MtvStepRecord, end_time, "end-time", 't'),
  MTV_FIELD (MtvStepRecord, bytes_done, "bytes-done", 't'),
  MTV_FIELD (MtvStepRecord, bytes_total, "bytes-total", 't'),
};

static const MtvField round_fields[] = {
  MTV_FIELD (MtvRoundRecord, number, "number", 'u'),
  MTV_FIELD (MtvRoundRecord, key, "key", 's'),
  MTV_FIELD (MtvRoundRecord, remote_id, "remote-id", 's'),
  MTV_FIELD (MtvRoundRecord, change_ids, "change-ids", 'v'),
  MTV_FIELD (MtvRoundRecord, start_time, "start-time", 't'),
  MTV_FIELD (MtvRoundRecord, snapshot_time, "snapshot-time", 't'),
  MTV_FIELD (MtvRoundRecord, copied_time, "copied-time", 't'),
  MTV_FIELD (MtvRoundRecord, removed_time, "removed-time", 't'),
  MTV_FIELD (MtvRoundRecord, bytes_changed, "bytes-changed", 't'),
  MTV_FIELD (MtvRoundRecord, bytes_done, "bytes-done", 't'),
  MTV_FIELD (MtvRoundRecord, compared, "compared", 'b'),
  MTV_FIELD (MtvRoundRecord, final, "final", 'b'),
};

static const MtvField disk_fields[] = {
  MTV_FIELD (MtvDiskRecord, size, "size", 't'),
  MTV_FIELD (MtvDiskRecord, bytes_total, "bytes-total", 't'),
  MTV_FIELD (MtvDiskRecord, bytes_done, "bytes-done", 't'),
  MTV_FIELD (MtvDiskRecord, copied, "copied", 'b'),
  MTV_FIELD (MtvDiskRecord, verified, "verified", 'b'),
};

const MtvFields mtv_migration_record_fields
    = { migration_fields, G_N_ELEMENTS (migration_fields), sizeof (MtvMigrationRecord), NULL };
const MtvFields mtv_step_record_fields
    = { step_fields, G_N_ELEMENTS (step_fields), sizeof (MtvStepRecord), NULL };
const MtvFields mtv_round_record_fields
    = { round_fields, G_N_ELEMENTS (round_fields), sizeof (MtvRoundRecord), NULL };
const MtvFields mtv_disk_record_fields
    = { disk_fields, G_N_ELEMENTS (disk_fields), sizeof (MtvDiskRecord), NULL };

static const MtvField job_fields[] = {
  MTV_FIELD (MtvJobRecord, run_id, "run-id", 's'),
  MTV_FIELD (MtvJobRecord, number, "number", 'u'),
  MTV_FIELD (MtvJobRecord, vm_id, "vm-id", 's'),
  MTV_FIELD (MtvJobRecord, name, "name", 's'),
  MTV_FIELD (MtvJobRecord, target_name, "target-name", 's'),
  MTV_FIELD (MtvJobRecord, target_name_given, "target-name-given", 'b'),
  MTV_FIELD (MtvJobRecord, source, "source", 's'),
  MTV_FIELD (MtvJobRecord, destination, "destination", 's'),
  MTV_FIELD (MtvJobRecord, devices, "devices", 's'),
  MTV_FIELD (MtvJobRecord, format, "format", 's'),
  MTV_FIELD (MtvJobRecord, hash, "hash", 's'),
  MTV_FIELD (MtvJobRecord, verify, "verify", 's'),
  MTV_FIELD (MtvJobRecord, target_power_state, "target-power-state", 's'),
  MTV_FIELD (MtvJobRecord, networks, "networks", 'v'),
  MTV_FIELD (MtvJobRecord, vm, "vm", 'v'),
  MTV_FIELD (MtvJobRecord, source_identity, "source-identity", 's'),
  MTV_FIELD (MtvJobRecord, state, "state", 's'),
  MTV_FIELD (MtvJobRecord, outcome, "outcome", 's'),
  MTV_FIELD (MtvJobRecord, error_name, "error-name", 's'),
  MTV_FIELD (MtvJobRecord, error_text, "error-text", 's'),
  MTV_FIELD (MtvJobRecord, location, "location", 's'),
  MTV_FIELD (MtvJobRecord, start_time, "start-time", 't'),
  MTV_FIELD (MtvJobRecord, end_time, "end-time", 't'),
  MTV_SCHEDULE_FIELDS (MtvJobRecord, schedule),
  MTV_FIELD (MtvJobRecord, paused, "paused", 'b'),
  MTV_FIELD (MtvJobRecord, next_round, "next-round", 't'),
  MTV_FIELD (MtvJobRecord, power_state, "power-state", 's'),
  MTV_FIELD (MtvJobRecord, off_time, "off-time", 't'),
  MTV_FIELD (MtvJobRecord, downtime, "downtime", 't'),
  MTV_FIELD (MtvJobRecord, predicted_downtime, "predicted-downtime", 't'),
  MTV_FIELD_ARRAY (MtvJobRecord, rounds, "rounds", mtv_round_record_fields),
  MTV_FIELD_ARRAY (MtvJobRecord, steps, "steps", mtv_step_record_fields),
  MTV_FIELD_ARRAY (MtvJobRecord, disks, "disks", mtv_disk_record_fields),
};

const MtvFields mtv_job_record_fields
    = { job_fields, G_N_ELEMENTS (job_fields), sizeof (MtvJobRecord), NULL };

void
mtv_migration_record_free (MtvMigrationRecord *self)
{
  mtv_fields_free (&mtv_migration_record_fields, self);
}

void
mtv_job_record_free (MtvJobRecord *self)
{
  mtv_fields_free (&mtv_job_record_fields, self);
}
