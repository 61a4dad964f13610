/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <poll.h>

G_BEGIN_DECLS

/* One thread's way to have several requests under way at an end of a copy: libnbd, io_uring or a
 * plain blocking call behind one face, for one poll(2) loop. Everything here, the callbacks
 * included, happens on the thread that opened the channel. */
typedef struct _MtvChannel MtvChannel;
typedef struct _MtvIo MtvIo;

typedef enum
{
  MTV_IO_READ,
  MTV_IO_WRITE,
  MTV_IO_ZERO,  /* afterwards the range reads as zeroes; @buffer is not used */
  MTV_IO_FLUSH, /* covers every write of this disk that was completed before it was submitted, on
                   whatever channel; @offset, @length, @buffer are not used */
} MtvIoKind;

/* @error: (transfer full) (nullable). May submit further requests, must not free the channel. */
typedef void (*MtvIoDone) (MtvIo *io, GError *error);

/* A request. The caller's memory; it and @buffer stay until @done was called or the channel is
 * freed. Any length that is not 0; a channel splits what its end would not take at once. */
struct _MtvIo
{
  MtvIoKind kind;
  guint64 offset;
  guint64 length;
  guint8 *buffer; /* (unowned) */
  MtvIoDone done;
  gpointer data;        /* (unowned) the caller's */
  gpointer reserved[4]; /* the channel's, until done */
};

typedef struct
{
  /* Takes @io on. Never calls done() itself, also not for a failure: dispatch does. */
  void (*submit) (MtvChannel *self, MtvIo *io);
  /* Fills @fd (a negative fd: nothing to poll for). Returns how long poll(2) may wait at most, in
   * milliseconds: 0 when dispatch has something to do at once, -1 for ever. */
  int (*prepare) (MtvChannel *self, struct pollfd *fd);
  /* Moves what can be moved without waiting and calls done() for what is complete. */
  void (*dispatch) (MtvChannel *self, short revents);
  /* Gives up what is under way, without done(). FALSE when an end that hangs may still touch the
   * buffers: then they must be left alone for good. At once, in any case. */
  gboolean (*free) (MtvChannel *self);
} MtvChannelFuncs;

/* To be embedded as the first member. */
struct _MtvChannel
{
  const MtvChannelFuncs *funcs;
  gboolean blocks; /* submit() does it all: better not many at a time */
};

static inline void
mtv_channel_submit (MtvChannel *self, MtvIo *io)
{
  self->funcs->submit (self, io);
}

static inline int
mtv_channel_prepare (MtvChannel *self, struct pollfd *fd)
{
  return self->funcs->prepare (self, fd);
}

static inline void
mtv_channel_dispatch (MtvChannel *self, short revents)
{
  self->funcs->dispatch (self, revents);
}

static inline gboolean
mtv_channel_free (MtvChannel *self)
{
  return self->funcs->free (self);
}

G_END_DECLS
