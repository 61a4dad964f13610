/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-gzip-reader.h"

#include "base/mtv-error.h"

#include <string.h>
#include <zlib.h>

#define CHUNK (64 * 1024)            /* bytes of the file, or of its contents, at a time */
#define WINDOW 32768                 /* what deflate can look back to: RFC 1951 */
#define FIRST_SPAN (4 * 1024 * 1024) /* contents between points, at first */
#define MAX_POINTS 512               /* 16 MiB of windows */
#define MAX_STREAMS 4                /* unpacking threads whose place is remembered */
#define GZIP (15 + 16)               /* zlib: header and trailer are read and checked */
#define RAW (-15)                    /* zlib: they are not */
#define TRAILER 8                    /* CRC-32 and length */

/* A place to start from: the end of a deflate block. */
typedef struct
{
  guint64 in;  /* next whole byte of the file */
  guint64 out; /* of the contents */
  guint8 bits; /* of the byte before @in that are still to be used */
  guint32 window_size;
  guint8 window[]; /* the contents before @out */
} Point;

/* An inflater somewhere in the file. */
typedef struct
{
  z_stream z;
  guint64 in;   /* of the file, read so far */
  guint64 out;  /* of the contents, unpacked so far */
  gboolean raw; /* within the member in which it was started: its trailer is ours to skip */
  guint8 buffer[CHUNK];
} Stream;

struct _MtvGzipReader
{
  GObject parent;

  MtvReader *file; /* (owned) */
  char *label;     /* (owned) */
  guint64 size;
  GPtrArray *points; /* (owned) (element-type Point) by @out, constant after the pass */

  GMutex lock;
  GPtrArray *streams; /* (owned) (element-type Stream) at rest, the latest used last */
};

static void mtv_gzip_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvGzipReader, mtv_gzip_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, mtv_gzip_reader_reader_init))

static void
stream_free (Stream *stream)
{
  inflateEnd (&stream->z);
  g_free (stream);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Stream, stream_free)

static gboolean
fail (const MtvGzipReader *self, const Stream *stream, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s: %s at byte %" G_GUINT64_FORMAT,
               self->label, what, stream->in - stream->z.avail_in);
  return FALSE;
}

/* @point: NULL for the beginning of the file. */
static Stream *
stream_new (const Point *point)
{
  Stream *stream = g_new0 (Stream, 1);

  if (inflateInit2 (&stream->z, point ? RAW : GZIP) != Z_OK)
    g_error ("No memory for an inflater"); /* as g_malloc() ends */
  if (point)
    {
      stream->in = point->in - (point->bits ? 1 : 0);
      stream->out = point->out;
      stream->raw = TRUE;
    }
  return stream;
}

/* Makes some of the file available, if there is any left. */
static gboolean
stream_fill (const MtvGzipReader *self, Stream *stream, GCancellable *cancellable, GError **error)
{
  guint64 left = mtv_reader_get_size (self->file) - stream->in;
  gsize length = MIN (left, CHUNK);

  if (stream->z.avail_in > 0 || length == 0)
    return TRUE;
  if (!mtv_reader_read (self->file, stream->in, stream->buffer, length, cancellable, error))
    return FALSE;
  stream->in += length;
  stream->z.next_in = stream->buffer;
  stream->z.avail_in = length;
  return TRUE;
}

/* Gives the inflater what it must know of the bytes before @point. */
static gboolean
stream_prime (const MtvGzipReader *self, Stream *stream, const Point *point,
              GCancellable *cancellable, GError **error)
{
  if (point->bits)
    {
      if (!stream_fill (self, stream, cancellable, error))
        return FALSE;
      inflatePrime (&stream->z, point->bits, stream->z.next_in[0] >> (8 - point->bits));
      stream->z.next_in++;
      stream->z.avail_in--;
    }
  inflateSetDictionary (&stream->z, point->window, point->window_size);
  return TRUE;
}

/* Behind a member: on to the next one. */
static gboolean
stream_next_member (const MtvGzipReader *self, Stream *stream, GCancellable *cancellable,
                    GError **error)
{
  for (guint skip = stream->raw ? TRAILER : 0; skip > 0;)
    {
      if (!stream_fill (self, stream, cancellable, error))
        return FALSE;

      guint step = MIN (skip, stream->z.avail_in);
      if (step == 0)
        return fail (self, stream, "gzip data ends early", error);
      stream->z.next_in += step;
      stream->z.avail_in -= step;
      skip -= step;
    }
  stream->raw = FALSE;
  inflateReset2 (&stream->z, GZIP);
  return TRUE;
}

