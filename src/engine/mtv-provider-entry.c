/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-provider-entry.h"

#include "base/mtv-error.h"
#include "base/mtv-log.h"
#include "base/mtv-work.h"
#include "provider/mtv-source.h"
#include "store/mtv-store-objects.h"

#include <string.h>

struct _MtvProviderEntry
{
  GObject parent;

  MtvProviderConfig *config;   /* (owned) */
  const MtvProviderType *type; /* (nullable) of a later version */
  MtvProvider *provider;       /* (owned) (nullable) */
  MtvStore *store;             /* (owned) */

  GPtrArray *inventory; /* (owned) (element-type MtvVm) by name */
  GHashTable *by_id;    /* (owned) the same */
  guint64 refresh_time;
  gboolean refreshing;
  GError *error;             /* (owned) (nullable) */
  GCancellable *cancellable; /* (owned) of all that runs here */
  GQueue waiting;            /* (element-type GTask) (owned) who asked for the refresh under way */
};

G_DEFINE_FINAL_TYPE (MtvProviderEntry, mtv_provider_entry, G_TYPE_OBJECT)

static guint changed_signal;

static const char *const state_names[] = {
  [MTV_PROVIDER_REFRESHING] = "refreshing",
  [MTV_PROVIDER_READY] = "ready",
  [MTV_PROVIDER_FAILED] = "failed",
};
G_STATIC_ASSERT (G_N_ELEMENTS (state_names) == MTV_PROVIDER_N_STATES);

const char *
mtv_provider_state_to_string (MtvProviderState state)
{
  g_return_val_if_fail (state < MTV_PROVIDER_N_STATES, NULL);

  return state_names[state];
}

static void
mtv_provider_entry_dispose (GObject *object)
{
  MtvProviderEntry *self = MTV_PROVIDER_ENTRY (object);

  g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->provider);
  g_clear_object (&self->store);

  G_OBJECT_CLASS (mtv_provider_entry_parent_class)->dispose (object);
}

static void
mtv_provider_entry_finalize (GObject *object)
{
  MtvProviderEntry *self = MTV_PROVIDER_ENTRY (object);

  g_clear_object (&self->cancellable);
  g_clear_pointer (&self->by_id, g_hash_table_unref);
  g_clear_pointer (&self->inventory, g_ptr_array_unref);
  g_clear_pointer (&self->config, mtv_provider_config_free);
  g_clear_error (&self->error);

  G_OBJECT_CLASS (mtv_provider_entry_parent_class)->finalize (object);
}

static void
mtv_provider_entry_class_init (MtvProviderEntryClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_provider_entry_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_provider_entry_finalize;

  changed_signal = g_signal_new ("changed", MTV_TYPE_PROVIDER_ENTRY, G_SIGNAL_RUN_LAST, 0, NULL,
                                 NULL, NULL, G_TYPE_NONE, 0);
}

static void
mtv_provider_entry_init (MtvProviderEntry *self)
{
  self->cancellable = g_cancellable_new ();
  self->by_id = g_hash_table_new (g_str_hash, g_str_equal);
  g_queue_init (&self->waiting);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const MtvVm *const *x = a;
  const MtvVm *const *y = b;
  int order = strcmp ((*x)->name, (*y)->name);

  return order != 0 ? order : strcmp ((*x)->id, (*y)->id);
}

/* @vms: (transfer full). */
static void
take_inventory (MtvProviderEntry *self, GPtrArray *vms, guint64 time)
{
  g_hash_table_remove_all (self->by_id);
  g_clear_pointer (&self->inventory, g_ptr_array_unref);
  self->inventory = vms;
  self->refresh_time = time;
  g_ptr_array_sort (vms, compare_names);
  for (guint i = 0; i < vms->len; i++)
    {
      MtvVm *vm = g_ptr_array_index (vms, i);

      g_hash_table_insert (self->by_id, vm->id, vm);
    }
}

