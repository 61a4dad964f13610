/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-work.h"
#include "engine/mtv-job-private.h"
#include "model/mtv-name.h"
#include "store/mtv-store-ledger.h"
#include "store/mtv-store-objects.h"
#include "store/mtv-store-progress.h"

/* How often progress is looked at; "changed" comes no more often than this. */
#define TICK_MSEC 500

/* How much progress is saved at a time, so that it does not fall when it is shown after a restart.
 */
#define SAVE_BYTES (256 * 1024 * 1024)

/* What a worker thread has of the job while the main thread leaves both alone. */
typedef struct
{
  MtvSource *source;           /* (owned) (nullable) */
  MtvDestination *destination; /* (owned) */
  MtvStore *store;             /* (owned) */
  MtvTarget *target;           /* (unowned) the job's */
  char *location;              /* (owned) (nullable) result of defining */
  GPtrArray *objects;          /* (owned) (nullable) (element-type MtvDestinationObject) */
} Work;

static void
work_free (gpointer data)
{
  Work *work = data;

  g_clear_object (&work->source);
  g_clear_object (&work->destination);
  g_clear_object (&work->store);
  g_clear_pointer (&work->objects, g_ptr_array_unref);
  g_free (work->location);
  g_free (work);
}

/* NULL, and the job is told, when an end is not there. */
static Work *
work_new (MtvJob *self)
{
  GError *error = NULL;
  MtvProvider *source = NULL, *destination;
  MtvTarget *target = mtv_job_get_target (self, &error);

  if (target != NULL && self->state < MTV_JOB_VERIFYING)
    source = mtv_job_get_provider (self, self->record->source, &error);
  if (error == NULL)
    destination = mtv_job_get_provider (self, self->record->destination, &error);
  if (error != NULL)
    {
      mtv_job_done (self, NULL, error);
      return NULL;
    }

  Work *work = g_new0 (Work, 1);
  work->source = source == NULL ? NULL : MTV_SOURCE (g_object_ref (source));
  work->destination = MTV_DESTINATION (g_object_ref (destination));
  work->store = g_object_ref (self->context->store);
  work->target = target;
  return work;
}

static void
run (MtvJob *self, const char *name, MtvWorkFunc func, Work *work, GAsyncReadyCallback callback)
{
  mtv_work_async (name, func, work, work_free, self, self->cancellable, callback, NULL);
}

/* Preparing: nothing is made yet. */

static gboolean
check_identity (Work *work, GCancellable *cancellable, GError **error)
{
  MtvTarget *target = work->target;
  g_autofree char *identity
      = mtv_source_get_identity (work->source, target->vm, cancellable, error);

  if (identity == NULL)
    return FALSE;
  if (target->source_identity != NULL && !g_str_equal (target->source_identity, identity))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   "'%s' is not the same any more at its source as when its migration began",
                   target->vm->name);
      return FALSE;
    }
  g_free (target->source_identity);
  target->source_identity = g_steal_pointer (&identity);
  return TRUE;
}

static gboolean
measure_disks (Work *work, GCancellable *cancellable, GError **error)
{
  for (guint i = 0; i < work->target->disks->len; i++)
    {
      MtvTargetDisk *disk = g_ptr_array_index (work->target->disks, i);

      if (disk->source->problem != NULL)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "Disk '%s' of '%s': %s",
                       disk->source->name, work->target->vm->name, disk->source->problem);
          return FALSE;
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
choose_name (Work *work, GCancellable *cancellable, GError **error)
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
check_space (Work *work, GCancellable *cancellable, GError **error)
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
  Work *work = data;

  if (work->target->vm->problem != NULL)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA, work->target->vm->problem);
      return FALSE;
    }
  return check_identity (work, cancellable, error) && measure_disks (work, cancellable, error)
         && choose_name (work, cancellable, error) && check_space (work, cancellable, error);
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
  Work *work = data;

  return mtv_destination_create_volumes (work->destination, work->target, cancellable, error);
}

static void
created_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  GError *error = NULL;

  (void) user_data;
  self->fresh = mtv_work_finish (result, &error);
  mtv_job_done (self, NULL, error);
}

static void
intended (MtvJob *self)
{
  Work *work = work_new (self);

  if (work == NULL)
    return;
  self->busy = TRUE;
  run (self, "mtv-allocate", create_volumes, work, created_cb);
}

