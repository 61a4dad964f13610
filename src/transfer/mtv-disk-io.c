/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-disk-io.h"

G_DEFINE_INTERFACE (MtvReader, mtv_reader, G_TYPE_OBJECT)
G_DEFINE_INTERFACE (MtvWriter, mtv_writer, G_TYPE_OBJECT)

static gboolean
reader_all_data (MtvReader *self, guint64 offset, guint64 length, GArray *extents,
                 GCancellable *cancellable, GError **error)
{
  MtvExtent extent = { offset, length, FALSE };

  (void) self;
  (void) cancellable;
  (void) error;
  g_array_append_val (extents, extent);
  return TRUE;
}

static void
mtv_reader_default_init (MtvReaderInterface *iface)
{
  iface->extents = reader_all_data;
}

static gboolean
writer_zero_by_writing (MtvWriter *self, guint64 offset, guint64 length, GCancellable *cancellable,
                        GError **error)
{
  static const guint8 zeroes[64 * 1024];

  for (guint64 done = 0; done < length;)
    {
      gsize step = MIN (length - done, sizeof zeroes);

      if (!mtv_writer_write (self, offset + done, zeroes, step, cancellable, error))
        return FALSE;
      done += step;
    }
  return TRUE;
}

static void
mtv_writer_default_init (MtvWriterInterface *iface)
{
  iface->zero = writer_zero_by_writing;
}

guint64
mtv_reader_get_size (MtvReader *self)
{
  g_return_val_if_fail (MTV_IS_READER (self), 0);

  return MTV_READER_GET_IFACE (self)->get_size (self);
}

gboolean
mtv_reader_read (MtvReader *self, guint64 offset, gpointer buffer, gsize length,
                 GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_READER (self), FALSE);
  g_return_val_if_fail (
      length <= mtv_reader_get_size (self) && offset <= mtv_reader_get_size (self) - length, FALSE);

  return MTV_READER_GET_IFACE (self)->read (self, offset, buffer, length, cancellable, error);
}

gboolean
mtv_reader_extents (MtvReader *self, guint64 offset, guint64 length, GArray *extents,
                    GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_READER (self), FALSE);
  g_return_val_if_fail (
      length <= mtv_reader_get_size (self) && offset <= mtv_reader_get_size (self) - length, FALSE);

  return MTV_READER_GET_IFACE (self)->extents (self, offset, length, extents, cancellable, error);
}

gboolean
mtv_writer_write (MtvWriter *self, guint64 offset, gconstpointer buffer, gsize length,
                  GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_WRITER (self), FALSE);

  return MTV_WRITER_GET_IFACE (self)->write (self, offset, buffer, length, cancellable, error);
}

gboolean
mtv_writer_zero (MtvWriter *self, guint64 offset, guint64 length, GCancellable *cancellable,
                 GError **error)
{
  g_return_val_if_fail (MTV_IS_WRITER (self), FALSE);

  return MTV_WRITER_GET_IFACE (self)->zero (self, offset, length, cancellable, error);
}

gboolean
mtv_writer_flush (MtvWriter *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_WRITER (self), FALSE);

  return MTV_WRITER_GET_IFACE (self)->flush (self, cancellable, error);
}
