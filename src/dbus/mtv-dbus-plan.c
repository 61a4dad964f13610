/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-plan.h"

#include "dbus/mtv-authority.h"
#include "dbus/mtv-binding.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-path.h"
#include "dbus/mtv-reply.h"
#include "mtv-dbus-generated.h"

static void
add_string (GVariantBuilder *builder, const char *key, const char *value)
{
  g_variant_builder_add (builder, "{sv}", key, g_variant_new_take_string (mtv_utf8 (value)));
}

static GVariant *
list_vms (const MtvPlan *plan)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < plan->vms->len; i++)
    {
      const MtvPlanVm *vm = g_ptr_array_index (plan->vms, i);

      g_variant_builder_open (&builder, G_VARIANT_TYPE_VARDICT);
      add_string (&builder, "id", vm->id);
      add_string (&builder, "name", vm->name);
      if (vm->target_name != NULL)
        add_string (&builder, "target-name", vm->target_name);
      g_variant_builder_close (&builder);
    }
  return g_variant_builder_end (&builder);
}

static void
sync_plan (gpointer skeleton)
{
  MtvPlanEntry *entry = mtv_binding_get_entry (skeleton);
  MtvMigration *last = mtv_plan_entry_get_last_migration (entry);
  g_autofree char *path = last == NULL
                              ? g_strdup ("/")
                              : mtv_path_new ("migration", mtv_migration_get_record (last)->id);

  g_object_set (skeleton, "state", mtv_plan_entry_get_state (entry), "last-migration", path, NULL);
}

static void
validate_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) answer
      = mtv_engine_validate_plan_finish (MTV_ENGINE (source), result, &error);

  if (answer == NULL)
    mtv_reply_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@a{sv})", answer));
}

static gboolean
handle_validate (MtvDBusPlan *plan, GDBusMethodInvocation *invocation, GVariant *options,
                 MtvEngine *engine)
{
  if (mtv_options_accept (invocation, options, NULL))
    mtv_engine_validate_plan_async (engine, mtv_binding_get_entry (plan), validate_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
start_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (MtvMigration) migration
      = mtv_engine_start_plan_finish (MTV_ENGINE (source), result, &error);

  if (migration == NULL)
    mtv_reply_error (invocation, error);
  else
    mtv_reply_path (invocation, "migration", mtv_migration_get_record (migration)->id);
}

static gboolean
handle_start (MtvDBusPlan *plan, GDBusMethodInvocation *invocation, GVariant *options,
              MtvEngine *engine)
{
  if (mtv_options_accept (invocation, options, NULL))
    mtv_engine_start_plan_async (engine, mtv_binding_get_entry (plan),
                                 mtv_authority_get_uid (invocation), start_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
archive_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_archive_plan_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_archive (MtvDBusPlan *plan, GDBusMethodInvocation *invocation, GVariant *options,
                MtvEngine *engine)
{
  if (mtv_options_accept (invocation, options, NULL))
    mtv_engine_archive_plan_async (engine, mtv_binding_get_entry (plan), archive_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler handlers[] = {
  { "handle-validate", G_CALLBACK (handle_validate) },
  { "handle-start", G_CALLBACK (handle_start) },
  { "handle-archive", G_CALLBACK (handle_archive) },
  { NULL, NULL },
};

GDBusInterfaceSkeleton *
mtv_dbus_plan_new (MtvEngine *engine, MtvPlanEntry *entry)
{
  MtvDBusPlan *skeleton = mtv_dbus_plan_skeleton_new ();
  const MtvPlan *plan = mtv_plan_entry_get_plan (entry);
  g_autofree char *source = mtv_path_new ("provider", plan->source);
  g_autofree char *destination = mtv_path_new ("provider", plan->destination);
  g_autofree char *description = mtv_utf8 (plan->description);

  mtv_dbus_plan_set_name (skeleton, plan->name);
  mtv_dbus_plan_set_description (skeleton, description);
  mtv_dbus_plan_set_source (skeleton, source);
  mtv_dbus_plan_set_destination (skeleton, destination);
  mtv_dbus_plan_set_virtual_machines (skeleton, list_vms (plan));
  mtv_dbus_plan_set_options (skeleton, mtv_plan_entry_get_options (entry));
  mtv_dbus_plan_set_created_time (skeleton, plan->created);
  mtv_binding_new (skeleton, engine, entry, handlers, sync_plan);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
