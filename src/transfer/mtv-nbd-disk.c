/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-disk.h"

#include "base/mtv-error.h"
#include "transfer/mtv-nbd-channel.h"

#include <string.h>

#define N_CONNECTIONS 2
#define STATUS_SIZE (G_GUINT64_CONSTANT (1) << 30)
#define LOCAL_SILENCE_USEC (5 * 60 * G_USEC_PER_SEC)
#define CANCEL_CHECK_USEC (G_USEC_PER_SEC / 20)
#define DIRTY 1 /* "qemu:dirty-bitmap" in QEMU's docs/interop/nbd.txt */

struct _MtvNbdDisk
{
  GObject parent;

  MtvNbdRemote *remote; /* (owned) */
  GObject *owner;       /* (owned) (nullable) */

  GMutex lock; /* for these three */
  GCond returned;
  MtvChannel *idle[N_CONNECTIONS]; /* (owned) NULL: to be opened when it is needed */
  guint n_idle;
};

static void mtv_nbd_disk_reader_init (MtvReaderInterface *iface);
static void mtv_nbd_disk_writer_init (MtvWriterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvNbdDisk, mtv_nbd_disk, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, mtv_nbd_disk_reader_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_WRITER,
                                                          mtv_nbd_disk_writer_init))

/* Waits for a connection of the pool; NULL with @error. */
static MtvChannel *
take (MtvNbdDisk *self, GCancellable *cancellable, GError **error)
{
  MtvChannel *channel = NULL;
  gboolean ok = TRUE;

  g_mutex_lock (&self->lock);
  while (ok && self->n_idle == 0)
    {
      g_cond_wait_until (&self->returned, &self->lock, g_get_monotonic_time () + CANCEL_CHECK_USEC);
      ok = !g_cancellable_set_error_if_cancelled (cancellable, error);
    }
  if (ok)
    channel = g_steal_pointer (&self->idle[--self->n_idle]);
  g_mutex_unlock (&self->lock);
  return ok && channel == NULL ? mtv_nbd_channel_new (self->remote) : channel;
}

/* @channel: (transfer full) (nullable) */
static void
give_back (MtvNbdDisk *self, MtvChannel *channel)
{
  g_mutex_lock (&self->lock);
  self->idle[self->n_idle++] = channel;
  g_cond_signal (&self->returned);
  g_mutex_unlock (&self->lock);
}

static gboolean
run (MtvNbdDisk *self, const MtvIo *io, GCancellable *cancellable, GError **error)
{
  MtvChannel *channel = take (self, cancellable, error);

  if (channel == NULL)
    return FALSE;
  gboolean ok = mtv_nbd_channel_run (&channel, io, cancellable, error);
  give_back (self, channel);
  return ok;
}

static MtvChannel *
open_channel (MtvNbdDisk *self, GCancellable *cancellable, GError **error)
{
  const MtvIo open = { .kind = (MtvIoKind) MTV_NBD_IO_OPEN };
  MtvChannel *channel = take (self, cancellable, error);

  if (channel == NULL)
    return NULL;
  give_back (self, NULL);
  if (!mtv_nbd_channel_run (&channel, &open, cancellable, error) && channel != NULL)
    mtv_channel_free (g_steal_pointer (&channel));
  return channel;
}

/* QEMU serves a connection and all its requests from one thread of its own, which is what limits
 * it; others gain by a second. Without the server's promise that connections see each other's
 * writes (NBD_FLAG_CAN_MULTI_CONN) there must be one. A disk that is only read would allow more,
 * but servers that do not promise it often admit few. */
static void
get_hints (MtvNbdDisk *self, MtvHints *hints)
{
  MtvNbdRemote *remote = self->remote;
  gboolean parts = remote->writable && remote->min_block > 1;

  hints->max_channels = remote->has_multi_conn && !remote->is_qemu && !parts ? 2 : 1;
}

static guint64
nbd_disk_get_size (MtvReader *reader)
{
  return MTV_NBD_DISK (reader)->remote->size;
}

static gboolean
nbd_disk_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
               GCancellable *cancellable, GError **error)
{
  const MtvIo io = { .kind = MTV_IO_READ, .offset = offset, .length = length, .buffer = buffer };

  return length == 0 || run (MTV_NBD_DISK (reader), &io, cancellable, error);
}

/* Asks until all of [@offset, @offset + @length) was told. */
static gboolean
ask_status (MtvNbdDisk *self, MtvNbdStatus *status, GCancellable *cancellable, GError **error)
{
  while (status->at < status->end)
    {
      guint64 before = status->at;
      const MtvIo io = { .kind = (MtvIoKind) MTV_NBD_IO_STATUS,
                         .offset = before,
                         .length = MIN (STATUS_SIZE, status->end - before),
                         .buffer = (guint8 *) status };

      if (!run (self, &io, cancellable, error))
        return FALSE;
      if (status->at == before)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "Cannot find the data of %s: its NBD server tells nothing of byte "
                       "%" G_GUINT64_FORMAT,
                       self->remote->label, before);
          return FALSE;
        }
    }
  return TRUE;
}

