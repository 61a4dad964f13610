/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-engine-private.h"
#include "engine/mtv-job-idle.h"
#include "engine/mtv-plan-entry-private.h"
#include "store/mtv-store-objects.h"

/* For the data that is under way, of all copies together. */
#define COPY_MEMORY (64 * 1024 * 1024)

G_DEFINE_FINAL_TYPE (MtvEngine, mtv_engine, G_TYPE_OBJECT)

enum
{
  SIGNAL_ADDED,
  SIGNAL_REMOVED,
  SIGNAL_CHANGED,
  SIGNAL_KEEP_FD,
  SIGNAL_DROP_FD,
  N_SIGNALS
};

static guint signals[N_SIGNALS];

static void
mtv_engine_dispose (GObject *object)
{
  MtvEngine *self = MTV_ENGINE (object);

  self->context.stopping = TRUE;
  g_clear_handle_id (&self->change_due, g_source_remove);
  g_clear_pointer (&self->transfers, g_ptr_array_unref);
  g_clear_pointer (&self->plans, g_ptr_array_unref);
  g_clear_pointer (&self->context.migrations, g_ptr_array_unref);
  g_clear_pointer (&self->context.providers, g_hash_table_unref);
  g_clear_pointer (&self->providers, g_ptr_array_unref);
  g_clear_object (&self->context.scheduler);
  g_clear_pointer (&self->context.budget, mtv_budget_unref);
  g_clear_pointer (&self->context.throttles, mtv_throttles_free);
  g_clear_object (&self->context.clock);
  g_clear_object (&self->context.store);

  G_OBJECT_CLASS (mtv_engine_parent_class)->dispose (object);
}

static void
mtv_engine_finalize (GObject *object)
{
  MtvEngine *self = MTV_ENGINE (object);

  g_hash_table_unref (self->context.reserved);
  g_variant_unref (self->chosen);
  g_clear_pointer (&self->choosing, g_variant_unref);
  g_free (self->image_directory);

  G_OBJECT_CLASS (mtv_engine_parent_class)->finalize (object);
}

static void
mtv_engine_class_init (MtvEngineClass *klass)
{
  GType type = MTV_TYPE_ENGINE;

  G_OBJECT_CLASS (klass)->dispose = mtv_engine_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_engine_finalize;

  signals[SIGNAL_ADDED] = g_signal_new ("added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                        G_TYPE_NONE, 1, G_TYPE_OBJECT);
  signals[SIGNAL_REMOVED] = g_signal_new ("removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 1, G_TYPE_OBJECT);
  signals[SIGNAL_CHANGED]
      = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[SIGNAL_KEEP_FD] = g_signal_new ("keep-fd", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_INT);
  signals[SIGNAL_DROP_FD] = g_signal_new ("drop-fd", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                          G_TYPE_NONE, 1, G_TYPE_STRING);
}

static void
mtv_engine_init (MtvEngine *self)
{
  mtv_settings_init (&self->context.settings);
  self->chosen = g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
  self->context.providers = g_hash_table_new (g_str_hash, g_str_equal);
  self->context.migrations = g_ptr_array_new_with_free_func (g_object_unref);
  self->providers = g_ptr_array_new_with_free_func (g_object_unref);
  self->plans = g_ptr_array_new_with_free_func (g_object_unref);
  self->transfers = g_ptr_array_new_with_free_func (g_object_unref);
  self->context.reserved = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
}

MtvEngine *
mtv_engine_new (MtvStore *store, MtvClock *clock, const MtvProviderType *const *types,
                const char *image_directory)
{
  g_return_val_if_fail (MTV_IS_STORE (store), NULL);
  g_return_val_if_fail (MTV_IS_CLOCK (clock), NULL);

  MtvEngine *self = g_object_new (MTV_TYPE_ENGINE, NULL);

  self->context.store = g_object_ref (store);
  self->context.clock = g_object_ref (clock);
  self->context.budget = mtv_budget_new (COPY_MEMORY);
  self->context.throttles = mtv_throttles_new (clock);
  self->context.scheduler = mtv_scheduler_new (self->context.settings.max_vms_in_flight);
  self->types = types;
  self->image_directory = g_strdup (image_directory);
  return self;
}

void
mtv_engine_emit_added (MtvEngine *self, gpointer object)
{
  g_signal_emit (self, signals[SIGNAL_ADDED], 0, object);
}

void
mtv_engine_emit_removed (MtvEngine *self, gpointer object)
{
  g_signal_emit (self, signals[SIGNAL_REMOVED], 0, object);
}

void
mtv_engine_emit_changed (MtvEngine *self)
{
  g_signal_emit (self, signals[SIGNAL_CHANGED], 0);
}

char *
mtv_engine_make_id (void)
{
  static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789";
  char id[9] = { 0 };

  for (guint i = 0; i < sizeof id - 1; i++)
    id[i] = letters[g_random_int_range (0, sizeof letters - 1)];
  return g_strdup (id);
}

typedef struct
{
  GHashTable *reserved; /* (owned) */
  char *key;            /* (owned) */
} Reservation;

static void
reservation_free (gpointer data)
{
  Reservation *reservation = data;

  g_hash_table_remove (reservation->reserved, reservation->key);
  g_hash_table_unref (reservation->reserved);
  g_free (reservation->key);
  g_free (reservation);
}

gboolean
mtv_engine_reserve (MtvEngine *self, GTask *task, const char *kind, const char *what,
                    GError **error)
{
  g_autofree char *key = g_strdup_printf ("%s %s", kind, what);

  if (!g_hash_table_add (self->context.reserved, g_strdup (key)))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                   "Another call about %s '%s' is under way", kind, what);
      return FALSE;
    }
  Reservation *reservation = g_new0 (Reservation, 1);
  reservation->reserved = g_hash_table_ref (self->context.reserved);
  reservation->key = g_steal_pointer (&key);
  g_object_set_data_full (G_OBJECT (task), "mtv-reservation", reservation, reservation_free);
  return TRUE;
}

