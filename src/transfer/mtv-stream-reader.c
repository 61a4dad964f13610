/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-stream-reader.h"

#include "base/mtv-error.h"
#include "transfer/mtv-gzip-reader.h"

#include <archive.h>
#include <errno.h>
#include <string.h>

#define CHUNK (256 * 1024) /* bytes of the file, or of its contents, at a time */
#define TAIL 512           /* what a disk's format may be known by, without reading all of it */

#define MTV_TYPE_STREAM_READER (mtv_stream_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvStreamReader, mtv_stream_reader, MTV, STREAM_READER, GObject)

struct _MtvStreamReader
{
  GObject parent;

  MtvReader *packed; /* (owned) */
  int filter;        /* libarchive's */
  char *label;       /* (owned) */
  guint64 size;
  guint8 tail[TAIL]; /* of the contents, where they were counted */
  gsize tail_length;

  GMutex lock;
  struct _Stream *stream; /* (owned) (nullable) at rest */
};

/* A decoder somewhere in the file. */
typedef struct _Stream
{
  MtvStreamReader *reader; /* (unowned) */
  struct archive *archive; /* (owned) */
  guint64 in;              /* of the file, read so far */
  guint64 out;             /* of the contents, unpacked so far */
  gboolean empty;
  GCancellable *cancellable; /* (unowned) (nullable) of the call that is under way */
  GError *problem;           /* (owned) (nullable) of the file */
  guint8 buffer[CHUNK];
} Stream;

static void mtv_stream_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvStreamReader, mtv_stream_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER,
                                                      mtv_stream_reader_reader_init))

/* By MtvStreamKind. */
static const struct
{
  int filter;
  const char *magic;
  gsize length;
} formats[] = {
  [MTV_STREAM_NONE] = { ARCHIVE_FILTER_NONE, NULL, 0 },
  [MTV_STREAM_GZIP] = { ARCHIVE_FILTER_GZIP, "\x1f\x8b\x08", 3 },
  [MTV_STREAM_ZSTD] = { ARCHIVE_FILTER_ZSTD, "\x28\xb5\x2f\xfd", 4 },
  [MTV_STREAM_XZ] = { ARCHIVE_FILTER_XZ,
                      "\xfd"
                      "7zXZ",
                      6 },
  [MTV_STREAM_BZIP2] = { ARCHIVE_FILTER_BZIP2, "BZh", 3 },
  [MTV_STREAM_LZ4] = { ARCHIVE_FILTER_LZ4, "\x04\x22\x4d\x18", 4 },
};

MtvStreamKind
mtv_stream_sniff (const guint8 head[], gsize length)
{
  for (guint kind = MTV_STREAM_GZIP; kind < G_N_ELEMENTS (formats); kind++)
    if (length >= formats[kind].length
        && memcmp (head, formats[kind].magic, formats[kind].length) == 0)
      return kind;
  return MTV_STREAM_NONE;
}

static gboolean
fail (const MtvStreamReader *self, const Stream *stream, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s: %s at byte %" G_GUINT64_FORMAT " of its contents", self->label, what,
               stream->out);
  return FALSE;
}

/* --- libarchive --- */

static la_ssize_t
read_cb (struct archive *archive, void *data, const void **buffer)
{
  Stream *stream = data;
  MtvReader *packed = stream->reader->packed;
  gsize length = MIN (CHUNK, mtv_reader_get_size (packed) - stream->in);

  *buffer = stream->buffer;
  if (length == 0)
    return 0;
  if (stream->problem
      || !mtv_reader_read (packed, stream->in, stream->buffer, length, stream->cancellable,
                           &stream->problem))
    {
      archive_set_error (archive, EIO, "the file cannot be read");
      return -1;
    }
  stream->in += length;
  return length;
}

static gboolean
decoder_failed (Stream *stream, GError **error)
{
  const char *text = archive_error_string (stream->archive);
  g_autofree char *what = NULL;

  if (stream->problem)
    {
      g_propagate_error (error, g_steal_pointer (&stream->problem));
      return FALSE;
    }
  what = g_strdup_printf ("damaged or cut off (%s)", text ? text : "no reason given");
  return fail (stream->reader, stream, what, error);
}

