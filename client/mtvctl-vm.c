/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-vm.h"

#include "mtvctl-bus.h"
#include "mtvctl-format.h"
#include "mtvctl-table.h"

#include <glib/gi18n.h>

#define PAGE 1000
#define IN_FLIGHT 4 /* pages that are asked for at a time */

static const MtvctlColumn columns[] = {
  { N_ ("PROVIDER"), 0, 8, 5 },
  { N_ ("NAME"), 0, 12, 0 },
  { N_ ("ID"), 0, 8, 6 },
  { N_ ("POWER"), 0, 0, 3 },
  { N_ ("CPUS"), MTVCTL_COLUMN_RIGHT, 0, 2 },
  { N_ ("MEMORY"), MTVCTL_COLUMN_RIGHT, 0, 1 },
  { N_ ("DISKS"), MTVCTL_COLUMN_RIGHT, 0, 4 },
  { N_ ("CAPACITY"), MTVCTL_COLUMN_RIGHT, 0, 0 },
  { N_ ("OS"), 0, 10, 7 },
  { N_ ("PROBLEM"), 0, 10, 8 },
};

const char *
mtvctl_dict_string (GVariant *dict, const char *key)
{
  const char *value = "";

  g_variant_lookup (dict, key, "&s", &value);
  return value;
}

guint64
mtvctl_dict_number (GVariant *dict, const char *key)
{
  guint64 big = 0;
  guint32 small = 0;

  return g_variant_lookup (dict, key, "t", &big)     ? big
         : g_variant_lookup (dict, key, "u", &small) ? small
                                                     : 0;
}

gboolean
mtvctl_dict_boolean (GVariant *dict, const char *key)
{
  gboolean value = FALSE;

  g_variant_lookup (dict, key, "b", &value);
  return value;
}

/* An inventory on its way: some pages are asked for at a time, so that the daemon makes one while
 * another one is taken apart here. */
typedef struct
{
  Mtvctl *ctl;
  MtvDBusProvider *provider;
  const char *filter; /* (nullable) */
  GPtrArray *pages;   /* (element-type GVariant) (nullable elements) in order */
  guint next;         /* page to be asked for */
  guint pending;
  GError *error; /* (nullable) the first */
} Fetch;

typedef struct
{
  Fetch *fetch;
  guint index;
} Page;

static void ask_for_more (Fetch *fetch);

static void
page_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autofree Page *page = user_data;
  Fetch *fetch = page->fetch;
  g_autoptr (GVariant) vms = NULL;
  g_autoptr (GError) error = NULL;
  guint32 total = 0;

  fetch->pending--;
  if (!mtv_dbus_provider_call_list_virtual_machines_finish (MTV_DBUS_PROVIDER (source), &vms,
                                                            &total, result, &error))
    {
      if (fetch->error == NULL)
        fetch->error = g_steal_pointer (&error);
      return;
    }
  if (page->index == 0) /* it tells how many there are */
    g_ptr_array_set_size (fetch->pages, MAX (1, (total + PAGE - 1) / PAGE));
  if (page->index < fetch->pages->len)
    fetch->pages->pdata[page->index] = g_steal_pointer (&vms);
  ask_for_more (fetch);
}

static void
ask_for_more (Fetch *fetch)
{
  for (; fetch->error == NULL && fetch->next < fetch->pages->len && fetch->pending < IN_FLIGHT;
       fetch->next++)
    {
      GVariantBuilder options = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
      Page *page = g_new0 (Page, 1);

      page->fetch = fetch;
      page->index = fetch->next;
      g_variant_builder_add (&options, "{sv}", "offset", g_variant_new_uint32 (fetch->next * PAGE));
      g_variant_builder_add (&options, "{sv}", "limit", g_variant_new_uint32 (PAGE));
      if (fetch->filter != NULL)
        g_variant_builder_add (&options, "{sv}", "filter", g_variant_new_string (fetch->filter));
      fetch->pending++;
      mtv_dbus_provider_call_list_virtual_machines (
          fetch->provider, g_variant_builder_end (&options), mtvctl_call_flags (fetch->ctl),
          MTVCTL_TIMEOUT_MSEC, NULL, page_cb, page);
    }
}

