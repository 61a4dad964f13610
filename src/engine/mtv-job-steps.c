/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-job-work.h"
#include "engine/mtv-power-off.h"
#include "engine/mtv-round.h"
#include "model/mtv-name.h"
#include "store/mtv-store-ledger.h"
#include "store/mtv-store-progress.h"

/* Preparing: nothing is made yet. */

/* A disk of a VM that may run cannot be opened yet: its inventory tells its size. */
static gboolean
measure_disks (MtvJobWork *work, GCancellable *cancellable, GError **error)
{
  gboolean may_run = (mtv_source_get_caps (work->source) & MTV_SOURCE_HAS_POWER) != 0;

  for (guint i = 0; i < work->target->disks->len; i++)
    {
      MtvTargetDisk *disk = g_ptr_array_index (work->target->disks, i);

      if (disk->source->problem != NULL)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "Disk '%s' of '%s': %s",
                       disk->source->name, work->target->vm->name, disk->source->problem);
          return FALSE;
        }
      if (may_run)
        {
          mtv_target_set_disk_size (work->target, i, disk->source->capacity);
          continue;
        }

      g_autoptr (MtvReader) reader
          = mtv_source_open_disk (work->source, work->target->vm, disk->source, cancellable, error);
      if (reader == NULL)
        return FALSE;
      mtv_target_set_disk_size (work->target, i, mtv_reader_get_size (reader));
    }
  return TRUE;
}

static gboolean
choose_name (MtvJobWork *work, GCancellable *cancellable, GError **error)
{
  MtvTarget *target = work->target;

  while (mtv_destination_has_vm (work->destination, target->name, cancellable))
    {
      if (target->name_given)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS,
                       "There is a virtual machine '%s' at the destination already", target->name);
          return FALSE;
        }
      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;

      g_autofree char *other = mtv_name_with_suffix (target->name);
      g_free (target->name);
      target->name = g_steal_pointer (&other);
    }
  return TRUE;
}

static gboolean
check_space (MtvJobWork *work, GCancellable *cancellable, GError **error)
{
  guint64 needed = 0;
  guint64 space = mtv_destination_get_free_space (work->destination, cancellable);

  for (guint i = 0; i < work->target->disks->len; i++)
    needed += ((MtvTargetDisk *) g_ptr_array_index (work->target->disks, i))->source->allocated;
  if (space >= needed)
    return TRUE;

  g_autofree char *has = g_format_size_full (space, G_FORMAT_SIZE_IEC_UNITS);
  g_autofree char *wants = g_format_size_full (needed, G_FORMAT_SIZE_IEC_UNITS);
  g_set_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE, "the destination has %s free, '%s' needs %s",
               has, work->target->vm->name, wants);
  return FALSE;
}

static gboolean
prepare (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJobWork *work = data;

  if (work->target->vm->problem != NULL)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA, work->target->vm->problem);
      return FALSE;
    }
  /* What runs changes all the time: it has an identity once it is shut down. */
  if (!(mtv_source_get_caps (work->source) & MTV_SOURCE_HAS_POWER)
      && !mtv_job_work_identify (work, cancellable, error))
    return FALSE;
  return measure_disks (work, cancellable, error) && choose_name (work, cancellable, error)
         && check_space (work, cancellable, error);
}

static void
note_preparation (MtvJob *self)
{
  MtvJobRecord *record = self->record;

  g_free (record->source_identity);
  record->source_identity = g_strdup (self->target->source_identity);
  g_free (record->target_name);
  record->target_name = g_strdup (self->target->name);
  for (guint i = 0; i < self->target->disks->len; i++)
    {
      MtvTargetDisk *disk = g_ptr_array_index (self->target->disks, i);
      MtvDiskRecord *kept;

      if (i >= record->disks->len)
        g_ptr_array_add (record->disks, mtv_fields_new (&mtv_disk_record_fields));
      kept = g_ptr_array_index (record->disks, i);
      kept->size = disk->size;
    }
}

static void
prepared_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  GError *error = NULL;

  (void) user_data;
  if (mtv_work_finish (result, &error))
    {
      if (mtv_job_name_is_taken (self, self->target->name))
        {
          g_autofree char *other = mtv_name_with_suffix (self->target->name);

          if (self->record->target_name_given)
            g_set_error (&error, MTV_ERROR, MTV_ERROR_EXISTS,
                         "Another migration is making a virtual machine '%s' at the destination",
                         self->target->name);
          else
            {
              g_free (self->target->name);
              self->target->name = g_steal_pointer (&other);
            }
        }
      note_preparation (self);
    }
  mtv_job_done (self, NULL, error);
}

/* Allocating: first the ledger, then the volumes. */