static void
stream_free (Stream *stream)
{
  archive_read_free (stream->archive);
  g_clear_error (&stream->problem);
  g_free (stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stream, stream_free)

/* At the start of the contents. */
static Stream *
stream_new (MtvStreamReader *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (Stream) stream = g_new0 (Stream, 1);
  struct archive_entry *entry;

  stream->reader = self;
  stream->cancellable = cancellable;
  stream->archive = archive_read_new ();
  if (!stream->archive)
    g_error ("No memory for a decoder"); /* as g_malloc() ends */
  /* This filter and no other: the contents may look compressed, too. ARCHIVE_WARN would be a
   * program that libarchive starts. */
  if (archive_read_append_filter (stream->archive, self->filter) != ARCHIVE_OK
      || archive_read_set_format (stream->archive, ARCHIVE_FORMAT_RAW) != ARCHIVE_OK)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s: libarchive was built without this kind of compression", self->label);
      return NULL;
    }
  if (archive_read_open (stream->archive, stream, NULL, read_cb, NULL) != ARCHIVE_OK)
    {
      decoder_failed (stream, error);
      return NULL;
    }

  int status = archive_read_next_header (stream->archive, &entry);
  stream->empty = status == ARCHIVE_EOF;
  if (status != ARCHIVE_OK && status != ARCHIVE_EOF)
    {
      decoder_failed (stream, error);
      return NULL;
    }
  return g_steal_pointer (&stream);
}

/* At most @length bytes, of which @done came: less at the end only. */
static gboolean
decode (Stream *stream, gpointer buffer, gsize length, gsize *done, GCancellable *cancellable,
        GError **error)
{
  *done = 0;
  stream->cancellable = cancellable;
  while (*done < length && !stream->empty)
    {
      gsize step = MIN (length - *done, CHUNK);

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      la_ssize_t got = archive_read_data (stream->archive, (guint8 *) buffer + *done, step);
      if (got < 0)
        return decoder_failed (stream, error);
      if (got == 0)
        break;
      *done += got;
      stream->out += got;
    }
  return TRUE;
}

/* Decoders end where their stream does; what follows must be padding. */
static gboolean
check_rest (MtvStreamReader *self, Stream *stream, GCancellable *cancellable, GError **error)
{
  guint64 end = mtv_reader_get_size (self->packed);

  for (guint64 at = archive_filter_bytes (stream->archive, -1); at < end;)
    {
      gsize step = MIN (CHUNK, end - at);

      if (!mtv_reader_read (self->packed, at, stream->buffer, step, cancellable, error))
        return FALSE;
      for (gsize i = 0; i < step; i++)
        if (stream->buffer[i] != 0)
          return fail (self, stream, "something else follows the compressed data", error);
      at += step;
    }
  return TRUE;
}

/* Nothing more may come. */
static gboolean
check_end (MtvStreamReader *self, Stream *stream, GCancellable *cancellable, GError **error)
{
  guint8 surplus;
  gsize done;

  if (!decode (stream, &surplus, 1, &done, cancellable, error))
    return FALSE;
  if (done > 0)
    return fail (self, stream, "there is more than was promised", error);
  return check_rest (self, stream, cancellable, error);
}

/* --- reading --- */

/* Unpacks exactly @length bytes to @buffer, or, with NULL, past them. */
static gboolean
unpack (MtvStreamReader *self, Stream *stream, guint8 *buffer, guint64 length,
        GCancellable *cancellable, GError **error)
{
  g_autofree guint8 *unwanted = buffer ? NULL : g_malloc (CHUNK);

  while (length > 0)
    {
      gsize step = MIN (length, CHUNK);
      gsize done;

      if (!decode (stream, buffer ? buffer : unwanted, step, &done, cancellable, error))
        return FALSE;
      if (done < step)
        return fail (self, stream, "the data ends", error);
      length -= step;
      if (buffer)
        buffer += step;
    }
  return TRUE;
}

static Stream *
take_stream (MtvStreamReader *self, guint64 offset, GCancellable *cancellable, GError **error)
{
  g_autoptr (Stream) kept = NULL;

  g_mutex_lock (&self->lock);
  kept = g_steal_pointer (&self->stream);
  g_mutex_unlock (&self->lock);
  if (kept && kept->out <= offset)
    return g_steal_pointer (&kept);
  return stream_new (self, cancellable, error);
}

static void
give_back (MtvStreamReader *self, Stream *stream)
{
  g_mutex_lock (&self->lock);
  Stream *surplus = self->stream;
  self->stream = stream;
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&surplus, stream_free);
}

