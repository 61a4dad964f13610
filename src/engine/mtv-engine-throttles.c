/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-engine-private.h"
#include "store/mtv-store-objects.h"

#include <string.h>

#define PROVIDER "provider/"
#define PLAN "plan/"

static const char *
get_name (gpointer entry)
{
  return MTV_IS_PLAN_ENTRY (entry) ? mtv_plan_entry_get_plan (entry)->name
                                   : mtv_provider_entry_get_config (entry)->name;
}

static const char *
get_id (gpointer entry)
{
  return MTV_IS_PLAN_ENTRY (entry) ? mtv_plan_entry_get_plan (entry)->id
                                   : mtv_provider_entry_get_config (entry)->id;
}

static gpointer
find (GPtrArray *entries, const char *(*get) (gpointer entry), const char *text)
{
  for (guint i = 0; i < entries->len; i++)
    if (g_strcmp0 (get (g_ptr_array_index (entries, i)), text) == 0)
      return g_ptr_array_index (entries, i);
  return NULL;
}

/* The entry that a throttle's target means, NULL if it is gone or is all copies. */
static gpointer
find_target (MtvEngine *self, const char *target)
{
  if (g_str_has_prefix (target, PROVIDER))
    return find (self->providers, get_id, target + strlen (PROVIDER));
  if (g_str_has_prefix (target, PLAN))
    return find (self->plans, get_id, target + strlen (PLAN));
  return NULL;
}

/* What a user calls a target, as mtv-throttles.h does. (transfer full) */
static char *
resolve (MtvEngine *self, const char *text, GError **error)
{
  if (*text == '\0' || find_target (self, text) != NULL)
    return g_strdup (text);

  gpointer provider = find (self->providers, get_name, text);
  gpointer plan = find (self->plans, get_name, text);
  if (provider != NULL && plan != NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "Both a provider and a plan are called '%s'; say '" PROVIDER "%s' or '" PLAN
                   "%s'",
                   text, get_id (provider), get_id (plan));
      return NULL;
    }
  if (provider != NULL)
    return g_strconcat (PROVIDER, get_id (provider), NULL);
  if (plan != NULL)
    return g_strconcat (PLAN, get_id (plan), NULL);
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "There is no provider and no plan '%s'",
               text);
  return NULL;
}

/* The other way round; NULL: it is no more. */
static const char *
get_shown (MtvEngine *self, const char *target)
{
  gpointer entry = find_target (self, target);

  if (entry == NULL)
    return *target == '\0' ? target : NULL;
  const char *name = get_name (entry);
  return find (self->providers, get_name, name) != NULL
                 && find (self->plans, get_name, name) != NULL
             ? target
             : name;
}

GVariant *
mtv_engine_get_throttles (MtvEngine *self)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  g_autoptr (GVariant) rules
      = g_variant_ref_sink (mtv_throttles_to_variant (self->context.throttles));
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(ss)"));
  GVariantIter iter;
  const char *target;
  GVariant *rule;

  g_variant_iter_init (&iter, rules);
  while (g_variant_iter_loop (&iter, "{&sv}", &target, &rule))
    {
      const char *shown = get_shown (self, target);

      if (shown != NULL)
        g_variant_builder_add (&builder, "(ss)", shown, g_variant_get_string (rule, NULL));
    }
  return g_variant_builder_end (&builder);
}

gboolean
mtv_engine_load_throttles (MtvEngine *self, GError **error)
{
  g_autoptr (GVariant) rules = mtv_store_load_throttles (self->context.store, error);
  GVariantIter iter;
  const char *target;
  GVariant *value;

  if (rules == NULL)
    return FALSE;
  g_variant_iter_init (&iter, rules);
  while (g_variant_iter_next (&iter, "{&sv}", &target, &value))
    {
      g_autoptr (GVariant) text = value;
      g_autoptr (MtvThrottleRule) rule = NULL;

      if (g_variant_is_of_type (text, G_VARIANT_TYPE_STRING))
        rule = mtv_throttle_rule_parse (g_variant_get_string (text, NULL), NULL);
      if (rule == NULL)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_STORE,
                       "Cannot read the throttle of '%s' in the database", target);
          return FALSE;
        }
      /* What a rule was for may have gone since. */
      if (get_shown (self, target) != NULL)
        mtv_throttles_set (self->context.throttles, target, g_steal_pointer (&rule));
    }
  return TRUE;
}

/* A rule on its way into the store: the data of a GTask. */
typedef struct
{
  char *target;          /* (owned) */
  MtvThrottleRule *rule; /* (owned) (nullable) it holds */
} Change;

static void
change_free (gpointer data)
{
  Change *change = data;

  g_clear_pointer (&change->rule, mtv_throttle_rule_free);
  g_free (change->target);
  g_free (change);
}

static void
saved_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  MtvEngine *self = g_task_get_source_object (task);
  Change *change = g_task_get_task_data (task);
  GError *error = NULL;

  if (!mtv_store_commit_finish (MTV_STORE (source), result, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (self->context.throttles != NULL) /* not disposed of meanwhile */
    mtv_throttles_set (self->context.throttles, change->target, g_steal_pointer (&change->rule));
  mtv_engine_emit_changed (self);
  g_task_return_boolean (task, TRUE);
}

/* All rules as they will be, without those of what is gone. (transfer floating) */
static GVariant *
with_change (MtvEngine *self, const Change *change)
{
  g_autoptr (GVariant) rules
      = g_variant_ref_sink (mtv_throttles_to_variant (self->context.throttles));
  GVariantDict dict;
  GVariantIter iter;
  const char *target;

  g_variant_dict_init (&dict, rules);
  g_variant_iter_init (&iter, rules);
  while (g_variant_iter_next (&iter, "{&sv}", &target, NULL))
    if (get_shown (self, target) == NULL)
      g_variant_dict_remove (&dict, target);
  if (mtv_throttle_rule_is_off (change->rule))
    g_variant_dict_remove (&dict, change->target);
  else
    g_variant_dict_insert_value (
        &dict, change->target,
        g_variant_new_take_string (mtv_throttle_rule_to_string (change->rule)));
  return g_variant_dict_end (&dict);
}

void
mtv_engine_set_throttle_async (MtvEngine *self, const char *target, const char *rule,
                               GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Change *change = g_new0 (Change, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_set_throttle_async);
  g_task_set_task_data (task, change, change_free);
  change->target = resolve (self, target, &error);
  if (change->target != NULL)
    change->rule = mtv_throttle_rule_parse (rule, &error);
  if (change->rule == NULL || !mtv_engine_reserve (self, task, "setting", "throttles", &error))
    {
      g_task_return_error (task, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_put_throttles (batch, with_change (self, change));
  mtv_store_commit_async (self->context.store, batch, saved_cb, g_steal_pointer (&task));
}

gboolean
mtv_engine_set_throttle_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
