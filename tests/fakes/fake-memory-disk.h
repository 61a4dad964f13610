/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  FAKE_READ,
  FAKE_EXTENTS,
  FAKE_WRITE,
  FAKE_ZERO,
  FAKE_FLUSH,
} FakeOp;

typedef struct
{
  FakeOp op;
  guint64 offset;
  guint64 length;
} FakeRequest;

/* A disk in memory, both ends of a copy; remembers what was asked of it and fails on demand. Its
 * extents are its zero granules of 64 KiB, unless told to call everything data. */
#define FAKE_TYPE_MEMORY_DISK (fake_memory_disk_get_type ())
G_DECLARE_FINAL_TYPE (FakeMemoryDisk, fake_memory_disk, FAKE, MEMORY_DISK, GObject)

FakeMemoryDisk *fake_memory_disk_new (gsize size);

guint8 *fake_memory_disk_get_data (FakeMemoryDisk *self);

void fake_memory_disk_set_all_data (FakeMemoryDisk *self);
/* Requests of @op that touch byte @offset fail with @code; a flush always touches it. */
void fake_memory_disk_fail (FakeMemoryDisk *self, FakeOp op, guint64 offset, int code);
/* So does the @n-th request of @op from now on, once; 0: none. */
void fake_memory_disk_fail_nth (FakeMemoryDisk *self, FakeOp op, guint n, int code);
/* Every request of @op does nothing until it is cancelled. */
void fake_memory_disk_hang (FakeMemoryDisk *self, FakeOp op);
/* A write, of zeroes too, that touches byte @offset leaves another one there. */
void fake_memory_disk_corrupt (FakeMemoryDisk *self, guint64 offset);
/* As a reader: has to begin again to go back. */
void fake_memory_disk_set_in_order (FakeMemoryDisk *self);
/* What opens its channels (@reader or @writer is NULL); default: blocking ones. */
typedef MtvChannel *(*FakeOpenChannel) (MtvReader *reader, MtvWriter *writer,
                                        GCancellable *cancellable, gpointer data);
void fake_memory_disk_set_channels (FakeMemoryDisk *self, FakeOpenChannel open, gpointer data);
/* Cancels @cancellable when byte @offset is read, before it is. */
void fake_memory_disk_cancel_at (FakeMemoryDisk *self, guint64 offset, GCancellable *cancellable);

/* The number of requests of @op so far that touch [@offset, @offset + @length). */
guint fake_memory_disk_count (FakeMemoryDisk *self, FakeOp op, guint64 offset, guint64 length);
/* From now on none were asked. */
void fake_memory_disk_forget (FakeMemoryDisk *self);

G_END_DECLS