MtvProviderEntry *
mtv_provider_entry_new (MtvProviderConfig *config, const MtvProviderType *type,
                        MtvProvider *provider, MtvStore *store, GPtrArray *inventory,
                        guint64 refresh_time)
{
  MtvProviderEntry *self = g_object_new (MTV_TYPE_PROVIDER_ENTRY, NULL);

  self->config = config;
  self->type = type;
  self->provider = provider == NULL ? NULL : g_object_ref (provider);
  self->store = g_object_ref (store);
  take_inventory (self,
                  inventory != NULL
                      ? g_ptr_array_ref (inventory)
                      : g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref),
                  refresh_time);
  return self;
}

const MtvProviderConfig *
mtv_provider_entry_get_config (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  return self->config;
}

const MtvProviderType *
mtv_provider_entry_get_provider_type (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  return self->type;
}

MtvProvider *
mtv_provider_entry_get_provider (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  return self->provider;
}

MtvProviderState
mtv_provider_entry_get_state (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), MTV_PROVIDER_FAILED);

  if (self->refreshing)
    return MTV_PROVIDER_REFRESHING;
  return self->error != NULL ? MTV_PROVIDER_FAILED : MTV_PROVIDER_READY;
}

const GError *
mtv_provider_entry_get_error (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  return self->error;
}

void
mtv_provider_entry_set_error (MtvProviderEntry *self, const GError *error)
{
  g_return_if_fail (MTV_IS_PROVIDER_ENTRY (self));

  g_clear_error (&self->error);
  self->error = error == NULL ? NULL : g_error_copy (error);
}

guint64
mtv_provider_entry_get_refresh_time (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), 0);

  return self->refresh_time;
}

GVariant *
mtv_provider_entry_get_concerns (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();

  if (self->provider != NULL)
    mtv_provider_add_concerns (self->provider, concerns);
  return mtv_concerns_to_variant (concerns);
}

GPtrArray *
mtv_provider_entry_get_inventory (MtvProviderEntry *self)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  return self->inventory;
}

/* The VMs whose @path or name is @reference. */
static GPtrArray *
find_all (MtvProviderEntry *self, const char *reference, gboolean by_path)
{
  GPtrArray *found = g_ptr_array_new ();

  for (guint i = 0; i < self->inventory->len; i++)
    {
      MtvVm *vm = g_ptr_array_index (self->inventory, i);

      if (g_strcmp0 (by_path ? vm->path : vm->name, reference) == 0)
        g_ptr_array_add (found, vm);
    }
  return found;
}

static void
set_ambiguous (GError **error, const char *reference, GPtrArray *found)
{
  g_autoptr (GString) ids = g_string_new (NULL);

  for (guint i = 0; i < found->len && i < 10; i++)
    g_string_append_printf (ids, "%s'%s'", i == 0 ? "" : ", ",
                            ((MtvVm *) g_ptr_array_index (found, i))->id);
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "There are %u virtual machines named '%s'; say which by its id: %s%s", found->len,
               reference, ids->str, found->len > 10 ? ", …" : "");
}

MtvVm *
mtv_provider_entry_find_vm (MtvProviderEntry *self, const char *reference, GError **error)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  MtvVm *vm = g_hash_table_lookup (self->by_id, reference);
  if (vm != NULL)
    return vm;

  for (gint by_path = 1; by_path >= 0; by_path--)
    {
      g_autoptr (GPtrArray) found = find_all (self, reference, by_path);

      if (found->len == 1)
        return g_ptr_array_index (found, 0);
      if (found->len > 1)
        {
          set_ambiguous (error, reference, found);
          return NULL;
        }
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
               "The provider '%s' has no virtual machine '%s'", self->config->name, reference);
  return NULL;
}

