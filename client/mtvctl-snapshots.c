/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-bus.h"
#include "mtvctl-table.h"
#include "mtvctl-vm.h"

#include <glib/gi18n.h>
#include <string.h>

/* The ledger: what of ours is, or may be, at sources and destinations. */

/* All entries, page by page. */
static GPtrArray *
fetch_ledger (Mtvctl *ctl, GError **error)
{
  g_autoptr (MtvDBusManager) manager = mtvctl_get_manager (ctl, error);
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  gsize n = manager != NULL;

  while (n > 0)
    {
      g_autoptr (GVariant) page = NULL;
      GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

      g_variant_builder_add (&options, "{sv}", "offset", g_variant_new_uint32 (entries->len));
      if (!mtv_dbus_manager_call_get_ledger_sync (manager, g_variant_builder_end (&options),
                                                  mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC,
                                                  &page, NULL, error))
        {
          mtvctl_explain (error, _ ("Cannot read the ledger"));
          return NULL;
        }
      n = g_variant_n_children (page);
      for (gsize i = 0; i < n; i++)
        g_ptr_array_add (entries, g_variant_get_child_value (page, i));
    }
  return manager != NULL ? g_steal_pointer (&entries) : NULL;
}

/* (transfer full) */
static char *
get_path (GVariant *entry, const char *key)
{
  char *path = NULL;

  return g_variant_lookup (entry, key, "o", &path) ? path : g_strdup ("/");
}

static void
add_row (Mtvctl *ctl, MtvctlTable *table, GVariant *entry)
{
  g_autofree char *vm = get_path (entry, "vm");
  g_autofree char *migration = get_path (entry, "migration");
  g_autofree char *provider = get_path (entry, "provider");
  g_autoptr (MtvDBusMigrationVM) job
      = (gpointer) g_dbus_object_manager_get_interface (ctl->objects, vm, "org.mtv.Migration.VM");

  mtvctl_table_add (table, mtvctl_provider_name (ctl, provider));
  mtvctl_table_add (table, mtvctl_dict_string (entry, "kind"));
  mtvctl_table_add (table, mtvctl_dict_string (entry, "key"));
  mtvctl_table_add (table, mtvctl_dict_string (entry, "remote-id"));
  mtvctl_table_add (table, strrchr (migration, '/') + 1);
  mtvctl_table_add (table,
                    job != NULL ? mtv_dbus_migration_vm_get_name (job) : strrchr (vm, '/') + 1);
}

int
mtvctl_snapshots (Mtvctl *ctl, char **args, GError **error)
{
  static const MtvctlColumn columns[] = {
    { N_ ("PROVIDER"), 0, 8, 0 },  { N_ ("KIND"), 0, 8, 0 },
    { N_ ("NAME"), 0, 10, 0 },     { N_ ("REMOTE ID"), MTVCTL_COLUMN_MIDDLE, 10, 3 },
    { N_ ("MIGRATION"), 0, 0, 2 }, { N_ ("VM"), 0, 8, 1 },
  };
  g_autoptr (GPtrArray) entries = fetch_ledger (ctl, error);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));
  g_autoptr (JsonArray) array = json_array_new ();

  if (entries == NULL)
    return MTVCTL_ERROR;
  for (guint i = 0; i < entries->len; i++)
    if (ctl->json)
      json_array_add_element (array, json_gvariant_serialize (g_ptr_array_index (entries, i)));
    else
      add_row (ctl, table, g_ptr_array_index (entries, i));
  g_autofree char *legend = g_strdup_printf (
      ngettext ("%u object listed.", "%u objects listed.", entries->len), entries->len);
  if (ctl->json)
    mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  else
    mtvctl_print_table (ctl, table, legend, _ ("Nothing of ours is at any provider."));
  return MTVCTL_OK;
}