static void
unref_page (gpointer page)
{
  g_clear_pointer ((GVariant **) &page, g_variant_unref);
}

static void
take_apart (GVariant *page, GPtrArray *vms)
{
  gsize n = page == NULL ? 0 : g_variant_n_children (page);

  for (gsize i = 0; i < n; i++)
    g_ptr_array_add (vms, g_variant_get_child_value (page, i));
}

GPtrArray *
mtvctl_vm_fetch (Mtvctl *ctl, MtvDBusProvider *provider, const char *filter, GError **error)
{
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref);
  g_autoptr (GPtrArray) pages = g_ptr_array_new_with_free_func (unref_page);
  Fetch fetch = { .ctl = ctl, .provider = provider, .filter = filter, .pages = pages };

  g_ptr_array_set_size (pages, 1);
  ask_for_more (&fetch);
  while (fetch.pending > 0)
    g_main_context_iteration (NULL, TRUE);
  if (fetch.error != NULL)
    {
      g_propagate_error (error, fetch.error);
      mtvctl_explain (error, _ ("Cannot list the virtual machines of '%s'"),
                      mtv_dbus_provider_get_name (provider));
      return NULL;
    }
  for (guint i = 0; i < pages->len; i++)
    take_apart (pages->pdata[i], vms);
  return g_steal_pointer (&vms);
}

static void
add_row (MtvctlTable *table, MtvDBusProvider *provider, GVariant *vm)
{
  mtvctl_table_add (table, mtv_dbus_provider_get_name (provider));
  mtvctl_table_add (table, mtvctl_dict_string (vm, "name"));
  mtvctl_table_add (table, mtvctl_dict_string (vm, "id"));
  mtvctl_table_add (table, mtvctl_dict_string (vm, "power-state"));
  mtvctl_table_add_number (table, mtvctl_dict_number (vm, "cpus"));
  mtvctl_table_take (table, mtvctl_format_size (mtvctl_dict_number (vm, "memory")));
  mtvctl_table_add_number (table, mtvctl_dict_number (vm, "disks"));
  mtvctl_table_take (table, mtvctl_format_size (mtvctl_dict_number (vm, "capacity")));
  mtvctl_table_add (table, mtvctl_dict_string (vm, "os-name"));
  mtvctl_table_add (table, mtvctl_dict_string (vm, "problem"));
}

static JsonNode *
json_for_vm (MtvDBusProvider *provider, GVariant *vm)
{
  JsonNode *node = json_gvariant_serialize (vm);

  json_object_set_string_member (json_node_get_object (node), "provider",
                                 mtv_dbus_provider_get_name (provider));
  return node;
}

/* Those that were named, or else all that can be a source. */
static GPtrArray *
select_providers (Mtvctl *ctl, char **names, GError **error)
{
  g_autoptr (GPtrArray) all = mtvctl_get_all (ctl, MTVCTL_PROVIDER);
  g_autoptr (GPtrArray) selected = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < all->len && *names == NULL; i++)
    {
      MtvDBusProvider *provider = g_ptr_array_index (all, i);

      if (g_strv_contains (mtv_dbus_provider_get_roles (provider), "source"))
        g_ptr_array_add (selected, g_object_ref (provider));
    }
  for (; *names != NULL; names++)
    {
      gpointer provider = mtvctl_find (ctl, MTVCTL_PROVIDER, *names, error);

      if (provider == NULL)
        return NULL;
      g_ptr_array_add (selected, provider);
    }
  return g_steal_pointer (&selected);
}

int
mtvctl_vm_list (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (GPtrArray) providers = select_providers (ctl, args, error);
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));
  g_autoptr (JsonArray) array = json_array_new ();

  if (providers == NULL)
    return MTVCTL_ERROR;
  for (guint i = 0; i < providers->len; i++)
    {
      MtvDBusProvider *provider = g_ptr_array_index (providers, i);
      g_autoptr (GPtrArray) vms = mtvctl_vm_fetch (ctl, provider, ctl->filter, error);

      if (vms == NULL)
        return MTVCTL_ERROR;
      for (guint j = 0; j < vms->len; j++)
        if (ctl->json)
          json_array_add_element (array, json_for_vm (provider, g_ptr_array_index (vms, j)));
        else
          add_row (table, provider, g_ptr_array_index (vms, j));
    }
  if (ctl->json)
    mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  else
    {
      guint n = mtvctl_table_get_n_rows (table);
      g_autofree char *legend = g_strdup_printf (
          ngettext ("%u virtual machine listed.", "%u virtual machines listed.", n), n);

      mtvctl_print_table (ctl, table, legend, _ ("No virtual machines."));
    }
  return MTVCTL_OK;
}