static void
allocate (MtvJob *self)
{
  Work *work = work_new (self);

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
  work_free (work);
  self->busy = FALSE;
  mtv_job_commit (self, batch, intended);
}

/* Copying and verifying. */

static void
saved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  (void) user_data;
  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    g_debug ("Cannot save progress, ignoring: %s", error->message);
}

static void
save_progress (MtvJob *self, guint64 done)
{
  MtvStoreBatch *batch;

  if (done < self->saved_done + SAVE_BYTES)
    return;
  self->saved_done = done;
  batch = mtv_store_batch_new ();
  mtv_store_put_job (batch, self->record);
  mtv_store_commit_async (self->context->store, batch, saved_cb, NULL);
}

static gboolean
tick (gpointer user_data)
{
  MtvJob *self = user_data;
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);
  guint64 done, total;

  mtv_disk_set_get_progress (self->disks, -1, &done, &total);
  step->bytes_total = MAX (total, done);
  step->bytes_done = MAX (step->bytes_done, done);
  mtv_rate_add (&self->rate, mtv_clock_now (self->context->clock), done);
  if (done != self->ticked_done && !self->suspended)
    mtv_job_set_waiting (self, NULL);
  self->ticked_done = done;
  save_progress (self, done);
  mtv_job_changed (self);
  return G_SOURCE_CONTINUE;
}

static void
start_disks (MtvJob *self, Work *work)
{
  g_clear_object (&self->disks);
  self->disks = mtv_disk_set_new (self->target, work->source, work->destination,
                                  self->context->store, self->context->settings.max_disks_per_vm);
  mtv_disk_set_set_budget (self->disks, self->context->budget);
  mtv_rate_reset (&self->rate);
  self->saved_done = 0;
  g_clear_handle_id (&self->ticker, g_source_remove);
  self->ticker = g_timeout_add (TICK_MSEC, tick, self);
  work_free (work);
}

static void
stop_ticking (MtvJob *self)
{
  MtvStepRecord *step = mtv_job_get_step (self, self->record->state);

  tick (self);
  g_clear_handle_id (&self->ticker, g_source_remove);
  for (guint i = 0; i < self->record->disks->len; i++)
    {
      MtvDiskRecord *disk = g_ptr_array_index (self->record->disks, i);

      guint64 done = disk->bytes_done;

      if (self->state == MTV_JOB_COPYING)
        mtv_disk_set_get_progress (self->disks, (gint) i, &disk->bytes_done, &disk->bytes_total);
      disk->bytes_done = MAX (disk->bytes_done, done);
      if (mtv_disk_set_get_state (self->disks, i) == MTV_DISK_DONE)
        *(self->state == MTV_JOB_COPYING ? &disk->copied : &disk->verified) = TRUE;
    }
  step->bytes_done = MIN (step->bytes_done, step->bytes_total);
}

static void
disks_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = user_data;
  GError *error = NULL;

  mtv_disk_set_finish (MTV_DISK_SET (source), result, &error);
  stop_ticking (self);
  mtv_job_done (self, NULL, error);
  g_object_unref (self);
}

static gboolean
still_the_same (gpointer data, GCancellable *cancellable, GError **error)
{
  return check_identity (data, cancellable, error);
}

static void
same_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  GError *error = NULL;
  Work *work = NULL;

  (void) user_data;
  if (!mtv_work_finish (result, &error))
    mtv_job_done (self, NULL, error);
  else if ((work = work_new (self)) != NULL)
    {
      start_disks (self, work);
      mtv_disk_set_copy_async (self->disks, self->fresh, !g_str_equal (self->record->verify, "off"),
                               self->cancellable, disks_cb, g_object_ref (self));
      self->fresh = FALSE;
    }
}

/* Entered after a restart as well: what was copied before is worth nothing if the source changed.
 */
static void
copy (MtvJob *self)
{
  Work *work = work_new (self);

  if (work != NULL)
    run (self, "mtv-identify", still_the_same, work, same_cb);
}

static void
verify (MtvJob *self)
{
  if (g_str_equal (self->record->verify, "off"))
    {
      mtv_job_done (self, NULL, NULL);
      return;
    }

  Work *work = work_new (self);
  if (work == NULL)
    return;
  start_disks (self, work);
  mtv_disk_set_verify_async (self->disks, g_str_equal (self->record->verify, "full"),
                             self->cancellable, disks_cb, g_object_ref (self));
}