typedef struct
{
  GTask *task;     /* (owned) */
  gpointer object; /* (owned) (nullable) */
  MtvEngineFunc then;
} Commit;

static void
committed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Commit *commit = user_data;
  g_autoptr (GTask) task = commit->task;
  g_autoptr (GObject) object = commit->object;
  GError *error = NULL;

  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    g_task_return_error (task, error);
  else
    {
      if (commit->then != NULL)
        commit->then (g_task_get_source_object (task), object);
      if (object != NULL)
        g_task_return_pointer (task, g_steal_pointer (&object), g_object_unref);
      else
        g_task_return_boolean (task, TRUE);
    }
  g_free (commit);
}

void
mtv_engine_commit (MtvEngine *self, MtvStoreBatch *batch, GTask *task, gpointer object,
                   MtvEngineFunc then)
{
  Commit *commit = g_new0 (Commit, 1);

  commit->task = task;
  commit->object = object;
  commit->then = then;
  mtv_store_commit_async (self->context.store, batch, committed_cb, commit);
}

/* Looking. */

GVariant *
mtv_engine_get_types (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sbb)"));

  for (guint i = 0; self->types[i] != NULL; i++)
    g_variant_builder_add (&builder, "(sbb)", self->types[i]->type, self->types[i]->is_source,
                           self->types[i]->is_destination);
  return g_variant_builder_end (&builder);
}

GVariant *
mtv_engine_get_provider_settings (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sssb)"));

  for (guint i = 0; self->types[i] != NULL; i++)
    for (const MtvProviderSetting *setting = self->types[i]->settings;
         setting != NULL && setting->key != NULL; setting++)
      g_variant_builder_add (&builder, "(sssb)", self->types[i]->type, setting->key, setting->type,
                             setting->secret);
  return g_variant_builder_end (&builder);
}

GPtrArray *
mtv_engine_get_providers (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  return self->providers;
}

GPtrArray *
mtv_engine_get_plans (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  return self->plans;
}

GPtrArray *
mtv_engine_get_migrations (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  return self->context.migrations;
}

void
mtv_engine_get_counts (MtvEngine *self, guint *running, guint *queued, guint *suspended)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  *running = *queued = *suspended = 0;
  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context.migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        {
          const char *state = mtv_job_get_state (g_ptr_array_index (jobs, j));

          *running += g_str_equal (state, "running") || g_str_equal (state, "cleaning-up");
          *queued += g_str_equal (state, "queued");
          *suspended += g_str_equal (state, "suspended");
        }
    }
}

MtvProviderEntry *
mtv_engine_find_provider (MtvEngine *self, const char *id, GError **error)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  MtvProviderEntry *entry = g_hash_table_lookup (self->context.providers, id);

  if (entry == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no provider '%s'", id);
  return entry;
}

MtvPlanEntry *
mtv_engine_find_plan (MtvEngine *self, const char *id, GError **error)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  for (guint i = 0; i < self->plans->len; i++)
    {
      MtvPlanEntry *entry = g_ptr_array_index (self->plans, i);

      if (g_strcmp0 (mtv_plan_entry_get_plan (entry)->id, id) == 0)
        return entry;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no plan '%s'", id);
  return NULL;
}

/* Settings. */

GVariant *
mtv_engine_get_defaults (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  return mtv_settings_to_variant (&self->context.settings);
}

static void
defaults_saved (MtvEngine *self, gpointer object)
{
  (void) object;
  g_variant_unref (self->chosen);
  self->chosen = g_steal_pointer (&self->choosing);
  mtv_settings_apply (&self->context.settings, self->chosen, NULL);
  mtv_scheduler_set_slots (self->context.scheduler, self->context.settings.max_vms_in_flight);
  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context.migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        {
          mtv_job_replan (g_ptr_array_index (jobs, j));
          mtv_job_reconsider (g_ptr_array_index (jobs, j));
        }
    }
  mtv_engine_emit_changed (self);
}

