/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-job.h"

#include "base/mtv-error.h"
#include "dbus/mtv-authority.h"
#include "dbus/mtv-binding.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-reply.h"
#include "engine/mtv-job-warm.h"
#include "mtv-dbus-generated.h"

static GVariant *
describe_failure (const MtvJobRecord *record)
{
  g_autofree char *text = mtv_utf8 (record->error_text);

  return g_variant_new ("(ss)", record->error_name == NULL ? "" : record->error_name, text);
}

static guint
count_snapshots (const MtvJobRecord *record)
{
  guint n = 0;

  for (guint i = 0; i < record->rounds->len; i++)
    n += ((MtvRoundRecord *) g_ptr_array_index (record->rounds, i))->removed_time == 0;
  return n;
}

static void
sync_warm (gpointer skeleton, MtvJob *job, const MtvJobRecord *record)
{
  const MtvSchedule *schedule = mtv_job_get_schedule (job);
  MtvPrediction prediction = mtv_job_get_prediction (job);

  g_object_set (skeleton, "round", record->rounds->len, "next-round",
                record->paused ? (guint64) 0 : record->next_round, "snapshots",
                count_snapshots (record), "cutover-time", schedule->cutover_time, "cutover-ready",
                mtv_job_is_cutover_ready (job), "prediction",
                g_variant_new ("(tttt)", prediction.bytes, prediction.low, prediction.likely,
                               prediction.high),
                "downtime", record->downtime, "predicted-downtime", record->predicted_downtime,
                "paused", record->paused, NULL);
  g_object_set (skeleton, "interval", mtv_job_get_interval (job), "interval-auto",
                schedule->interval_auto, "max-downtime", mtv_job_get_max_downtime (job), "shutdown",
                schedule->shutdown, "shutdown-timeout", schedule->shutdown_timeout, "throttle",
                schedule->throttle, NULL);
}

static void
sync_job (gpointer skeleton)
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
  sync_warm (skeleton, job, record);
}

typedef gboolean (*Request) (MtvJob *job, guint32 uid, GError **error);

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
handle_cancel (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_job_cancel);
}

static gboolean
handle_retry (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_job_retry);
}

gboolean
mtv_dbus_job_parse_cutover (GVariant *options, guint64 *at, GError **error)
{
  static const MtvOption known[] = { { "time", "t" }, { NULL, NULL } };

  *at = 0;
  if (!mtv_options_check (options, known, error))
    return FALSE;
  if (!g_variant_lookup (options, "time", "t", at) || *at != 0)
    return TRUE;
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "Option 'time' cannot be 0; without it the cutover is now");
  return FALSE;
}

static gboolean
handle_cutover (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  GError *error = NULL;
  guint64 at;

  if (mtv_dbus_job_parse_cutover (options, &at, &error))
    mtv_job_cutover (mtv_binding_get_entry (object), at, mtv_authority_get_uid (invocation),
                     &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_withdraw_cutover (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation,
                         GVariant *options)
{
  return make_request (object, invocation, options, mtv_job_withdraw_cutover);
}

static gboolean
handle_pause (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_job_pause);
}

static gboolean
handle_resume (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  return make_request (object, invocation, options, mtv_job_resume);
}

static gboolean
handle_configure (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *changes,
                  GVariant *options)
{
  GError *error = NULL;

  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_job_configure (mtv_binding_get_entry (object), changes, mtv_authority_get_uid (invocation),
                     &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_get_rounds (MtvDBusMigrationVM *object, GDBusMethodInvocation *invocation, GVariant *options)
{
  if (mtv_options_accept (invocation, options, NULL))
    g_dbus_method_invocation_return_value (
        invocation,
        g_variant_new ("(@aa{sv})", mtv_job_get_rounds (mtv_binding_get_entry (object))));
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler handlers[] = {
  { "handle-cancel", G_CALLBACK (handle_cancel) },
  { "handle-retry", G_CALLBACK (handle_retry) },
  { "handle-cutover", G_CALLBACK (handle_cutover) },
  { "handle-withdraw-cutover", G_CALLBACK (handle_withdraw_cutover) },
  { "handle-pause", G_CALLBACK (handle_pause) },
  { "handle-resume", G_CALLBACK (handle_resume) },
  { "handle-configure", G_CALLBACK (handle_configure) },
  { "handle-get-rounds", G_CALLBACK (handle_get_rounds) },
  { NULL, NULL },
};

/* A signal is a hint to read the properties, so they must have gone out before it. */
static void
flush (gpointer skeleton)
{
  sync_job (skeleton);
  g_dbus_interface_skeleton_flush (skeleton);
}

static void
completed_cb (MtvJob *job, gpointer skeleton)
{
  flush (skeleton);
  mtv_dbus_migration_vm_emit_completed (skeleton, mtv_job_get_state (job));
}

static void
cutover_ready_cb (MtvJob *job, gboolean ready, gpointer skeleton)
{
  (void) job;
  flush (skeleton);
  mtv_dbus_migration_vm_emit_cutover_ready (skeleton, ready);
}

GDBusInterfaceSkeleton *
mtv_dbus_job_new (MtvEngine *engine, MtvJob *job)
{
  MtvDBusMigrationVM *skeleton = mtv_dbus_migration_vm_skeleton_new ();
  const MtvJobRecord *record = mtv_job_get_record (job);
  g_autofree char *name = mtv_utf8 (record->name);
  g_autofree char *id = mtv_utf8 (record->vm_id);

  mtv_dbus_migration_vm_set_name (skeleton, name);
  mtv_dbus_migration_vm_set_source_id (skeleton, id);
  mtv_dbus_migration_vm_set_type_ (skeleton, record->schedule.warm ? "warm" : "cold");
  mtv_binding_new (skeleton, engine, job, handlers, sync_job);
  g_signal_connect_object (job, "completed", G_CALLBACK (completed_cb), skeleton, 0);
  g_signal_connect_object (job, "cutover-ready", G_CALLBACK (cutover_ready_cb), skeleton, 0);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
