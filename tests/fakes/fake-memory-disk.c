/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-memory-disk.h"

#include "base/mtv-error.h"
#include "transfer/mtv-blocking-channel.h"

#include <string.h>

#define GRANULE (64 * 1024)

struct _FakeMemoryDisk
{
  GObject parent;

  gsize size;
  guint8 *data; /* (owned) */
  gboolean all_data;
  gboolean in_order;
  gboolean corrupts;
  guint64 corrupt_at;
  FakeOpenChannel open; /* (nullable) */
  gpointer open_data;

  GMutex lock;      /* for all below */
  GArray *requests; /* (owned) (element-type FakeRequest) */
  gboolean fails;
  FakeRequest failing;
  int code;
  guint nth; /* 0: none */
  FakeOp nth_op;
  int nth_code;
  gboolean hangs;
  FakeOp hanging;
  GCancellable *cancellable; /* (nullable) (unowned) */
  guint64 cancel_at;
};

static void fake_reader_init (MtvReaderInterface *iface);
static void fake_writer_init (MtvWriterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (FakeMemoryDisk, fake_memory_disk, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, fake_reader_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_WRITER, fake_writer_init))

static gboolean
touches (const FakeRequest *request, guint64 offset, guint64 length)
{
  return request->offset < offset + length && offset < request->offset + request->length;
}

static void
wait_for_cancel (GCancellable *cancellable)
{
  GPollFD fd;

  if (!g_cancellable_make_pollfd (cancellable, &fd))
    return;
  g_poll (&fd, 1, -1);
  g_cancellable_release_fd (cancellable);
}

static gboolean
note (FakeMemoryDisk *self, FakeOp op, guint64 offset, guint64 length, GCancellable *cancellable,
      GError **error)
{
  FakeRequest request = { op, offset, length };

  g_mutex_lock (&self->lock);
  g_array_append_val (self->requests, request);
  gboolean fails = self->fails && self->failing.op == op
                   && (op == FAKE_FLUSH || touches (&request, self->failing.offset, 1));
  gboolean is_nth = self->nth > 0 && self->nth_op == op && --self->nth == 0;
  int code = is_nth ? self->nth_code : self->code;
  gboolean hangs = self->hangs && self->hanging == op;
  GCancellable *due
      = op == FAKE_READ && touches (&request, self->cancel_at, 1) ? self->cancellable : NULL;
  g_mutex_unlock (&self->lock);

  g_cancellable_cancel (due);
  if (hangs)
    wait_for_cancel (cancellable);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (fails || is_nth)
    g_set_error (error, MTV_ERROR, code, "Request %d at byte %" G_GUINT64_FORMAT " failed", op,
                 is_nth ? offset : self->failing.offset);
  return !fails && !is_nth;
}

static guint64
fake_get_size (MtvReader *reader)
{
  return FAKE_MEMORY_DISK (reader)->size;
}

static gboolean
fake_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
           GCancellable *cancellable, GError **error)
{
  FakeMemoryDisk *self = FAKE_MEMORY_DISK (reader);

  if (!note (self, FAKE_READ, offset, length, cancellable, error))
    return FALSE;
  memcpy (buffer, self->data + offset, length);
  return TRUE;
}

static gboolean
fake_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
              GCancellable *cancellable, GError **error)
{
  static const guint8 zeroes[GRANULE];
  FakeMemoryDisk *self = FAKE_MEMORY_DISK (reader);

  if (!note (self, FAKE_EXTENTS, offset, length, cancellable, error))
    return FALSE;
  for (guint64 at = offset; at < offset + length;)
    {
      guint64 step = MIN (GRANULE - at % GRANULE, offset + length - at);
      MtvExtent extent = { at, step, FALSE };

      extent.zero = !self->all_data && memcmp (self->data + at, zeroes, step) == 0;
      g_array_append_val (extents, extent);
      at += step;
    }
  return TRUE;
}

static void
corrupt (FakeMemoryDisk *self, guint64 offset, guint64 length)
{
  if (self->corrupts && self->corrupt_at >= offset && self->corrupt_at < offset + length)
    self->data[self->corrupt_at] ^= 0x20;
}

static gboolean
fake_write (MtvWriter *writer, guint64 offset, gconstpointer buffer, gsize length,
            GCancellable *cancellable, GError **error)
{
  FakeMemoryDisk *self = FAKE_MEMORY_DISK (writer);

  g_assert_cmpuint (offset + length, <=, self->size);
  if (!note (self, FAKE_WRITE, offset, length, cancellable, error))
    return FALSE;
  memcpy (self->data + offset, buffer, length);
  corrupt (self, offset, length);
  return TRUE;
}

