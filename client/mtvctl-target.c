/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-target.h"

#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-watch.h"

#include <glib/gi18n.h>
#include <string.h>

void
mtvctl_target_clear (MtvctlTarget *target)
{
  g_clear_object (&target->migration);
  g_clear_pointer (&target->jobs, g_ptr_array_unref);
}

char *
mtvctl_target_describe (const MtvctlTarget *target)
{
  g_autoptr (GString) names = g_string_new (NULL);

  if (target->whole)
    return mtvctl_escape (mtv_dbus_migration_get_plan_name (target->migration));
  for (guint i = 0; i < target->jobs->len; i++)
    g_string_append_printf (names, "%s%s", i > 0 ? ", " : "",
                            mtv_dbus_migration_vm_get_name (g_ptr_array_index (target->jobs, i)));
  return mtvctl_escape (names->str);
}

static gboolean
is_called (MtvDBusMigrationVM *job, const char *name)
{
  return g_str_equal (mtv_dbus_migration_vm_get_name (job), name)
         || g_str_equal (mtv_dbus_migration_vm_get_source_id (job), name)
         || g_str_equal (g_dbus_proxy_get_object_path (G_DBUS_PROXY (job)), name);
}

MtvDBusMigrationVM *
mtvctl_target_find_job (GPtrArray *jobs, const char *name, GError **error)
{
  MtvDBusMigrationVM *found = NULL;
  g_autoptr (GString) numbers = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);

      if (!is_called (job, name) && !g_str_equal (mtvctl_get_id (job), name))
        continue;
      found = job;
      g_string_append_printf (numbers, "%s%s", n++ > 0 ? ", " : "", mtvctl_get_id (job));
    }
  if (n == 1)
    return found;
  if (n == 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 _ ("There is no virtual machine '%s' in this migration."), name);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 _ ("'%s' is the name of several virtual machines, give a number: %s"), name,
                 numbers->str);
  return NULL;
}

static gboolean
is_running (MtvDBusMigration *migration)
{
  return !mtvctl_watch_is_final (mtv_dbus_migration_get_state (migration));
}

/* By id or path, or the newest of the plan of that name, id or path. */
static MtvDBusMigration *
find_migration (GPtrArray *all, const char *name)
{
  MtvDBusMigration *found = NULL;

  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusMigration *migration = g_ptr_array_index (all, i);
      const char *plan = mtv_dbus_migration_get_plan (migration);

      if (g_str_equal (mtvctl_get_id (migration), name)
          || g_str_equal (g_dbus_proxy_get_object_path (G_DBUS_PROXY (migration)), name))
        return migration;
      if (g_str_equal (mtv_dbus_migration_get_plan_name (migration), name)
          || g_str_equal (plan, name) || g_str_equal (strrchr (plan, '/') + 1, name))
        found = migration; /* they are sorted by their start */
    }
  return found;
}

/* The newest that has @name; where several that run have it, that is an error. */
static MtvDBusMigration *
find_by_vm (Mtvctl *ctl, GPtrArray *all, const char *name, GError **error)
{
  MtvDBusMigration *found = NULL;
  g_autoptr (GString) running = g_string_new (NULL);
  guint n = 0;

  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusMigration *migration = g_ptr_array_index (all, i);
      g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
      gboolean has = FALSE;

      for (guint j = 0; j < jobs->len; j++)
        has |= is_called (g_ptr_array_index (jobs, j), name);
      if (!has)
        continue;
      if (is_running (migration))
        g_string_append_printf (running, "%s%s", n++ > 0 ? ", " : "", mtvctl_get_id (migration));
      if (is_running (migration) || n == 0)
        found = migration;
    }
  if (n < 2)
    return found;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               _ ("'%s' is in several migrations that run, so name one of them before it: %s"),
               name, running->str);
  return NULL;
}

static void
set_unknown (Mtvctl *ctl, GPtrArray *all, const char *name, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusMigration *migration = g_ptr_array_index (all, i);
      g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);

      g_ptr_array_add (names, g_strdup (mtv_dbus_migration_get_plan_name (migration)));
      for (guint j = 0; j < jobs->len; j++)
        g_ptr_array_add (names,
                         g_strdup (mtv_dbus_migration_vm_get_name (g_ptr_array_index (jobs, j))));
    }
  g_ptr_array_add (names, NULL);
  const char *close = mtvctl_closest (name, (const char *const *) names->pdata);
  if (close != NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 _ ("No migration, and no virtual machine of one, is called '%s'. Did you mean "
                    "'%s'?"),
                 name, close);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 _ ("No migration, and no virtual machine of one, is called '%s'."), name);
}

gboolean
mtvctl_target_find (Mtvctl *ctl, char **args, MtvctlTarget *target, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_MIGRATION);
  MtvDBusMigration *migration = find_migration (all, args[0]);
  char **names = migration != NULL ? args + 1 : args;
  GError *ambiguous = NULL;

  if (migration == NULL)
    migration = find_by_vm (ctl, all, args[0], &ambiguous);
  if (migration == NULL && ambiguous == NULL)
    set_unknown (ctl, all, args[0], &ambiguous);
  if (migration == NULL)
    {
      g_propagate_error (error, ambiguous);
      return FALSE;
    }

  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  target->migration = g_object_ref (migration);
  target->whole = *names == NULL;
  target->jobs
      = target->whole ? g_ptr_array_ref (jobs) : g_ptr_array_new_with_free_func (g_object_unref);
  for (; *names != NULL; names++)
    {
      MtvDBusMigrationVM *job = mtvctl_target_find_job (jobs, *names, error);

      if (job == NULL)
        return FALSE;
      g_ptr_array_add (target->jobs, g_object_ref (job));
    }
  return TRUE;
}
