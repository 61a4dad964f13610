/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-work.h"
#include "engine/mtv-engine-private.h"
#include "store/mtv-store-objects.h"

/* A provider that is there learns something else: a new password, another certificate. */

typedef struct
{
  MtvStore *store;           /* (owned) */
  MtvProviderConfig *config; /* (owned) as it will be */
  GVariant *secrets;         /* (owned) (nullable) what is new; then all of them */
  MtvProvider *provider;     /* (owned) (nullable) */
} Change;

#define CHANGE "mtv-change" /* of an entry, while it is being saved */

static void
change_free (gpointer data)
{
  Change *change = data;

  g_object_unref (change->store);
  mtv_provider_config_free (change->config);
  g_clear_pointer (&change->secrets, g_variant_unref);
  g_clear_object (&change->provider);
  g_free (change);
}

/* @old with what @new has instead; both (nullable). (transfer full) (nullable) */
static GVariant *
merge (GVariant *old, GVariant *new)
{
  if (old == NULL || new == NULL)
    return old != NULL ? g_variant_ref (old) : new != NULL ? g_variant_ref (new) : NULL;

  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (g_variant_get_type (new));
  GVariantIter iter;
  GVariant *pair;

  g_variant_iter_init (&iter, old);
  while ((pair = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_autoptr (GVariant) owned G_GNUC_UNUSED = pair;
      g_autoptr (GVariant) key = g_variant_get_child_value (pair, 0);
      g_autoptr (GVariant) other
          = g_variant_lookup_value (new, g_variant_get_string (key, NULL), NULL);

      if (other == NULL)
        g_variant_builder_add_value (&builder, pair);
    }
  g_variant_iter_init (&iter, new);
  while ((pair = g_variant_iter_next_value (&iter)) != NULL)
    {
      g_variant_builder_add_value (&builder, pair);
      g_variant_unref (pair);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

static gboolean
load_secrets (gpointer data, GCancellable *cancellable, GError **error)
{
  Change *change = data;
  GError *failed = NULL;
  g_autoptr (GVariant) old = mtv_store_load_secrets (change->store, change->config->id, &failed);

  (void) cancellable;
  if (failed != NULL)
    {
      g_propagate_error (error, failed);
      return FALSE;
    }
  g_autoptr (GVariant) new = g_steal_pointer (&change->secrets);
  change->secrets = merge (old, new);
  return TRUE;
}

static void
saved (MtvEngine *self, gpointer object)
{
  Change *change = g_object_steal_data (object, CHANGE);

  (void) self;
  mtv_provider_entry_configure (object, change->config, change->provider);
  change_free (change);
}

static void
secrets_loaded (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvEngine *self = MTV_ENGINE (source);
  g_autoptr (GTask) task = user_data;
  MtvProviderEntry *entry = g_task_get_task_data (task);
  Change *change = g_object_get_data (G_OBJECT (entry), CHANGE);
  GError *error = NULL;

  if (mtv_work_finish (result, &error))
    change->provider = mtv_engine_make_provider (self, change->config, change->secrets, -1, &error);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_put_provider (batch, change->config);
  mtv_store_put_secrets (batch, change->config->id, change->secrets);
  mtv_engine_commit (self, batch, g_steal_pointer (&task), g_object_ref (entry), saved);
}

static MtvProviderConfig *
changed_config (const MtvProviderConfig *config, const MtvProviderWords *words)
{
  MtvProviderConfig *changed = mtv_fields_new (&mtv_provider_config_fields);

  changed->id = g_strdup (config->id);
  changed->name = g_strdup (config->name);
  changed->type = g_strdup (config->type);
  changed->url = g_strdup (words->url != NULL ? words->url : config->url);
  changed->identity = words->url != NULL ? NULL : g_strdup (config->identity);
  changed->settings = merge (config->settings, words->settings);
  changed->created = config->created;
  return changed;
}

void
mtv_engine_configure_provider_async (MtvEngine *self, MtvProviderEntry *entry,
                                     const MtvProviderWords *words, GAsyncReadyCallback callback,
                                     gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  const MtvProviderConfig *config = mtv_provider_entry_get_config (entry);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_configure_provider_async);
  if (!mtv_engine_reserve (self, task, "provider", config->name, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  Change *change = g_new0 (Change, 1);
  change->store = g_object_ref (self->context.store);
  change->config = changed_config (config, words);
  change->secrets = words->secrets == NULL ? NULL : g_variant_ref (words->secrets);
  g_object_set_data_full (G_OBJECT (entry), CHANGE, change, change_free);
  g_task_set_task_data (task, g_object_ref (entry), g_object_unref);
  mtv_work_async ("mtv-secrets", load_secrets, change, NULL, self, NULL, secrets_loaded,
                  g_steal_pointer (&task));
}

gboolean
mtv_engine_configure_provider_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  g_autoptr (GObject) entry = g_task_propagate_pointer (G_TASK (result), error);
  return entry != NULL;
}
