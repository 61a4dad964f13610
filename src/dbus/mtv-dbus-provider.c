/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-provider.h"

#include "dbus/mtv-binding.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-provider-words.h"
#include "dbus/mtv-reply.h"
#include "mtv-dbus-generated.h"

/* (transfer floating) */
static GVariant *
settings_of (const MtvProviderConfig *config)
{
  return config->settings != NULL ? config->settings : g_variant_new ("a{sv}", NULL);
}

static void
sync_provider (gpointer skeleton)
{
  MtvProviderEntry *entry = mtv_binding_get_entry (skeleton);
  const MtvProviderConfig *config = mtv_provider_entry_get_config (entry);
  g_autofree char *url = mtv_utf8 (config->url);
  GPtrArray *inventory = mtv_provider_entry_get_inventory (entry);

  g_object_set (skeleton, "url", url, "settings", settings_of (config), "state",
                mtv_provider_state_to_string (mtv_provider_entry_get_state (entry)), "error",
                mtv_reply_describe_error (mtv_provider_entry_get_error (entry)), "concerns",
                mtv_provider_entry_get_concerns (entry), "virtual-machine-count",
                inventory == NULL ? 0 : inventory->len, "refresh-time",
                mtv_provider_entry_get_refresh_time (entry), NULL);
}

static void
refresh_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_provider_entry_refresh_finish (MTV_PROVIDER_ENTRY (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_refresh (MtvDBusProvider *provider, GDBusMethodInvocation *invocation, GVariant *options,
                MtvEngine *engine)
{
  static const MtvOption known[] = { { "wait", "b" }, { NULL, NULL } };
  MtvProviderEntry *entry = mtv_binding_get_entry (provider);
  gboolean wait = FALSE;

  (void) engine;
  if (!mtv_options_accept (invocation, options, known))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  g_variant_lookup (options, "wait", "b", &wait);
  mtv_provider_entry_refresh_async (entry, wait ? refresh_cb : NULL, invocation);
  if (!wait)
    mtv_reply (invocation, NULL);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
configured_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_configure_provider_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_configure (MtvDBusProvider *provider, GDBusMethodInvocation *invocation, GVariant *changes,
                  GVariant *options, MtvEngine *engine)
{
  static const MtvOption known[] = { { "url", "s" }, MTV_PROVIDER_WORDS, { NULL, NULL } };
  g_auto (MtvProviderWords) words = { 0 };
  const char *url = NULL;

  if (!mtv_options_accept (invocation, options, NULL)
      || !mtv_options_accept (invocation, changes, known))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  g_variant_lookup (changes, "url", "&s", &url);
  mtv_provider_words_parse (&words, url, changes);
  mtv_engine_configure_provider_async (engine, mtv_binding_get_entry (provider), &words,
                                       configured_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
test_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_provider_entry_test_finish (MTV_PROVIDER_ENTRY (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_test (MtvDBusProvider *provider, GDBusMethodInvocation *invocation, GVariant *options,
             MtvEngine *engine)
{
  (void) engine;
  if (mtv_options_accept (invocation, options, NULL))
    mtv_provider_entry_test_async (mtv_binding_get_entry (provider), test_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_list (MtvDBusProvider *provider, GDBusMethodInvocation *invocation, GVariant *options,
             MtvEngine *engine)
{
  static const MtvOption known[]
      = { { "filter", "s" }, { "offset", "u" }, { "limit", "u" }, { NULL, NULL } };
  MtvProviderEntry *entry = mtv_binding_get_entry (provider);
  const char *filter = NULL;
  guint offset, limit;

  (void) engine;
  if (!mtv_options_accept (invocation, options, known))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  g_variant_lookup (options, "filter", "&s", &filter);
  mtv_options_get_page (options, &offset, &limit);
  g_dbus_method_invocation_return_value (
      invocation, mtv_provider_entry_list_vms (entry, filter, offset, limit));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

/* What the list has and the VM itself has not. */
static GVariant *
describe_vm (MtvVm *vm)
{
  g_autoptr (GVariant) inventory = g_variant_ref_sink (mtv_vm_to_variant (vm));
  GVariantDict dict;

  g_variant_dict_init (&dict, inventory);
  if (mtv_vm_get_capacity (vm) > 0)
    g_variant_dict_insert (&dict, "capacity", "t", mtv_vm_get_capacity (vm));
  return g_variant_dict_end (&dict);
}

static gboolean
handle_describe (MtvDBusProvider *provider, GDBusMethodInvocation *invocation,
                 const char *reference, GVariant *options, MtvEngine *engine)
{
  GError *error = NULL;
  MtvVm *vm;

  (void) engine;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  vm = mtv_provider_entry_find_vm (mtv_binding_get_entry (provider), reference, &error);
  if (vm == NULL)
    mtv_reply_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation,
                                           g_variant_new ("(@a{sv})", describe_vm (vm)));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler handlers[] = {
  { "handle-configure", G_CALLBACK (handle_configure) },
  { "handle-refresh", G_CALLBACK (handle_refresh) },
  { "handle-test", G_CALLBACK (handle_test) },
  { "handle-list-virtual-machines", G_CALLBACK (handle_list) },
  { "handle-describe-virtual-machine", G_CALLBACK (handle_describe) },
  { NULL, NULL },
};

GDBusInterfaceSkeleton *
mtv_dbus_provider_new (MtvEngine *engine, MtvProviderEntry *entry)
{
  MtvDBusProvider *skeleton = mtv_dbus_provider_skeleton_new ();
  const MtvProviderConfig *config = mtv_provider_entry_get_config (entry);
  const MtvProviderType *type = mtv_provider_entry_get_provider_type (entry);
  const char *roles[3] = { NULL };
  guint n_roles = 0;

  if (type != NULL && type->is_source)
    roles[n_roles++] = "source";
  if (type != NULL && type->is_destination)
    roles[n_roles++] = "destination";

  mtv_dbus_provider_set_name (skeleton, config->name);
  mtv_dbus_provider_set_type_ (skeleton, config->type);
  mtv_dbus_provider_set_roles (skeleton, roles);
  mtv_dbus_provider_set_created_time (skeleton, config->created);
  mtv_binding_new (skeleton, engine, entry, handlers, sync_provider);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
