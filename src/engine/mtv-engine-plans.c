/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine/mtv-engine-private.h"
#include "engine/mtv-plan-entry-private.h"
#include "store/mtv-store-objects.h"

#include <string.h>

#define MAX_PLANS 1000
#define MAX_VMS 10000

/* Making a plan. */

static gboolean
check_providers (MtvEngine *self, const MtvPlan *plan, GError **error)
{
  MtvProviderEntry *source = mtv_engine_find_provider (self, plan->source, error);
  MtvProviderEntry *destination
      = source == NULL ? NULL : mtv_engine_find_provider (self, plan->destination, error);

  if (destination == NULL)
    return FALSE;

  const MtvProviderType *from = mtv_provider_entry_get_provider_type (source);
  const MtvProviderType *to = mtv_provider_entry_get_provider_type (destination);

  if (from == NULL || !from->is_source)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "The provider '%s' cannot be a source",
                 mtv_provider_entry_get_config (source)->name);
  else if (to == NULL || !to->is_destination)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "The provider '%s' cannot be a destination",
                 mtv_provider_entry_get_config (destination)->name);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_new_plan (MtvEngine *self, const MtvPlan *plan, GError **error)
{
  if (!mtv_engine_check_name ("plan", plan->name, error) || !check_providers (self, plan, error))
    return FALSE;
  for (guint i = 0; i < self->plans->len; i++)
    if (g_str_equal (mtv_plan_entry_get_plan (g_ptr_array_index (self->plans, i))->name,
                     plan->name))
      {
        g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS, "There is a plan '%s' already",
                     plan->name);
        return FALSE;
      }
  if (plan->vms->len == 0 || plan->vms->len > MAX_VMS)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "The plan '%s' names %u virtual machines; it must be 1 to %d", plan->name,
                   plan->vms->len, MAX_VMS);
      return FALSE;
    }
  if (self->plans->len < MAX_PLANS)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
               "There are %d plans already; remove some that are done", MAX_PLANS);
  return FALSE;
}

/* What the user called the VMs becomes their ids. */
static gboolean
resolve_vms (MtvProviderEntry *source, MtvPlan *plan, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < plan->vms->len; i++)
    {
      MtvPlanVm *planned = g_ptr_array_index (plan->vms, i);
      MtvVm *vm = mtv_provider_entry_find_vm (source, planned->id, error);

      if (vm == NULL)
        return FALSE;
      if (!g_hash_table_add (seen, vm->id))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "The virtual machine '%s' is named twice", vm->name);
          return FALSE;
        }
      g_free (planned->id);
      g_free (planned->name);
      planned->id = g_strdup (vm->id);
      planned->name = g_strdup (vm->name);
    }
  return TRUE;
}

static void
plan_saved (MtvEngine *self, gpointer object)
{
  g_ptr_array_add (self->plans, g_object_ref (object));
  mtv_engine_emit_added (self, object);
}