static void
append_disks (Mtvctl *ctl, GVariant *disks, GString *out)
{
  static const MtvctlColumn disk_columns[] = {
    { N_ ("DISK"), MTVCTL_COLUMN_MIDDLE, 12, 0 },
    { N_ ("CAPACITY"), MTVCTL_COLUMN_RIGHT, 0, 0 },
    { N_ ("DATA"), MTVCTL_COLUMN_RIGHT, 0, 1 },
    { N_ ("FORMAT"), 0, 8, 2 },
    { N_ ("BUS"), 0, 0, 3 },
    { N_ ("UNIT"), MTVCTL_COLUMN_RIGHT, 0, 4 },
    { N_ ("PROBLEM"), 0, 10, 5 },
  };
  g_autoptr (MtvctlTable) table = mtvctl_table_new (disk_columns, G_N_ELEMENTS (disk_columns));

  for (gsize i = 0; i < g_variant_n_children (disks); i++)
    {
      g_autoptr (GVariant) disk = g_variant_get_child_value (disks, i);
      const char *name = mtvctl_dict_string (disk, "name");
      guint64 allocated = mtvctl_dict_number (disk, "allocated");

      mtvctl_table_add (table, *name ? name : mtvctl_dict_string (disk, "id"));
      mtvctl_table_take (table, mtvctl_format_size (mtvctl_dict_number (disk, "capacity")));
      mtvctl_table_take (table, allocated ? mtvctl_format_size (allocated) : NULL);
      mtvctl_table_add (table, mtvctl_dict_string (disk, "format"));
      mtvctl_table_add (table, mtvctl_dict_string (disk, "bus"));
      mtvctl_table_take (table,
                         g_strdup_printf ("%u:%u", (guint) mtvctl_dict_number (disk, "bus-number"),
                                          (guint) mtvctl_dict_number (disk, "unit")));
      mtvctl_table_add (table, mtvctl_dict_string (disk, "problem"));
    }
  g_string_append_c (out, '\n');
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
}

static void
append_nics (Mtvctl *ctl, GVariant *nics, GString *out)
{
  static const MtvctlColumn nic_columns[] = {
    { N_ ("NETWORK CARD"), 0, 8, 0 },
    { N_ ("MAC"), 0, 0, 0 },
    { N_ ("NETWORK"), 0, 10, 0 },
    { N_ ("MODEL"), 0, 6, 1 },
  };
  g_autoptr (MtvctlTable) table = mtvctl_table_new (nic_columns, G_N_ELEMENTS (nic_columns));

  for (gsize i = 0; i < g_variant_n_children (nics); i++)
    {
      g_autoptr (GVariant) nic = g_variant_get_child_value (nics, i);
      const char *name = mtvctl_dict_string (nic, "name");

      mtvctl_table_add (table, *name ? name : mtvctl_dict_string (nic, "id"));
      mtvctl_table_add (table, mtvctl_dict_string (nic, "mac"));
      mtvctl_table_add (table, mtvctl_dict_string (nic, "network"));
      mtvctl_table_add (table, mtvctl_dict_string (nic, "model"));
    }
  g_string_append_c (out, '\n');
  mtvctl_table_render (table, &ctl->out, !ctl->no_legend, out);
}

static char *
describe_cpus (GVariant *vm)
{
  guint cpus = mtvctl_dict_number (vm, "cpus");
  guint cores = mtvctl_dict_number (vm, "cores-per-socket");
  guint threads = mtvctl_dict_number (vm, "threads-per-core");

  if (threads == 0)
    threads = 1;
  if (cpus == 0)
    return NULL;
  guint64 per_socket = (guint64) cores * threads;
  if (per_socket == 0 || cpus % per_socket != 0)
    return g_strdup_printf ("%u", cpus);
  return g_strdup_printf (_ ("%u (sockets: %u, cores: %u, threads: %u)"), cpus,
                          (guint) (cpus / per_socket), cores, threads);
}

