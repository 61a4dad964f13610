/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-direct-reader.h"

#include "transfer/mtv-aligned.h"
#include "transfer/mtv-file-channel.h"
#include "transfer/mtv-file-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define BOUNCE (256 * 1024)

struct _MtvDirectReader
{
  GObject parent;

  MtvReader *file; /* (owned) */
  int direct_fd;   /* (owned) or -1 */
  char *label;     /* (owned) */
};

static void mtv_direct_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvDirectReader, mtv_direct_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER,
                                                      mtv_direct_reader_reader_init))

static guint64
direct_reader_get_size (MtvReader *reader)
{
  return mtv_reader_get_size (MTV_DIRECT_READER (reader)->file);
}

/* One read of [@offset, @offset + @length) past the cache; FALSE where that cannot be had and the
 * other way has to give the bytes, or the error. */
static gboolean
read_direct (MtvDirectReader *self, guint64 offset, guint8 *buffer, gsize length)
{
  gsize skip = offset % MTV_ALIGNMENT;
  gsize whole = (skip + length + MTV_ALIGNMENT - 1) / MTV_ALIGNMENT * MTV_ALIGNMENT;
  gboolean fits = whole == length && GPOINTER_TO_SIZE (buffer) % MTV_ALIGNMENT == 0;
  g_autoptr (MtvAligned) bounce = fits ? NULL : mtv_aligned_new (whole);

  gssize n = pread (self->direct_fd, fits ? buffer : bounce, whole, offset - skip);
  if (n < 0 || (gsize) n < skip + length) /* at the end of the file it may be short of @whole */
    return FALSE;
  if (!fits)
    memcpy (buffer, bounce + skip, length);
  return TRUE;
}

static gboolean
direct_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                    GCancellable *cancellable, GError **error)
{
  MtvDirectReader *self = MTV_DIRECT_READER (reader);
  gsize step = length;

  if ((offset | length | GPOINTER_TO_SIZE (buffer)) % MTV_ALIGNMENT != 0)
    step = BOUNCE;
  for (gsize done = 0, n; done < length; done += n)
    {
      guint64 at = offset + done;
      guint8 *to = (guint8 *) buffer + done;

      n = MIN (step, length - done);
      if (self->direct_fd >= 0 && read_direct (self, at, to, n))
        continue;
      int fd = mtv_file_reader_get_fd (MTV_FILE_READER (self->file));
      (void) posix_fadvise (fd, at, n, POSIX_FADV_DONTNEED);
      if (!mtv_reader_read (self->file, at, to, n, cancellable, error))
        return FALSE;
      (void) posix_fadvise (fd, at, n, POSIX_FADV_DONTNEED);
    }
  return TRUE;
}

static gboolean
direct_reader_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                       GCancellable *cancellable, GError **error)
{
  return mtv_reader_extents (MTV_DIRECT_READER (reader)->file, offset, length, extents, cancellable,
                             error);
}

static MtvChannel *
direct_reader_open_channel (MtvReader *reader, GCancellable *cancellable, GError **error)
{
  MtvDirectReader *self = MTV_DIRECT_READER (reader);
  MtvReaderInterface *blocking = g_type_default_interface_peek (MTV_TYPE_READER);
  MtvFileEnd end = { .fd = mtv_file_reader_get_fd (MTV_FILE_READER (self->file)),
                     .direct_fd = self->direct_fd,
                     .uncached = TRUE,
                     .label = self->label };
  MtvChannel *channel = mtv_file_channel_new (&end);

  return channel != NULL ? channel : blocking->open_channel (reader, cancellable, error);
}

static void
mtv_direct_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = direct_reader_get_size;
  iface->read = direct_reader_read;
  iface->extents = direct_reader_extents;
  iface->open_channel = direct_reader_open_channel;
}

static void
mtv_direct_reader_finalize (GObject *object)
{
  MtvDirectReader *self = MTV_DIRECT_READER (object);

  g_clear_object (&self->file);
  if (self->direct_fd >= 0)
    close (self->direct_fd);
  g_free (self->label);

  G_OBJECT_CLASS (mtv_direct_reader_parent_class)->finalize (object);
}

static void
mtv_direct_reader_class_init (MtvDirectReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_direct_reader_finalize;
}

static void
mtv_direct_reader_init (MtvDirectReader *self)
{
  self->direct_fd = -1;
}

MtvReader *
mtv_direct_reader_new (int fd, int direct_fd, guint64 size, const char *label, GError **error)
{
  g_return_val_if_fail (fd >= 0, NULL);

  g_autoptr (MtvDirectReader) self = g_object_new (MTV_TYPE_DIRECT_READER, NULL);
  self->direct_fd = direct_fd;
  self->label = g_strdup (label);
  self->file = (MtvReader *) mtv_file_reader_new (fd, 0, size, label, error);
  close (fd);
  return self->file != NULL ? MTV_READER (g_steal_pointer (&self)) : NULL;
}
