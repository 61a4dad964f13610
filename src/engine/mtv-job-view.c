/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-disk-map.h"
#include "engine/mtv-job-moves.h"

/* What others may know of a job; the signals say when to look again. */

const MtvJobRecord *
mtv_job_get_record (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  return self->record;
}

const char *
mtv_job_get_state (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  if (mtv_job_state_is_final (self->state))
    return mtv_job_state_to_string (self->state);
  if (self->suspended)
    return "suspended";
  if (self->state == MTV_JOB_CLEANING_UP || self->cancelling)
    return "cleaning-up";
  if (self->state == MTV_JOB_QUEUED || mtv_scheduler_get_place (self->context->scheduler, self) > 0)
    return "queued";
  return "running";
}

const char *
mtv_job_get_phase (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  if (self->state == MTV_JOB_SUCCEEDED)
    return "done";
  if (!mtv_job_state_is_final (self->state))
    return mtv_job_state_to_string (self->state);

  const MtvStepRecord *last = NULL;
  for (guint i = 0; i < self->record->steps->len; i++)
    {
      const MtvStepRecord *step = g_ptr_array_index (self->record->steps, i);

      if (step->start_time > 0 && !g_str_equal (step->name, "cleaning-up")
          && (last == NULL || step->start_time >= last->start_time))
        last = step;
    }
  return last == NULL ? "queued" : last->name;
}

gboolean
mtv_job_has_ended (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), TRUE);

  return mtv_job_state_is_final (self->state) && !self->busy; /* not about to be tried again */
}

/* All rounds together, none that would make it fall. */
static guint64
sum_rounds (MtvJob *self, gboolean total)
{
  GPtrArray *rounds = self->record->rounds;
  guint64 sum = 0;

  for (guint i = 0; i < rounds->len; i++)
    {
      const MtvRoundRecord *round = g_ptr_array_index (rounds, i);
      gboolean given_up = round->copied_time == 0 && round->removed_time != 0;

      sum += total && !given_up ? round->bytes_changed : round->bytes_done;
    }
  return sum;
}

guint64
mtv_job_get_bytes_done (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  return self->record->schedule.warm ? sum_rounds (self, FALSE)
                                     : mtv_job_get_step (self, "copying")->bytes_done;
}

guint64
mtv_job_get_bytes_total (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  guint64 total = self->record->schedule.warm ? sum_rounds (self, TRUE)
                                              : mtv_job_get_step (self, "copying")->bytes_total;
  g_autoptr (GVariant) disks = NULL;

  if (total > 0 || self->record->vm == NULL)
    return total;
  disks = g_variant_lookup_value (self->record->vm, "disks", G_VARIANT_TYPE ("aa{sv}"));
  for (gsize i = 0; disks != NULL && i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      guint64 allocated = 0;

      g_variant_lookup (disk, "allocated", "t", &allocated);
      total += allocated;
    }
  return total;
}

guint64
mtv_job_get_rate (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  return self->ticker == 0 ? 0 : mtv_rate_get (&self->rate, mtv_clock_now (self->context->clock));
}

guint64
mtv_job_get_expected_end (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  guint64 done, total;

  if (self->ticker == 0)
    return 0;
  mtv_disk_set_get_progress (self->disks, -1, &done, &total);
  return mtv_rate_get_eta (&self->rate, mtv_clock_now (self->context->clock),
                           total > done ? total - done : 0);
}

const char *
mtv_job_get_waiting (MtvJob *self, guint64 *since)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  *since = self->waiting_since;
  return self->waiting;
}

guint
mtv_job_get_queue_place (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  return mtv_scheduler_get_place (self->context->scheduler, self);
}

guint
mtv_job_get_leftovers (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), 0);

  return self->leftovers;
}

GVariant *
mtv_job_get_steps (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < self->record->steps->len; i++)
    g_variant_builder_add_value (
        &builder, mtv_fields_to_variant (&mtv_step_record_fields,
                                         g_ptr_array_index (self->record->steps, i)));
  return g_variant_builder_end (&builder);
}

static const char *
disk_state (MtvJob *self, guint index)
{
  gboolean active
      = self->ticker != 0 && mtv_disk_set_get_state (self->disks, index) == MTV_DISK_ACTIVE;
  MtvDiskRecord *kept
      = index < self->record->disks->len ? g_ptr_array_index (self->record->disks, index) : NULL;

  if (active)
    return self->state == MTV_JOB_VERIFYING ? "verifying" : "copying";
  if (kept != NULL && kept->verified)
    return "verified";
  return kept != NULL && kept->copied ? "copied" : "pending";
}