static void
append_vm (Mtvctl *ctl, GVariant *vm, GString *out)
{
  g_autoptr (MtvctlFields) fields = mtvctl_fields_new ();
  g_autoptr (GVariant) disks = g_variant_lookup_value (vm, "disks", G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) nics = g_variant_lookup_value (vm, "nics", G_VARIANT_TYPE ("aa{sv}"));
  guint64 memory = mtvctl_dict_number (vm, "memory");
  guint64 capacity = mtvctl_dict_number (vm, "capacity");

  mtvctl_fields_add (fields, _ ("Name"), mtvctl_dict_string (vm, "name"));
  mtvctl_fields_add (fields, _ ("Id"), mtvctl_dict_string (vm, "id"));
  mtvctl_fields_add (fields, _ ("Path"), mtvctl_dict_string (vm, "path"));
  mtvctl_fields_add (fields, _ ("UUID"), mtvctl_dict_string (vm, "uuid"));
  mtvctl_fields_add (fields, _ ("Power"), mtvctl_dict_string (vm, "power-state"));
  mtvctl_fields_take (fields, _ ("CPUs"), describe_cpus (vm));
  mtvctl_fields_take (fields, _ ("Memory"), memory ? mtvctl_format_size (memory) : NULL);
  mtvctl_fields_add (fields, _ ("Firmware"), mtvctl_dict_string (vm, "firmware"));
  if (mtvctl_dict_boolean (vm, "secure-boot"))
    mtvctl_fields_add (fields, _ ("Secure boot"), _ ("yes"));
  if (mtvctl_dict_boolean (vm, "tpm"))
    mtvctl_fields_add (fields, _ ("TPM"), _ ("yes"));
  mtvctl_fields_add (fields, _ ("System"), mtvctl_dict_string (vm, "os-name"));
  mtvctl_fields_add (fields, _ ("System id"), mtvctl_dict_string (vm, "os-id"));
  mtvctl_fields_add (fields, _ ("Made by"), mtvctl_dict_string (vm, "producer"));
  mtvctl_fields_take (fields, _ ("Capacity"), capacity ? mtvctl_format_size (capacity) : NULL);
  mtvctl_fields_add (fields, _ ("Problem"), mtvctl_dict_string (vm, "problem"));
  mtvctl_fields_render (fields, &ctl->out, out);
  if (disks != NULL && g_variant_n_children (disks) > 0)
    append_disks (ctl, disks, out);
  if (nics != NULL && g_variant_n_children (nics) > 0)
    append_nics (ctl, nics, out);
}

int
mtvctl_vm_show (Mtvctl *ctl, char **args, GError **error)
{
  g_autoptr (MtvDBusProvider) provider = mtvctl_find (ctl, MTVCTL_PROVIDER, args[0], error);
  g_autoptr (GString) out = g_string_new (NULL);
  g_autoptr (JsonArray) array = json_array_new ();

  if (provider == NULL)
    return MTVCTL_ERROR;
  for (char **name = args + 1; *name != NULL; name++)
    {
      g_autoptr (GVariant) vm = NULL;

      if (!mtv_dbus_provider_call_describe_virtual_machine_sync (
              provider, *name, mtvctl_no_options (), mtvctl_call_flags (ctl), MTVCTL_TIMEOUT_MSEC,
              &vm, NULL, error))
        {
          mtvctl_explain (error, _ ("Cannot show virtual machine '%s' of '%s'"), *name,
                          mtv_dbus_provider_get_name (provider));
          return MTVCTL_ERROR;
        }
      if (ctl->json)
        json_array_add_element (array, json_for_vm (provider, vm));
      else
        {
          if (out->len > 0)
            g_string_append_c (out, '\n');
          append_vm (ctl, vm, out);
        }
    }
  if (ctl->json)
    mtvctl_print_json (ctl, json_node_init_array (json_node_alloc (), array));
  else
    mtvctl_print (ctl, out->str);
  return MTVCTL_OK;
}
