/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-blocking-channel.h"

/* A request that is done, in MtvIo.reserved. */
enum
{
  ERROR, /* (owned) (nullable) */
  NEXT,  /* (unowned) (nullable) */
};

typedef struct
{
  MtvChannel channel;
  MtvReader *reader;         /* (unowned) (nullable) */
  MtvWriter *writer;         /* (unowned) (nullable) */
  GCancellable *cancellable; /* (owned) (nullable) */
  MtvIo *first;              /* (unowned) (nullable) of those that are done, in order */
  MtvIo *last;               /* (unowned) */
} BlockingChannel;

static gboolean
do_it (BlockingChannel *self, MtvIo *io, GError **error)
{
  switch (io->kind)
    {
    case MTV_IO_READ:
      return mtv_reader_read (self->reader, io->offset, io->buffer, io->length, self->cancellable,
                              error);
    case MTV_IO_WRITE:
      return mtv_writer_write (self->writer, io->offset, io->buffer, io->length, self->cancellable,
                               error);
    case MTV_IO_ZERO:
      return mtv_writer_zero (self->writer, io->offset, io->length, self->cancellable, error);
    case MTV_IO_FLUSH:
      return mtv_writer_flush (self->writer, NULL, error); /* half a flush is none */
    default:
      g_return_val_if_reached (FALSE);
    }
}

static void
blocking_submit (MtvChannel *channel, MtvIo *io)
{
  BlockingChannel *self = (BlockingChannel *) channel;
  GError *error = NULL;

  do_it (self, io, &error);
  io->reserved[ERROR] = error;
  io->reserved[NEXT] = NULL;
  if (self->first == NULL)
    self->first = io;
  else
    self->last->reserved[NEXT] = io;
  self->last = io;
}

static int
blocking_prepare (MtvChannel *channel, struct pollfd *fd)
{
  fd->fd = -1;
  fd->events = 0;
  return ((BlockingChannel *) channel)->first != NULL ? 0 : -1;
}

/* What is submitted meanwhile waits for the next time, so that a caller that always has more to
 * submit comes back to its loop. */
static void
blocking_dispatch (MtvChannel *channel, short revents)
{
  BlockingChannel *self = (BlockingChannel *) channel;
  MtvIo *io = g_steal_pointer (&self->first);

  (void) revents;
  while (io != NULL)
    {
      MtvIo *next = io->reserved[NEXT];

      io->done (io, io->reserved[ERROR]);
      io = next;
    }
}

static gboolean
blocking_free (MtvChannel *channel)
{
  BlockingChannel *self = (BlockingChannel *) channel;

  for (MtvIo *io = self->first; io != NULL; io = io->reserved[NEXT])
    g_clear_error ((GError **) &io->reserved[ERROR]);
  g_clear_object (&self->cancellable);
  g_free (self);
  return TRUE;
}

MtvChannel *
mtv_blocking_channel_new (MtvReader *reader, MtvWriter *writer, GCancellable *cancellable)
{
  static const MtvChannelFuncs funcs
      = { blocking_submit, blocking_prepare, blocking_dispatch, blocking_free };
  BlockingChannel *self = g_new0 (BlockingChannel, 1);

  g_return_val_if_fail ((reader == NULL) != (writer == NULL), NULL);

  self->channel.funcs = &funcs;
  self->channel.blocks = TRUE;
  self->reader = reader;
  self->writer = writer;
  g_set_object (&self->cancellable, cancellable);
  return &self->channel;
}
