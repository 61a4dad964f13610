/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-plan.h"

#include "mtvctl-bus.h"
#include "mtvctl-concerns.h"
#include "mtvctl-format.h"
#include "mtvctl-table.h"
#include "mtvctl-vm.h"
#include "mtvctl-warm.h"
#include "mtvctl-watch.h"

#include <glib/gi18n.h>
#include <string.h>

static const MtvctlColumn columns[] = {
  { N_ ("NAME"), 0, 10, 0 },   { N_ ("FROM"), 0, 8, 2 },
  { N_ ("TO"), 0, 8, 1 },      { N_ ("VMS"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  { N_ ("STATE"), 0, 0, 0 },   { N_ ("LAST MIGRATION"), 0, 0, 4 },
  { N_ ("CREATED"), 0, 0, 3 }, { N_ ("DESCRIPTION"), 0, 10, 5 },
};

/* NULL for "/", which stands for none. */
static const char *
last_migration (MtvDBusPlan *plan)
{
  const char *path = mtv_dbus_plan_get_last_migration (plan);

  return path == NULL || g_str_equal (path, "/") ? NULL : strrchr (path, '/') + 1;
}

int
mtvctl_plan_list (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_PLAN);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));

  if (ctl->json)
    {
      mtvctl_print_json_list (ctl, all);
      return MTVCTL_OK;
    }
  for (guint i = 0; i < all->len; i++)
    {
      MtvDBusPlan *plan = g_ptr_array_index (all, i);

      mtvctl_table_add (table, mtv_dbus_plan_get_name (plan));
      mtvctl_table_add (table, mtvctl_provider_name (ctl, mtv_dbus_plan_get_source (plan)));
      mtvctl_table_add (table, mtvctl_provider_name (ctl, mtv_dbus_plan_get_destination (plan)));
      mtvctl_table_add_number (table,
                               g_variant_n_children (mtv_dbus_plan_get_virtual_machines (plan)));
      mtvctl_table_add_state (table, mtv_dbus_plan_get_state (plan));
      mtvctl_table_add (table, last_migration (plan));
      mtvctl_table_take (
          table, mtvctl_format_ago (mtv_dbus_plan_get_created_time (plan), g_get_real_time ()));
      mtvctl_table_add (table, mtv_dbus_plan_get_description (plan));
    }
  g_autofree char *legend
      = g_strdup_printf (ngettext ("%u plan listed.", "%u plans listed.", all->len), all->len);
  mtvctl_print_table (ctl, table, legend, _ ("No plans."));
  return MTVCTL_OK;
}

static char *
describe_number (const char *key, guint64 number)
{
  return g_str_equal (key, "cutover-time") ? mtvctl_format_time (number)
         : g_str_equal (key, "throttle")   ? mtvctl_format_rate (number)
                                           : mtvctl_format_span (number);
}

/* "a=b, c=d" for a dictionary, "a, b" for a list: options that were given, for people. */
static char *
describe_option (const char *option, GVariant *value)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *key, *text;
  GVariantIter iter;

  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    return g_variant_dup_string (value, NULL);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_variant_get_boolean (value) ? g_strdup (_ ("yes")) : NULL;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return describe_number (option, g_variant_get_uint64 (value));
  g_variant_iter_init (&iter, value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE ("a{ss}")))
    while (g_variant_iter_next (&iter, "{&s&s}", &key, &text))
      g_string_append_printf (out, "%s%s=%s", out->len ? ", " : "", *key ? key : "*", text);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    while (g_variant_iter_next (&iter, "&s", &text))
      g_string_append_printf (out, "%s%s", out->len ? ", " : "", text);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static const struct
{
  const char *key;
  const char *label;
} option_labels[] = {
  { "devices", N_ ("Devices") },
  { "format", N_ ("Format") },
  { "hash", N_ ("Hash") },
  { "verify", N_ ("Verification") },
  { "target-power-state", N_ ("Power at the end") },
  { "networks", N_ ("Networks") },
  { "ignore", N_ ("Ignored concerns") },
  { "warm", N_ ("Warm") },
  { "interval", N_ ("Interval") },
  { "interval-auto", N_ ("Interval by itself") },
  { "max-downtime", N_ ("Downtime at most") },
  { "cutover-time", N_ ("Cutover") },
  { "shutdown", N_ ("Shutdown") },
  { "shutdown-timeout", N_ ("Shutdown takes at most") },
  { "throttle", N_ ("Throttle") },
};

