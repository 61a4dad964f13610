/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-file-reader.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer/mtv-file-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

struct _MtvFileReader
{
  GObject parent;

  int fd; /* (owned) */
  guint64 offset;
  guint64 length;
  char *name; /* (owned) */
};

static void mtv_file_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvFileReader, mtv_file_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, mtv_file_reader_reader_init))

static guint64
file_reader_get_size (MtvReader *reader)
{
  return MTV_FILE_READER (reader)->length;
}

static gboolean
file_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                  GCancellable *cancellable, GError **error)
{
  MtvFileReader *self = MTV_FILE_READER (reader);

  return !g_cancellable_set_error_if_cancelled (cancellable, error)
         && mtv_io_pread (self->fd, buffer, length, self->offset + offset, self->name, error);
}

/* The end of the run of data (or of hole) that begins at @at, within @end. */
static guint64
run_end (MtvFileReader *self, guint64 at, guint64 end, gboolean *hole)
{
  off_t data = lseek (self->fd, at, SEEK_DATA);

  if (data < 0 && errno == ENXIO) /* nothing but a hole up to the end of the file */
    {
      off_t size = lseek (self->fd, 0, SEEK_END);

      *hole = size > 0 && at < (guint64) size;
      return *hole ? MIN (end, (guint64) size) : end; /* past the end: reading it will tell */
    }
  *hole = data > 0 && (guint64) data > at;
  if (data < 0)
    return end; /* a file system without SEEK_DATA: all data */
  if (*hole)
    return MIN (end, (guint64) data);

  off_t next = lseek (self->fd, at, SEEK_HOLE);
  return next < 0 ? end : MIN (end, (guint64) next);
}

static gboolean
file_reader_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                     GCancellable *cancellable, GError **error)
{
  MtvFileReader *self = MTV_FILE_READER (reader);
  guint64 end = self->offset + offset + length;

  for (guint64 at = self->offset + offset; at < end;)
    {
      MtvExtent extent = { .offset = at - self->offset };
      guint64 next = run_end (self, at, end, &extent.zero);

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      extent.length = next - at;
      g_array_append_val (extents, extent);
      at = next;
    }
  return TRUE;
}

/* By the page cache: what is read is often there already, and is asked for in an order that lets
 * the kernel read ahead. */
static MtvChannel *
file_reader_open_channel (MtvReader *reader, GCancellable *cancellable, GError **error)
{
  MtvFileReader *self = MTV_FILE_READER (reader);
  MtvReaderInterface *blocking = g_type_default_interface_peek (MTV_TYPE_READER);
  MtvFileEnd end = { .fd = self->fd, .direct_fd = -1, .base = self->offset, .label = self->name };
  MtvChannel *channel = mtv_file_channel_new (&end);

  return channel != NULL ? channel : blocking->open_channel (reader, cancellable, error);
}

static void
mtv_file_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = file_reader_get_size;
  iface->read = file_reader_read;
  iface->extents = file_reader_extents;
  iface->open_channel = file_reader_open_channel;
}

static void
mtv_file_reader_finalize (GObject *object)
{
  MtvFileReader *self = MTV_FILE_READER (object);

  if (self->fd >= 0)
    close (self->fd);
  g_free (self->name);

  G_OBJECT_CLASS (mtv_file_reader_parent_class)->finalize (object);
}

static void
mtv_file_reader_class_init (MtvFileReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_file_reader_finalize;
}

static void
mtv_file_reader_init (MtvFileReader *self)
{
  self->fd = -1;
}

MtvFileReader *
mtv_file_reader_new (int fd, guint64 offset, guint64 length, const char *name, GError **error)
{
  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (offset <= G_MAXINT64 && length <= G_MAXINT64 - offset, NULL);

  int own = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (own < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", name);
      return NULL;
    }

  MtvFileReader *self = g_object_new (MTV_TYPE_FILE_READER, NULL);
  self->fd = own;
  self->offset = offset;
  self->length = length;
  self->name = g_strdup (name);
  return self;
}

int
mtv_file_reader_get_fd (MtvFileReader *self)
{
  g_return_val_if_fail (MTV_IS_FILE_READER (self), -1);

  return self->fd;
}

guint64
mtv_file_reader_get_offset (MtvFileReader *self)
{
  g_return_val_if_fail (MTV_IS_FILE_READER (self), 0);

  return self->offset;
}
