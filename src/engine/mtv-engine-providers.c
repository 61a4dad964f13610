/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-engine-private.h"
#include "store/mtv-store-objects.h"

#include <string.h>

#define MAX_PROVIDERS 1000
#define MAX_NAME 255

static const MtvProviderType *
find_type (MtvEngine *self, const char *type)
{
  for (guint i = 0; self->types[i] != NULL; i++)
    if (g_strcmp0 (self->types[i]->type, type) == 0)
      return self->types[i];
  return NULL;
}

gboolean
mtv_engine_check_name (const char *what, const char *name, GError **error)
{
  gboolean good = *name != '\0' && strlen (name) <= MAX_NAME;

  for (const char *p = name; good && *p != '\0'; p = g_utf8_next_char (p))
    good = !g_unichar_iscntrl (g_utf8_get_char (p)) && *p != '/';
  if (!good)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "'%s' is no name for a %s: it must have 1 to %d bytes, without '/' and control "
                 "characters",
                 name, what, MAX_NAME);
  return good;
}

static char *
fd_name (const char *id)
{
  return g_strdup_printf ("provider-%s", id);
}

MtvProvider *
mtv_engine_make_provider (MtvEngine *self, MtvProviderConfig *config, GVariant *secrets, int fd,
                          GError **error)
{
  const MtvProviderType *type = find_type (self, config->type);

  if (type != NULL)
    return mtv_provider_type_check (type, config->settings, secrets, error)
               ? type->create (config, secrets, fd, error)
               : NULL;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "There is no kind of provider '%s'",
               config->type);
  return NULL;
}

MtvProviderEntry *
mtv_engine_adopt_provider (MtvEngine *self, MtvProviderConfig *config, GVariant *secrets, int fd,
                           GPtrArray *inventory, guint64 refresh_time, GError **error)
{
  g_autoptr (MtvProvider) provider = mtv_engine_make_provider (self, config, secrets, fd, error);

  return mtv_provider_entry_new (config, find_type (self, config->type), provider,
                                 self->context.store, inventory, refresh_time);
}

void
mtv_engine_insert_provider (MtvEngine *self, MtvProviderEntry *entry)
{
  g_ptr_array_add (self->providers, g_object_ref (entry));
  g_hash_table_insert (self->context.providers,
                       (gpointer) mtv_provider_entry_get_config (entry)->id, entry);
}

static void
provider_saved (MtvEngine *self, gpointer object)
{
  MtvProviderEntry *entry = object;
  const char *id = mtv_provider_entry_get_config (entry)->id;
  int fd = mtv_provider_get_fd (mtv_provider_entry_get_provider (entry));

  mtv_engine_insert_provider (self, entry);
  if (fd >= 0)
    {
      g_autofree char *name = fd_name (id);
      g_signal_emit_by_name (self, "keep-fd", name, fd);
    }
  mtv_provider_entry_refresh_async (entry, NULL, NULL);
  mtv_engine_emit_added (self, entry);
}

static gboolean
check_new_provider (MtvEngine *self, const char *name, const char *type, GError **error)
{
  if (!mtv_engine_check_name ("provider", name, error))
    return FALSE;
  if (find_type (self, type) == NULL)
    {
      g_autoptr (GString) known = g_string_new (NULL);

      for (guint i = 0; self->types[i] != NULL; i++)
        g_string_append_printf (known, "%s'%s'", i == 0 ? "" : ", ", self->types[i]->type);
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "There is no kind of provider '%s'; there are %s", type, known->str);
      return FALSE;
    }
  for (guint i = 0; i < self->providers->len; i++)
    {
      MtvProviderEntry *entry = g_ptr_array_index (self->providers, i);

      if (g_str_equal (mtv_provider_entry_get_config (entry)->name, name))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS, "There is a provider '%s' already",
                       name);
          return FALSE;
        }
    }
  if (self->providers->len < MAX_PROVIDERS)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
               "There are %d providers already; remove some that are not used", MAX_PROVIDERS);
  return FALSE;
}