static void
append_plan_vms (Mtvctl *ctl, GVariant *vms, GString *out)
{
  static const MtvctlColumn vm_columns[] = {
    { N_ ("VIRTUAL MACHINE"), 0, 12, 0 },
    { N_ ("TARGET"), 0, 10, 0 },
    { N_ ("ID"), 0, 8, 1 },
  };
  g_autoptr (MtvctlTable) table = mtvctl_table_new (vm_columns, G_N_ELEMENTS (vm_columns));

  for (gsize i = 0; i < g_variant_n_children (vms); i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);

      mtvctl_table_add (table, mtvctl_dict_string (vm, "name"));
      mtvctl_table_add (table, mtvctl_dict_string (vm, "target-name"));
      mtvctl_table_add (table, mtvctl_dict_string (vm, "id"));
    }
  g_string_append_c (out, '\n');
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
}

static gboolean
show (Mtvctl *ctl, gpointer proxy, GString *out, GError **error)
{
  MtvDBusPlan *plan = proxy;
  g_autoptr (MtvctlFields) fields = mtvctl_fields_new ();
  GVariant *options = mtv_dbus_plan_get_options (plan);

  mtvctl_fields_add (fields, _ ("Name"), mtv_dbus_plan_get_name (plan));
  mtvctl_fields_add (fields, _ ("Id"), mtvctl_get_id (plan));
  mtvctl_fields_add (fields, _ ("Description"), mtv_dbus_plan_get_description (plan));
  mtvctl_fields_add (fields, _ ("From"),
                     mtvctl_provider_name (ctl, mtv_dbus_plan_get_source (plan)));
  mtvctl_fields_add (fields, _ ("To"),
                     mtvctl_provider_name (ctl, mtv_dbus_plan_get_destination (plan)));
  mtvctl_fields_add_state (fields, _ ("State"), mtv_dbus_plan_get_state (plan));
  mtvctl_fields_add (fields, _ ("Last migration"), last_migration (plan));
  mtvctl_fields_take (fields, _ ("Created"),
                      mtvctl_format_time (mtv_dbus_plan_get_created_time (plan)));
  for (guint i = 0; i < G_N_ELEMENTS (option_labels); i++)
    {
      g_autoptr (GVariant) value = g_variant_lookup_value (options, option_labels[i].key, NULL);

      if (value != NULL)
        mtvctl_fields_take (fields, _ (option_labels[i].label),
                            describe_option (option_labels[i].key, value));
    }
  mtvctl_fields_render (fields, &ctl->out, out);
  append_plan_vms (ctl, mtv_dbus_plan_get_virtual_machines (plan), out);
  return TRUE;
}

int
mtvctl_plan_show (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_show_each (ctl, MTVCTL_PLAN, args, show, error);
}

static void
add_string (GVariantBuilder *options, const char *key, const char *value)
{
  if (value != NULL)
    g_variant_builder_add (options, "{sv}", key, g_variant_new_string (value));
}

/* "KEY=VALUE" arguments as a dictionary; a name may hold "=" itself, a target may not. Without
 * "=" it is the value for "", all others, where that has a meaning. */
static gboolean
add_pairs (GVariantBuilder *options, const char *key, const char *option, GPtrArray *pairs,
           gboolean others, GError **error)
{
  GVariantDict dict;

  if (pairs == NULL)
    return TRUE;
  g_variant_dict_init (&dict, NULL);
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a{ss}"));
  for (guint i = 0; i < pairs->len; i++)
    {
      const char *pair = g_ptr_array_index (pairs, i);
      const char *sign = strrchr (pair, '=');
      g_autofree char *left = g_strndup (pair, sign != NULL ? sign - pair : 0);

      if ((!others && *left == '\0') || g_variant_dict_contains (&dict, left))
        {
          g_variant_dict_clear (&dict);
          g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                       *left == '\0' && !others ? _ ("--%s=%s is not of the form VM=NAME.")
                                                : _ ("--%s=%s: given twice."),
                       option, pair);
          return FALSE;
        }
      g_variant_dict_insert (&dict, left, "b", TRUE);
      g_variant_builder_add (&builder, "{ss}", left, sign != NULL ? sign + 1 : pair);
    }
  g_variant_dict_clear (&dict);
  g_variant_builder_add (options, "{sv}", key, g_variant_builder_end (&builder));
  return TRUE;
}

