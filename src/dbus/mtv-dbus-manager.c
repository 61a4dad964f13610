/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-manager.h"

#include "base/mtv-error.h"
#include "dbus/mtv-binding.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-path.h"
#include "dbus/mtv-plan-request.h"
#include "dbus/mtv-provider-words.h"
#include "dbus/mtv-reply.h"
#include "dbus/mtv-transfer-options.h"
#include "mtv-dbus-generated.h"

#include <glib/gstdio.h>

static void
sync_manager (gpointer skeleton)
{
  MtvEngine *engine = mtv_binding_get_entry (skeleton);
  guint running, queued, suspended;

  mtv_engine_get_counts (engine, &running, &queued, &suspended);
  g_object_set (skeleton, "running", running, "queued", queued, "suspended", suspended, "defaults",
                mtv_engine_get_defaults (engine), "throttles", mtv_engine_get_throttles (engine),
                NULL);
}

static void
add_provider_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (MtvProviderEntry) entry
      = mtv_engine_add_provider_finish (MTV_ENGINE (source), result, &error);

  if (entry == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_reply_path (invocation, "provider", mtv_provider_entry_get_config (entry)->id);
}

static const MtvOption provider_options[] = { MTV_PROVIDER_WORDS, { NULL, NULL } };

static gboolean
handle_add_provider (MtvDBusManager *manager, GDBusMethodInvocation *invocation, const char *name,
                     const char *type, const char *url, GVariant *options, MtvEngine *engine)
{
  g_auto (MtvProviderWords) words = { 0 };

  (void) manager;
  if (!mtv_options_accept (invocation, options, provider_options))
    return G_DBUS_METHOD_INVOCATION_HANDLED;
  mtv_provider_words_parse (&words, url, options);
  mtv_engine_add_provider_async (engine, name, type, &words, -1, add_provider_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_add_provider_file (MtvDBusManager *manager, GDBusMethodInvocation *invocation,
                          GUnixFDList *fds, const char *name, const char *type, GVariant *file,
                          GVariant *options, MtvEngine *engine)
{
  g_auto (MtvProviderWords) words = { 0 };
  GError *error = NULL;
  int fd;

  (void) manager;
  if (!mtv_options_accept (invocation, options, provider_options))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  fd = mtv_options_take_fd (fds, file, "file", &error);
  if (fd < 0)
    mtv_reply_error (invocation, error);
  else
    {
      mtv_provider_words_parse (&words, NULL, options);
      mtv_engine_add_provider_async (engine, name, type, &words, fd, add_provider_cb, invocation);
      g_close (fd, NULL); /* the engine has its own */
    }
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
remove_provider_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_remove_provider_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_remove_provider (MtvDBusManager *manager, GDBusMethodInvocation *invocation,
                        const char *path, GVariant *options, MtvEngine *engine)
{
  GError *error = NULL;
  MtvProviderEntry *entry;

  (void) manager;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  entry = mtv_path_find_provider (engine, path, &error);
  if (entry == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_engine_remove_provider_async (engine, entry, remove_provider_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
create_plan_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (MtvPlanEntry) entry
      = mtv_engine_create_plan_finish (MTV_ENGINE (source), result, &error);

  if (entry == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_reply_path (invocation, "plan", mtv_plan_entry_get_plan (entry)->id);
}

static gboolean
set_provider (char **id, MtvEngine *engine, const char *path, GError **error)
{
  MtvProviderEntry *entry = mtv_path_find_provider (engine, path, error);

  if (entry != NULL)
    *id = g_strdup (mtv_provider_entry_get_config (entry)->id);
  return entry != NULL;
}

static gboolean
handle_create_plan (MtvDBusManager *manager, GDBusMethodInvocation *invocation, const char *name,
                    const char *source, const char *destination, const char *const *vms,
                    GVariant *options, MtvEngine *engine)
{
  GError *error = NULL;
  g_autoptr (MtvPlan) plan = mtv_plan_request_parse (name, vms, options, &error);

  (void) manager;
  if (plan == NULL || !set_provider (&plan->source, engine, source, &error)
      || !set_provider (&plan->destination, engine, destination, &error))
    mtv_reply_error (invocation, error);
  else
    mtv_engine_create_plan_async (engine, g_steal_pointer (&plan), create_plan_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
remove_plan_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_remove_plan_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_remove_plan (MtvDBusManager *manager, GDBusMethodInvocation *invocation, const char *path,
                    GVariant *options, MtvEngine *engine)
{
  GError *error = NULL;
  MtvPlanEntry *entry;

  (void) manager;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  entry = mtv_path_find_plan (engine, path, &error);
  if (entry == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_engine_remove_plan_async (engine, entry, remove_plan_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
set_defaults_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_set_defaults_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_set_defaults (MtvDBusManager *manager, GDBusMethodInvocation *invocation, GVariant *defaults,
                     GVariant *options, MtvEngine *engine)
{
  (void) manager;
  if (mtv_options_accept (invocation, options, NULL))
    mtv_engine_set_defaults_async (engine, defaults, set_defaults_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
set_throttle_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_set_throttle_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_set_throttle (MtvDBusManager *manager, GDBusMethodInvocation *invocation, const char *target,
                     const char *rule, GVariant *options, MtvEngine *engine)
{
  (void) manager;
  if (mtv_options_accept (invocation, options, NULL))
    mtv_engine_set_throttle_async (engine, target, rule, set_throttle_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_copy (MtvDBusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *fds,
             const char *source, const char *destination, GVariant *options, MtvEngine *engine)
{
  GError *error = NULL;
  MtvCopyRequest *request
      = mtv_transfer_options_parse_copy (source, destination, options, fds, &error);
  MtvTransfer *transfer = request != NULL ? mtv_engine_copy (engine, request, &error) : NULL;

  (void) manager;
  if (transfer == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_reply_path (invocation, "transfer", mtv_transfer_get_id (transfer));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_verify (MtvDBusManager *manager, GDBusMethodInvocation *invocation, GUnixFDList *fds,
               const char *name, GVariant *options, MtvEngine *engine)
{
  GError *error = NULL;
  MtvVerifyRequest *request = mtv_transfer_options_parse_verify (name, options, fds, &error);
  MtvTransfer *transfer = request != NULL ? mtv_engine_verify (engine, request, &error) : NULL;

  (void) manager;
  if (transfer == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_reply_path (invocation, "transfer", mtv_transfer_get_id (transfer));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static GVariant *
describe_entry (GVariant *entry)
{
  GVariantDict dict;
  const char *run, *provider, *kind, *key, *remote_id;
  guint32 number;

  g_variant_get (entry, "(&su&s&s&s&s)", &run, &number, &provider, &kind, &key, &remote_id);
  g_autofree char *migration = mtv_path_new ("migration", run);
  g_autofree char *vm = g_strdup_printf ("%s/vm/%u", migration, number);
  g_autofree char *path = mtv_path_new ("provider", provider);

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "migration", "o", migration);
  g_variant_dict_insert (&dict, "vm", "o", vm);
  g_variant_dict_insert (&dict, "provider", "o", path);
  g_variant_dict_insert (&dict, "kind", "s", kind);
  g_variant_dict_insert (&dict, "key", "s", key);
  if (*remote_id != '\0')
    g_variant_dict_insert (&dict, "remote-id", "s", remote_id);
  return g_variant_dict_end (&dict);
}

static void
ledger_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));
  g_autoptr (GVariant) entries
      = mtv_engine_load_ledger_finish (MTV_ENGINE (source), result, &error);
  gsize n = entries == NULL ? 0 : g_variant_n_children (entries);

  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);

      g_variant_builder_add_value (&builder, describe_entry (entry));
    }
  g_autoptr (GVariant) answer = g_variant_ref_sink (g_variant_new ("(aa{sv})", &builder));
  if (entries == NULL)
    mtv_reply_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, answer);
}

static gboolean
handle_get_ledger (MtvDBusManager *manager, GDBusMethodInvocation *invocation, GVariant *options,
                   MtvEngine *engine)
{
  static const MtvOption known[] = { { "offset", "u" }, { "limit", "u" }, { NULL, NULL } };
  guint offset, limit;

  (void) manager;
  if (!mtv_options_accept (invocation, options, known))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_options_get_page (options, &offset, &limit);
  mtv_engine_load_ledger_async (engine, offset, limit, ledger_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler handlers[] = {
  { "handle-add-provider", G_CALLBACK (handle_add_provider) },
  { "handle-add-provider-file", G_CALLBACK (handle_add_provider_file) },
  { "handle-remove-provider", G_CALLBACK (handle_remove_provider) },
  { "handle-create-plan", G_CALLBACK (handle_create_plan) },
  { "handle-remove-plan", G_CALLBACK (handle_remove_plan) },
  { "handle-set-defaults", G_CALLBACK (handle_set_defaults) },
  { "handle-get-ledger", G_CALLBACK (handle_get_ledger) },
  { "handle-set-throttle", G_CALLBACK (handle_set_throttle) },
  { "handle-copy", G_CALLBACK (handle_copy) },
  { "handle-verify", G_CALLBACK (handle_verify) },
  { NULL, NULL },
};

GDBusInterfaceSkeleton *
mtv_dbus_manager_new (MtvEngine *engine, const char *version)
{
  MtvDBusManager *skeleton = mtv_dbus_manager_skeleton_new ();

  mtv_dbus_manager_set_version (skeleton, version);
  mtv_dbus_manager_set_provider_types (skeleton, mtv_engine_get_types (engine));
  mtv_dbus_manager_set_provider_settings (skeleton, mtv_engine_get_provider_settings (engine));
  mtv_binding_new (skeleton, engine, engine, handlers, sync_manager);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
