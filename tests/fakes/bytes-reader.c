/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bytes-reader.h"

#include "base/mtv-error.h"

#include <string.h>

struct _BytesReader
{
  GObject parent;

  GBytes *bytes;  /* (owned) */
  guint n_reads;  /* (atomic) */
  guint64 bad_at; /* G_MAXUINT64: nowhere */
};

static void bytes_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (BytesReader, bytes_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, bytes_reader_reader_init))

static guint64
reader_get_size (MtvReader *reader)
{
  return g_bytes_get_size (BYTES_READER (reader)->bytes);
}

static gboolean
reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
             GCancellable *cancellable, GError **error)
{
  BytesReader *self = BYTES_READER (reader);
  const guint8 *from = g_bytes_get_data (self->bytes, NULL);

  (void) cancellable;
  g_atomic_int_inc (&self->n_reads);
  if (self->bad_at >= offset && self->bad_at - offset < length)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "Cable pulled");
      return FALSE;
    }
  if (length > 0)
    memcpy (buffer, from + offset, length);
  return TRUE;
}

static void
bytes_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = reader_get_size;
  iface->read = reader_read;
}

static void
bytes_reader_finalize (GObject *object)
{
  g_bytes_unref (BYTES_READER (object)->bytes);

  G_OBJECT_CLASS (bytes_reader_parent_class)->finalize (object);
}

static void
bytes_reader_class_init (BytesReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = bytes_reader_finalize;
}

static void
bytes_reader_init (BytesReader *self)
{
  self->bad_at = G_MAXUINT64;
}

BytesReader *
bytes_reader_new (GBytes *bytes)
{
  BytesReader *self = g_object_new (BYTES_TYPE_READER, NULL);

  self->bytes = g_bytes_ref (bytes);
  return self;
}

guint
bytes_reader_get_n_reads (BytesReader *self)
{
  return g_atomic_int_get (&self->n_reads);
}

void
bytes_reader_fail_at (BytesReader *self, guint64 offset)
{
  self->bad_at = offset;
}
