/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-engine-private.h"
#include "engine/mtv-job-private.h"
#include "engine/mtv-migration-private.h"
#include "engine/mtv-plan-entry-private.h"
#include "store/mtv-store-ledger.h"
#include "store/mtv-store-objects.h"

/* The name under which the embedded destination is always there. */
#define LOCAL "local"

static int
kept_fd (GHashTable *fds, const char *id)
{
  g_autofree char *name = g_strdup_printf ("provider-%s", id);
  gpointer fd;

  return fds != NULL && g_hash_table_lookup_extended (fds, name, NULL, &fd) ? GPOINTER_TO_INT (fd)
                                                                            : -1;
}

/* A provider that cannot be made any more stays, with the reason: its plans need it. */
static gboolean
load_provider (MtvEngine *self, MtvProviderConfig *config, GHashTable *fds, GError **error)
{
  g_autoptr (GError) broken = NULL;
  guint64 time = 0;
  GError *failed = NULL;
  g_autoptr (GPtrArray) inventory
      = mtv_store_load_inventory (self->context.store, config->id, &time, &failed);
  g_autoptr (GVariant) secrets
      = failed != NULL ? NULL : mtv_store_load_secrets (self->context.store, config->id, &failed);

  if (failed != NULL)
    {
      mtv_provider_config_free (config);
      g_propagate_error (error, failed);
      return FALSE;
    }
  if (g_str_equal (config->id, LOCAL)) /* mtvd.conf may have moved it */
    {
      g_free (config->url);
      config->url = g_strdup (self->image_directory);
    }

  g_autoptr (MtvProviderEntry) entry = mtv_engine_adopt_provider (
      self, config, secrets, kept_fd (fds, config->id), inventory, time, &broken);
  mtv_provider_entry_set_error (entry, broken);
  if (broken != NULL)
    g_warning ("Provider '%s' cannot be used: %s", config->name, broken->message);
  mtv_engine_insert_provider (self, entry);
  return TRUE;
}

static gboolean
load_providers (MtvEngine *self, GHashTable *fds, GError **error)
{
  g_autoptr (GPtrArray) configs = mtv_store_load_providers (self->context.store, error);

  if (configs == NULL)
    return FALSE;
  g_ptr_array_set_free_func (configs, NULL);
  for (guint i = 0; i < configs->len; i++)
    if (!load_provider (self, g_ptr_array_index (configs, i), fds, error))
      return FALSE;
  return TRUE;
}

static gboolean
ensure_local (MtvEngine *self, GError **error)
{
  if (g_hash_table_contains (self->context.providers, LOCAL))
    return TRUE;

  MtvProviderConfig *config = mtv_fields_new (&mtv_provider_config_fields);
  MtvStoreBatch *batch = mtv_store_batch_new ();

  config->id = g_strdup (LOCAL);
  config->name = g_strdup (LOCAL);
  config->type = g_strdup (LOCAL);
  config->created = mtv_clock_now (self->context.clock);
  mtv_store_put_provider (batch, config);
  if (mtv_store_commit (self->context.store, batch, error))
    return load_provider (self, config, NULL, error);
  mtv_provider_config_free (config);
  return FALSE;
}

static gboolean
load_plans (MtvEngine *self, GError **error)
{
  g_autoptr (GPtrArray) plans = mtv_store_load_plans (self->context.store, error);

  if (plans == NULL)
    return FALSE;
  g_ptr_array_set_free_func (plans, NULL);
  for (guint i = 0; i < plans->len; i++)
    g_ptr_array_add (self->plans, mtv_plan_entry_new (g_ptr_array_index (plans, i)));
  return TRUE;
}

static gboolean
load_migration (MtvEngine *self, MtvMigrationRecord *record, GError **error)
{
  g_autoptr (MtvMigration) migration = mtv_migration_new (&self->context, record);
  g_autoptr (GPtrArray) jobs = mtv_store_load_jobs (self->context.store, record->id, error);

  if (jobs == NULL)
    return FALSE;
  g_ptr_array_set_free_func (jobs, NULL);
  for (guint i = 0; i < jobs->len; i++)
    {
      MtvJobRecord *job = g_ptr_array_index (jobs, i);
      g_autoptr (GPtrArray) ledger
          = mtv_store_ledger_load (self->context.store, job->run_id, job->number, error);

      if (ledger == NULL)
        return FALSE;
      mtv_migration_add_job (migration,
                             mtv_job_new (&self->context, job, record->plan_name, ledger->len));
    }
  mtv_migration_settle (migration);
  mtv_engine_adopt_migration (self, g_steal_pointer (&migration));
  return TRUE;
}

static gboolean
load_migrations (MtvEngine *self, GError **error)
{
  g_autoptr (GPtrArray) records = mtv_store_load_migrations (self->context.store, error);

  if (records == NULL)
    return FALSE;
  g_ptr_array_set_free_func (records, NULL);
  for (guint i = 0; i < records->len; i++)
    if (!load_migration (self, g_ptr_array_index (records, i), error))
      return FALSE;
  return TRUE;
}

gboolean
mtv_engine_load (MtvEngine *self, GVariant *configured, GHashTable *fds, GError **error)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), FALSE);

  g_autoptr (GError) failed = NULL;
  g_autoptr (GVariant) defaults = mtv_store_load_defaults (self->context.store, &failed);

  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if ((configured != NULL && !mtv_settings_apply (&self->context.settings, configured, error))
      || (defaults != NULL && !mtv_settings_apply (&self->context.settings, defaults, error)))
    return FALSE;
  if (defaults != NULL)
    {
      g_variant_unref (self->chosen);
      self->chosen = g_steal_pointer (&defaults);
    }
  mtv_scheduler_set_slots (self->context.scheduler, self->context.settings.max_vms_in_flight);
  return load_providers (self, fds, error) && ensure_local (self, error) && load_plans (self, error)
         && mtv_engine_load_throttles (self, error) && load_migrations (self, error);
}
