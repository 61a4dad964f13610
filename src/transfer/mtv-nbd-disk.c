/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-disk.h"

#include "base/mtv-error.h"

#include <errno.h>
#include <libnbd.h>
#include <poll.h>

#define N_CONNECTIONS 2
#define REQUEST_SIZE (256 * 1024) /* larger ones fall out of the caches of qemu-nbd */
#define MAX_IN_FLIGHT 16
#define ZERO_SIZE (128 * 1024 * 1024)
#define EXTENTS_SIZE (G_GUINT64_CONSTANT (1) << 30)
#define ANSWER_TIMEOUT_MSEC (5 * 60 * 1000) /* with nothing moving on the connection */
#define CANCEL_GRACE_MSEC 2000              /* for what is in flight, to keep the connection */

typedef struct nbd_handle Connection;

struct _MtvNbdDisk
{
  GObject parent;

  char *socket_path; /* (owned) */
  char *label;       /* (owned) */
  GObject *owner;    /* (owned) (nullable) */
  gboolean writable;
  guint64 size;
  gboolean can_zero;
  gboolean has_extents;

  GMutex lock; /* for these three */
  GCond returned;
  Connection *idle[N_CONNECTIONS]; /* (owned) NULL: to be opened when it is needed */
  guint n_idle;
};

static void mtv_nbd_disk_reader_init (MtvReaderInterface *iface);
static void mtv_nbd_disk_writer_init (MtvWriterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvNbdDisk, mtv_nbd_disk, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, mtv_nbd_disk_reader_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_WRITER,
                                                          mtv_nbd_disk_writer_init))

static void
set_error (MtvNbdDisk *self, const char *doing, int errnum, GError **error)
{
  if (errnum == ENOTCONN || errnum == ECONNREFUSED || errnum == ECONNRESET || errnum == EPIPE
      || errnum == ENOENT)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "Cannot %s %s: its NBD server is gone",
                 doing, self->label);
  else
    mtv_error_set_errno (error, errnum, "Cannot %s %s", doing, self->label);
}

/* Sets what libnbd's last failed call on this thread says. */
static void
set_nbd_error (MtvNbdDisk *self, const char *doing, GError **error)
{
  if (nbd_get_errno () != 0)
    set_error (self, doing, nbd_get_errno (), error);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Cannot %s %s: %s", doing, self->label,
                 nbd_get_error ());
}

/* The requests of one call, on one connection. A request that libnbd refused is never completed, so
 * whoever submits it takes it off again. */
typedef struct
{
  MtvNbdDisk *disk;          /* (unowned) */
  Connection *nbd;           /* (unowned) */
  GCancellable *cancellable; /* (unowned) (nullable) */
  const char *doing;         /* (unowned) */
  guint in_flight;
  int errnum; /* of the first that failed */
} Batch;

static int
completed_cb (void *data, int *errnum)
{
  Batch *batch = data;

  batch->in_flight--;
  if (*errnum != 0 && batch->errnum == 0)
    batch->errnum = *errnum;
  return 1; /* libnbd forgets the request */
}

static nbd_completion_callback
completion (Batch *batch)
{
  batch->in_flight++;
  return (nbd_completion_callback){ .callback = completed_cb, .user_data = batch };
}

/* Moves bytes until something happened on the connection; FALSE with @error when it never will. */
static gboolean
step (Batch *batch, int timeout_msec, int cancel_fd, GError **error)
{
  unsigned direction = nbd_aio_get_direction (batch->nbd);
  struct pollfd fds[2]
      = { { .fd = nbd_aio_get_fd (batch->nbd) }, { .fd = cancel_fd, .events = POLLIN } };
  int ok = 0;

  if (direction & LIBNBD_AIO_DIRECTION_READ)
    fds[0].events |= POLLIN;
  if (direction & LIBNBD_AIO_DIRECTION_WRITE)
    fds[0].events |= POLLOUT;
  int n = poll (fds, 2, timeout_msec);
  if (n < 0 && errno == EINTR)
    return TRUE;
  if (n <= 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                   "Cannot %s %s: its NBD server does not answer", batch->doing,
                   batch->disk->label);
      return FALSE;
    }
  if ((direction & LIBNBD_AIO_DIRECTION_READ) && (fds[0].revents & (POLLIN | POLLHUP | POLLERR)))
    ok = nbd_aio_notify_read (batch->nbd);
  else if ((direction & LIBNBD_AIO_DIRECTION_WRITE)
           && (fds[0].revents & (POLLOUT | POLLHUP | POLLERR)))
    ok = nbd_aio_notify_write (batch->nbd);
  if (ok < 0)
    set_nbd_error (batch->disk, batch->doing, error);
  return ok == 0 && !g_cancellable_set_error_if_cancelled (batch->cancellable, error);
}