static gboolean
passes (const MtvVm *vm, const char *folded, GPatternSpec *pattern)
{
  const char *texts[] = { vm->name, vm->id, vm->path };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *text = texts[i] == NULL ? NULL : g_utf8_casefold (texts[i], -1);

      if (text != NULL
          && (pattern != NULL ? g_pattern_spec_match_string (pattern, text)
                              : strstr (text, folded) != NULL))
        return TRUE;
    }
  return FALSE;
}

static void
put_string (GVariantDict *dict, const char *key, const char *value)
{
  if (value != NULL && *value != '\0')
    g_variant_dict_insert (dict, key, "s", value);
}

static GVariant *
summarize (MtvVm *vm)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  put_string (&dict, "id", vm->id);
  put_string (&dict, "name", vm->name);
  put_string (&dict, "path", vm->path);
  put_string (&dict, "power-state", vm->power_state);
  put_string (&dict, "firmware", vm->firmware);
  put_string (&dict, "os-name", vm->os_name);
  put_string (&dict, "problem", vm->problem);
  g_variant_dict_insert (&dict, "cpus", "u", vm->cpus);
  g_variant_dict_insert (&dict, "memory", "t", vm->memory);
  g_variant_dict_insert (&dict, "disks", "u", vm->disks->len);
  g_variant_dict_insert (&dict, "capacity", "t", mtv_vm_get_capacity (vm));
  g_variant_dict_insert (&dict, "nics", "u", vm->nics->len);
  return g_variant_dict_end (&dict);
}

GVariant *
mtv_provider_entry_list_vms (MtvProviderEntry *self, const char *filter, guint offset, guint limit)
{
  g_return_val_if_fail (MTV_IS_PROVIDER_ENTRY (self), NULL);

  GVariantBuilder page = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *folded = filter == NULL ? NULL : g_utf8_casefold (filter, -1);
  g_autoptr (GPatternSpec) pattern
      = folded != NULL && strpbrk (folded, "*?") != NULL ? g_pattern_spec_new (folded) : NULL;
  guint total = 0;

  for (guint i = 0; i < self->inventory->len; i++)
    {
      MtvVm *vm = g_ptr_array_index (self->inventory, i);

      if (folded != NULL && !passes (vm, folded, pattern))
        continue;
      if (total >= offset && total - offset < limit)
        g_variant_builder_add_value (&page, summarize (vm));
      total++;
    }
  return g_variant_new ("(aa{sv}u)", &page, total);
}

/* Reading the inventory. */

typedef struct
{
  MtvProvider *provider; /* (owned) */
  MtvStore *store;       /* (owned) */
  char *id;              /* (owned) */
  GPtrArray *vms;        /* (owned) (nullable) */
  guint64 time;
} Refresh;

static void
refresh_free (gpointer data)
{
  Refresh *refresh = data;

  g_object_unref (refresh->provider);
  g_object_unref (refresh->store);
  g_clear_pointer (&refresh->vms, g_ptr_array_unref);
  g_free (refresh->id);
  g_free (refresh);
}

static gboolean
refresh_work (gpointer data, GCancellable *cancellable, GError **error)
{
  Refresh *refresh = data;

  if (!MTV_IS_SOURCE (refresh->provider))
    return mtv_provider_test (refresh->provider, cancellable, error);

  refresh->vms = mtv_source_list (MTV_SOURCE (refresh->provider), cancellable, error);
  if (refresh->vms == NULL)
    return FALSE;

  MtvStoreBatch *batch = mtv_store_batch_new ();
  refresh->time = (guint64) g_get_real_time ();
  mtv_store_put_inventory (batch, refresh->id, refresh->time, refresh->vms);
  return mtv_store_commit (refresh->store, batch, error);
}