static void
create_plan (MtvEngine *self, GTask *task)
{
  MtvPlanEntry *entry = g_task_get_task_data (task);
  MtvPlan *plan = mtv_plan_entry_peek_plan (entry);
  GError *error = NULL;
  MtvProviderEntry *source = mtv_engine_find_provider (self, plan->source, &error);

  if (source == NULL || !resolve_vms (source, plan, &error))
    {
      g_task_return_error (task, error);
      g_object_unref (task);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_put_plan (batch, plan);
  mtv_engine_commit (self, batch, task, g_object_ref (entry), plan_saved);
}

static void
inventory_read (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  GError *error = NULL;

  if (mtv_provider_entry_refresh_finish (MTV_PROVIDER_ENTRY (source), result, &error))
    create_plan (g_task_get_source_object (task), g_object_ref (task));
  else
    g_task_return_error (task, error);
}

void
mtv_engine_create_plan_async (MtvEngine *self, MtvPlan *plan, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_create_plan_async);
  g_task_set_task_data (task, mtv_plan_entry_new (plan), g_object_unref);
  g_free (plan->id);
  plan->id = mtv_engine_make_id ();
  plan->created = mtv_clock_now (self->context.clock);
  if (!check_new_plan (self, plan, &error)
      || !mtv_engine_reserve (self, task, "plan", plan->name, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  /* An inventory that is being read for the first time is waited for. */
  MtvProviderEntry *source = mtv_engine_find_provider (self, plan->source, NULL);
  if (mtv_provider_entry_get_state (source) == MTV_PROVIDER_REFRESHING
      && mtv_provider_entry_get_refresh_time (source) == 0)
    mtv_provider_entry_refresh_async (source, inventory_read, g_steal_pointer (&task));
  else
    create_plan (self, g_steal_pointer (&task));
}

MtvPlanEntry *
mtv_engine_create_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* The end of a plan. */

static gboolean
is_executing (MtvPlanEntry *entry, const char *what, GError **error)
{
  if (!g_str_equal (mtv_plan_entry_get_state (entry), "executing"))
    return FALSE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
               "The plan '%s' cannot be %s while a migration of it runs; cancel that first",
               mtv_plan_entry_get_plan (entry)->name, what);
  return TRUE;
}

static void
drop_migration (MtvEngine *self, MtvMigration *migration)
{
  mtv_engine_emit_removed (self, migration);
  g_ptr_array_remove (self->context.migrations, migration);
}

static void
plan_removed (MtvEngine *self, gpointer object)
{
  const MtvPlan *plan = mtv_plan_entry_get_plan (object);

  for (guint i = self->context.migrations->len; i > 0; i--)
    {
      MtvMigration *migration = g_ptr_array_index (self->context.migrations, i - 1);

      if (g_str_equal (mtv_migration_get_record (migration)->plan_id, plan->id))
        drop_migration (self, migration);
    }
  mtv_engine_emit_removed (self, object);
  g_ptr_array_remove (self->plans, object);
}

void
mtv_engine_remove_plan_async (MtvEngine *self, MtvPlanEntry *entry, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  const MtvPlan *plan = mtv_plan_entry_get_plan (entry);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_remove_plan_async);
  if (is_executing (entry, "removed", &error)
      || !mtv_engine_reserve (self, task, "plan", plan->name, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  for (guint i = 0; i < self->context.migrations->len; i++)
    {
      const MtvMigrationRecord *record
          = mtv_migration_get_record (g_ptr_array_index (self->context.migrations, i));

      if (g_str_equal (record->plan_id, plan->id))
        mtv_store_remove_migration (batch, record->id);
    }
  mtv_store_remove_plan (batch, plan->id);
  mtv_engine_commit (self, batch, g_steal_pointer (&task), g_object_ref (entry), plan_removed);
}

gboolean
mtv_engine_remove_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  g_autoptr (GObject) entry = g_task_propagate_pointer (G_TASK (result), error);
  return entry != NULL;
}

static void
plan_archived (MtvEngine *self, gpointer object)
{
  (void) self;
  mtv_plan_entry_peek_plan (object)->archived = TRUE;
  mtv_plan_entry_changed (object);
}

void
mtv_engine_archive_plan_async (MtvEngine *self, MtvPlanEntry *entry, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  MtvPlan *plan = mtv_plan_entry_peek_plan (entry);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_archive_plan_async);
  if (plan->archived)
    g_set_error (&error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "The plan '%s' is archived already",
                 plan->name);
  if (error != NULL || is_executing (entry, "archived", &error)
      || !mtv_engine_reserve (self, task, "plan", plan->name, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  plan->archived = TRUE; /* as it is to be saved; it counts once it is */
  mtv_store_put_plan (batch, plan);
  plan->archived = FALSE;
  mtv_engine_commit (self, batch, g_steal_pointer (&task), g_object_ref (entry), plan_archived);
}

gboolean
mtv_engine_archive_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  g_autoptr (GObject) entry = g_task_propagate_pointer (G_TASK (result), error);
  return entry != NULL;
}

static void
migration_forgotten (MtvEngine *self, gpointer object)
{
  MtvPlanEntry *plan
      = mtv_engine_find_plan (self, mtv_migration_get_record (object)->plan_id, NULL);
  MtvMigration *last = NULL;

  drop_migration (self, object);
  for (guint i = 0; plan != NULL && i < self->context.migrations->len; i++)
    {
      MtvMigration *other = g_ptr_array_index (self->context.migrations, i);

      if (g_str_equal (mtv_migration_get_record (other)->plan_id,
                       mtv_plan_entry_get_plan (plan)->id))
        last = other;
    }
  if (plan != NULL)
    mtv_plan_entry_set_last_migration (plan, last);
}

void
mtv_engine_forget_migration_async (MtvEngine *self, MtvMigration *migration,
                                   GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  const MtvMigrationRecord *record = mtv_migration_get_record (migration);
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mtv_engine_forget_migration_async);
  if (g_str_equal (mtv_migration_get_state (migration), "running"))
    g_set_error (&error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                 "The migration of plan '%s' still runs; cancel it first", record->plan_name);
  if (error != NULL || !mtv_engine_reserve (self, task, "migration", record->id, &error))
    {
      g_task_return_error (task, error);
      return;
    }

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_remove_migration (batch, record->id);
  mtv_engine_commit (self, batch, g_steal_pointer (&task), g_object_ref (migration),
                     migration_forgotten);
}

gboolean
mtv_engine_forget_migration_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  g_autoptr (GObject) migration = g_task_propagate_pointer (G_TASK (result), error);
  return migration != NULL;
}
