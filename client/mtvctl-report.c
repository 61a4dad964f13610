/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-table.h"
#include "mtvctl-target.h"
#include "mtvctl-vm.h"
#include "mtvctl-warm.h"
#include "mtvctl-watch.h"

#include <glib/gi18n.h>
#include <string.h>

/* What happened: the timeline, the rounds, and all of it together. */

/* All entries, page by page; @job: (nullable) only its own. */
static GPtrArray *
fetch_timeline (Mtvctl *ctl, MtvDBusMigration *migration, MtvDBusMigrationVM *job, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n = 0;

  do
    {
      g_autoptr (GVariant) page = NULL;
      GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

      g_variant_builder_add (&options, "{sv}", "offset", g_variant_new_uint32 (entries->len));
      if (job != NULL)
        g_variant_builder_add (
            &options, "{sv}", "vm",
            g_variant_new_uint32 (g_ascii_strtoull (mtvctl_get_id (job), NULL, 10)));
      if (!mtv_dbus_migration_call_get_timeline_sync (migration, g_variant_builder_end (&options),
                                                      mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC,
                                                      &page, NULL, error))
        {
          mtvctl_explain (error, _ ("Cannot read the timeline of migration '%s'"),
                          mtvctl_get_id (migration));
          return NULL;
        }
      n = g_variant_n_children (page);
      for (gsize i = 0; i < n; i++)
        g_ptr_array_add (entries, g_variant_get_child_value (page, i));
    }
  while (n > 0);
  return g_steal_pointer (&entries);
}

static void
add_entry (MtvctlTable *table, GPtrArray *jobs, GVariant *entry)
{
  g_autofree char *number = NULL;
  const char *name = NULL;
  guint32 n;

  if (g_variant_lookup (entry, "vm", "u", &n))
    {
      number = g_strdup_printf ("%u", n);
      for (guint i = 0; i < jobs->len; i++)
        if (g_str_equal (mtvctl_get_id (g_ptr_array_index (jobs, i)), number))
          name = mtv_dbus_migration_vm_get_name (g_ptr_array_index (jobs, i));
    }
  mtvctl_table_take (table, mtvctl_format_time (mtvctl_dict_number (entry, "time")));
  mtvctl_table_add (table, name != NULL ? name : number);
  mtvctl_table_add (table, mtvctl_dict_string (entry, "event"));
  mtvctl_table_add (table, mtvctl_dict_string (entry, "text"));
}

int
mtvctl_migration_timeline (Mtvctl *ctl, char **args, GError **error)
{
  static const MtvctlColumn entry_columns[] = {
    { N_ ("TIME"), 0, 0, 0 },
    { N_ ("VM"), 0, 8, 1 },
    { N_ ("EVENT"), 0, 0, 2 },
    { N_ ("TEXT"), 0, 20, 0 },
  };
  g_autoptr (MtvDBusMigration) migration = mtvctl_find (ctl, MTVCTL_MIGRATION, args[0], error);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (entry_columns, G_N_ELEMENTS (entry_columns));
  g_autoptr (JsonArray) array = json_array_new ();
  MtvDBusMigrationVM *job = NULL;

  if (migration == NULL)
    return MTVCTL_ERROR;
  g_autoptr (GPtrArray) jobs = mtvctl_watch_get_jobs (ctl, migration);
  if (args[1] != NULL && !(job = mtvctl_target_find_job (jobs, args[1], error)))
    return MTVCTL_ERROR;
  g_autoptr (GPtrArray) entries = fetch_timeline (ctl, migration, job, error);
  if (entries == NULL)
    return MTVCTL_ERROR;
  for (guint i = 0; i < entries->len; i++)
    if (ctl->json)
      json_array_add_element (array, json_gvariant_serialize (g_ptr_array_index (entries, i)));
    else
      add_entry (table, jobs, g_ptr_array_index (entries, i));
  if (ctl->json)
    mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  else
    mtvctl_print_table (ctl, table, NULL, _ ("Nothing has happened."));
  return MTVCTL_OK;
}

/* Rounds. */

static GVariant *
fetch_rounds (Mtvctl *ctl, MtvDBusMigrationVM *job, GError **error)
{
  GVariant *rounds = NULL;

  if (!mtv_dbus_migration_vm_call_get_rounds_sync (job, mtvctl_no_options (),
                                                   mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC,
                                                   &rounds, NULL, error))
    mtvctl_explain (error, _ ("Cannot read the rounds of '%s'"),
                    mtv_dbus_migration_vm_get_name (job));
  return rounds;
}

