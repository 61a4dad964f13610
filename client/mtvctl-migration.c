/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-table.h"
#include "mtvctl-target.h"
#include "mtvctl-warm.h"
#include "mtvctl-watch.h"

#include <glib/gi18n.h>
#include <string.h>

static const MtvctlColumn columns[] = {
  { N_ ("ID"), 0, 0, 0 },
  { N_ ("PLAN"), 0, 10, 0 },
  { N_ ("STATE"), 0, 0, 0 },
  { N_ ("VMS"), MTVCTL_COLUMN_RIGHT, 0, 1 },
  { N_ ("DONE"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  { N_ ("RATE"), MTVCTL_COLUMN_RIGHT, 0, 4 },
  { N_ ("LEFT"), MTVCTL_COLUMN_RIGHT, 0, 3 },
  { N_ ("STARTED"), 0, 0, 2 },
  { N_ ("TIME"), MTVCTL_COLUMN_RIGHT, 0, 5 },
  /* Where there are warm ones. */
  { N_ ("ROUND"), MTVCTL_COLUMN_RIGHT, 0, 8 },
  { N_ ("NEXT"), MTVCTL_COLUMN_RIGHT, 0, 7 },
  { N_ ("READY"), MTVCTL_COLUMN_RIGHT, 0, 6 },
};
#define N_COLD_COLUMNS (G_N_ELEMENTS (columns) - 3)

static char *
format_share (guint64 done, guint64 total)
{
  if (total == 0)
    return NULL;
  return g_strdup_printf ("%u%%", mtvctl_format_percent (done, total));
}

/* How long until @end, or how long it took; NULL where that has no meaning. */
static char *
format_between (guint64 start, guint64 end)
{
  guint64 seconds = end > start && start > 0 ? (end - start) / G_USEC_PER_SEC : 0;

  return end <= start || start == 0 ? NULL : mtvctl_format_span (seconds * G_USEC_PER_SEC);
}

/* "2/3": those that arrived, of all. */
static char *
format_counts (MtvDBusMigration *migration)
{
  const char *const *vms = mtv_dbus_migration_get_virtual_machines (migration);
  guint32 succeeded = 0;

  g_variant_lookup (mtv_dbus_migration_get_counts (migration), "succeeded", "u", &succeeded);
  return g_strdup_printf ("%u/%u", succeeded, g_strv_length ((char **) vms));
}

static gboolean
add_warm (Mtvctl *ctl, MtvDBusMigration *migration, MtvctlTable *table /* (nullable) */)
{
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  char *round, *next, *ready;
  gboolean any = mtvctl_warm_summarize (jobs, &round, &next, &ready);

  if (table != NULL)
    {
      mtvctl_table_take (table, g_steal_pointer (&round));
      mtvctl_table_take (table, g_steal_pointer (&next));
      mtvctl_table_take (table, g_steal_pointer (&ready));
    }
  g_free (round);
  g_free (next);
  g_free (ready);
  return any;
}

int
mtvctl_migration_list (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_MIGRATION);
  gboolean warm = FALSE;

  for (guint i = 0; i < all->len; i++)
    warm |= add_warm (ctl, g_ptr_array_index (all, i), NULL);
  g_autoptr (MtvctlTable) table
      = mtvctl_table_new (columns, warm ? G_N_ELEMENTS (columns) : N_COLD_COLUMNS);
  guint64 now = g_get_real_time ();

  if (ctl->json)
    {
      mtvctl_print_json_list (ctl, all);
      return MTVCTL_OK;
    }
  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusMigration *migration = g_ptr_array_index (all, i);
      guint64 start = mtv_dbus_migration_get_start_time (migration);
      guint64 end = mtv_dbus_migration_get_end_time (migration);

      mtvctl_table_add (table, mtvctl_get_id (migration));
      mtvctl_table_add (table, mtv_dbus_migration_get_plan_name (migration));
      mtvctl_table_add_state (table, mtv_dbus_migration_get_state (migration));
      mtvctl_table_take (table, format_counts (migration));
      mtvctl_table_take (table, format_share (mtv_dbus_migration_get_bytes_done (migration),
                                              mtv_dbus_migration_get_bytes_total (migration)));
      mtvctl_table_take (table, mtvctl_format_rate (mtv_dbus_migration_get_rate (migration)));
      mtvctl_table_take (table,
                         format_between (now, mtv_dbus_migration_get_expected_end (migration)));
      mtvctl_table_take (table, mtvctl_format_ago (start, now));
      mtvctl_table_take (table, format_between (start, end > 0 ? end : now));
      if (warm)
        add_warm (ctl, migration, table);
    }
  g_autofree char *legend = g_strdup_printf (
      ngettext ("%u migration listed.", "%u migrations listed.", all->len), all->len);
  mtvctl_print_table (ctl, table, legend, _ ("No migrations."));
  return MTVCTL_OK;
}