static GVariant *
describe_disk (MtvJob *self, GVariant *disk, guint index)
{
  GVariantDict dict;
  const char *id = "", *name = "";
  guint64 capacity = 0, done = 0, total = 0;

  g_variant_lookup (disk, "id", "&s", &id);
  g_variant_lookup (disk, "name", "&s", &name);
  g_variant_lookup (disk, "capacity", "t", &capacity);
  g_variant_lookup (disk, "allocated", "t", &total);
  if (index < self->record->disks->len)
    {
      MtvDiskRecord *kept = g_ptr_array_index (self->record->disks, index);

      capacity = kept->size > 0 ? kept->size : capacity;
      done = kept->bytes_done;
      total = MAX (total, kept->bytes_total);
    }
  if (self->ticker != 0)
    {
      guint64 before = done;

      mtv_disk_set_get_progress (self->disks, (gint) index, &done, &total);
      if (self->state == MTV_JOB_COPYING) /* it goes on where it was, but first it opens */
        done = MAX (done, before);
    }

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", id);
  g_variant_dict_insert (&dict, "name", "s", name);
  g_variant_dict_insert (&dict, "state", "s", disk_state (self, index));
  g_variant_dict_insert (&dict, "capacity", "t", capacity);
  g_variant_dict_insert (&dict, "bytes-done", "t", done);
  g_variant_dict_insert (&dict, "bytes-total", "t", total);
  return g_variant_dict_end (&dict);
}

GVariant *
mtv_job_get_disks (MtvJob *self)
{
  g_return_val_if_fail (MTV_IS_JOB (self), NULL);

  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) disks
      = self->record->vm == NULL
            ? NULL
            : g_variant_lookup_value (self->record->vm, "disks", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; disks != NULL && i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);

      g_variant_builder_add_value (&builder, describe_disk (self, disk, (guint) i));
    }
  return g_variant_builder_end (&builder);
}

MtvProvider *
mtv_job_get_provider (MtvJob *self, const char *id, GError **error)
{
  MtvProviderEntry *entry = g_hash_table_lookup (self->context->providers, id);
  MtvProvider *provider = entry == NULL ? NULL : mtv_provider_entry_get_provider (entry);

  if (provider != NULL)
    return provider;
  if (entry != NULL && mtv_provider_entry_get_error (entry) != NULL)
    g_propagate_error (error, g_error_copy (mtv_provider_entry_get_error (entry)));
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "The provider '%s' is not there", id);
  return NULL;
}

/* Sizes that an earlier process had found out. */
static void
restore_sizes (MtvJob *self)
{
  for (guint i = 0; i < self->target->disks->len && i < self->record->disks->len; i++)
    {
      MtvDiskRecord *kept = g_ptr_array_index (self->record->disks, i);

      if (kept->size > 0)
        mtv_target_set_disk_size (self->target, i, kept->size);
    }
}

MtvTarget *
mtv_job_get_target (MtvJob *self, GError **error)
{
  const MtvJobRecord *record = self->record;
  MtvHash hash;

  if (self->target != NULL)
    return self->target;

  g_autoptr (GVariant) nothing = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  g_autoptr (MtvVm) vm = mtv_vm_from_variant (record->vm != NULL ? record->vm : nothing, error);
  if (vm == NULL)
    return NULL;
  if (!mtv_hash_from_string (record->hash, &hash))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' is kept with a hash '%s'",
                   record->name, record->hash);
      return NULL;
    }

  MtvProviderEntry *source = g_hash_table_lookup (self->context->providers, record->source);
  MtvTarget *target = mtv_target_new (vm);
  target->run_id = g_strdup (record->run_id);
  target->number = record->number;
  target->name = g_strdup (record->target_name);
  target->name_given = record->target_name_given;
  target->plan = g_strdup (self->plan_name);
  target->source = g_strdup (source == NULL ? "" : mtv_provider_entry_get_config (source)->name);
  target->source_identity = g_strdup (record->source_identity);
  target->devices = g_strdup (record->devices);
  target->format = g_strdup (record->format);
  target->hash = hash;
  target->networks = record->networks == NULL ? NULL : g_variant_ref (record->networks);
  target->start
      = g_str_equal (record->target_power_state, "on")
        || (g_str_equal (record->target_power_state, "auto")
            && g_strcmp0 (record->power_state != NULL ? record->power_state : vm->power_state, "on")
                   == 0);
  self->target = target;
  restore_sizes (self);
  return target;
}