void
mtv_engine_add_provider_async (MtvEngine *self, const char *name, const char *type,
                               const MtvProviderWords *words, int fd, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  static const MtvProviderWords none = { NULL, NULL, NULL };
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  if (words == NULL)
    words = &none;
  g_task_set_source_tag (task, mtv_engine_add_provider_async);
  if (!check_new_provider (self, name, type, &error)
      || !mtv_engine_reserve (self, task, "provider", name, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  MtvProviderConfig *config = mtv_fields_new (&mtv_provider_config_fields);
  config->id = mtv_engine_make_id ();
  config->name = g_strdup (name);
  config->type = g_strdup (type);
  config->url = g_strdup (words->url);
  config->settings = words->settings == NULL ? NULL : g_variant_ref (words->settings);
  config->created = mtv_clock_now (self->context.clock);

  g_autoptr (MtvProviderEntry) entry
      = mtv_engine_adopt_provider (self, config, words->secrets, fd, NULL, 0, &error);
  if (error != NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_put_provider (batch, config);
  mtv_store_put_secrets (batch, config->id, words->secrets);
  mtv_engine_commit (self, batch, g_steal_pointer (&task), g_steal_pointer (&entry),
                     provider_saved);
}

MtvProviderEntry *
mtv_engine_add_provider_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
provider_removed (MtvEngine *self, gpointer object)
{
  MtvProviderEntry *entry = object;
  const char *id = mtv_provider_entry_get_config (entry)->id;
  g_autofree char *name = fd_name (id);

  g_signal_emit_by_name (self, "drop-fd", name);
  mtv_provider_entry_stop (entry);
  g_hash_table_remove (self->context.providers, id);
  mtv_engine_emit_removed (self, entry);
  g_ptr_array_remove (self->providers, entry);
}

static gboolean
check_unused (MtvEngine *self, const MtvProviderConfig *config, GError **error)
{
  if (g_str_equal (config->id, "local"))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE,
                   "The provider '%s' is the embedded destination and stays", config->name);
      return FALSE;
    }
  for (guint i = 0; i < self->plans->len; i++)
    {
      const MtvPlan *plan = mtv_plan_entry_get_plan (g_ptr_array_index (self->plans, i));

      if (g_str_equal (plan->source, config->id) || g_str_equal (plan->destination, config->id))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE,
                       "The provider '%s' is used by plan '%s'; remove that first", config->name,
                       plan->name);
          return FALSE;
        }
    }
  return TRUE;
}

static void
remove_provider (MtvEngine *self, MtvProviderEntry *entry, GTask *task)
{
  const MtvProviderConfig *config = mtv_provider_entry_get_config (entry);
  GError *error = NULL;

  if (!check_unused (self, config, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }
  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_remove_provider (batch, config->id);
  mtv_engine_commit (self, batch, task, g_object_ref (entry), provider_removed);
}

static void
reading_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  MtvProviderEntry *entry = MTV_PROVIDER_ENTRY (source);

  mtv_provider_entry_refresh_finish (entry, result, NULL);
  remove_provider (g_task_get_source_object (task), entry, g_object_ref (task));
}

void
mtv_engine_remove_provider_async (MtvEngine *self, MtvProviderEntry *entry,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  const MtvProviderConfig *config = mtv_provider_entry_get_config (entry);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_remove_provider_async);
  if (!check_unused (self, config, &error)
      || !mtv_engine_reserve (self, task, "provider", config->name, &error))
    g_task_return_error (task, error);
  else if (mtv_provider_entry_get_state (entry) == MTV_PROVIDER_REFRESHING)
    {
      /* What is being read must not be stored behind the provider's back. */
      mtv_provider_entry_stop (entry);
      mtv_provider_entry_refresh_async (entry, reading_ended, g_steal_pointer (&task));
    }
  else
    remove_provider (self, entry, g_steal_pointer (&task));
}

gboolean
mtv_engine_remove_provider_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  g_autoptr (GObject) entry = g_task_propagate_pointer (G_TASK (result), error);
  return entry != NULL;
}