static GVariant *
plan_options (Mtvctl *ctl, GError **error)
{
  g_auto (GVariantBuilder) options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  add_string (&options, "description", ctl->description);
  add_string (&options, "devices", ctl->devices);
  add_string (&options, "format", ctl->format);
  add_string (&options, "hash", ctl->hash);
  add_string (&options, "verify", ctl->verify);
  add_string (&options, "target-power-state", ctl->power);
  if (ctl->warm)
    g_variant_builder_add (&options, "{sv}", "warm", g_variant_new_boolean (TRUE));
  if (!mtvctl_warm_add_options (ctl, &options, error)
      || !add_pairs (&options, "target-names", "target-name", ctl->target_names, FALSE, error)
      || !add_pairs (&options, "networks", "network", ctl->networks, TRUE, error))
    return NULL;
  if (ctl->ignore != NULL)
    g_variant_builder_add (
        &options, "{sv}", "ignore",
        g_variant_new_strv ((const char *const *) ctl->ignore->pdata, ctl->ignore->len));
  return g_variant_builder_end (&options);
}

char *
mtvctl_plan_new (Mtvctl *ctl, const char *name, gpointer source, gpointer destination,
                 const char *const *vms, GError **error)
{
  g_autofree char *path = NULL;
  GVariant *options = plan_options (ctl, error);
  g_autoptr (MtvDBusManager) manager = options ? mtvctl_get_manager (ctl, error) : NULL;

  if (manager == NULL)
    {
      if (options != NULL)
        g_variant_unref (g_variant_ref_sink (options));
      return NULL;
    }
  if (!mtv_dbus_manager_call_create_plan_sync (manager, name, g_dbus_proxy_get_object_path (source),
                                               g_dbus_proxy_get_object_path (destination), vms,
                                               options, mtvctl_call_flags (ctl),
                                               MTVCTL_TIMEOUT_MSEC, &path, NULL, error))
    mtvctl_explain (error, _ ("Cannot create plan '%s'"), name);
  return g_steal_pointer (&path);
}

MtvDBusPlan *
mtvctl_plan_proxy (Mtvctl *ctl, const char *path, GError **error)
{
  return mtv_dbus_plan_proxy_new_sync (ctl->bus, G_DBUS_PROXY_FLAGS_NONE, MTVCTL_BUS_NAME, path,
                                       NULL, error);
}

GPtrArray *
mtvctl_plan_all_vms (Mtvctl *ctl, MtvDBusProvider *provider, GError **error)
{
  g_autoptr (GPtrArray) vms = mtvctl_vm_fetch (ctl, provider, NULL, error);
  GPtrArray *ids = vms != NULL ? g_ptr_array_new_with_free_func (g_free) : NULL;

  for (guint i = 0; vms != NULL && i < vms->len; i++)
    g_ptr_array_add (ids, g_strdup (mtvctl_dict_string (g_ptr_array_index (vms, i), "id")));
  if (ids != NULL && ids->len == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   _ ("There is no virtual machine in '%s'."),
                   mtv_dbus_provider_get_name (provider));
      g_clear_pointer (&ids, g_ptr_array_unref);
    }
  if (ids != NULL)
    g_ptr_array_add (ids, NULL);
  return ids;
}

char *
mtvctl_plan_run (Mtvctl *ctl, MtvDBusPlan *plan, GError **error)
{
  g_autofree char *migration = NULL;

  if (!mtv_dbus_plan_call_start_sync (plan, mtvctl_no_options (), mtvctl_call_flags (ctl),
                                      MTVCTL_NO_TIMEOUT, &migration, NULL, error))
    mtvctl_explain (error, _ ("Cannot start plan '%s'"), mtv_dbus_plan_get_name (plan));
  return g_steal_pointer (&migration);
}

static int
start (Mtvctl *ctl, MtvDBusPlan *plan, GError **error)
{
  g_autofree char *migration = mtvctl_plan_run (ctl, plan, error);

  if (migration == NULL)
    return MTVCTL_ERROR;
  const char *id = strrchr (migration, '/') + 1;
  mtvctl_say (ctl, _ ("Started migration %s of plan '%s'."), id, mtv_dbus_plan_get_name (plan));
  if (ctl->wait)
    return mtvctl_watch (ctl, migration, error);
  mtvctl_say (ctl, _ ("Follow it with 'mtvctl migration watch %s'."), id);
  return MTVCTL_OK;
}