void
mtv_job_drop_target (MtvJob *self)
{
  if (self->target == NULL)
    return;
  for (guint i = 0; self->record->schedule.warm && i < self->target->disks->len; i++)
    {
      MtvBlockMap *map = ((MtvTargetDisk *) g_ptr_array_index (self->target->disks, i))->map;

      if (map == NULL || mtv_block_map_get_n_done (map) == 0) /* it was not even loaded */
        continue;
      if (self->read_back == NULL)
        self->read_back = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
      if (self->read_back->len <= i)
        g_ptr_array_set_size (self->read_back, (gint) i + 1);
      g_clear_pointer (&g_ptr_array_index (self->read_back, i), g_bytes_unref);
      g_ptr_array_index (self->read_back, i) = mtv_disk_map_get_read_back (map);
    }
  g_clear_pointer (&self->target, mtv_target_free);
}

gboolean
mtv_job_source_has (MtvJob *self, MtvSourceCaps cap)
{
  MtvProvider *source = mtv_job_get_provider (self, self->record->source, NULL);

  return source != NULL && MTV_IS_SOURCE (source)
         && (mtv_source_get_caps (MTV_SOURCE (source)) & cap) != 0;
}

gboolean
mtv_job_name_is_taken (MtvJob *self, const char *name)
{
  for (guint i = 0; i < self->context->migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context->migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        {
          MtvJob *other = g_ptr_array_index (jobs, j);
          MtvJobState state = other->state;

          mtv_job_state_from_string (other->record->state, &state); /* about to be committed */
          if (other != self && !mtv_job_state_is_final (state) && state > MTV_JOB_PREPARING
              && g_str_equal (other->record->destination, self->record->destination)
              && g_str_equal (other->record->target_name, name))
            return TRUE;
        }
    }
  return FALSE;
}

static gboolean
check_reserved (MtvJob *self, const char *kind, const char *what, GError **error)
{
  g_autofree char *key = g_strdup_printf ("%s %s", kind, what);

  if (!g_hash_table_contains (self->context->reserved, key))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "Another call about %s '%s' is under way",
               kind, what);
  return FALSE;
}

/* A VM under way can be in the hands of one run at a time, when one of them keeps marks at it. */
gboolean
mtv_job_check_rivals (MtvEngineContext *context, const char *source, const char *vm_id,
                      gboolean warm, GError **error)
{
  for (guint i = 0; i < context->migrations->len; i++)
    {
      MtvMigration *migration = g_ptr_array_index (context->migrations, i);
      GPtrArray *jobs = mtv_migration_get_jobs (migration);

      for (guint j = 0; j < jobs->len; j++)
        {
          const MtvJobRecord *job = mtv_job_get_record (g_ptr_array_index (jobs, j));

          if (mtv_job_has_ended (g_ptr_array_index (jobs, j)) || !(job->schedule.warm || warm)
              || !g_str_equal (job->source, source) || !g_str_equal (job->vm_id, vm_id))
            continue;
          g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                       "'%s' is being migrated by plan '%s' already", job->name,
                       mtv_migration_get_record (migration)->plan_name);
          return FALSE;
        }
    }
  return TRUE;
}

gboolean
mtv_job_check_retry (MtvJob *self, GError **error)
{
  const char *plan_id = NULL;

  for (guint i = 0; i < self->context->migrations->len; i++)
    {
      const MtvMigrationRecord *record
          = mtv_migration_get_record (g_ptr_array_index (self->context->migrations, i));

      if (g_str_equal (record->id, self->record->run_id))
        plan_id = record->plan_id;
      else if (g_strcmp0 (record->plan_id, plan_id)
               == 0) /* they are in the order of their starts */
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                       "There is a later migration of plan '%s'; retry that, or start the plan "
                       "again",
                       record->plan_name);
          return FALSE;
        }
    }
  return check_reserved (self, "migration", self->record->run_id, error)
         && check_reserved (self, "plan", self->plan_name, error);
}
