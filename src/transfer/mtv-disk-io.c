/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-disk-io.h"

#include "transfer/mtv-blocking-channel.h"

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

static MtvChannel *
reader_open_blocking (MtvReader *self, GCancellable *cancellable, GError **error)
{
  (void) error;
  return mtv_blocking_channel_new (self, NULL, cancellable);
}

static void
reader_has_no_hints (MtvReader *self, MtvHints *hints)
{
  (void) self;
  (void) hints;
}

static void
mtv_reader_default_init (MtvReaderInterface *iface)
{
  iface->extents = reader_all_data;
  iface->open_channel = reader_open_blocking;
  iface->get_hints = reader_has_no_hints;
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

static MtvChannel *
writer_open_blocking (MtvWriter *self, GCancellable *cancellable, GError **error)
{
  (void) error;
  return mtv_blocking_channel_new (NULL, self, cancellable);
}

static void
writer_has_no_hints (MtvWriter *self, MtvHints *hints)
{
  (void) self;
  (void) hints;
}

static void
mtv_writer_default_init (MtvWriterInterface *iface)
{
  iface->zero = writer_zero_by_writing;
  iface->open_channel = writer_open_blocking;
  iface->get_hints = writer_has_no_hints;
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

MtvChannel *
mtv_reader_open_channel (MtvReader *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_READER (self), NULL);

  return MTV_READER_GET_IFACE (self)->open_channel (self, cancellable, error);
}

MtvHints
mtv_reader_get_hints (MtvReader *self)
{
  MtvHints hints = { 0 };

  g_return_val_if_fail (MTV_IS_READER (self), hints);

  MTV_READER_GET_IFACE (self)->get_hints (self, &hints);
  return hints;
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

MtvChannel *
mtv_writer_open_channel (MtvWriter *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_WRITER (self), NULL);

  return MTV_WRITER_GET_IFACE (self)->open_channel (self, cancellable, error);
}

MtvHints
mtv_writer_get_hints (MtvWriter *self)
{
  MtvHints hints = { 0 };

  g_return_val_if_fail (MTV_IS_WRITER (self), hints);

  MTV_WRITER_GET_IFACE (self)->get_hints (self, &hints);
  return hints;
}