static gboolean
fake_zero (MtvWriter *writer, guint64 offset, guint64 length, GCancellable *cancellable,
           GError **error)
{
  FakeMemoryDisk *self = FAKE_MEMORY_DISK (writer);

  g_assert_cmpuint (offset + length, <=, self->size);
  if (!note (self, FAKE_ZERO, offset, length, cancellable, error))
    return FALSE;
  memset (self->data + offset, 0, length);
  corrupt (self, offset, length);
  return TRUE;
}

static gboolean
fake_flush (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  return note (FAKE_MEMORY_DISK (writer), FAKE_FLUSH, 0, 0, cancellable, error);
}

static void
fake_get_hints (MtvReader *reader, MtvHints *hints)
{
  hints->in_order = FAKE_MEMORY_DISK (reader)->in_order;
  if (hints->in_order)
    hints->max_channels = 1;
}

static MtvChannel *
open_channel (FakeMemoryDisk *self, MtvReader *reader, MtvWriter *writer, GCancellable *cancellable)
{
  return self->open != NULL ? self->open (reader, writer, cancellable, self->open_data)
                            : mtv_blocking_channel_new (reader, writer, cancellable);
}

static MtvChannel *
fake_open_reader (MtvReader *reader, GCancellable *cancellable, GError **error)
{
  (void) error;
  return open_channel (FAKE_MEMORY_DISK (reader), reader, NULL, cancellable);
}

static MtvChannel *
fake_open_writer (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  (void) error;
  return open_channel (FAKE_MEMORY_DISK (writer), NULL, writer, cancellable);
}

static void
fake_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = fake_get_size;
  iface->read = fake_read;
  iface->extents = fake_extents;
  iface->get_hints = fake_get_hints;
  iface->open_channel = fake_open_reader;
}

static void
fake_writer_init (MtvWriterInterface *iface)
{
  iface->write = fake_write;
  iface->zero = fake_zero;
  iface->flush = fake_flush;
  iface->open_channel = fake_open_writer;
}

static void
fake_memory_disk_finalize (GObject *object)
{
  FakeMemoryDisk *self = FAKE_MEMORY_DISK (object);

  g_free (self->data);
  g_array_unref (self->requests);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (fake_memory_disk_parent_class)->finalize (object);
}

static void
fake_memory_disk_class_init (FakeMemoryDiskClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = fake_memory_disk_finalize;
}

static void
fake_memory_disk_init (FakeMemoryDisk *self)
{
  g_mutex_init (&self->lock);
  self->requests = g_array_new (FALSE, FALSE, sizeof (FakeRequest));
}

FakeMemoryDisk *
fake_memory_disk_new (gsize size)
{
  FakeMemoryDisk *self = g_object_new (FAKE_TYPE_MEMORY_DISK, NULL);

  self->size = size;
  self->data = g_malloc0 (size);
  return self;
}

guint8 *
fake_memory_disk_get_data (FakeMemoryDisk *self)
{
  return self->data;
}

void
fake_memory_disk_set_all_data (FakeMemoryDisk *self)
{
  self->all_data = TRUE;
}

void
fake_memory_disk_fail (FakeMemoryDisk *self, FakeOp op, guint64 offset, int code)
{
  self->fails = TRUE;
  self->failing.op = op;
  self->failing.offset = offset;
  self->code = code;
}

void
fake_memory_disk_fail_nth (FakeMemoryDisk *self, FakeOp op, guint n, int code)
{
  self->nth_op = op;
  self->nth = n;
  self->nth_code = code;
}

void
fake_memory_disk_hang (FakeMemoryDisk *self, FakeOp op)
{
  self->hangs = TRUE;
  self->hanging = op;
}

void
fake_memory_disk_corrupt (FakeMemoryDisk *self, guint64 offset)
{
  self->corrupts = TRUE;
  self->corrupt_at = offset;
}

void
fake_memory_disk_set_in_order (FakeMemoryDisk *self)
{
  self->in_order = TRUE;
}

void
fake_memory_disk_set_channels (FakeMemoryDisk *self, FakeOpenChannel open, gpointer data)
{
  self->open = open;
  self->open_data = data;
}

void
fake_memory_disk_cancel_at (FakeMemoryDisk *self, guint64 offset, GCancellable *cancellable)
{
  self->cancel_at = offset;
  self->cancellable = cancellable;
}

guint
fake_memory_disk_count (FakeMemoryDisk *self, FakeOp op, guint64 offset, guint64 length)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  guint n = 0;

  for (guint i = 0; i < self->requests->len; i++)
    {
      FakeRequest *request = &g_array_index (self->requests, FakeRequest, i);

      n += request->op == op && (op == FAKE_FLUSH || touches (request, offset, length));
    }
  return n;
}

void
fake_memory_disk_forget (FakeMemoryDisk *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  g_array_set_size (self->requests, 0);
}
