/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-reader.h"

#include "base/mtv-error.h"
#include "transfer/mtv-vmdk-grain.h"
#include "transfer/mtv-vmdk-header.h"
#include "transfer/mtv-vmdk-tables.h"

#define LOOKUP 256                /* grains looked up at once */
#define MAX_RUN (2 * 1024 * 1024) /* bytes of compressed records read at once */
#define RECORD_GAP (32 * 1024)    /* what may lie between records of one run: grain tables */

struct _MtvVmdkReader
{
  GObject parent;

  MtvReader *file; /* (owned) */
  char *label;     /* (owned) */
  guint64 serial;  /* which reader a thread's last grain is of */
  guint64 size;
  guint64 grain_bytes;
  MtvVmdkHeader header;
  MtvVmdkTables *tables; /* (owned) */
};

/* One call of read(): what is asked for, and the grains of it that are looked at now. */
typedef struct
{
  MtvVmdkReader *self; /* (unowned) */
  guint64 offset;
  guint64 end;
  guint8 *buffer; /* (unowned) for @offset on */
  guint64 first;
  gsize n;
  guint32 values[LOOKUP];
  GCancellable *cancellable; /* (unowned) (nullable) */
} Request;

static void mtv_vmdk_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvVmdkReader, mtv_vmdk_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, mtv_vmdk_reader_reader_init))

/* The part of grain @i of the request that is asked for. */
static guint64
part_start (const Request *request, gsize i)
{
  return MAX (request->offset, (request->first + i) * request->self->grain_bytes);
}

static guint64
part_end (const Request *request, gsize i)
{
  return MIN (request->end, (request->first + i + 1) * request->self->grain_bytes);
}

/* Neighbours on the disk that are neighbours in the file are one read, right into the buffer. */
static gboolean
read_plain_run (Request *request, gsize i, gsize *count, GError **error)
{
  const MtvVmdkReader *self = request->self;
  gsize n = 1;

  while (i + n < request->n
         && request->values[i + n] == request->values[i] + n * self->header.grain_size)
    n++;
  *count = n;

  guint64 start = part_start (request, i);
  guint64 within = start - (request->first + i) * self->grain_bytes;
  return mtv_reader_read (self->file, (guint64) request->values[i] * MTV_VMDK_SECTOR + within,
                          request->buffer + (start - request->offset),
                          part_end (request, i + n - 1) - start, request->cancellable, error);
}

/* Grains from the @i-th on whose records follow each other closely enough for one read. @stop is
 * the byte of the file behind the last record, or a guess that is not too low. */
static gsize
find_record_run (const Request *request, gsize i, guint64 *stop)
{
  const MtvVmdkReader *self = request->self;
  guint64 longest = mtv_vmdk_max_record (&self->header) + MTV_VMDK_SECTOR;
  guint64 start = (guint64) request->values[i] * MTV_VMDK_SECTOR;
  gsize n = 1;

  for (; i + n < request->n; n++)
    {
      guint64 previous = (guint64) request->values[i + n - 1] * MTV_VMDK_SECTOR;
      guint64 next = (guint64) request->values[i + n] * MTV_VMDK_SECTOR;

      if (request->values[i + n] <= MTV_VMDK_GRAIN_ZERO || next <= previous
          || next - previous > longest + RECORD_GAP || next + longest - start > MAX_RUN)
        break;
    }
  *stop = MIN (mtv_reader_get_size (self->file),
               (guint64) request->values[i + n - 1] * MTV_VMDK_SECTOR + longest);
  return n;
}

