/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-migration.h"

#include "base/mtv-error.h"
#include "dbus/mtv-authority.h"
#include "dbus/mtv-binding.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-path.h"
#include "dbus/mtv-reply.h"
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

static gboolean
handle_cancel (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options,
               MtvEngine *engine)
{
  GError *error = NULL;

  (void) engine;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_migration_cancel (mtv_binding_get_entry (object), mtv_authority_get_uid (invocation), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_retry (MtvDBusMigration *object, GDBusMethodInvocation *invocation, GVariant *options,
              MtvEngine *engine)
{
  GError *error = NULL;

  (void) engine;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_migration_retry (mtv_binding_get_entry (object), mtv_authority_get_uid (invocation), &error);
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

static GVariant *
describe_failure (const MtvJobRecord *record)
{
  g_autofree char *text = mtv_utf8 (record->error_text);

  return g_variant_new ("(ss)", record->error_name == NULL ? "" : record->error_name, text);
}

static void
sync_vm (gpointer skeleton)
{
  MtvJob *job = mtv_binding_get_entry (skeleton);
  const MtvJobRecord *record = mtv_job_get_record (job);
  guint64 since = 0;
  g_autofree char *waiting = mtv_utf8 (mtv_job_get_waiting (job, &since));
  g_autofree char *target_name = mtv_utf8 (record->target_name);
  g_autofree char *location = mtv_utf8 (record->location);

  g_object_set (skeleton, "target-name", target_name, "state", mtv_job_get_state (job), "phase",
                mtv_job_get_phase (job), "steps", mtv_job_get_steps (job), "disks",
                mtv_job_get_disks (job), "waiting", waiting, "waiting-since", since, "queue-place",
                mtv_job_get_queue_place (job), "error", describe_failure (record), "location",
                location, "leftovers", mtv_job_get_leftovers (job), NULL);
  g_object_set (skeleton, "bytes-done", mtv_job_get_bytes_done (job), "bytes-total",
                mtv_job_get_bytes_total (job), "rate", mtv_job_get_rate (job), "expected-end",
                mtv_job_get_expected_end (job), "start-time", record->start_time, "end-time",
                record->end_time, NULL);
}

static gboolean
handle_vm_cancel (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options,
                  MtvEngine *engine)
{
  GError *error = NULL;

  (void) engine;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_job_cancel (mtv_binding_get_entry (object), mtv_authority_get_uid (invocation), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_vm_retry (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options,
                 MtvEngine *engine)
{
  GError *error = NULL;

  (void) engine;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_job_retry (mtv_binding_get_entry (object), mtv_authority_get_uid (invocation), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler vm_handlers[] = {
  { "handle-cancel", G_CALLBACK (handle_vm_cancel) },
  { "handle-retry", G_CALLBACK (handle_vm_retry) },
  { NULL, NULL },
};

static void
vm_completed_cb (MtvJob *job, gpointer skeleton)
{
  sync_vm (skeleton);
  g_dbus_interface_skeleton_flush (skeleton);
  mtv_dbus_migration_vm_emit_completed (skeleton, mtv_job_get_state (job));
}

GDBusInterfaceSkeleton *
mtv_dbus_migration_new_vm (MtvEngine *engine, MtvJob *job)
{
  MtvDBusMigrationVM *skeleton = mtv_dbus_migration_vm_skeleton_new ();
  const MtvJobRecord *record = mtv_job_get_record (job);
  g_autofree char *name = mtv_utf8 (record->name);
  g_autofree char *id = mtv_utf8 (record->vm_id);

  mtv_dbus_migration_vm_set_name (skeleton, name);
  mtv_dbus_migration_vm_set_source_id (skeleton, id);
  mtv_binding_new (skeleton, engine, job, vm_handlers, sync_vm);
  g_signal_connect_object (job, "completed", G_CALLBACK (vm_completed_cb), skeleton, 0);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