static gboolean
is_busy (Batch *batch, guint n)
{
  return batch->in_flight > (batch->errnum == 0 ? n : 0) || nbd_aio_is_connecting (batch->nbd) > 0;
}

/* Waits until at most @n requests are in flight, and then for the others too if one failed; on a
 * new connection, until it is one. */
static gboolean
wait_for (Batch *batch, guint n, GError **error)
{
  GPollFD cancel_fd = { .fd = -1 };
  gboolean has_fd = FALSE;
  gboolean ok = !g_cancellable_set_error_if_cancelled (batch->cancellable, error);

  while (ok && is_busy (batch, n))
    {
      if (!has_fd && batch->cancellable != NULL)
        has_fd = g_cancellable_make_pollfd (batch->cancellable, &cancel_fd);
      ok = step (batch, ANSWER_TIMEOUT_MSEC, has_fd ? cancel_fd.fd : -1, error);
    }
  if (has_fd)
    g_cancellable_release_fd (batch->cancellable);
  if (ok && batch->errnum != 0)
    set_error (batch->disk, batch->doing, batch->errnum, error);
  return ok && batch->errnum == 0;
}

/* After a failure: a server that is alive has answered what is in flight soon. */
static void
settle (Batch *batch)
{
  batch->cancellable = NULL;
  while (batch->in_flight > 0 && step (batch, CANCEL_GRACE_MSEC, -1, NULL))
    continue;
}

/* A connection past its handshake; NULL with @error. */
static Connection *
connect_new (MtvNbdDisk *self, GCancellable *cancellable, GError **error)
{
  Batch batch = { .disk = self, .cancellable = cancellable, .doing = "open" };

  batch.nbd = nbd_create ();
  /* Without block sizes asked for, the server does the rounding of odd requests. */
  if (batch.nbd == NULL || nbd_set_pread_initialize (batch.nbd, false) < 0
      || nbd_set_request_block_size (batch.nbd, false) < 0
      || nbd_add_meta_context (batch.nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) < 0
      || nbd_aio_connect_unix (batch.nbd, self->socket_path) < 0)
    set_nbd_error (self, "open", error);
  else if (wait_for (&batch, 0, error))
    {
      if (nbd_aio_is_ready (batch.nbd) > 0)
        return batch.nbd;
      set_error (self, "open", ENOTCONN, error);
    }
  nbd_close (batch.nbd);
  return NULL;
}

/* Waits for a connection of the pool; NULL with @error. */
static Connection *
take (MtvNbdDisk *self, GCancellable *cancellable, GError **error)
{
  g_mutex_lock (&self->lock);
  while (self->n_idle == 0)
    g_cond_wait (&self->returned, &self->lock);
  Connection *nbd = self->idle[--self->n_idle];
  g_mutex_unlock (&self->lock);

  if (nbd == NULL)
    nbd = connect_new (self, cancellable, error);
  if (nbd == NULL) /* the place in the pool is free again */
    {
      g_mutex_lock (&self->lock);
      self->idle[self->n_idle++] = NULL;
      g_cond_signal (&self->returned);
      g_mutex_unlock (&self->lock);
    }
  return nbd;
}

/* A connection that is no good any more, or still has requests on it, is closed, which ends
 * libnbd's hold on their buffers; the next to need one opens another. */
static void
give_back (MtvNbdDisk *self, Connection *nbd)
{
  if (!nbd_aio_is_ready (nbd) || nbd_aio_in_flight (nbd) != 0)
    g_clear_pointer (&nbd, nbd_close);

  g_mutex_lock (&self->lock);
  self->idle[self->n_idle++] = nbd;
  g_cond_signal (&self->returned);
  g_mutex_unlock (&self->lock);
}

typedef gboolean (*Submit) (Batch *batch, guint64 offset, guint8 *buffer, guint64 length);

static gboolean
submit_read (Batch *batch, guint64 offset, guint8 *buffer, guint64 length)
{
  return nbd_aio_pread (batch->nbd, buffer, length, offset, completion (batch), 0) >= 0;
}

