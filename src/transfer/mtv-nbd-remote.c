/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-remote.h"

#include "base/mtv-error.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#define DATA_SIZE (256 * 1024)    /* larger ones fall out of the caches of qemu-nbd */
#define MAX_MIN_BLOCK (64 * 1024) /* that the NBD protocol allows */
#define SOCKET_BUFFER (4 * 1024 * 1024)
#define SILENCE_USEC (60 * G_USEC_PER_SEC)
/* What QEMU's server states as the largest request (NBD_MAX_BUFFER_SIZE, QEMU's nbd.h). */
#define QEMU_MAX_BLOCK (32 * 1024 * 1024)

MtvNbdRemote *
mtv_nbd_remote_new (const char *label, gboolean writable)
{
  MtvNbdRemote *self = g_new0 (MtvNbdRemote, 1);

  self->label = g_strdup (label);
  self->writable = writable;
  self->patience_usec = SILENCE_USEC;
  self->silence_usec = SILENCE_USEC;
  g_mutex_init (&self->lock);
  return self;
}

void
mtv_nbd_remote_free (MtvNbdRemote *self)
{
  g_free (self->socket_path);
  g_free (self->uri);
  g_free (self->user);
  g_free (self->context);
  g_free (self->label);
  g_mutex_clear (&self->lock);
  g_free (self);
}

/* libnbd's texts are mostly about the protocol, but some name the user. */
static const char *
get_reason (MtvNbdRemote *self)
{
  const char *text = nbd_get_error ();

  if (text == NULL || (self->user != NULL && strstr (text, self->user) != NULL))
    return nbd_get_errno () != 0 ? g_strerror (nbd_get_errno ()) : "refused";
  return text;
}

void
mtv_nbd_remote_set_error (MtvNbdRemote *self, gboolean is_handshake, GError **error)
{
  int errnum = nbd_get_errno ();
  MtvError code = MTV_ERROR_UNREACHABLE;

  if (errnum == EACCES || errnum == EPERM)
    code = MTV_ERROR_PERMISSION_DENIED;
  else if (is_handshake && errnum == ENOENT)
    code = MTV_ERROR_NOT_FOUND;
  else if (!is_handshake && errnum == EINVAL)
    code = MTV_ERROR_INVALID_ARGUMENT; /* parts of the URI */
  g_set_error (error, MTV_ERROR, code, "Cannot reach the NBD server of %s: %s", self->label,
               get_reason (self));
}

/* Bigger ones than a Unix socket has by default are what keeps many requests moving. TCP tunes
 * itself as long as it is left alone. */
static void
widen_socket (struct nbd_handle *nbd)
{
  const int size = SOCKET_BUFFER;
  int fd = nbd_aio_get_fd (nbd);
  int domain = 0;
  socklen_t length = sizeof domain;

  if (fd < 0 || getsockopt (fd, SOL_SOCKET, SO_DOMAIN, &domain, &length) < 0 || domain != AF_UNIX)
    return;
  /* Past the system's limit for those who may; otherwise as far as that goes. */
  if (setsockopt (fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) < 0)
    (void) setsockopt (fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
  if (setsockopt (fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) < 0)
    (void) setsockopt (fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
}

static gboolean
configure (MtvNbdRemote *self, struct nbd_handle *nbd)
{
  /* The last request may have to be odd where the disk's size is: see cut() of the channel. */
  return nbd_set_strict_mode (nbd, LIBNBD_STRICT_MASK & ~LIBNBD_STRICT_ALIGN) >= 0
         && nbd_set_pread_initialize (nbd, false) >= 0
         && nbd_add_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) >= 0
         && (self->context == NULL || nbd_add_meta_context (nbd, self->context) >= 0)
         && nbd_set_uri_allow_transports (nbd,
                                          LIBNBD_ALLOW_TRANSPORT_TCP | LIBNBD_ALLOW_TRANSPORT_UNIX)
                >= 0
         && nbd_set_uri_allow_local_file (nbd, true) >= 0;
}

struct nbd_handle *
mtv_nbd_remote_connect (MtvNbdRemote *self, GError **error)
{
  struct nbd_handle *nbd = nbd_create ();

  if (nbd != NULL && configure (self, nbd)
      && (self->socket_path != NULL ? nbd_aio_connect_unix (nbd, self->socket_path)
                                    : nbd_aio_connect_uri (nbd, self->uri))
             >= 0)
    {
      widen_socket (nbd);
      return nbd;
    }
  mtv_nbd_remote_set_error (self, FALSE, error);
  nbd_close (nbd);
  return NULL;
}

/* 0: unknown. */
static gint64
get_block_size (struct nbd_handle *nbd, int which)
{
  return MAX (nbd_get_block_size (nbd, which), 0);
}

static gboolean
learn_block_sizes (MtvNbdRemote *self, struct nbd_handle *nbd, GError **error)
{
  gint64 min = MAX (get_block_size (nbd, LIBNBD_SIZE_MINIMUM), 1);
  gint64 max = get_block_size (nbd, LIBNBD_SIZE_MAXIMUM);

  if (max == 0)
    max = DATA_SIZE;
  if (min < 1 || min > MAX_MIN_BLOCK || (min & (min - 1)) != 0 || max < min)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "Cannot open %s: its NBD server states blocks of %" G_GINT64_FORMAT
                   " to %" G_GINT64_FORMAT " bytes",
                   self->label, min, max);
      return FALSE;
    }
  self->min_block = min;
  self->max_data = MIN (DATA_SIZE, max) / min * min;
  self->is_qemu = max == QEMU_MAX_BLOCK;
  return TRUE;
}

