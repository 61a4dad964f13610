/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-channel.h"

G_BEGIN_DECLS

typedef struct
{
  guint64 offset;
  guint64 length;
  gboolean zero; /* reads as zeroes: nothing to transfer */
} MtvExtent;

/* How an end wants to be used. */
typedef struct
{
  guint max_channels; /* more would bring nothing, or are not allowed; 0: any number */
  guint64 run;        /* bytes that one channel should go through in order; 0: no matter */
  gboolean in_order;  /* (readers) going back means to begin again */
} MtvHints;

/* Random-access bytes that can only be read: a disk, or a file that holds one. Readers nest: a VMDK
 * reader reads a gzip reader that reads the range of a tar file. All vfuncs block, are called on
 * worker threads only, and may be called from several threads at once. Errors are MTV_ERROR. */
#define MTV_TYPE_READER (mtv_reader_get_type ())
G_DECLARE_INTERFACE (MtvReader, mtv_reader, MTV, READER, GObject)

struct _MtvReaderInterface
{
  GTypeInterface parent;

  guint64 (*get_size) (MtvReader *self);
  gboolean (*read) (MtvReader *self, guint64 offset, gpointer buffer, gsize length,
                    GCancellable *cancellable, GError **error);
  /* Default: one extent of data. */
  gboolean (*extents) (MtvReader *self, guint64 offset, guint64 length, GArray *extents,
                       GCancellable *cancellable, GError **error);
  /* Default: one that calls read() while it is submitted to. */
  MtvChannel *(*open_channel) (MtvReader *self, GCancellable *cancellable, GError **error);
  void (*get_hints) (MtvReader *self, MtvHints *hints); /* Default: leaves them alone */
};

/* Bytes. Fixed for the life of the reader. */
guint64 mtv_reader_get_size (MtvReader *self);

/* Fills @buffer with exactly @length bytes; the range must lie within the size. */
gboolean mtv_reader_read (MtvReader *self, guint64 offset, gpointer buffer, gsize length,
                          GCancellable *cancellable, GError **error);

/* Appends to @extents (of MtvExtent) what covers exactly [offset, offset + length), in order,
 * without gaps, neighbours of one kind not necessarily merged. */
gboolean mtv_reader_extents (MtvReader *self, guint64 offset, guint64 length, GArray *extents,
                             GCancellable *cancellable, GError **error);

/* A way for the calling thread alone, for MTV_IO_READ; the reader must outlive it. @cancellable
 * ends what blocks in it from then on. Blocking. */
MtvChannel *mtv_reader_open_channel (MtvReader *self, GCancellable *cancellable, GError **error);
MtvHints mtv_reader_get_hints (MtvReader *self);

/* A disk that is being written. The same rules as for readers; flush is called by one thread while
 * others may be writing, and covers every write that returned before it was called. */
#define MTV_TYPE_WRITER (mtv_writer_get_type ())
G_DECLARE_INTERFACE (MtvWriter, mtv_writer, MTV, WRITER, GObject)

struct _MtvWriterInterface
{
  GTypeInterface parent;

  gboolean (*write) (MtvWriter *self, guint64 offset, gconstpointer buffer, gsize length,
                     GCancellable *cancellable, GError **error);
  /* Afterwards the range reads as zeroes. Default: writes zero bytes. */
  gboolean (*zero) (MtvWriter *self, guint64 offset, guint64 length, GCancellable *cancellable,
                    GError **error);
  /* Returns once what was written is on stable storage. */
  gboolean (*flush) (MtvWriter *self, GCancellable *cancellable, GError **error);
  /* Default: one that calls write(), zero() and flush() while it is submitted to. */
  MtvChannel *(*open_channel) (MtvWriter *self, GCancellable *cancellable, GError **error);
  void (*get_hints) (MtvWriter *self, MtvHints *hints); /* Default: leaves them alone */
};

gboolean mtv_writer_write (MtvWriter *self, guint64 offset, gconstpointer buffer, gsize length,
                           GCancellable *cancellable, GError **error);
gboolean mtv_writer_zero (MtvWriter *self, guint64 offset, guint64 length,
                          GCancellable *cancellable, GError **error);
gboolean mtv_writer_flush (MtvWriter *self, GCancellable *cancellable, GError **error);
/* For all kinds but MTV_IO_READ; otherwise as mtv_reader_open_channel(). */
MtvChannel *mtv_writer_open_channel (MtvWriter *self, GCancellable *cancellable, GError **error);
MtvHints mtv_writer_get_hints (MtvWriter *self);

G_END_DECLS