static gboolean
is_cancelled (const GError *error)
{
  return g_error_matches (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

static void
refreshed_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MtvProviderEntry *self = MTV_PROVIDER_ENTRY (source);
  Refresh *refresh = mtv_work_get_data (result);
  g_autoptr (GError) error = NULL;
  MtvLogFields fields = { .provider = self->config->name };

  (void) user_data;
  self->refreshing = FALSE;
  if (g_cancellable_is_cancelled (self->cancellable)) /* that was for this one */
    {
      g_object_unref (self->cancellable);
      self->cancellable = g_cancellable_new ();
    }
  if (!mtv_work_finish (result, &error) && !is_cancelled (error))
    mtv_log (G_LOG_LEVEL_WARNING, NULL, &fields, "Cannot read provider '%s': %s",
             self->config->name, error->message);
  else if (error == NULL && refresh->vms != NULL)
    take_inventory (self, g_steal_pointer (&refresh->vms), refresh->time);
  if (!is_cancelled (error))
    mtv_provider_entry_set_error (self, error);
  g_signal_emit (self, changed_signal, 0);

  for (GTask *task = g_queue_pop_head (&self->waiting); task != NULL;
       task = g_queue_pop_head (&self->waiting))
    {
      if (error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else
        g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
}

void
mtv_provider_entry_refresh_async (MtvProviderEntry *self, GAsyncReadyCallback callback,
                                  gpointer user_data)
{
  g_return_if_fail (MTV_IS_PROVIDER_ENTRY (self));

  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, mtv_provider_entry_refresh_async);
  if (self->provider == NULL)
    {
      g_task_return_error (task, g_error_copy (self->error));
      return;
    }
  g_queue_push_tail (&self->waiting, g_steal_pointer (&task));
  if (self->refreshing)
    return;

  Refresh *refresh = g_new0 (Refresh, 1);
  refresh->provider = g_object_ref (self->provider);
  refresh->store = g_object_ref (self->store);
  refresh->id = g_strdup (self->config->id);
  self->refreshing = TRUE;
  mtv_work_async ("mtv-refresh", refresh_work, refresh, refresh_free, self, self->cancellable,
                  refreshed_cb, NULL);
  g_signal_emit (self, changed_signal, 0);
}

gboolean
mtv_provider_entry_refresh_finish (MtvProviderEntry *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

void
mtv_provider_entry_stop (MtvProviderEntry *self)
{
  g_return_if_fail (MTV_IS_PROVIDER_ENTRY (self));

  g_cancellable_cancel (self->cancellable);
}

static gboolean
test_work (gpointer data, GCancellable *cancellable, GError **error)
{
  return mtv_provider_test (data, cancellable, error);
}

void
mtv_provider_entry_test_async (MtvProviderEntry *self, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_return_if_fail (MTV_IS_PROVIDER_ENTRY (self));

  if (self->provider == NULL)
    g_task_report_error (self, callback, user_data, mtv_provider_entry_test_async,
                         g_error_copy (self->error));
  else
    mtv_work_async ("mtv-test", test_work, g_object_ref (self->provider), g_object_unref, self,
                    self->cancellable, callback, user_data);
}

gboolean
mtv_provider_entry_test_finish (MtvProviderEntry *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
read_again (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (void) user_data;
  mtv_provider_entry_refresh_finish (MTV_PROVIDER_ENTRY (source), result, NULL);
  mtv_provider_entry_refresh_async (MTV_PROVIDER_ENTRY (source), NULL, NULL);
}

void
mtv_provider_entry_configure (MtvProviderEntry *self, const MtvProviderConfig *config,
                              MtvProvider *provider)
{
  g_return_if_fail (MTV_IS_PROVIDER_ENTRY (self));

  g_free (self->config->url);
  self->config->url = g_strdup (config->url);
  g_clear_pointer (&self->config->settings, g_variant_unref);
  self->config->settings = config->settings == NULL ? NULL : g_variant_ref (config->settings);
  g_set_object (&self->provider, provider);
  if (mtv_provider_entry_get_state (self) == MTV_PROVIDER_REFRESHING)
    {
      mtv_provider_entry_stop (self);
      mtv_provider_entry_refresh_async (self, read_again, NULL);
    }
  else
    mtv_provider_entry_refresh_async (self, NULL, NULL);
}