/* From @start to @end, or until now where it has not ended; NULL where it has not begun. */
static char *
format_span (guint64 start, guint64 end)
{
  guint64 now = g_get_real_time ();

  if (end == 0)
    end = now;
  return start > 0 && end >= start ? mtvctl_format_span (end - start) : NULL;
}

static void
add_round (MtvctlTable *table, GVariant *round)
{
  guint64 start = mtvctl_dict_number (round, "start-time");
  gboolean compared = mtvctl_dict_boolean (round, "compared");
  gboolean final = mtvctl_dict_boolean (round, "final");

  mtvctl_table_add_number (table, mtvctl_dict_number (round, "number"));
  mtvctl_table_take (table, mtvctl_format_time (start));
  mtvctl_table_take (table, format_span (start, mtvctl_dict_number (round, "copied-time")));
  mtvctl_table_take (table, mtvctl_format_size (mtvctl_dict_number (round, "bytes-changed")));
  mtvctl_table_take (table, mtvctl_format_rate (mtvctl_dict_number (round, "rate")));
  mtvctl_table_take (table, format_span (mtvctl_dict_number (round, "snapshot-time"),
                                         mtvctl_dict_number (round, "removed-time")));
  mtvctl_table_take (table,
                     g_strconcat (compared ? _ ("compared") : "", compared && final ? ", " : "",
                                  final ? _ ("final") : "", NULL));
}