/* Inflates once, at most @length bytes to @to. @status: what zlib said, Z_OK or Z_STREAM_END. */
static gboolean
stream_inflate (const MtvGzipReader *self, Stream *stream, guint8 *to, gsize *length, int flush,
                int *status, GCancellable *cancellable, GError **error)
{
  if (g_cancellable_set_error_if_cancelled (cancellable, error)
      || !stream_fill (self, stream, cancellable, error))
    return FALSE;
  stream->z.next_out = to;
  stream->z.avail_out = *length;
  *status = inflate (&stream->z, flush);
  *length -= stream->z.avail_out;
  stream->out += *length;
  if (*status == Z_OK || *status == Z_STREAM_END)
    return TRUE;
  return fail (self, stream,
               *status == Z_BUF_ERROR ? "gzip data ends early" : "gzip data is damaged", error);
}

/* --- the pass --- */

static void
thin_out (GPtrArray *points)
{
  guint kept = 0;

  for (guint i = 0; i < points->len; i++)
    if (i % 2)
      g_free (points->pdata[i]);
    else
      points->pdata[kept++] = points->pdata[i];
  /* The elements cut off are copies of pointers, or freed. */
  g_ptr_array_set_free_func (points, NULL);
  g_ptr_array_set_size (points, kept);
  g_ptr_array_set_free_func (points, g_free);
}

static void
add_point (MtvGzipReader *self, Stream *stream)
{
  guint8 window[WINDOW];
  uInt length = 0;

  inflateGetDictionary (&stream->z, window, &length);

  Point *point = g_malloc (sizeof *point + length);
  point->in = stream->in - stream->z.avail_in;
  point->out = stream->out;
  point->bits = stream->z.data_type & 7;
  point->window_size = length;
  memcpy (point->window, window, length);
  g_ptr_array_add (self->points, point);
}

/* zlib's data_type after Z_BLOCK: 128 at the end of a block or of a header, 64 in the last block.
 */
static gboolean
is_block_end (const Stream *stream)
{
  return (stream->z.data_type & 128) && !(stream->z.data_type & 64);
}

/* TRUE with @more unset at the end of the file; zeroes may follow the last member. */
static gboolean
find_member (const MtvGzipReader *self, Stream *stream, gboolean *more, GCancellable *cancellable,
             GError **error)
{
  gboolean first = TRUE;

  for (*more = FALSE;; first = FALSE)
    {
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !stream_fill (self, stream, cancellable, error))
        return FALSE;
      if (stream->z.avail_in == 0)
        return TRUE;
      *more = first && stream->z.next_in[0] == 0x1f;
      if (*more)
        return TRUE;
      for (; stream->z.avail_in > 0; stream->z.avail_in--)
        if (*stream->z.next_in++ != 0)
          return fail (self, stream, "something else follows the gzip data", error);
    }
}

static gboolean
pass (MtvGzipReader *self, guint64 max_size, GCancellable *cancellable, GError **error)
{
  g_autoptr (Stream) stream = stream_new (NULL);
  guint64 span = FIRST_SPAN;
  guint64 last = 0;
  gboolean more = TRUE;

  while (more)
    {
      guint8 contents[CHUNK];
      gsize length = sizeof contents;
      int status;

      if (!stream_inflate (self, stream, contents, &length, Z_BLOCK, &status, cancellable, error))
        return FALSE;
      if (stream->out > max_size)
        return fail (self, stream, "gzip data unpacks to more than it may", error);
      if (status == Z_STREAM_END)
        {
          if (!stream_next_member (self, stream, cancellable, error)
              || !find_member (self, stream, &more, cancellable, error))
            return FALSE;
        }
      else if (is_block_end (stream) && stream->out - last >= span)
        {
          add_point (self, stream);
          last = stream->out;
          if (self->points->len == MAX_POINTS)
            {
              thin_out (self->points);
              span *= 2;
            }
        }
    }
  self->size = stream->out;
  return TRUE;
}

/* --- reading --- */

static const Point *
find_point (const MtvGzipReader *self, guint64 offset)
{
  const Point *found = NULL;

  for (guint i = 0; i < self->points->len; i++)
    {
      const Point *point = self->points->pdata[i];

      if (point->out > offset)
        break;
      found = point;
    }
  return found;
}

