/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-migration.h"

#include "dbus/mtv-authority.h"
#include "dbus/mtv-binding.h"
#include "dbus/mtv-dbus-job.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-path.h"
#include "dbus/mtv-reply.h"
#include "engine/mtv-migration-warm.h"
#include "mtv-dbus-generated.h"

static void
sync_migration (gpointer skeleton)
{
  MtvMigration *migration = mtv_binding_get_entry (skeleton);

  g_object_set (skeleton, "state", mtv_migration_get_state (migration), "end-time",
                mtv_migration_get_record (migration)->end_time, "counts",
                mtv_migration_get_counts (migration), "bytes-done",
                mtv_migration_get_bytes_done (migration), "bytes-total",
                mtv_migration_get_bytes_total (migration), "rate",
                mtv_migration_get_rate (migration), "expected-end",
                mtv_migration_get_expected_end (migration), NULL);
}

typedef gboolean (*Request) (MtvMigration *migration, guint32 uid, GError **error);

static gboolean
make_request (gpointer skeleton, GDBusMethodInvocation *invocation, GVariant *options,
              Request request)
{
  GError *error = NULL;

  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  request (mtv_binding_get_entry (skeleton), mtv_authority_get_uid (invocation), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_cancel (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_migration_cancel);
}

static gboolean
handle_retry (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_migration_retry);
}

static gboolean
handle_cutover (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  GError *error = NULL;
  guint64 at;

  if (mtv_dbus_job_parse_cutover (options, &at, &error))
    mtv_migration_cutover (mtv_binding_get_entry (object), at, mtv_authority_get_uid (invocation),
                           &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_withdraw_cutover (MtvDBusMigration *object, GDBusMethodInvocation *invocation,
                         GVariant *options)
{
  return make_request (object, invocation, options, mtv_migration_withdraw_cutover);
}

static gboolean
handle_pause (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_migration_pause);
}

static gboolean
handle_resume (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_migration_resume);
}

static gboolean
handle_configure (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *changes,
                  GVariant *options)
{
  GError *error = NULL;

  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_migration_configure (mtv_binding_get_entry (object), changes,
                           mtv_authority_get_uid (invocation), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
forget_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GError *error = NULL;

  mtv_engine_forget_migration_finish (MTV_ENGINE (source), result, &error);
  mtv_reply (user_data, error);
}

static gboolean
handle_forget (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options,
               MtvEngine *engine)
{
  if (mtv_options_accept (invocation, options, NULL))
    mtv_engine_forget_migration_async (engine, mtv_binding_get_entry (object), forget_cb,
                                       invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static void
timeline_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusMethodInvocation *invocation = user_data;
  GError *error = NULL;
  g_autoptr (GVariant) entries
      = mtv_migration_load_timeline_finish (MTV_MIGRATION (source), result, &error);

  if (entries == NULL)
    mtv_reply_error (invocation, error);
  else
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", entries));
}

static gboolean
handle_get_timeline (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options,
                     MtvEngine *engine)
{
  static const MtvOption known[]
      = { { "offset", "u" }, { "limit", "u" }, { "vm", "u" }, { NULL, NULL } };
  guint offset, limit, number = 0;

  (void) engine;
  if (!mtv_options_accept (invocation, options, known))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  g_variant_lookup (options, "vm", "u", &number);
  mtv_options_get_page (options, &offset, &limit);
  mtv_migration_load_timeline_async (mtv_binding_get_entry (object), number, offset, limit,
                                     timeline_cb, invocation);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler migration_handlers[] = {
  { "handle-cancel", G_CALLBACK (handle_cancel) },
  { "handle-retry", G_CALLBACK (handle_retry) },
  { "handle-cutover", G_CALLBACK (handle_cutover) },
  { "handle-withdraw-cutover", G_CALLBACK (handle_withdraw_cutover) },
  { "handle-pause", G_CALLBACK (handle_pause) },
  { "handle-resume", G_CALLBACK (handle_resume) },
  { "handle-configure", G_CALLBACK (handle_configure) },
  { "handle-forget", G_CALLBACK (handle_forget) },
  { "handle-get-timeline", G_CALLBACK (handle_get_timeline) },
  { NULL, NULL },
};

/* The signal is a hint to read the properties, so they must have gone out before it. */
static void
migration_completed_cb (MtvMigration *migration, gpointer skeleton)
{
  sync_migration (skeleton);
  g_dbus_interface_skeleton_flush (skeleton);
  mtv_dbus_migration_emit_completed (skeleton, mtv_migration_get_state (migration));
}

static GStrv
list_vm_paths (MtvMigration *migration)
{
  GPtrArray *jobs = mtv_migration_get_jobs (migration);
  GStrv paths = g_new0 (char *, jobs->len + 1);

  for (guint i = 0; i < jobs->len; i++)
    paths[i] = mtv_path_new_for_job (mtv_job_get_record (g_ptr_array_index (jobs, i)));
  return paths;
}

GDBusInterfaceSkeleton *
mtv_dbus_migration_new (MtvEngine *engine, MtvMigration *migration)
{
  MtvDBusMigration *skeleton = mtv_dbus_migration_skeleton_new ();
  const MtvMigrationRecord *record = mtv_migration_get_record (migration);
  g_autofree char *plan = mtv_path_new ("plan", record->plan_id);
  g_auto (GStrv) vms = list_vm_paths (migration);

  mtv_dbus_migration_set_plan (skeleton, plan);
  mtv_dbus_migration_set_plan_name (skeleton, record->plan_name);
  mtv_dbus_migration_set_start_time (skeleton, record->start_time);
  mtv_dbus_migration_set_virtual_machines (skeleton, (const char *const *) vms);
  mtv_binding_new (skeleton, engine, migration, migration_handlers, sync_migration);
  g_signal_connect_object (migration, "completed", G_CALLBACK (migration_completed_cb), skeleton,
                           0);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