static const MtvctlColumn round_columns[] = {
  { N_ ("ROUND"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  { N_ ("STARTED"), 0, 0, 3 },
  { N_ ("TIME"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  { N_ ("CHANGED"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  { N_ ("RATE"), MTVCTL_COLUMN_RIGHT, 0, 2 },
  { N_ ("SNAPSHOT"), MTVCTL_COLUMN_RIGHT, 0, 1 },
  { N_ ("NOTE"), 0, 0, 4 },
};

static MtvctlTable *
tabulate_rounds (GVariant *rounds)
{
  MtvctlTable *table = mtvctl_table_new (round_columns, G_N_ELEMENTS (round_columns));

  for (gsize i = 0; i < g_variant_n_children (rounds); i++)
    {
      g_autoptr (GVariant) round = g_variant_get_child_value (rounds, i);

      add_round (table, round);
    }
  return table;
}

static void
append_title (Mtvctl *ctl, GString *out, MtvDBusMigrationVM *job)
{
  g_autofree char *name = mtvctl_escape (mtv_dbus_migration_vm_get_name (job));

  g_string_append_printf (out, "%s%s%s%s:\n", out->len > 0 ? "\n" : "",
                          mtvctl_style (&ctl->out, MTVCTL_BOLD), name,
                          mtvctl_style (&ctl->out, MTVCTL_PLAIN));
}

int
mtvctl_rounds (Mtvctl *ctl, char **args, GError **error)
{
  g_auto (MtvctlTarget) target = { 0 };
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (JsonArray) array = json_array_new ();

  if (!mtvctl_target_find (ctl, args, &target, error))
    return MTVCTL_ERROR;
  for (guint i = 0; i < target.jobs->len; i++)
    {
      MtvDBusMigrationVM *job = g_ptr_array_index (target.jobs, i);
      g_autoptr (GVariant) rounds = fetch_rounds (ctl, job, error);

      if (rounds == NULL)
        return MTVCTL_ERROR;
      g_autoptr (MtvctlTable) table = tabulate_rounds (rounds);
      JsonObject *object = json_object_new ();
      json_object_set_string_member (object, "name", mtv_dbus_migration_vm_get_name (job));
      json_object_set_string_member (object, "path",
                                     g_dbus_proxy_get_object_path (G_DBUS_PROXY (job)));
      json_object_set_member (object, "rounds", json_gvariant_serialize (rounds));
      json_array_add_object_element (array, object);
      if (target.jobs->len > 1)
        append_title (ctl, out, job);
      if (mtvctl_table_get_n_rows (table) > 0)
        mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
      else
        g_string_append_printf (out, "%s\n", _ ("No rounds."));
    }
  if (ctl->json)
    mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  else
    mtvctl_print (ctl, out->str);
  return MTVCTL_OK;
}

/* Reports. */

static char *
describe_plan (Mtvctl *ctl, MtvDBusMigration *migration, char **from, char **to, char **hash)
{
  g_autoptr (MtvDBusPlan) plan
      = mtvctl_get_by_path (ctl, MTVCTL_PLAN, mtv_dbus_migration_get_plan (migration));

  if (plan != NULL)
    {
      *from = g_strdup (mtvctl_provider_name (ctl, mtv_dbus_plan_get_source (plan)));
      *to = g_strdup (mtvctl_provider_name (ctl, mtv_dbus_plan_get_destination (plan)));
      *hash = g_strdup (mtvctl_dict_string (mtv_dbus_plan_get_options (plan), "hash"));
    }
  return g_strdup_printf ("%s (%s)", mtvctl_get_id (migration),
                          mtv_dbus_migration_get_plan_name (migration));
}

/* Where the hashes of its disks are, if that is a file here. */
static char *
get_manifest (MtvDBusMigrationVM *job)
{
  const char *location = mtv_dbus_migration_vm_get_location (job);

  return location != NULL && *location == '/' ? g_build_filename (location, "manifest.json", NULL)
                                              : NULL;
}

static char *
describe_downtime (MtvDBusMigrationVM *job)
{
  guint64 measured = mtv_dbus_migration_vm_get_downtime (job);
  guint64 predicted = mtv_dbus_migration_vm_get_predicted_downtime (job);
  g_autofree char *was = mtvctl_format_span (measured);
  g_autofree char *expected = mtvctl_format_span (predicted);

  if (measured == 0)
    return NULL;
  return predicted > 0 ? g_strdup_printf (_ ("%s (expected: %s)"), was, expected) : g_strdup (was);
}

static void
append_facts (Mtvctl *ctl, MtvDBusMigration *migration, MtvDBusMigrationVM *job, GString *out)
{
  g_autoptr (MtvctlFields) fields = mtvctl_fields_new ();
  g_autofree char *from = NULL, *to = NULL, *hash = NULL;
  g_autofree char *run = describe_plan (ctl, migration, &from, &to, &hash);
  guint64 start = mtv_dbus_migration_vm_get_start_time (job);
  guint64 end = mtv_dbus_migration_vm_get_end_time (job);

  mtvctl_fields_add (fields, _ ("Virtual machine"), mtv_dbus_migration_vm_get_name (job));
  mtvctl_fields_add (fields, _ ("Target"), mtv_dbus_migration_vm_get_target_name (job));
  mtvctl_fields_add (fields, _ ("Migration"), run);
  mtvctl_fields_add (fields, _ ("From"), from);
  mtvctl_fields_add (fields, _ ("To"), to);
  mtvctl_fields_add_state (fields, _ ("Type"), mtv_dbus_migration_vm_get_type_ (job));
  mtvctl_fields_add_state (fields, _ ("State"), mtv_dbus_migration_vm_get_state (job));
  mtvctl_fields_take (fields, _ ("Now"), mtvctl_warm_describe (job, TRUE));
  mtvctl_fields_add (fields, _ ("Waiting"), mtvctl_watch_get_waiting (job));
  mtvctl_fields_add (fields, _ ("Error"), mtvctl_watch_get_error (job));
  mtvctl_fields_take (fields, _ ("Started"), start > 0 ? mtvctl_format_time (start) : NULL);
  mtvctl_fields_take (fields, _ ("Ended"), end > 0 ? mtvctl_format_time (end) : NULL);
  mtvctl_fields_take (fields, _ ("Time"), format_span (start, end));
  mtvctl_fields_take (fields, _ ("Copied"),
                      mtvctl_format_size (mtv_dbus_migration_vm_get_bytes_done (job)));
  mtvctl_fields_take (fields, _ ("Downtime"), describe_downtime (job));
  mtvctl_fields_add (fields, _ ("Location"), mtv_dbus_migration_vm_get_location (job));
  mtvctl_fields_take (fields, _ ("Manifest"), get_manifest (job));
  mtvctl_fields_add (fields, _ ("Hash"), hash);
  mtvctl_fields_render (fields, &ctl->out, out);
}

static gboolean
append_report (Mtvctl *ctl, MtvDBusMigration *migration, MtvDBusMigrationVM *job, GString *out,
               GError **error)
{
  g_autoptr (GVariant) rounds = fetch_rounds (ctl, job, error);
  g_autoptr (GPtrArray) entries
      = rounds != NULL ? fetch_timeline (ctl, migration, job, error) : NULL;
  static const MtvctlColumn columns[] = {
    { N_ ("TIME"), 0, 0, 0 },
    { N_ ("EVENT"), 0, 0, 1 },
    { N_ ("TEXT"), 0, 20, 0 },
  };
  g_autoptr (MtvctlTable) events = mtvctl_table_new (columns, G_N_ELEMENTS (columns));

  if (entries == NULL)
    return FALSE;
  if (out->len > 0)
    g_string_append_c (out, '\n');
  append_facts (ctl, migration, job, out);
  g_autoptr (MtvctlTable) table = tabulate_rounds (rounds);
  if (mtvctl_table_get_n_rows (table) > 0)
    {
      g_string_append_c (out, '\n');
      mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
    }
  for (guint i = 0; i < entries->len; i++)
    {
      GVariant *entry = g_ptr_array_index (entries, i);

      mtvctl_table_take (events, mtvctl_format_time (mtvctl_dict_number (entry, "time")));
      mtvctl_table_add (events, mtvctl_dict_string (entry, "event"));
      mtvctl_table_add (events, mtvctl_dict_string (entry, "text"));
    }
  if (entries->len > 0)
    {
      g_string_append_c (out, '\n');
      mtvctl_table_render (events, &ctl->out, !ctl->no_legend, out);
    }
  return TRUE;
}

static JsonNode *
json_for_job (Mtvctl *ctl, MtvDBusMigration *migration, MtvDBusMigrationVM *job, GError **error)
{
  g_autoptr (GVariant) rounds = fetch_rounds (ctl, job, error);
  g_autoptr (GPtrArray) entries
      = rounds != NULL ? fetch_timeline (ctl, migration, job, error) : NULL;
  g_autofree char *manifest = get_manifest (job);

  if (entries == NULL)
    return NULL;
  JsonNode *node = mtvctl_json_for_proxy (G_DBUS_PROXY (job));
  JsonObject *object = json_node_get_object (node);
  JsonArray *timeline = json_array_new ();
  for (guint i = 0; i < entries->len; i++)
    json_array_add_element (timeline, json_gvariant_serialize (g_ptr_array_index (entries, i)));
  json_object_set_member (object, "rounds", json_gvariant_serialize (rounds));
  json_object_set_array_member (object, "timeline", timeline);
  if (manifest != NULL)
    json_object_set_string_member (object, "manifest", manifest);
  else
    json_object_set_null_member (object, "manifest");
  return node;
}

static int
report_json (Mtvctl *ctl, MtvctlTarget *target, GError **error)
{
  g_autoptr (JsonNode) node = mtvctl_json_for_proxy (G_DBUS_PROXY (target->migration));
  g_autoptr (MtvDBusPlan) plan
      = mtvctl_get_by_path (ctl, MTVCTL_PLAN, mtv_dbus_migration_get_plan (target->migration));
  JsonObject *object = json_node_get_object (node);
  JsonArray *vms = json_array_new ();

  json_object_set_array_member (object, "virtual-machines", vms);
  if (plan != NULL)
    json_object_set_member (object, "options",
                            json_gvariant_serialize (mtv_dbus_plan_get_options (plan)));
  for (guint i = 0; i < target->jobs->len; i++)
    {
      JsonNode *job
          = json_for_job (ctl, target->migration, g_ptr_array_index (target->jobs, i), error);

      if (job == NULL)
        return MTVCTL_ERROR;
      json_array_add_element (vms, job);
    }
  mtvctl_print_json (ctl, g_steal_pointer (&node));
  return MTVCTL_OK;
}

int
mtvctl_report (Mtvctl *ctl, char **args, GError **error)
{
  g_auto (MtvctlTarget) target = { 0 };
  g_autoptr (GString) out = g_string_new (NULL);

  if (!mtvctl_target_find (ctl, args, &target, error))
    return MTVCTL_ERROR;
  if (ctl->json)
    return report_json (ctl, &target, error);
  for (guint i = 0; i < target.jobs->len; i++)
    if (!append_report (ctl, target.migration, g_ptr_array_index (target.jobs, i), out, error))
      return MTVCTL_ERROR;
  mtvctl_print (ctl, out->str);
  return MTVCTL_OK;
}
