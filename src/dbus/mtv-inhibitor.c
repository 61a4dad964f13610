/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-inhibitor.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

struct _MtvInhibitor
{
  GObject parent;

  MtvEngine *engine;         /* (unowned) outlives this */
  GDBusConnection *bus;      /* (owned) */
  GCancellable *cancellable; /* (owned) */
  gboolean wanted;
  gboolean asked; /* … and the answer stands until nothing moves any more */
  int fd;         /* (owned) the lock, or -1 */
};

G_DEFINE_FINAL_TYPE (MtvInhibitor, mtv_inhibitor, G_TYPE_OBJECT)

static void
release (MtvInhibitor *self)
{
  if (self->fd >= 0)
    close (self->fd);
  self->fd = -1;
}

static void
mtv_inhibitor_dispose (GObject *object)
{
  MtvInhibitor *self = MTV_INHIBITOR (object);

  g_cancellable_cancel (self->cancellable);
  release (self);
  g_clear_object (&self->bus);

  G_OBJECT_CLASS (mtv_inhibitor_parent_class)->dispose (object);
}

static void
mtv_inhibitor_finalize (GObject *object)
{
  g_clear_object (&MTV_INHIBITOR (object)->cancellable);

  G_OBJECT_CLASS (mtv_inhibitor_parent_class)->finalize (object);
}

static void
mtv_inhibitor_class_init (MtvInhibitorClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_inhibitor_dispose;
  G_OBJECT_CLASS (klass)->finalize = mtv_inhibitor_finalize;
}

static void
mtv_inhibitor_init (MtvInhibitor *self)
{
  self->fd = -1;
  self->cancellable = g_cancellable_new ();
}

static void
inhibited_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (MtvInhibitor) self = user_data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (
      G_DBUS_CONNECTION (source), &fds, result, &error);

  if (reply == NULL || fds == NULL)
    {
      g_debug ("No inhibitor lock, going on without: %s", error != NULL ? error->message : "no fd");
      return;
    }
  self->fd = g_unix_fd_list_get (fds, 0, NULL);
  if (!self->wanted)
    release (self);
}

static void
engine_changed (MtvInhibitor *self)
{
  guint running, queued, suspended;

  mtv_engine_get_counts (self->engine, &running, &queued, &suspended);
  self->wanted = running > 0 || mtv_engine_count_transfers (self->engine) > 0;
  if (!self->wanted)
    {
      release (self);
      self->asked = FALSE;
    }
  if (!self->wanted || self->asked)
    return;

  self->asked = TRUE;
  g_dbus_connection_call_with_unix_fd_list (
      self->bus, "org.freedesktop.login1", "/org/freedesktop/login1",
      "org.freedesktop.login1.Manager", "Inhibit",
      g_variant_new ("(ssss)", "shutdown:sleep", "mtvd",
                     "Virtual machines or disks are being copied", "block"),
      G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, self->cancellable,
      inhibited_cb, g_object_ref (self));
}

MtvInhibitor *
mtv_inhibitor_new (MtvEngine *engine, GDBusConnection *system_bus)
{
  g_return_val_if_fail (MTV_IS_ENGINE (engine), NULL);
  g_return_val_if_fail (G_IS_DBUS_CONNECTION (system_bus), NULL);

  MtvInhibitor *self = g_object_new (MTV_TYPE_INHIBITOR, NULL);

  self->engine = engine;
  self->bus = g_object_ref (system_bus);
  g_signal_connect_object (engine, "changed", G_CALLBACK (engine_changed), self, G_CONNECT_SWAPPED);
  return self;
}