static void
add_allocation (GArray *extents, guint64 offset, guint64 length, guint32 flags)
{
  MtvExtent extent = { offset, length, (flags & LIBNBD_STATE_ZERO) != 0 };

  g_array_append_val (extents, extent);
}

static gboolean
nbd_disk_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                  GCancellable *cancellable, GError **error)
{
  MtvNbdDisk *self = MTV_NBD_DISK (reader);
  MtvReaderInterface *all_data = g_type_default_interface_peek (MTV_TYPE_READER);
  MtvNbdStatus status
      = { LIBNBD_CONTEXT_BASE_ALLOCATION, offset, offset + length, add_allocation, extents };

  if (!self->remote->has_extents)
    return all_data->extents (reader, offset, length, extents, cancellable, error);
  return ask_status (self, &status, cancellable, error);
}

static void
add_change (GArray *changes, guint64 offset, guint64 length, guint32 flags)
{
  MtvExtent change = { offset, length, FALSE };
  MtvExtent *last = changes->len > 0 ? &g_array_index (changes, MtvExtent, changes->len - 1) : NULL;

  if (!(flags & DIRTY))
    return;
  if (last != NULL && last->offset + last->length == offset)
    last->length += length;
  else
    g_array_append_val (changes, change);
}

gboolean
mtv_nbd_disk_get_changes (MtvNbdDisk *self, guint64 offset, guint64 length, GArray *changes,
                          GCancellable *cancellable, GError **error)
{
  MtvNbdStatus status = { self->remote->context, offset, offset + length, add_change, changes };

  g_return_val_if_fail (MTV_IS_NBD_DISK (self) && status.context != NULL, FALSE);
  g_return_val_if_fail (length <= self->remote->size && offset <= self->remote->size - length,
                        FALSE);

  return ask_status (self, &status, cancellable, error);
}

static MtvChannel *
nbd_disk_open_reading (MtvReader *reader, GCancellable *cancellable, GError **error)
{
  return open_channel (MTV_NBD_DISK (reader), cancellable, error);
}

static void
nbd_disk_get_reading_hints (MtvReader *reader, MtvHints *hints)
{
  get_hints (MTV_NBD_DISK (reader), hints);
}

static void
mtv_nbd_disk_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = nbd_disk_get_size;
  iface->read = nbd_disk_read;
  iface->extents = nbd_disk_extents;
  iface->open_channel = nbd_disk_open_reading;
  iface->get_hints = nbd_disk_get_reading_hints;
}

static gboolean
run_writing (MtvWriter *writer, const MtvIo *io, GCancellable *cancellable, GError **error)
{
  MtvNbdDisk *self = MTV_NBD_DISK (writer);

  g_return_val_if_fail (self->remote->writable, FALSE);

  return run (self, io, cancellable, error);
}

static gboolean
nbd_disk_write (MtvWriter *writer, guint64 offset, gconstpointer buffer, gsize length,
                GCancellable *cancellable, GError **error)
{
  const MtvIo io
      = { .kind = MTV_IO_WRITE, .offset = offset, .length = length, .buffer = (guint8 *) buffer };

  return length == 0 || run_writing (writer, &io, cancellable, error);
}

static gboolean
nbd_disk_zero (MtvWriter *writer, guint64 offset, guint64 length, GCancellable *cancellable,
               GError **error)
{
  const MtvIo io = { .kind = MTV_IO_ZERO, .offset = offset, .length = length };

  return length == 0 || run_writing (writer, &io, cancellable, error);
}

static gboolean
nbd_disk_flush (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  const MtvIo io = { .kind = MTV_IO_FLUSH };

  return run_writing (writer, &io, cancellable, error);
}

static MtvChannel *
nbd_disk_open_writing (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_NBD_DISK (writer)->remote->writable, NULL);

  return open_channel (MTV_NBD_DISK (writer), cancellable, error);
}

static void
nbd_disk_get_writing_hints (MtvWriter *writer, MtvHints *hints)
{
  get_hints (MTV_NBD_DISK (writer), hints);
}

static void
mtv_nbd_disk_writer_init (MtvWriterInterface *iface)
{
  iface->write = nbd_disk_write;
  iface->zero = nbd_disk_zero;
  iface->flush = nbd_disk_flush;
  iface->open_channel = nbd_disk_open_writing;
  iface->get_hints = nbd_disk_get_writing_hints;
}