/* What nobody chose stays with mtvd.conf. (transfer full) */
static GVariant *
choose (GVariant *chosen, GVariant *defaults)
{
  GVariantDict dict;
  GVariantIter iter;
  const char *key;
  GVariant *value;

  g_variant_dict_init (&dict, chosen);
  g_variant_iter_init (&iter, defaults);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    g_variant_dict_insert_value (&dict, key, value);
  return g_variant_ref_sink (g_variant_dict_end (&dict));
}

void
mtv_engine_set_defaults_async (MtvEngine *self, GVariant *defaults, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autoptr (GVariant) owned G_GNUC_UNUSED = g_variant_ref_sink (defaults);
  MtvSettings changed = self->context.settings;
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_set_defaults_async);
  if (!mtv_settings_apply (&changed, defaults, &error)
      || !mtv_engine_reserve (self, task, "setting", "defaults", &error))
    {
      g_task_return_error (task, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  g_clear_pointer (&self->choosing, g_variant_unref);
  self->choosing = choose (self->chosen, defaults);
  mtv_store_put_defaults (batch, self->choosing);
  mtv_engine_commit (self, batch, g_steal_pointer (&task), NULL, defaults_saved);
}

gboolean
mtv_engine_set_defaults_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* Beginning and end. */

static gboolean
tell_change (gpointer user_data)
{
  MtvEngine *self = user_data;

  self->change_due = 0;
  mtv_engine_emit_changed (self);
  return G_SOURCE_REMOVE;
}

/* The end of one job moves all that are queued. */
void
mtv_engine_queue_changed (MtvEngine *self)
{
  if (self->change_due == 0)
    self->change_due = g_idle_add (tell_change, self);
}

void
mtv_engine_adopt_migration (MtvEngine *self, MtvMigration *migration)
{
  GPtrArray *jobs = mtv_migration_get_jobs (migration);
  MtvPlanEntry *plan
      = mtv_engine_find_plan (self, mtv_migration_get_record (migration)->plan_id, NULL);

  g_ptr_array_add (self->context.migrations, migration);
  for (guint i = 0; i < jobs->len; i++)
    g_signal_connect_object (g_ptr_array_index (jobs, i), "changed",
                             G_CALLBACK (mtv_engine_queue_changed), self, G_CONNECT_SWAPPED);
  mtv_engine_emit_added (self, migration);
  if (plan != NULL)
    mtv_plan_entry_set_last_migration (plan, migration);
}

void
mtv_engine_run (MtvEngine *self)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  for (guint i = 0; i < self->providers->len; i++)
    if (mtv_provider_entry_get_provider (g_ptr_array_index (self->providers, i)) != NULL)
      mtv_provider_entry_refresh_async (g_ptr_array_index (self->providers, i), NULL, NULL);

  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context.migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        if (!mtv_job_has_ended (g_ptr_array_index (jobs, j)))
          mtv_job_enter (g_ptr_array_index (jobs, j));
    }
}

static gboolean
is_busy (MtvEngine *self)
{
  gboolean busy = mtv_engine_count_transfers (self) > 0;

  for (guint i = 0; i < self->providers->len; i++)
    busy |= mtv_provider_entry_get_state (g_ptr_array_index (self->providers, i))
            == MTV_PROVIDER_REFRESHING;
  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (self->context.migrations, i));

      for (guint j = 0; j < jobs->len; j++)
        {
          MtvJob *job = g_ptr_array_index (jobs, j);

          busy |= job->busy || job->requests > 0;
        }
    }
  return busy;
}

static void
finish_if_idle (MtvEngine *self)
{
  if (self->stop_task == NULL || is_busy (self))
    return;

  g_autoptr (GTask) task = g_steal_pointer (&self->stop_task);
  g_task_return_boolean (task, TRUE);
}

void
mtv_engine_stop_async (MtvEngine *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));
  g_return_if_fail (self->stop_task == NULL);

  self->context.stopping = TRUE;
  self->stop_task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (self->stop_task, mtv_engine_stop_async);
  g_signal_connect (self, "changed", G_CALLBACK (finish_if_idle), NULL);
  for (guint i = 0; i < self->providers->len; i++)
    {
      MtvProviderEntry *entry = g_ptr_array_index (self->providers, i);

      g_signal_connect_object (entry, "changed", G_CALLBACK (finish_if_idle), self,
                               G_CONNECT_SWAPPED);
      mtv_provider_entry_stop (entry);
    }
  for (guint i = 0; i < self->transfers->len; i++)
    mtv_transfer_cancel (g_ptr_array_index (self->transfers, i), NULL);
  for (guint i = 0; i < self->context.migrations->len; i++)
    g_ptr_array_foreach (mtv_migration_get_jobs (g_ptr_array_index (self->context.migrations, i)),
                         (GFunc) (void (*) (void)) mtv_job_stop, NULL);
  finish_if_idle (self);
}

void
mtv_engine_stop_finish (MtvEngine *self, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, self));

  g_task_propagate_boolean (G_TASK (result), NULL);
}
