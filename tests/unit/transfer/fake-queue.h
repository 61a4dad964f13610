/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Channels with many requests under way that end in no order, for ends that would block. What
 * several channels share: */
typedef struct
{
  guint32 seed;
  gboolean hangs;  /* nothing is ever complete */
  guint n_awaited; /* open() of each waits for all; 0: for none */

  GMutex lock; /* for all below */
  GCond changed;
  guint n_open; /* ever */
  guint n_submitted;
  guint64 bytes; /* of data under way */
  guint64 peak;
} FakeQueue;

/* A FakeOpenChannel; @queue: FakeQueue */
MtvChannel *fake_queue_open (MtvReader *reader, MtvWriter *writer, GCancellable *cancellable,
                             gpointer queue);
guint fake_queue_get_n_submitted (FakeQueue *self);

G_END_DECLS