/* The stream at rest that is nearest before @offset and not before @from, for the caller alone. */
static Stream *
take_stream (MtvGzipReader *self, guint64 from, guint64 offset)
{
  Stream *taken = NULL;

  g_mutex_lock (&self->lock);
  guint found = self->streams->len;
  for (guint i = 0; i < self->streams->len; i++)
    {
      const Stream *stream = self->streams->pdata[i];

      if (stream->out < from || stream->out > offset)
        continue;
      if (found == self->streams->len
          || stream->out > ((const Stream *) self->streams->pdata[found])->out)
        found = i;
    }
  if (found < self->streams->len)
    taken = g_ptr_array_steal_index (self->streams, found);
  g_mutex_unlock (&self->lock);
  return taken;
}

static void
give_back (MtvGzipReader *self, Stream *stream)
{
  g_mutex_lock (&self->lock);
  if (self->streams->len == MAX_STREAMS)
    g_ptr_array_remove_index (self->streams, 0);
  g_ptr_array_add (self->streams, stream);
  g_mutex_unlock (&self->lock);
}

static Stream *
open_stream (MtvGzipReader *self, guint64 offset, GCancellable *cancellable, GError **error)
{
  const Point *point = find_point (self, offset);
  Stream *kept = take_stream (self, point ? point->out : 0, offset);

  if (kept)
    return kept;

  g_autoptr (Stream) stream = stream_new (point);
  if (point && !stream_prime (self, stream, point, cancellable, error))
    return NULL;
  return g_steal_pointer (&stream);
}

/* Unpacks exactly @length bytes to @to, or, with NULL, past them. */
static gboolean
unpack (MtvGzipReader *self, Stream *stream, guint8 *to, guint64 length, GCancellable *cancellable,
        GError **error)
{
  while (length > 0)
    {
      guint8 unwanted[CHUNK];
      gsize step = MIN (length, to ? G_MAXINT32 : sizeof unwanted);
      int status;

      if (!stream_inflate (self, stream, to ? to : unwanted, &step, Z_NO_FLUSH, &status,
                           cancellable, error)
          || (status == Z_STREAM_END && !stream_next_member (self, stream, cancellable, error)))
        return FALSE;
      length -= step;
      if (to)
        to += step;
    }
  return TRUE;
}

static gboolean
gzip_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                  GCancellable *cancellable, GError **error)
{
  MtvGzipReader *self = MTV_GZIP_READER (reader);

  if (length == 0)
    return TRUE;
  g_autoptr (Stream) stream = open_stream (self, offset, cancellable, error);
  if (!stream || !unpack (self, stream, NULL, offset - stream->out, cancellable, error)
      || !unpack (self, stream, buffer, length, cancellable, error))
    return FALSE;
  give_back (self, g_steal_pointer (&stream));
  return TRUE;
}

static guint64
gzip_reader_get_size (MtvReader *reader)
{
  return MTV_GZIP_READER (reader)->size;
}

static void
mtv_gzip_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = gzip_reader_get_size;
  iface->read = gzip_reader_read;
}

static void
mtv_gzip_reader_finalize (GObject *object)
{
  MtvGzipReader *self = MTV_GZIP_READER (object);

  g_ptr_array_unref (self->streams);
  g_ptr_array_unref (self->points);
  g_mutex_clear (&self->lock);
  g_clear_object (&self->file);
  g_free (self->label);

  G_OBJECT_CLASS (mtv_gzip_reader_parent_class)->finalize (object);
}

static void
mtv_gzip_reader_class_init (MtvGzipReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_gzip_reader_finalize;
}

static void
mtv_gzip_reader_init (MtvGzipReader *self)
{
  g_mutex_init (&self->lock);
  self->points = g_ptr_array_new_with_free_func (g_free);
  self->streams = g_ptr_array_new_with_free_func ((GDestroyNotify) stream_free);
}

MtvGzipReader *
mtv_gzip_reader_new (MtvReader *file, guint64 max_size, const char *label,
                     GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_READER (file), NULL);
  g_return_val_if_fail (label != NULL, NULL);

  g_autoptr (MtvGzipReader) self = g_object_new (MTV_TYPE_GZIP_READER, NULL);
  self->file = g_object_ref (file);
  self->label = g_strdup (label);
  return pass (self, max_size, cancellable, error) ? g_steal_pointer (&self) : NULL;
}
