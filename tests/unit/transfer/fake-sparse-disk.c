/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-sparse-disk.h"

#include "transfer/mtv-aligned.h"

#include <string.h>

struct _FakeSparseDisk
{
  GObject parent;

  guint64 size;
  guint64 *windows; /* (owned) */
  guint n_windows;
  guint8 *data; /* (owned) of all windows */

  gint n_reads; /* (atomic) */
  gint n_extents;
  gint n_writes;
  gint n_zeroes;
};

static void sparse_reader_init (MtvReaderInterface *iface);
static void sparse_writer_init (MtvWriterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeSparseDisk, fake_sparse_disk, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, sparse_reader_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_WRITER, sparse_writer_init))

guint8 *
fake_sparse_disk_get_window (FakeSparseDisk *self, guint index)
{
  return self->data + (gsize) index * FAKE_WINDOW_SIZE;
}

/* The part of window @index in [@offset, @offset + @length); FALSE: none. */
static gboolean
cut (FakeSparseDisk *self, guint index, guint64 offset, guint64 length, guint64 *start,
     guint64 *end)
{
  *start = MAX (self->windows[index], offset);
  *end = MIN (self->windows[index] + FAKE_WINDOW_SIZE, offset + length);
  return *start < *end;
}

static guint8 *
byte_at (FakeSparseDisk *self, guint index, guint64 at)
{
  return fake_sparse_disk_get_window (self, index) + (at - self->windows[index]);
}

static guint64
sparse_get_size (MtvReader *reader)
{
  return FAKE_SPARSE_DISK (reader)->size;
}

static gboolean
sparse_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
             GCancellable *cancellable, GError **error)
{
  FakeSparseDisk *self = FAKE_SPARSE_DISK (reader);
  guint64 start;
  guint64 end;

  g_atomic_int_inc (&self->n_reads);
  memset (buffer, 0, length);
  for (guint i = 0; i < self->n_windows; i++)
    if (cut (self, i, offset, length, &start, &end))
      memcpy ((guint8 *) buffer + (start - offset), byte_at (self, i, start), end - start);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
add_extent (GArray *extents, guint64 start, guint64 end, gboolean zero)
{
  MtvExtent extent = { start, end - start, zero };

  if (start < end)
    g_array_append_val (extents, extent);
}

static gboolean
sparse_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                GCancellable *cancellable, GError **error)
{
  FakeSparseDisk *self = FAKE_SPARSE_DISK (reader);
  guint64 at = offset;
  guint64 start;
  guint64 end;

  g_atomic_int_inc (&self->n_extents);
  for (guint i = 0; i < self->n_windows; i++)
    if (cut (self, i, offset, length, &start, &end)
        && !mtv_is_zero (fake_sparse_disk_get_window (self, i), FAKE_WINDOW_SIZE))
      {
        add_extent (extents, at, start, TRUE);
        add_extent (extents, start, end, FALSE);
        at = end;
      }
  add_extent (extents, at, offset + length, TRUE);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gboolean
sparse_write (MtvWriter *writer, guint64 offset, gconstpointer buffer, gsize length,
              GCancellable *cancellable, GError **error)
{
  FakeSparseDisk *self = FAKE_SPARSE_DISK (writer);
  guint64 covered = 0;
  guint64 start;
  guint64 end;

  g_atomic_int_inc (&self->n_writes);
  for (guint i = 0; i < self->n_windows; i++)
    if (cut (self, i, offset, length, &start, &end))
      {
        memcpy (byte_at (self, i, start), (const guint8 *) buffer + (start - offset), end - start);
        covered += end - start;
      }
  g_assert_cmpuint (covered, ==, length);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gboolean
sparse_zero (MtvWriter *writer, guint64 offset, guint64 length, GCancellable *cancellable,
             GError **error)
{
  FakeSparseDisk *self = FAKE_SPARSE_DISK (writer);
  guint64 start;
  guint64 end;

  g_assert_cmpuint (offset + length, <=, self->size);
  g_atomic_int_inc (&self->n_zeroes);
  for (guint i = 0; i < self->n_windows; i++)
    if (cut (self, i, offset, length, &start, &end))
      memset (byte_at (self, i, start), 0, end - start);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static gboolean
sparse_flush (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  (void) writer;
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

static void
sparse_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = sparse_get_size;
  iface->read = sparse_read;
  iface->extents = sparse_extents;
}

static void
sparse_writer_init (MtvWriterInterface *iface)
{
  iface->write = sparse_write;
  iface->zero = sparse_zero;
  iface->flush = sparse_flush;
}

static void
fake_sparse_disk_finalize (GObject *object)
{
  FakeSparseDisk *self = FAKE_SPARSE_DISK (object);

  g_free (self->windows);
  g_free (self->data);

  G_OBJECT_CLASS (fake_sparse_disk_parent_class)->finalize (object);
}

static void
fake_sparse_disk_class_init (FakeSparseDiskClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_sparse_disk_finalize;
}

static void
fake_sparse_disk_init (FakeSparseDisk *self)
{
  (void) self;
}

FakeSparseDisk *
fake_sparse_disk_new (guint64 size, const guint64 *windows, guint n_windows)
{
  FakeSparseDisk *self = g_object_new (FAKE_TYPE_SPARSE_DISK, NULL);

  self->size = size;
  self->windows = g_memdup2 (windows, n_windows * sizeof *windows);
  self->n_windows = n_windows;
  self->data = g_malloc0_n (n_windows, FAKE_WINDOW_SIZE);
  return self;
}

guint
fake_sparse_disk_get_n_reads (FakeSparseDisk *self)
{
  return g_atomic_int_get (&self->n_reads);
}

guint
fake_sparse_disk_get_n_extents (FakeSparseDisk *self)
{
  return g_atomic_int_get (&self->n_extents);
}

guint
fake_sparse_disk_get_n_writes (FakeSparseDisk *self)
{
  return g_atomic_int_get (&self->n_writes);
}

guint
fake_sparse_disk_get_n_zeroes (FakeSparseDisk *self)
{
  return g_atomic_int_get (&self->n_zeroes);
}
