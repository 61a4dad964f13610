/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"
#include "transfer/mtv-nbd-remote.h"

G_BEGIN_DECLS

/* Further kinds of MtvIo. */
enum
{
  MTV_NBD_IO_OPEN = MTV_IO_FLUSH + 1, /* done when there is a connection; only @done is used */
  MTV_NBD_IO_STATUS,                  /* @buffer is an MtvNbdStatus; at most 1 GiB */
};

/* What a server says of blocks. It may say less than it was asked for, but not nothing. */
typedef struct
{
  const char *context; /* (unowned) */
  guint64 at;          /* what was told so far ends here */
  guint64 end;
  void (*add) (GArray *extents, guint64 offset, guint64 length, guint32 flags);
  GArray *extents; /* (unowned) */
} MtvNbdStatus;

/* One connection to @remote, which must outlive it. A connection that breaks, or on which no answer
 * comes for remote->silence_usec, is opened again in the background, and what was not answered is
 * asked again: all of it can be done twice. After remote->patience_usec without any answer, or when
 * the server is silent twice, everything under way fails with MTV_ERROR_UNREACHABLE; what is
 * submitted later tries again. A flush fails with it, now and ever after, once a connection was
 * lost that something had been written on since the last flush of the disk: the server may have
 * been another one since, without what it had in its cache. Before the first connection of all
 * every failure is final. Private to transfer/. */
MtvChannel *mtv_nbd_channel_new (MtvNbdRemote *remote);

/* Does @io, whose done() is not called, and waits for it. A @channel on which it was cancelled is
 * freed and set to NULL. */
gboolean mtv_nbd_channel_run (MtvChannel **channel, const MtvIo *io, GCancellable *cancellable,
                              GError **error);

G_END_DECLS