int
mtvctl_plan_start (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusPlan) plan = mtvctl_find (ctl, MTVCTL_PLAN, args[0], error);

  return plan != NULL ? start (ctl, plan, error) : MTVCTL_ERROR;
}

static gboolean
check_create (Mtvctl *ctl, char **args, GError **error)
{
  const char *wrong = ctl->from == NULL             ? _ ("--from=PROVIDER is missing.")
                      : ctl->all && args[1] != NULL ? _ ("--all and names exclude each other.")
                      : !ctl->all && args[1] == NULL
                          ? _ ("Name the virtual machines, or give --all.")
                      : ctl->wait && !ctl->start ? _ ("--wait has a meaning only with --start.")
                                                 : NULL;

  if (wrong != NULL)
    g_set_error_literal (error, G_OPTION_ERROR, G_OPTION_ERROR_FAILED, wrong);
  return wrong == NULL;
}

int
mtvctl_plan_create (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GPtrArray) ids = NULL;

  if (!check_create (ctl, args, error))
    return MTVCTL_ERROR;
  g_autoptr (GDBusProxy) source = mtvctl_find (ctl, MTVCTL_PROVIDER, ctl->from, error);
  if (source == NULL)
    return MTVCTL_ERROR;
  g_autoptr (GDBusProxy) destination
      = mtvctl_find (ctl, MTVCTL_PROVIDER, ctl->to ? ctl->to : "local", error);
  if (destination == NULL
      || (ctl->all && !(ids = mtvctl_plan_all_vms (ctl, MTV_DBUS_PROVIDER (source), error))))
    return MTVCTL_ERROR;
  g_autofree char *path
      = mtvctl_plan_new (ctl, args[0], source, destination,
                         (const char *const *) (ids ? (char **) ids->pdata : args + 1), error);
  if (path == NULL)
    return MTVCTL_ERROR;
  mtvctl_say (ctl, _ ("Created plan '%s'."), args[0]);
  if (!ctl->start)
    return MTVCTL_OK;
  g_autoptr (MtvDBusPlan) plan = mtvctl_plan_proxy (ctl, path, error);
  return plan != NULL ? start (ctl, plan, error) : MTVCTL_ERROR;
}

GVariant *
mtvctl_plan_check (Mtvctl *ctl, MtvDBusPlan *plan, GError **error)
{
  GVariant *result = NULL;

  if (!mtv_dbus_plan_call_validate_sync (plan, mtvctl_no_options (), mtvctl_call_flags (ctl),
                                         MTVCTL_NO_TIMEOUT, &result, NULL, error))
    mtvctl_explain (error, _ ("Cannot validate plan '%s'"), mtv_dbus_plan_get_name (plan));
  return result;
}