static void
append_jobs (Mtvctl *ctl, GPtrArray *jobs, GString *out)
{
  static const MtvctlColumn job_columns[] = {
    { N_ ("NO"), MTVCTL_COLUMN_RIGHT, 0, 0 },
    { N_ ("VIRTUAL MACHINE"), 0, 12, 0 },
    { N_ ("TARGET"), 0, 10, 3 },
    { N_ ("STATE"), 0, 0, 0 },
    { N_ ("PHASE"), 0, 0, 2 },
    { N_ ("COPIED"), MTVCTL_COLUMN_RIGHT, 0, 4 },
    { N_ ("DONE"), MTVCTL_COLUMN_RIGHT, 0, 1 },
    { N_ ("LOCATION"), MTVCTL_COLUMN_MIDDLE, 16, 5 },
  };
  g_autoptr (MtvctlTable) table = mtvctl_table_new (job_columns, G_N_ELEMENTS (job_columns));

  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      guint64 done = mtv_dbus_migration_vm_get_bytes_done (job);

      mtvctl_table_add (table, mtvctl_get_id (job));
      mtvctl_table_add (table, mtv_dbus_migration_vm_get_name (job));
      mtvctl_table_add (table, mtv_dbus_migration_vm_get_target_name (job));
      mtvctl_table_add_state (table, mtv_dbus_migration_vm_get_state (job));
      mtvctl_table_add_state (table, mtv_dbus_migration_vm_get_phase (job));
      mtvctl_table_take (table, mtvctl_format_size (done));
      mtvctl_table_take (table, format_share (done, mtv_dbus_migration_vm_get_bytes_total (job)));
      mtvctl_table_add (table, mtv_dbus_migration_vm_get_location (job));
    }
  g_string_append_c (out, '\n');
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
}

/* What does not fit into a table: why something failed, what it waits for. */
static void
append_remarks (Mtvctl *ctl, GPtrArray *jobs, GString *out)
{
  gboolean first = TRUE;

  for (guint i = 0; i < jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (jobs, i);
      const char *failure = mtvctl_watch_get_error (job);
      const char *text = *failure ? failure : mtvctl_watch_get_waiting (job);
      g_autofree char *warm = mtvctl_warm_describe (job, TRUE);
      g_autofree char *name = mtvctl_escape (mtv_dbus_migration_vm_get_name (job));
      g_autofree char *escaped = mtvctl_escape (text);
      g_autofree char *since
          = format_between (mtv_dbus_migration_vm_get_waiting_since (job), g_get_real_time ());

      if (warm != NULL)
        g_string_append_printf (out, "%s%s: %s\n", first ? "\n" : "", name, warm);
      first &= warm == NULL;
      if (*text == '\0')
        continue;
      g_string_append_printf (out, "%s%s%s%s: %s", first ? "\n" : "",
                              mtvctl_style (&ctl->out, *failure ? MTVCTL_RED : MTVCTL_YELLOW), name,
                              mtvctl_style (&ctl->out, MTVCTL_PLAIN), escaped);
      if (*failure == '\0' && since != NULL)
        g_string_append_printf (out, " (%s)", since);
      g_string_append_c (out, '\n');
      first = FALSE;
    }
}