static gboolean
can_serve (MtvNbdRemote *self, struct nbd_handle *nbd, GError **error)
{
  if (self->writable && nbd_is_read_only (nbd) != 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED,
                 "Cannot write %s: its NBD server has it read-only", self->label);
  else if (self->writable && nbd_can_flush (nbd) <= 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "Cannot write %s: its NBD server cannot flush", self->label);
  else if (self->context != NULL && nbd_can_meta_context (nbd, self->context) <= 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 "Cannot find the changes of %s: its NBD server does not offer '%s'", self->label,
                 self->context);
  else
    return TRUE;
  return FALSE;
}

static gboolean
is_the_same (MtvNbdRemote *self, struct nbd_handle *nbd, guint64 size, GError **error)
{
  if (size != self->size)
    g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                 "%s has %" G_GUINT64_FORMAT
                 " bytes on a new connection, and had %" G_GUINT64_FORMAT,
                 self->label, size, self->size);
  else if (MAX (get_block_size (nbd, LIBNBD_SIZE_MINIMUM), 1) > self->min_block
           || (self->can_zero && nbd_can_zero (nbd) <= 0))
    g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                 "%s is served in another way on a new connection", self->label);
  else
    return TRUE;
  return FALSE;
}

gboolean
mtv_nbd_remote_accept (MtvNbdRemote *self, struct nbd_handle *nbd, GError **error)
{
  int64_t size = nbd_get_size (nbd);

  if (size < 0)
    {
      mtv_nbd_remote_set_error (self, TRUE, error);
      return FALSE;
    }
  if (self->known)
    return is_the_same (self, nbd, size, error) && can_serve (self, nbd, error);

  self->size = size;
  self->can_zero = nbd_can_zero (nbd) > 0;
  self->has_extents = nbd_can_meta_context (nbd, LIBNBD_CONTEXT_BASE_ALLOCATION) > 0;
  self->has_multi_conn = nbd_can_multi_conn (nbd) > 0;
  self->known = learn_block_sizes (self, nbd, error) && can_serve (self, nbd, error);
  return self->known;
}

void
mtv_nbd_remote_add_written (MtvNbdRemote *self)
{
  g_mutex_lock (&self->lock);
  self->written++;
  g_mutex_unlock (&self->lock);
}

static gboolean
can_vouch (MtvNbdRemote *self, GError **error)
{
  if (self->is_lost)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                 "Cannot flush %s: the connection to its NBD server was lost, and with it maybe "
                 "what was written since the last flush",
                 self->label);
  return !self->is_lost;
}

gboolean
mtv_nbd_remote_begin_flush (MtvNbdRemote *self, guint64 *mark, GError **error)
{
  g_mutex_lock (&self->lock);
  gboolean ok = can_vouch (self, error);
  *mark = self->written;
  g_mutex_unlock (&self->lock);
  return ok;
}

gboolean
mtv_nbd_remote_end_flush (MtvNbdRemote *self, guint64 mark, GError **error)
{
  g_mutex_lock (&self->lock);
  gboolean ok = can_vouch (self, error);
  if (ok)
    self->flushed = MAX (self->flushed, mark);
  g_mutex_unlock (&self->lock);
  return ok;
}

void
mtv_nbd_remote_lost (MtvNbdRemote *self)
{
  g_mutex_lock (&self->lock);
  self->is_lost |= self->written > self->flushed;
  g_mutex_unlock (&self->lock);
}
