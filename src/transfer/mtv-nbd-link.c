/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-link.h"

#include "base/mtv-error.h"

#include <poll.h>

#define CONNECT_USEC (30 * G_USEC_PER_SEC)
#define MIN_DELAY_USEC (G_USEC_PER_SEC / 10)
#define MAX_DELAY_USEC (5 * G_USEC_PER_SEC)
#define FLUSH_SILENCE 5 /* times as long: a server may have gigabytes to put on a disk */

static void
set_reason (MtvNbdLink *self, const char *text)
{
  g_clear_error (&self->reason);
  g_set_error (&self->reason, MTV_ERROR, MTV_ERROR_UNREACHABLE,
               "Cannot reach the NBD server of %s: %s", self->remote->label, text);
}

static void
drop (MtvNbdLink *self)
{
  g_clear_pointer (&self->nbd, nbd_close);
  if (self->is_ready)
    mtv_nbd_remote_lost (self->remote);
  self->is_ready = FALSE;
  self->is_broken = FALSE;
}

static MtvNbdLinkEvent
give_up (MtvNbdLink *self)
{
  drop (self);
  self->lost_at = self->retry_at = self->delay_usec = 0;
  self->n_silences = 0;
  return MTV_NBD_LINK_GIVEN_UP;
}

/* After the connection, or an attempt at one, came to its end for self->reason. */
static MtvNbdLinkEvent
lose (MtvNbdLink *self, gint64 now)
{
  gboolean is_late = self->lost_at != 0 && now - self->lost_at >= self->remote->patience_usec;

  if (is_late || self->n_silences > 1 || !self->remote->known)
    {
      if (self->remote->known)
        self->reason->code = MTV_ERROR_UNREACHABLE;
      return give_up (self);
    }
  drop (self);
  self->retry_at = now + self->delay_usec;
  self->delay_usec = CLAMP (self->delay_usec * 2, MIN_DELAY_USEC, MAX_DELAY_USEC);
  return MTV_NBD_LINK_LOST;
}

MtvNbdLinkEvent
mtv_nbd_link_connect (MtvNbdLink *self)
{
  gint64 now = g_get_monotonic_time ();

  if (self->lost_at == 0)
    self->lost_at = now;
  if (now < self->retry_at)
    return MTV_NBD_LINK_SAME;
  g_clear_error (&self->reason);
  self->connected_at = now;
  self->nbd = mtv_nbd_remote_connect (self->remote, &self->reason);
  return self->nbd != NULL ? MTV_NBD_LINK_SAME : lose (self, now);
}

void
mtv_nbd_link_pump (MtvNbdLink *self, short revents)
{
  const short broken = POLLHUP | POLLERR;
  unsigned direction = nbd_aio_get_direction (self->nbd);
  int ok = 0;

  if ((direction & LIBNBD_AIO_DIRECTION_READ) && (revents & (POLLIN | broken)))
    ok = nbd_aio_notify_read (self->nbd);
  else if ((direction & LIBNBD_AIO_DIRECTION_WRITE) && (revents & (POLLOUT | broken)))
    ok = nbd_aio_notify_write (self->nbd);
  if (ok < 0)
    {
      g_clear_error (&self->reason);
      mtv_nbd_remote_set_error (self->remote, !self->is_ready, &self->reason);
    }
  if (nbd_aio_is_dead (self->nbd) || nbd_aio_is_closed (self->nbd))
    self->is_broken = TRUE;
}

gint64
mtv_nbd_link_get_deadline (MtvNbdLink *self, guint n_sent, guint n_flushes)
{
  MtvNbdRemote *remote = self->remote;

  if (self->is_ready)
    return n_sent == 0
               ? 0
               : self->answered_at + remote->silence_usec * (n_flushes > 0 ? FLUSH_SILENCE : 1);
  if (remote->known && remote->patience_usec > 0)
    return MIN (self->connected_at + CONNECT_USEC, self->lost_at + remote->patience_usec);
  return self->connected_at + CONNECT_USEC;
}

static gboolean
accept_server (MtvNbdLink *self)
{
  g_autoptr (GError) error = NULL;

  self->is_ready = mtv_nbd_remote_accept (self->remote, self->nbd, &error);
  self->reads_whole = nbd_can_df (self->nbd) > 0;
  if (self->is_ready)
    return TRUE;
  g_clear_error (&self->reason);
  self->reason = g_steal_pointer (&error);
  return FALSE;
}

MtvNbdLinkEvent
mtv_nbd_link_check (MtvNbdLink *self, guint n_sent, guint n_flushes)
{
  gboolean is_silent = FALSE;

  if (!self->is_ready && !self->is_broken && nbd_aio_is_ready (self->nbd) > 0
      && !accept_server (self))
    return give_up (self);

  gint64 deadline = mtv_nbd_link_get_deadline (self, n_sent, n_flushes);
  if (!self->is_broken && deadline != 0)
    is_silent = g_get_monotonic_time () >= deadline;
  if (is_silent)
    {
      set_reason (self, "it does not answer");
      self->n_silences += self->is_ready;
    }
  else if (self->is_broken && self->reason == NULL)
    set_reason (self, "it ended the connection");
  return is_silent || self->is_broken ? lose (self, g_get_monotonic_time ()) : MTV_NBD_LINK_SAME;
}

void
mtv_nbd_link_heard (MtvNbdLink *self)
{
  self->answered_at = g_get_monotonic_time ();
  self->lost_at = self->delay_usec = 0;
  self->n_silences = 0;
}

void
mtv_nbd_link_end (MtvNbdLink *self, gboolean is_busy)
{
  if (self->is_ready && !is_busy)
    nbd_aio_disconnect (self->nbd, 0); /* said, not waited for */
  g_clear_pointer (&self->nbd, nbd_close);
  g_clear_error (&self->reason);
}