/* Defining: the destination makes it one step; with it the ledger is empty. */

static gboolean
define (gpointer data, GCancellable *cancellable, GError **error)
{
  Work *work = data;

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
  Work *work = mtv_work_get_data (result);
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
  mtv_store_progress_clear (batch, self->record->run_id, self->record->number);
  self->record->location = g_strdup (work->location);
  mtv_job_done (self, batch, NULL);
}

/* Cleaning up: what is in the ledger, newest first. */

typedef struct
{
  MtvStore *store;       /* (owned) */
  GHashTable *providers; /* (owned) id to MtvProvider, referenced */
  char *run_id;          /* (owned) */
  guint number;
} CleanUp;

static void
clean_up_free (gpointer data)
{
  CleanUp *work = data;

  g_object_unref (work->store);
  g_hash_table_unref (work->providers);
  g_free (work->run_id);
  g_free (work);
}

static gboolean
remove_entry (CleanUp *work, const MtvLedgerEntry *entry, GCancellable *cancellable, GError **error)
{
  MtvProvider *provider = g_hash_table_lookup (work->providers, entry->provider);

  if (provider == NULL || !MTV_IS_DESTINATION (provider))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "the provider that has our %s '%s' is not usable", entry->kind, entry->key);
      return FALSE;
    }
  if (!mtv_destination_remove (MTV_DESTINATION (provider), entry->kind, entry->key, cancellable,
                               error))
    return FALSE;

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_ledger_strike (batch, work->run_id, work->number, entry->kind, entry->key);
  return mtv_store_commit (work->store, batch, error);
}

static gboolean
clean_up_work (gpointer data, GCancellable *cancellable, GError **error)
{
  CleanUp *work = data;
  g_autoptr (GPtrArray) entries
      = mtv_store_ledger_load (work->store, work->run_id, work->number, error);

  if (entries == NULL)
    return FALSE;
  for (guint i = 0; i < entries->len; i++)
    if (!remove_entry (work, g_ptr_array_index (entries, i), cancellable, error))
      return FALSE;
  return TRUE;
}

static void
cleaned_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvJob *self = MTV_JOB (source);
  MtvStoreBatch *batch = NULL;
  GError *error = NULL;

  (void) user_data;
  if (mtv_work_finish (result, &error))
    {
      batch = mtv_store_batch_new ();
      mtv_store_progress_clear (batch, self->record->run_id, self->record->number);
    }
  mtv_job_done (self, batch, error);
}

static void
clean_up (MtvJob *self)
{
  CleanUp *work = g_new0 (CleanUp, 1);
  GHashTableIter iter;
  gpointer id, entry;

  g_clear_object (&self->disks);
  g_clear_pointer (&self->target, mtv_target_free);
  work->store = g_object_ref (self->context->store);
  work->run_id = g_strdup (self->record->run_id);
  work->number = self->record->number;
  work->providers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  g_hash_table_iter_init (&iter, self->context->providers);
  while (g_hash_table_iter_next (&iter, &id, &entry))
    if (mtv_provider_entry_get_provider (entry) != NULL)
      g_hash_table_insert (work->providers, g_strdup (id),
                           g_object_ref (mtv_provider_entry_get_provider (entry)));
  mtv_work_async ("mtv-clean-up", clean_up_work, work, clean_up_free, self, self->cancellable,
                  cleaned_cb, NULL);
}

static void
prepare_job (MtvJob *self)
{
  Work *work = work_new (self);

  if (work != NULL)
    run (self, "mtv-prepare", prepare, work, prepared_cb);
}

static void
define_job (MtvJob *self)
{
  Work *work = work_new (self);

  if (work != NULL)
    run (self, "mtv-define", define, work, defined_cb);
}

void
mtv_job_enter_state (MtvJob *self)
{
  static void (*const enter[MTV_JOB_N_STATES]) (MtvJob * job) = {
    [MTV_JOB_PREPARING] = prepare_job, [MTV_JOB_ALLOCATING] = allocate,
    [MTV_JOB_COPYING] = copy,          [MTV_JOB_VERIFYING] = verify,
    [MTV_JOB_DEFINING] = define_job,   [MTV_JOB_CLEANING_UP] = clean_up,
  };

  g_return_if_fail (enter[self->state] != NULL);

  self->busy = TRUE;
  enter[self->state](self);
}