static gboolean
stream_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                    GCancellable *cancellable, GError **error)
{
  MtvStreamReader *self = MTV_STREAM_READER (reader);

  if (length == 0)
    return TRUE;
  if (self->tail_length > 0 && offset >= self->size - self->tail_length)
    {
      memcpy (buffer, self->tail + (offset - (self->size - self->tail_length)), length);
      return TRUE;
    }
  g_autoptr (Stream) stream = take_stream (self, offset, cancellable, error);
  if (!stream || !unpack (self, stream, NULL, offset - stream->out, cancellable, error)
      || !unpack (self, stream, buffer, length, cancellable, error)
      || (stream->out == self->size && !check_end (self, stream, cancellable, error)))
    return FALSE;
  give_back (self, g_steal_pointer (&stream));
  return TRUE;
}

static guint64
stream_reader_get_size (MtvReader *reader)
{
  return MTV_STREAM_READER (reader)->size;
}

static void
stream_reader_get_hints (MtvReader *reader, MtvHints *hints)
{
  (void) reader;
  hints->max_channels = 1;
  hints->in_order = TRUE;
}

static void
mtv_stream_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = stream_reader_get_size;
  iface->read = stream_reader_read;
  iface->get_hints = stream_reader_get_hints;
}

static void
mtv_stream_reader_finalize (GObject *object)
{
  MtvStreamReader *self = MTV_STREAM_READER (object);

  g_clear_pointer (&self->stream, stream_free);
  g_mutex_clear (&self->lock);
  g_clear_object (&self->packed);
  g_free (self->label);

  G_OBJECT_CLASS (mtv_stream_reader_parent_class)->finalize (object);
}

static void
mtv_stream_reader_class_init (MtvStreamReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_stream_reader_finalize;
}

static void
mtv_stream_reader_init (MtvStreamReader *self)
{
  g_mutex_init (&self->lock);
}

/* --- opening --- */

static void
keep_tail (MtvStreamReader *self, const guint8 *data, gsize length)
{
  gsize fresh = MIN (length, TAIL);
  gsize old = MIN (self->tail_length, TAIL - fresh);

  memmove (self->tail, self->tail + self->tail_length - old, old);
  memcpy (self->tail + old, data + length - fresh, fresh);
  self->tail_length = old + fresh;
}

/* The pass that counts. */
static gboolean
measure (MtvStreamReader *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (Stream) stream = stream_new (self, cancellable, error);
  g_autofree guint8 *unwanted = g_malloc (CHUNK);
  gsize done = CHUNK;

  while (stream && done == CHUNK)
    {
      if (!decode (stream, unwanted, CHUNK, &done, cancellable, error))
        return FALSE;
      keep_tail (self, unwanted, done);
    }
  if (!stream || !check_rest (self, stream, cancellable, error))
    return FALSE;
  self->size = stream->out;
  return TRUE;
}

static MtvReader *
open_gzip (MtvReader *packed, guint64 known_size, const char *label, GCancellable *cancellable,
           GError **error)
{
  g_autoptr (MtvGzipReader) gzip = mtv_gzip_reader_new (
      packed, known_size > 0 ? known_size : G_MAXINT64, label, cancellable, error);

  if (!gzip)
    return NULL;

  guint64 size = mtv_reader_get_size (MTV_READER (gzip));
  if (known_size == 0 || size == known_size)
    return MTV_READER (g_steal_pointer (&gzip));
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s: the data ends at byte %" G_GUINT64_FORMAT " of its contents", label, size);
  return NULL;
}

MtvReader *
mtv_stream_reader_open (MtvReader *packed, guint64 known_size, const char *label,
                        GCancellable *cancellable, GError **error)
{
  guint8 head[MTV_STREAM_HEAD] = { 0 };
  g_autoptr (MtvStreamReader) self = NULL;

  g_return_val_if_fail (MTV_IS_READER (packed), NULL);
  g_return_val_if_fail (label != NULL, NULL);

  gsize length = MIN (sizeof head, mtv_reader_get_size (packed));
  if (!mtv_reader_read (packed, 0, head, length, cancellable, error))
    return NULL;

  MtvStreamKind kind = mtv_stream_sniff (head, length);
  if (kind == MTV_STREAM_GZIP)
    return open_gzip (packed, known_size, label, cancellable, error);
  if (kind == MTV_STREAM_NONE)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s: not compressed, or in a way that is not known", label);
      return NULL;
    }
  self = g_object_new (MTV_TYPE_STREAM_READER, NULL);
  self->packed = g_object_ref (packed);
  self->filter = formats[kind].filter;
  self->label = g_strdup (label);
  self->size = known_size;
  return known_size > 0 || measure (self, cancellable, error) ? MTV_READER (g_steal_pointer (&self))
                                                              : NULL;
}