static gboolean
show (Mtvctl *ctl, gpointer proxy, GString *out, GError **error)
{
  MtvDBusMigration *migration = proxy;
  g_autoptr (MtvctlFields) fields = mtvctl_fields_new ();
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  guint64 start = mtv_dbus_migration_get_start_time (migration);
  guint64 end = mtv_dbus_migration_get_end_time (migration), now = g_get_real_time ();
  guint64 rate = mtv_dbus_migration_get_rate (migration);
  g_autofree char *done = mtvctl_format_size (mtv_dbus_migration_get_bytes_done (migration));
  g_autofree char *total = mtvctl_format_size (mtv_dbus_migration_get_bytes_total (migration));

  mtvctl_fields_add (fields, _ ("Id"), mtvctl_get_id (migration));
  mtvctl_fields_add (fields, _ ("Plan"), mtv_dbus_migration_get_plan_name (migration));
  mtvctl_fields_add_state (fields, _ ("State"), mtv_dbus_migration_get_state (migration));
  mtvctl_fields_take (fields, _ ("Started"), mtvctl_format_time (start));
  if (end > 0)
    mtvctl_fields_take (fields, _ ("Ended"), mtvctl_format_time (end));
  mtvctl_fields_take (fields, _ ("Time"), format_between (start, end > 0 ? end : now));
  mtvctl_fields_take (fields, _ ("Copied"), g_strdup_printf (_ ("%s of %s"), done, total));
  mtvctl_fields_take (fields, _ ("Rate"), rate > 0 ? mtvctl_format_rate (rate) : NULL);
  mtvctl_fields_take (fields, _ ("Left"),
                      format_between (now, mtv_dbus_migration_get_expected_end (migration)));
  mtvctl_fields_render (fields, &ctl->out, out);
  append_jobs (ctl, jobs, out);
  append_remarks (ctl, jobs, out);
  return TRUE;
}

static JsonNode *
json_for_migration (Mtvctl *ctl, MtvDBusMigration *migration)
{
  JsonNode *node = mtvctl_json_for_proxy (G_DBUS_PROXY (migration));
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  JsonArray *array = json_array_new ();

  for (guint i = 0; i < jobs->len; i++)
    json_array_add_element (array, mtvctl_json_for_proxy (g_ptr_array_index (jobs, i)));
  json_object_set_array_member (json_node_get_object (node), "virtual-machines", array);
  return node;
}

int
mtvctl_migration_show (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (JsonArray) array = json_array_new ();

  if (!ctl->json)
    return mtvctl_show_each (ctl, MTVCTL_MIGRATION, args, show, error);
  for (; *args != NULL; args++)
    {
      g_autoptr (MtvDBusMigration) migration = mtvctl_find (ctl, MTVCTL_MIGRATION, *args, error);

      if (migration == NULL)
        return MTVCTL_ERROR;
      json_array_add_element (array, json_for_migration (ctl, migration));
    }
  mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  return MTVCTL_OK;
}

/* The one that runs, if there is just one. */
static gpointer
find_running (Mtvctl *ctl, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_MIGRATION);
  g_autoptr (GString) ids = g_string_new (NULL);
  gpointer running = NULL;
  guint n = 0;

  for (guint i = 0; i < all->len; i++)
    {
      gpointer migration = g_ptr_array_index (all, i);

      if (mtvctl_watch_is_final (mtv_dbus_migration_get_state (migration)))
        continue;
      running = migration;
      g_string_append_printf (ids, "%s%s", n++ > 0 ? ", " : "", mtvctl_get_id (migration));
    }
  if (n == 1)
    return g_object_ref (running);
  if (n == 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, _ ("No migration is running."));
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 _ ("Several migrations are running, name one: %s"), ids->str);
  return NULL;
}

int
mtvctl_migration_watch (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GDBusProxy) migration = args[0] != NULL
                                         ? mtvctl_find (ctl, MTVCTL_MIGRATION, args[0], error)
                                         : find_running (ctl, error);

  return migration != NULL ? mtvctl_watch (ctl, g_dbus_proxy_get_object_path (migration), error)
                           : MTVCTL_ERROR;
}

typedef gboolean (*MigrationCall) (MtvDBusMigration *, GVariant *, GDBusCallFlags, gint,
                                   GCancellable *, GError **);
typedef gboolean (*JobCall) (MtvDBusMigrationVM *, GVariant *, GDBusCallFlags, gint, GCancellable *,
                             GError **);

/* Asks the whole migration, or else those of its virtual machines that were named, which stay
 * alone in @jobs. */
