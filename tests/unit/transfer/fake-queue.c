/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-queue.h"

#include "transfer/mtv-blocking-channel.h"

typedef struct
{
  MtvChannel channel;
  FakeQueue *queue;  /* (unowned) */
  MtvChannel *inner; /* (owned) does it */
  GRand *rand;       /* (owned) */
  GPtrArray *ios;    /* (owned) (element-type MtvIo) */
} QueueChannel;

static void
count (FakeQueue *queue, const MtvIo *io, gint sign)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&queue->lock);

  queue->n_submitted += sign > 0;
  if (io->kind != MTV_IO_READ && io->kind != MTV_IO_WRITE)
    return;
  queue->bytes += sign * (gint64) io->length;
  queue->peak = MAX (queue->peak, queue->bytes);
}

static void
queue_submit (MtvChannel *channel, MtvIo *io)
{
  QueueChannel *self = (QueueChannel *) channel;

  count (self->queue, io, 1);
  g_ptr_array_add (self->ios, io);
}

static int
queue_prepare (MtvChannel *channel, struct pollfd *fd)
{
  QueueChannel *self = (QueueChannel *) channel;

  fd->fd = -1;
  return self->ios->len > 0 && !self->queue->hangs ? 0 : -1;
}

static void
queue_dispatch (MtvChannel *channel, short revents)
{
  QueueChannel *self = (QueueChannel *) channel;
  guint n = self->ios->len;

  if (n == 0 || self->queue->hangs)
    return;
  for (guint left = g_rand_int_range (self->rand, 1, n + 1); left > 0; left--)
    {
      MtvIo *io = g_ptr_array_remove_index_fast (self->ios,
                                                 g_rand_int_range (self->rand, 0, self->ios->len));

      count (self->queue, io, -1);
      mtv_channel_submit (self->inner, io);
      mtv_channel_dispatch (self->inner, revents);
    }
}

static gboolean
queue_free (MtvChannel *channel)
{
  QueueChannel *self = (QueueChannel *) channel;
  gboolean all_free = self->ios->len == 0 || !self->queue->hangs;

  for (guint i = 0; i < self->ios->len; i++)
    count (self->queue, self->ios->pdata[i], -1);
  mtv_channel_free (self->inner);
  g_rand_free (self->rand);
  g_ptr_array_unref (self->ios);
  g_free (self);
  return all_free;
}

MtvChannel *
fake_queue_open (MtvReader *reader, MtvWriter *writer, GCancellable *cancellable, gpointer data)
{
  static const MtvChannelFuncs funcs = { queue_submit, queue_prepare, queue_dispatch, queue_free };
  FakeQueue *queue = data;
  QueueChannel *self = g_new0 (QueueChannel, 1);

  self->channel.funcs = &funcs;
  self->queue = queue;
  self->inner = mtv_blocking_channel_new (reader, writer, cancellable);
  self->ios = g_ptr_array_new ();

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&queue->lock);
  self->rand = g_rand_new_with_seed (queue->seed + queue->n_open++);
  g_cond_broadcast (&queue->changed);
  while (queue->n_open < queue->n_awaited)
    g_cond_wait (&queue->changed, &queue->lock);
  return &self->channel;
}

guint
fake_queue_get_n_submitted (FakeQueue *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->n_submitted;
}
