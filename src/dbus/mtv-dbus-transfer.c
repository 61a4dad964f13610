/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-dbus-transfer.h"

#include "dbus/mtv-binding.h"
#include "dbus/mtv-options.h"
#include "dbus/mtv-reply.h"
#include "mtv-dbus-generated.h"

static void
sync_transfer (gpointer skeleton)
{
  MtvTransfer *transfer = mtv_binding_get_entry (skeleton);
  MtvTransferProgress progress = mtv_transfer_get_progress (transfer);

  g_object_set (skeleton, "state", mtv_transfer_get_state (transfer), "bytes-done", progress.done,
                "bytes-total", progress.total, "bytes-written", progress.written, "bytes-verified",
                progress.verified, "rate", progress.rate, "expected-end", progress.expected_end,
                "end-time", progress.end_time, "error",
                mtv_reply_describe_error (mtv_transfer_get_error (transfer)), "details",
                mtv_transfer_get_details (transfer), NULL);
}

static gboolean
handle_cancel (MtvDBusTransfer *object, GDBusMethodInvocation *invocation, GVariant *options,
               MtvEngine *engine)
{
  GError *error = NULL;

  (void) engine;
  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_transfer_cancel (mtv_binding_get_entry (object), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static gboolean
handle_forget (MtvDBusTransfer *object, GDBusMethodInvocation *invocation, GVariant *options,
               MtvEngine *engine)
{
  GError *error = NULL;

  if (!mtv_options_accept (invocation, options, NULL))
    return G_DBUS_METHOD_INVOCATION_HANDLED;

  mtv_engine_forget_transfer (engine, mtv_binding_get_entry (object), &error);
  mtv_reply (invocation, error);
  return G_DBUS_METHOD_INVOCATION_HANDLED;
}

static const MtvHandler handlers[] = {
  { "handle-cancel", G_CALLBACK (handle_cancel) },
  { "handle-forget", G_CALLBACK (handle_forget) },
  { NULL, NULL },
};

/* The signal is a hint to read the properties, so they must have gone out before it. */
static void
completed_cb (MtvTransfer *transfer, gpointer skeleton)
{
  sync_transfer (skeleton);
  g_dbus_interface_skeleton_flush (skeleton);
  mtv_dbus_transfer_emit_completed (skeleton, mtv_transfer_get_state (transfer));
}

GDBusInterfaceSkeleton *
mtv_dbus_transfer_new (MtvEngine *engine, MtvTransfer *transfer)
{
  MtvDBusTransfer *skeleton = mtv_dbus_transfer_skeleton_new ();
  g_autofree char *source = mtv_utf8 (mtv_transfer_get_source (transfer));
  g_autofree char *destination = mtv_utf8 (mtv_transfer_get_destination (transfer));

  mtv_dbus_transfer_set_kind (skeleton, mtv_transfer_get_kind (transfer));
  mtv_dbus_transfer_set_source (skeleton, source);
  mtv_dbus_transfer_set_destination (skeleton, destination);
  mtv_dbus_transfer_set_start_time (skeleton, mtv_transfer_get_progress (transfer).start_time);
  mtv_binding_new (skeleton, engine, transfer, handlers, sync_transfer);
  g_signal_connect_object (transfer, "completed", G_CALLBACK (completed_cb), skeleton, 0);
  return G_DBUS_INTERFACE_SKELETON (skeleton);
}