static gboolean
submit_write (Batch *batch, guint64 offset, guint8 *buffer, guint64 length)
{
  return nbd_aio_pwrite (batch->nbd, buffer, length, offset, completion (batch), 0) >= 0;
}

static gboolean
submit_zero (Batch *batch, guint64 offset, guint8 *buffer, guint64 length)
{
  (void) buffer;
  return nbd_aio_zero (batch->nbd, length, offset, completion (batch), 0) >= 0;
}

static gboolean
submit_flush (Batch *batch, guint64 offset, guint8 *buffer, guint64 length)
{
  (void) offset;
  (void) buffer;
  (void) length;
  return nbd_aio_flush (batch->nbd, completion (batch), 0) >= 0;
}

static gboolean
submit_all (Batch *batch, Submit submit, guint64 max, guint64 offset, guint8 *buffer,
            guint64 length, GError **error)
{
  for (guint64 done = 0, n; done < length; done += n)
    {
      n = MIN (max, length - done);
      if (!wait_for (batch, MAX_IN_FLIGHT - 1, error))
        return FALSE;
      if (!submit (batch, offset + done, buffer != NULL ? buffer + done : NULL, n))
        {
          batch->in_flight--;
          set_nbd_error (batch->disk, batch->doing, error);
          return FALSE;
        }
    }
  return wait_for (batch, 0, error);
}

/* Does [@offset, @offset + @length) in requests of at most @max bytes. */
static gboolean
transfer (MtvNbdDisk *self, const char *doing, Submit submit, guint64 max, guint64 offset,
          guint8 *buffer, guint64 length, GCancellable *cancellable, GError **error)
{
  Batch batch = { .disk = self, .cancellable = cancellable, .doing = doing };

  batch.nbd = take (self, cancellable, error);
  if (batch.nbd == NULL)
    return FALSE;
  gboolean ok = submit_all (&batch, submit, max, offset, buffer, length, error);
  if (!ok)
    settle (&batch);
  give_back (self, batch.nbd);
  return ok;
}

static guint64
nbd_disk_get_size (MtvReader *reader)
{
  return MTV_NBD_DISK (reader)->size;
}

static gboolean
nbd_disk_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
               GCancellable *cancellable, GError **error)
{
  return transfer (MTV_NBD_DISK (reader), "read", submit_read, REQUEST_SIZE, offset, buffer, length,
                   cancellable, error);
}

/* The answer to a block status request, which the server may cut short. */
typedef struct
{
  GArray *extents; /* (unowned) */
  guint64 at;      /* what is told so far ends here */
  guint64 end;
} Status;

static int
extent_cb (void *data, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
           int *error)
{
  Status *status = data;

  (void) error;
  if (g_strcmp0 (context, LIBNBD_CONTEXT_BASE_ALLOCATION) != 0 || offset != status->at)
    return 0;
  for (size_t i = 0; i + 1 < n_entries && status->at < status->end; i += 2)
    {
      MtvExtent extent = { status->at, MIN (entries[i], status->end - status->at),
                           (entries[i + 1] & LIBNBD_STATE_ZERO) != 0 };

      g_array_append_val (status->extents, extent);
      status->at += extent.length;
    }
  return 0;
}

static gboolean
ask_status (Batch *batch, Status *status, GError **error)
{
  nbd_extent_callback extent = { .callback = extent_cb, .user_data = status };
  guint64 length = MIN (EXTENTS_SIZE, status->end - status->at);
  guint64 before = status->at;

  if (nbd_aio_block_status (batch->nbd, length, status->at, extent, completion (batch), 0) < 0)
    {
      batch->in_flight--;
      set_nbd_error (batch->disk, batch->doing, error);
      return FALSE;
    }
  if (!wait_for (batch, 0, error))
    return FALSE;
  if (status->at > before)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "Cannot %s %s: its NBD server tells nothing of byte %" G_GUINT64_FORMAT,
               batch->doing, batch->disk->label, before);
  return FALSE;
}

static gboolean
nbd_disk_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                  GCancellable *cancellable, GError **error)
{
  MtvNbdDisk *self = MTV_NBD_DISK (reader);
  MtvReaderInterface *all_data = g_type_default_interface_peek (MTV_TYPE_READER);
  Batch batch = { .disk = self, .cancellable = cancellable, .doing = "find the data of" };
  Status status = { extents, offset, offset + length };
  gboolean ok = TRUE;

  if (!self->has_extents)
    return all_data->extents (reader, offset, length, extents, cancellable, error);

  batch.nbd = take (self, cancellable, error);
  if (batch.nbd == NULL)
    return FALSE;
  while (ok && status.at < status.end)
    ok = ask_status (&batch, &status, error);
  if (!ok)
    settle (&batch);
  give_back (self, batch.nbd);
  return ok;
}