static gboolean
fill_from_record (Request *request, gsize i, const guint8 *record, gsize available, GError **error)
{
  const MtvVmdkReader *self = request->self;
  guint64 start = part_start (request, i);
  guint64 end = part_end (request, i);
  guint64 grain_start = (request->first + i) * self->grain_bytes;
  MtvVmdkRecord of = { .serial = self->serial,
                       .grain = request->first + i,
                       .lba = grain_start / MTV_VMDK_SECTOR,
                       .grain_bytes = self->grain_bytes,
                       .needed = MIN (self->grain_bytes, self->size - grain_start),
                       .position = (guint64) request->values[i] * MTV_VMDK_SECTOR,
                       .label = self->label };
  guint8 *to = request->buffer + (start - request->offset);

  if (end - start == self->grain_bytes)
    return mtv_vmdk_grain_inflate (&of, record, available, to, error);

  const guint8 *grain = mtv_vmdk_grain_inflate_kept (&of, record, available, error);
  if (grain)
    memcpy (to, grain + (start - grain_start), end - start);
  return grain != NULL;
}

static gboolean
read_record_run (Request *request, gsize i, gsize *count, GError **error)
{
  MtvVmdkReader *self = request->self;
  guint64 start = (guint64) request->values[i] * MTV_VMDK_SECTOR;
  guint64 part = part_start (request, i);
  guint64 stop;

  const guint8 *kept = mtv_vmdk_grain_get_kept (self->serial, request->first + i);
  if (kept)
    {
      *count = 1;
      memcpy (request->buffer + (part - request->offset),
              kept + (part - (request->first + i) * self->grain_bytes),
              part_end (request, i) - part);
      return TRUE;
    }

  *count = find_record_run (request, i, &stop);
  guint8 *records = mtv_vmdk_grain_get_buffer (stop - start);
  if (!mtv_reader_read (self->file, start, records, stop - start, request->cancellable, error))
    return FALSE;
  for (gsize k = 0; k < *count; k++)
    {
      guint64 at = (guint64) request->values[i + k] * MTV_VMDK_SECTOR;
      guint64 next = k + 1 < *count ? (guint64) request->values[i + k + 1] * MTV_VMDK_SECTOR : stop;

      if (!fill_from_record (request, i + k, records + (at - start), next - at, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
read_grains (Request *request, GError **error)
{
  const MtvVmdkReader *self = request->self;
  gsize count = 1;

  for (gsize i = 0; i < request->n; i += count)
    {
      guint64 start = part_start (request, i);

      count = 1;
      if (request->values[i] <= MTV_VMDK_GRAIN_ZERO)
        memset (request->buffer + (start - request->offset), 0, part_end (request, i) - start);
      else if (self->header.compressed ? !read_record_run (request, i, &count, error)
                                       : !read_plain_run (request, i, &count, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
vmdk_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                  GCancellable *cancellable, GError **error)
{
  MtvVmdkReader *self = MTV_VMDK_READER (reader);
  Request request = { .self = self,
                      .offset = offset,
                      .end = offset + length,
                      .buffer = buffer,
                      .cancellable = cancellable };
  guint64 n_grains = (offset + length + self->grain_bytes - 1) / self->grain_bytes;

  for (guint64 grain = offset / self->grain_bytes; grain < n_grains; grain += request.n)
    {
      request.first = grain;
      request.n = MIN (n_grains - grain, LOOKUP);
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !mtv_vmdk_tables_lookup (self->tables, grain, request.n, request.values, cancellable,
                                      error)
          || !read_grains (&request, error))
        return FALSE;
    }
  return TRUE;
}

/* Merges with the last extent, but not with one of the @old that the caller had. */
static void
add_extent (GArray *extents, guint old, guint64 start, guint64 end, gboolean zero)
{
  MtvExtent *last
      = extents->len > old ? &g_array_index (extents, MtvExtent, extents->len - 1) : NULL;

  if (start >= end)
    return;
  if (last && last->zero == zero)
    {
      last->length += end - start;
      return;
    }
  MtvExtent extent = { start, end - start, zero };
  g_array_append_val (extents, extent);
}

static gboolean
vmdk_reader_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                     GCancellable *cancellable, GError **error)
{
  MtvVmdkReader *self = MTV_VMDK_READER (reader);
  guint64 end = offset + length;
  guint64 at = offset;
  guint old = extents->len;

  while (at < end)
    {
      guint32 values[LOOKUP];
      guint64 grain = at / self->grain_bytes;
      guint64 next = mtv_vmdk_tables_skip (self->tables, grain);

      if (next > grain)
        {
          guint64 to = MIN (end, next * self->grain_bytes);

          add_extent (extents, old, at, to, TRUE);
          at = to;
          continue;
        }

      guint64 n = MIN ((end + self->grain_bytes - 1) / self->grain_bytes - grain, LOOKUP);
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !mtv_vmdk_tables_lookup (self->tables, grain, n, values, cancellable, error))
        return FALSE;
      for (guint64 i = 0; i < n; i++)
        {
          guint64 to = MIN (end, (grain + i + 1) * self->grain_bytes);

          add_extent (extents, old, at, to, values[i] <= MTV_VMDK_GRAIN_ZERO);
          at = to;
        }
    }
  return TRUE;
}

static guint64
vmdk_reader_get_size (MtvReader *reader)
{
  return MTV_VMDK_READER (reader)->size;
}

static void
mtv_vmdk_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = vmdk_reader_get_size;
  iface->read = vmdk_reader_read;
  iface->extents = vmdk_reader_extents;
}

static void
mtv_vmdk_reader_finalize (GObject *object)
{
  MtvVmdkReader *self = MTV_VMDK_READER (object);

  g_clear_pointer (&self->tables, mtv_vmdk_tables_free);
  g_clear_object (&self->file);
  g_free (self->label);

  G_OBJECT_CLASS (mtv_vmdk_reader_parent_class)->finalize (object);
}

static void
mtv_vmdk_reader_class_init (MtvVmdkReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_vmdk_reader_finalize;
}

static void
mtv_vmdk_reader_init (MtvVmdkReader *self)
{
  (void) self;
}

static gboolean
read_header (MtvVmdkReader *self, GCancellable *cancellable, GError **error)
{
  guint64 length = mtv_reader_get_size (self->file);
  guint8 bytes[MTV_VMDK_SECTOR] = { 0 };

  if (!mtv_reader_read (self->file, 0, bytes, MIN (length, sizeof bytes), cancellable, error)
      || !mtv_vmdk_header_parse (bytes, self->label, &self->header, error))
    return FALSE;
  if (self->header.capacity == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s holds no data, it only describes other files", self->label);
      return FALSE;
    }
  self->grain_bytes = self->header.grain_size * MTV_VMDK_SECTOR;
  self->size = self->header.capacity * MTV_VMDK_SECTOR;
  return TRUE;
}

static gboolean
check_descriptor (MtvVmdkReader *self, GCancellable *cancellable, GError **error)
{
  guint64 start = self->header.descriptor_offset * MTV_VMDK_SECTOR;
  guint64 length = self->header.descriptor_size * MTV_VMDK_SECTOR;
  guint64 file_size = mtv_reader_get_size (self->file);

  if (start == 0 || length == 0)
    return TRUE;
  if (start > file_size || length > file_size - start)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s has its descriptor at byte %" G_GUINT64_FORMAT ", outside of the file",
                   self->label, start);
      return FALSE;
    }
  g_autofree char *text = g_malloc (length);
  return mtv_reader_read (self->file, start, text, length, cancellable, error)
         && mtv_vmdk_descriptor_check_embedded (text, length, self->label, error);
}

MtvVmdkReader *
mtv_vmdk_reader_new (MtvReader *file, const char *label, GCancellable *cancellable, GError **error)
{
  static gsize serials; /* (atomic) */

  g_return_val_if_fail (MTV_IS_READER (file), NULL);
  g_return_val_if_fail (label != NULL, NULL);

  g_autoptr (MtvVmdkReader) self = g_object_new (MTV_TYPE_VMDK_READER, NULL);
  self->file = g_object_ref (file);
  self->label = g_strdup (label);
  self->serial = g_atomic_pointer_add (&serials, 1) + 1;
  if (!read_header (self, cancellable, error) || !check_descriptor (self, cancellable, error))
    return NULL;
  self->tables = mtv_vmdk_tables_load (self->file, &self->header, self->label, cancellable, error);
  return self->tables ? g_steal_pointer (&self) : NULL;
}