static gboolean
create_volumes (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJobWork *work = data;

  return mtv_destination_create_volumes (work->destination, work->target, cancellable, error)
         && (!work->warm
             || mtv_source_enable_tracking (work->source, work->target->vm, &work->put_back,
                                            cancellable, error));
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  MtvJobWork *work = mtv_work_get_data (result);
  MtvStoreBatch *batch = mtv_store_batch_new ();
  GError *error = NULL;

  (void) user_data;
  self->fresh = mtv_work_finish (result, &error);
  if (work->put_back != NULL)
    mtv_store_ledger_note_id (batch, self->record->run_id, self->record->number,
                              MTV_SOURCE_TRACKING, self->record->vm_id, work->put_back);
  mtv_job_done (self, batch, error);
}

static void
intended (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work == NULL)
    return;
  self->busy = TRUE;
  mtv_job_work_run (self, "mtv-allocate", create_volumes, work, created_cb);
}

static void
allocate (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work == NULL)
    return;

  MtvStoreBatch *batch = mtv_store_batch_new ();
  work->objects = mtv_destination_list_objects (work->destination, work->target);
  for (guint i = 0; i < work->objects->len; i++)
    {
      MtvDestinationObject *object = g_ptr_array_index (work->objects, i);

      mtv_store_ledger_intend (batch, self->record->run_id, self->record->number,
                               self->record->destination, object->kind, object->key);
    }
  self->leftovers = work->objects->len;
  if (work->warm)
    {
      mtv_store_ledger_intend (batch, self->record->run_id, self->record->number,
                               self->record->source, MTV_SOURCE_TRACKING, self->record->vm_id);
      self->leftovers++;
    }
  mtv_job_work_free (work);
  self->busy = FALSE;
  mtv_job_commit (self, batch, intended);
}

/* Defining: the destination makes it one step; with it the ledger is empty. */

static gboolean
define (gpointer data, GCancellable *cancellable, GError **error)
{
  MtvJobWork *work = data;

  for (guint i = 0; i < work->target->disks->len; i++)
    if (!mtv_disk_set_load_map (work->store, work->target, i, error))
      return FALSE;
  work->objects = mtv_destination_list_objects (work->destination, work->target);
  work->location = mtv_destination_define (work->destination, work->target, cancellable, error);
  return work->location != NULL;
}

static void
defined_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  MtvJobWork *work = mtv_work_get_data (result);
  GError *error = NULL;

  (void) user_data;
  if (!mtv_work_finish (result, &error))
    {
      mtv_job_done (self, NULL, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  for (guint i = 0; i < work->objects->len; i++)
    {
      MtvDestinationObject *object = g_ptr_array_index (work->objects, i);

      mtv_store_ledger_strike (batch, self->record->run_id, self->record->number, object->kind,
                               object->key);
    }
  /* It runs there now, or may: never here again by our doing. */
  mtv_store_ledger_strike (batch, self->record->run_id, self->record->number, MTV_POWER_ENTRY,
                           self->record->vm_id);
  mtv_store_progress_clear (batch, self->record->run_id, self->record->number);
  self->record->location = g_strdup (work->location);
  if (self->record->off_time != 0)
    self->record->downtime = mtv_clock_now (self->context->clock) - self->record->off_time;
  self->cancelling = FALSE; /* too late */
  g_clear_pointer (&self->record->outcome, g_free);
  mtv_job_done (self, batch, NULL);
}

static void
prepare_job (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work != NULL)
    mtv_job_work_run (self, "mtv-prepare", prepare, work, prepared_cb);
}

static void
define_job (MtvJob *self)
{
  MtvJobWork *work = mtv_job_work_new (self);

  if (work != NULL)
    mtv_job_work_run (self, "mtv-define", define, work, defined_cb);
}

void
mtv_job_enter_state (MtvJob *self)
{
  static void (*const enter[MTV_JOB_N_STATES]) (MtvJob * job) = {
    [MTV_JOB_PREPARING] = prepare_job,
    [MTV_JOB_ALLOCATING] = allocate,
    [MTV_JOB_SNAPSHOTTING] = mtv_round_snapshot,
    [MTV_JOB_PRECOPYING] = mtv_round_copy,
    [MTV_JOB_REMOVING_SNAPSHOT] = mtv_round_remove,
    [MTV_JOB_POWERING_OFF] = mtv_power_off,
    [MTV_JOB_FINAL_SNAPSHOTTING] = mtv_round_snapshot,
    [MTV_JOB_FINAL_COPYING] = mtv_round_copy,
    [MTV_JOB_COPYING] = mtv_job_copy,
    [MTV_JOB_VERIFYING] = mtv_job_verify,
    [MTV_JOB_DEFINING] = define_job,
    [MTV_JOB_FINAL_REMOVING] = mtv_round_remove,
    [MTV_JOB_CLEANING_UP] = mtv_job_clean_up,
  };

  g_return_if_fail (enter[self->state] != NULL);

  self->busy = TRUE;
  enter[self->state](self);
}
