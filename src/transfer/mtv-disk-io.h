/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  guint64 offset;
  guint64 length;
  gboolean zero; /* reads as zeroes: nothing to transfer */
} MtvExtent;

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
};

gboolean mtv_writer_write (MtvWriter *self, guint64 offset, gconstpointer buffer, gsize length,
                           GCancellable *cancellable, GError **error);
gboolean mtv_writer_zero (MtvWriter *self, guint64 offset, guint64 length,
                          GCancellable *cancellable, GError **error);
gboolean mtv_writer_flush (MtvWriter *self, GCancellable *cancellable, GError **error);

G_END_DECLS