static gboolean
ask (Mtvctl *ctl, MtvDBusMigration *migration, GPtrArray *jobs, char **names,
     MigrationCall on_migration, JobCall on_job, GError **error)
{
  g_autoptr (GPtrArray) named = g_ptr_array_new_with_free_func (g_object_unref);

  if (*names == NULL)
    return on_migration (migration, mtvctl_no_options (), mtvctl_call_flags (ctl),
                         MTVCTL_TIMEOUT_MSEC, NULL, error);
  for (; *names != NULL; names++)
    {
      MtvDBusMigrationVM *job = mtvctl_target_find_job (jobs, *names, error);

      if (job == NULL
          || !on_job (job, mtvctl_no_options (), mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC, NULL,
                      error))
        return mtvctl_explain (error, "%s", *names);
      g_ptr_array_add (named, g_object_ref (job));
    }
  g_ptr_array_set_size (jobs, 0);
  g_ptr_array_extend_and_steal (jobs, g_steal_pointer (&named));
  return TRUE;
}

static gboolean
have_ended (Mtvctl *ctl, gpointer user_data)
{
  GPtrArray *jobs = user_data;

  for (guint i = 0; i < jobs->len; i++)
    if (!mtvctl_watch_is_final (mtv_dbus_migration_vm_get_state (g_ptr_array_index (jobs, i))))
      return FALSE;
  return TRUE;
}

int
mtvctl_migration_cancel (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusMigration) migration = mtvctl_find (ctl, MTVCTL_MIGRATION, args[0], error);

  if (migration == NULL)
    return MTVCTL_ERROR;
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  if (!ask (ctl, migration, jobs, args + 1, mtv_dbus_migration_call_cancel_sync,
            mtv_dbus_migration_vm_call_cancel_sync, error))
    {
      mtvctl_explain (error, _ ("Cannot cancel migration '%s'"), args[0]);
      return MTVCTL_ERROR;
    }
  return !ctl->wait || mtvctl_wait_until (ctl, have_ended, jobs, error) ? MTVCTL_OK : MTVCTL_ERROR;
}

/* The news that it runs again may come after the answer that it shall. */
static gboolean
fetch_state (Mtvctl *ctl, GDBusProxy *proxy, GError **error)
{
  g_autoptr (GVariant) value = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      ctl->bus, MTVCTL_BUS_NAME, g_dbus_proxy_get_object_path (proxy),
      "org.freedesktop.DBus.Properties", "Get",
      g_variant_new ("(ss)", g_dbus_proxy_get_interface_name (proxy), "State"),
      G_VARIANT_TYPE ("(v)"), G_DBUS_CALL_FLAGS_NONE, MTVCTL_TIMEOUT_MSEC, NULL, error);

  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(v)", &value);
  g_dbus_proxy_set_cached_property (proxy, "State", value);
  return TRUE;
}

static gboolean
fetch_states (Mtvctl *ctl, MtvDBusMigration *migration, GError **error)
{
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);

  for (guint i = 0; i < jobs->len; i++)
    if (!fetch_state (ctl, g_ptr_array_index (jobs, i), error))
      return FALSE;
  return fetch_state (ctl, G_DBUS_PROXY (migration), error);
}

int
mtvctl_migration_retry (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusMigration) migration = mtvctl_find (ctl, MTVCTL_MIGRATION, args[0], error);

  if (migration == NULL)
    return MTVCTL_ERROR;
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  if (!ask (ctl, migration, jobs, args + 1, mtv_dbus_migration_call_retry_sync,
            mtv_dbus_migration_vm_call_retry_sync, error)
      || (ctl->wait && !fetch_states (ctl, migration, error)))
    {
      mtvctl_explain (error, _ ("Cannot retry migration '%s'"), args[0]);
      return MTVCTL_ERROR;
    }
  const char *path = g_dbus_proxy_get_object_path (G_DBUS_PROXY (migration));
  return ctl->wait ? mtvctl_watch (ctl, path, error) : MTVCTL_OK;
}

static gboolean
forget (Mtvctl *ctl, gpointer migration, GError **error)
{
  if (!mtv_dbus_migration_call_forget_sync (migration, mtvctl_no_options (),
                                            mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC, NULL,
                                            error))
    return mtvctl_explain (error, _ ("Cannot forget migration '%s'"), mtvctl_get_id (migration));
  mtvctl_say (ctl, _ ("Removed migration '%s'."), mtvctl_get_id (migration));
  return TRUE;
}

int
mtvctl_migration_forget (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_for_each (ctl, MTVCTL_MIGRATION, args, forget);
}
