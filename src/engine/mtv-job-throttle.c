/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-moves.h"

static const char *
find_plan (MtvJob *self)
{
  for (guint i = 0; i < self->context->migrations->len; i++)
    {
      const MtvMigrationRecord *record
          = mtv_migration_get_record (g_ptr_array_index (self->context->migrations, i));

      if (g_str_equal (record->id, self->record->run_id))
        return record->plan_id;
    }
  return NULL;
}

void
mtv_job_throttle (MtvJob *self)
{
  if (self->throttle == NULL)
    self->throttle = mtv_throttles_make (self->context->throttles, 0, self->record->source,
                                         self->record->destination, find_plan (self));
  mtv_throttle_set_rate (self->throttle, self->record->schedule.throttle);
  if (self->disks != NULL)
    mtv_disk_set_set_throttle (self->disks, self->throttle);
}