static void
mtv_nbd_disk_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = nbd_disk_get_size;
  iface->read = nbd_disk_read;
  iface->extents = nbd_disk_extents;
}

static gboolean
nbd_disk_write (MtvWriter *writer, guint64 offset, gconstpointer buffer, gsize length,
                GCancellable *cancellable, GError **error)
{
  MtvNbdDisk *self = MTV_NBD_DISK (writer);

  g_return_val_if_fail (self->writable, FALSE);

  return transfer (self, "write", submit_write, REQUEST_SIZE, offset, (guint8 *) buffer, length,
                   cancellable, error);
}

static gboolean
nbd_disk_zero (MtvWriter *writer, guint64 offset, guint64 length, GCancellable *cancellable,
               GError **error)
{
  MtvNbdDisk *self = MTV_NBD_DISK (writer);
  MtvWriterInterface *by_writing = g_type_default_interface_peek (MTV_TYPE_WRITER);

  g_return_val_if_fail (self->writable, FALSE);

  if (!self->can_zero)
    return by_writing->zero (writer, offset, length, cancellable, error);
  return transfer (self, "write zeroes to", submit_zero, ZERO_SIZE, offset, NULL, length,
                   cancellable, error);
}

/* There is more than one connection for writing only where the server promises that a flush on one
 * covers what was answered on all (NBD_FLAG_CAN_MULTI_CONN in the NBD protocol). */
static gboolean
nbd_disk_flush (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  MtvNbdDisk *self = MTV_NBD_DISK (writer);

  g_return_val_if_fail (self->writable, FALSE);

  return transfer (self, "flush", submit_flush, 1, 0, NULL, 1, cancellable, error);
}

static void
mtv_nbd_disk_writer_init (MtvWriterInterface *iface)
{
  iface->write = nbd_disk_write;
  iface->zero = nbd_disk_zero;
  iface->flush = nbd_disk_flush;
}

static void
mtv_nbd_disk_finalize (GObject *object)
{
  MtvNbdDisk *self = MTV_NBD_DISK (object);

  for (guint i = 0; i < self->n_idle; i++)
    if (self->idle[i] != NULL)
      {
        nbd_aio_disconnect (self->idle[i], 0); /* said, not waited for */
        nbd_close (self->idle[i]);
      }
  g_clear_object (&self->owner); /* after the last connection */
  g_free (self->socket_path);
  g_free (self->label);
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
}

/* What the server says of the disk on its first connection. */
static gboolean
learn (MtvNbdDisk *self, Connection *nbd, GError **error)
{
  int64_t size = nbd_get_size (nbd);

  if (size < 0)
    {
      set_nbd_error (self, "get the size of", error);
      return FALSE;
    }
  self->size = size;
  self->can_zero = nbd_can_zero (nbd) > 0;
  self->has_extents = nbd_can_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
  if (self->writable && nbd_is_read_only (nbd) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED,
                   "Cannot write %s: its NBD server has it read-only", self->label);
      return FALSE;
    }
  if (self->writable && nbd_can_flush (nbd) <= 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "Cannot write %s: its NBD server cannot flush", self->label);
      return FALSE;
    }
  return TRUE;
}

MtvNbdDisk *
mtv_nbd_disk_new (const char *socket_path, gboolean writable, GObject *owner, const char *label,
                  GError **error)
{
  g_return_val_if_fail (socket_path != NULL && label != NULL, NULL);
  g_return_val_if_fail (owner == NULL || G_IS_OBJECT (owner), NULL);

  g_autoptr (MtvNbdDisk) self = g_object_new (MTV_TYPE_NBD_DISK, NULL);
  self->socket_path = g_strdup (socket_path);
  self->label = g_strdup (label);
  self->writable = writable;
  g_set_object (&self->owner, owner);

  Connection *first = connect_new (self, NULL, error);
  if (first == NULL)
    return NULL;
  gboolean ok = learn (self, first, error);
  if (!writable || nbd_can_multi_conn (first) > 0)
    self->n_idle = N_CONNECTIONS - 1; /* opened when they are needed */
  self->idle[self->n_idle++] = first;
  return ok ? g_steal_pointer (&self) : NULL;
}