static void
mtv_nbd_disk_finalize (GObject *object)
{
  MtvNbdDisk *self = MTV_NBD_DISK (object);

  for (guint i = 0; i < self->n_idle; i++)
    if (self->idle[i] != NULL)
      mtv_channel_free (self->idle[i]);
  g_clear_object (&self->owner); /* after the last connection */
  g_clear_pointer (&self->remote, mtv_nbd_remote_free);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->returned);

  G_OBJECT_CLASS (mtv_nbd_disk_parent_class)->finalize (object);
}

static void
mtv_nbd_disk_class_init (MtvNbdDiskClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_nbd_disk_finalize;
}

static void
mtv_nbd_disk_init (MtvNbdDisk *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->returned);
  self->n_idle = 1;
}

/* Consumes @remote. The first connection tells how many there may be. */
static MtvNbdDisk *
open_disk (MtvNbdRemote *remote, GObject *owner, GCancellable *cancellable, GError **error)
{
  const MtvIo open = { .kind = (MtvIoKind) MTV_NBD_IO_OPEN };
  g_autoptr (MtvNbdDisk) self = g_object_new (MTV_TYPE_NBD_DISK, NULL);

  self->remote = remote;
  g_set_object (&self->owner, owner);
  if (!run (self, &open, cancellable, error))
    return NULL;
  if (remote->has_multi_conn)
    {
      self->idle[1] = g_steal_pointer (&self->idle[0]); /* opened when it is needed */
      self->n_idle = N_CONNECTIONS;
    }
  return g_steal_pointer (&self);
}

static MtvNbdDisk *
open_local (const char *socket_path, gboolean writable, const char *bitmap, GObject *owner,
            const char *label, GError **error)
{
  MtvNbdRemote *remote = mtv_nbd_remote_new (label, writable);

  remote->socket_path = g_strdup (socket_path);
  remote->patience_usec = 0;
  remote->silence_usec = LOCAL_SILENCE_USEC;
  if (bitmap != NULL)
    remote->context = g_strconcat ("qemu:dirty-bitmap:", bitmap, NULL);
  return open_disk (remote, owner, NULL, error);
}

MtvNbdDisk *
mtv_nbd_disk_new (const char *socket_path, gboolean writable, GObject *owner, const char *label,
                  GError **error)
{
  g_return_val_if_fail (socket_path != NULL && label != NULL, NULL);
  g_return_val_if_fail (owner == NULL || G_IS_OBJECT (owner), NULL);

  return open_local (socket_path, writable, NULL, owner, label, error);
}

MtvNbdDisk *
mtv_nbd_disk_new_with_bitmap (const char *socket_path, const char *bitmap, GObject *owner,
                              const char *label, GError **error)
{
  g_return_val_if_fail (socket_path != NULL && bitmap != NULL && label != NULL, NULL);
  g_return_val_if_fail (owner == NULL || G_IS_OBJECT (owner), NULL);

  return open_local (socket_path, FALSE, bitmap, owner, label, error);
}

/* Sets @user to what stands before the host. */
static gboolean
check_uri (const char *uri, const char *label, char **user, GError **error)
{
  static const char *const schemes[] = { "nbd", "nbds", "nbd+unix", "nbds+unix", NULL };
  g_autofree char *scheme = NULL;

  if (g_uri_split (uri, G_URI_FLAGS_PARSE_RELAXED, &scheme, user, NULL, NULL, NULL, NULL, NULL,
                   NULL)
      && scheme != NULL && g_strv_contains (schemes, scheme))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "Cannot open %s: what it is to be read from is not the address of an NBD server",
               label);
  return FALSE;
}

MtvNbdDisk *
mtv_nbd_disk_new_for_uri (const char *uri, gboolean writable, const char *bitmap, const char *label,
                          GCancellable *cancellable, GError **error)
{
  g_autofree char *user = NULL;

  g_return_val_if_fail (uri != NULL && label != NULL, NULL);

  if (!check_uri (uri, label, &user, error))
    return NULL;
  MtvNbdRemote *remote = mtv_nbd_remote_new (label, writable);
  remote->uri = g_strdup (uri);
  remote->user = g_steal_pointer (&user);
  if (bitmap != NULL)
    remote->context = g_strconcat ("qemu:dirty-bitmap:", bitmap, NULL);
  return open_disk (remote, NULL, cancellable, error);
}

void
mtv_nbd_disk_set_patience (MtvNbdDisk *self, guint lost_msec, guint silent_msec)
{
  g_return_if_fail (MTV_IS_NBD_DISK (self));

  self->remote->patience_usec = (gint64) lost_msec * 1000;
  self->remote->silence_usec = (gint64) silent_msec * 1000;
}