static void
append_sizes (Mtvctl *ctl, GVariant *result, GString *out)
{
  static const MtvctlColumn size_columns[] = {
    { N_ ("VIRTUAL MACHINE"), 0, 12, 0 },
    { N_ ("TARGET"), 0, 10, 1 },
    { N_ ("DEVICES"), 0, 0, 2 },
    { N_ ("CAPACITY"), MTVCTL_COLUMN_RIGHT, 0, 0 },
    { N_ ("DATA"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  };
  g_autoptr (MtvctlTable) table = mtvctl_table_new (size_columns, G_N_ELEMENTS (size_columns));
  g_autoptr (GVariant) vms
      = g_variant_lookup_value (result, "virtual-machines", G_VARIANT_TYPE ("aa{sv}"));

  for (gsize i = 0; vms != NULL && i < g_variant_n_children (vms); i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);

      mtvctl_table_add (table, mtvctl_dict_string (vm, "name"));
      mtvctl_table_add (table, mtvctl_dict_string (vm, "target-name"));
      mtvctl_table_add (table, mtvctl_dict_string (vm, "devices"));
      mtvctl_table_take (table, mtvctl_format_size (mtvctl_dict_number (vm, "capacity")));
      guint64 allocated = mtvctl_dict_number (vm, "allocated"); /* 0: the source cannot tell */
      mtvctl_table_take (table, allocated > 0 ? mtvctl_format_size (allocated) : NULL);
    }
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
}

/* How much there is to copy; where a source cannot tell, no more than all. */
static char *
format_data (GVariant *result)
{
  g_autoptr (GVariant) vms
      = g_variant_lookup_value (result, "virtual-machines", G_VARIANT_TYPE ("aa{sv}"));
  g_autofree char *capacity = mtvctl_format_size (mtvctl_dict_number (result, "capacity"));

  for (gsize i = 0; vms != NULL && i < g_variant_n_children (vms); i++)
    {
      g_autoptr (GVariant) vm = g_variant_get_child_value (vms, i);

      if (mtvctl_dict_number (vm, "allocated") == 0 && mtvctl_dict_number (vm, "capacity") > 0)
        return g_strdup_printf (_ ("up to %s"), capacity);
    }
  return mtvctl_format_size (mtvctl_dict_number (result, "allocated"));
}

static void
append_verdict (Mtvctl *ctl, MtvDBusPlan *plan, GVariant *result, GString *out)
{
  gboolean blocked = mtvctl_dict_boolean (result, "blocked");
  g_autofree char *data = format_data (result);
  g_autofree char *room = mtvctl_format_size (mtvctl_dict_number (result, "free-space"));
  g_autoptr (GVariant) known = g_variant_lookup_value (result, "free-space", NULL);

  g_string_append_c (out, '\n');
  if (known != NULL)
    g_string_append_printf (out, _ ("%s to copy, %s free at the destination.\n"), data, room);
  else
    g_string_append_printf (out, _ ("%s to copy.\n"), data);
  g_string_append (out, mtvctl_style (&ctl->out, blocked ? MTVCTL_RED : MTVCTL_GREEN));
  g_string_append_printf (out,
                          blocked ? _ ("Plan '%s' cannot be started as it stands.")
                                  : _ ("Plan '%s' can be started."),
                          mtv_dbus_plan_get_name (plan));
  g_string_append_printf (out, "%s\n", mtvctl_style (&ctl->out, MTVCTL_PLAIN));
}

int
mtvctl_plan_validate (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusPlan) plan = mtvctl_find (ctl, MTVCTL_PLAN, args[0], error);
  g_autoptr (GVariant) result = plan ? mtvctl_plan_check (ctl, plan, error) : NULL;
  g_autoptr (GString) out = g_string_new (NULL);

  if (result == NULL)
    return MTVCTL_ERROR;
  if (ctl->json)
    mtvctl_print_json (ctl, json_gvariant_serialize (result));
  else
    {
      g_autoptr (GVariant) concerns
          = g_variant_lookup_value (result, "concerns", G_VARIANT_TYPE ("aa{sv}"));

      append_sizes (ctl, result, out);
      if (concerns != NULL)
        mtvctl_append_concerns (ctl, concerns, out);
      append_verdict (ctl, plan, result, out);
      mtvctl_print (ctl, out->str);
    }
  return mtvctl_dict_boolean (result, "blocked") ? MTVCTL_FAILURE : MTVCTL_OK;
}

static gboolean
archive (Mtvctl *ctl, gpointer plan, GError **error)
{
  const char *name = mtv_dbus_plan_get_name (plan);

  if (!mtv_dbus_plan_call_archive_sync (plan, mtvctl_no_options (), mtvctl_call_flags (ctl),
                                        MTVCTL_TIMEOUT_MSEC, NULL, error))
    return mtvctl_explain (error, _ ("Cannot archive plan '%s'"), name);
  mtvctl_say (ctl, _ ("Archived plan '%s'."), name);
  return TRUE;
}

int
mtvctl_plan_archive (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_for_each (ctl, MTVCTL_PLAN, args, archive);
}

gboolean
mtvctl_plan_delete (Mtvctl *ctl, gpointer plan, GError **error)
{
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);

  if (manager == NULL)
    return FALSE;
  return mtv_dbus_manager_call_remove_plan_sync (manager, g_dbus_proxy_get_object_path (plan),
                                                 mtvctl_no_options (), mtvctl_call_flags (ctl),
                                                 MTVCTL_TIMEOUT_MSEC, NULL, error)
         || mtvctl_explain (error, _ ("Cannot remove plan '%s'"), mtv_dbus_plan_get_name (plan));
}

static gboolean
forget (Mtvctl *ctl, gpointer plan, GError **error)
{
  if (!mtvctl_plan_delete (ctl, plan, error))
    return FALSE;
  mtvctl_say (ctl, _ ("Removed plan '%s'."), mtv_dbus_plan_get_name (plan));
  return TRUE;
}

int
mtvctl_plan_remove (Mtvctl *ctl, char **args, GError **error)
{
  return mtvctl_for_each (ctl, MTVCTL_PLAN, args, forget);
}
