/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-stream.h"

#include "base/mtv-error.h"
#include "transfer/mtv-vmdk-grain.h"
#include "transfer/mtv-vmdk-header.h"
#include "transfer/mtv-vmdk-tables.h"

#define RECORD_HEADER 12
#define SKIP (64 * 1024)
#define MAX_MARKER_SECTORS (1 << 20) /* of a table or a directory */

enum
{
  MARKER_END,
  MARKER_TABLE,
  MARKER_DIRECTORY,
  MARKER_FOOTER,
};

struct _MtvVsphereStream
{
  GInputStream *stream; /* (owned) */
  char *label;          /* (owned) */
  MtvVmdkHeader header;
  guint64 position; /* in the stream */
  guint64 reached;  /* in the disk: no grain may begin before it */
  guint8 *record;   /* (owned) of the largest size that there is */
  guint8 *grain;    /* (owned) */
  gboolean ended;
};

static gboolean
bad (const MtvVsphereStream *self, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s: The stream has %s at byte %" G_GUINT64_FORMAT, self->label, what,
               self->position);
  return FALSE;
}

/* @at_end: (out) (nullable) whether the stream had ended before; without it that is an error. */
static gboolean
take (MtvVsphereStream *self, gpointer buffer, gsize length, gboolean *at_end,
      GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) reason = NULL;
  gsize done = 0;
  gboolean alive
      = g_input_stream_read_all (self->stream, buffer, length, &done, cancellable, &reason);

  if (at_end)
    *at_end = alive && done == 0;
  if (done == length || (at_end && *at_end))
    {
      self->position += done;
      return TRUE;
    }
  if (alive)
    return bad (self, "its end too early, behind what stands", error);
  if (g_error_matches (reason, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    g_propagate_error (error, mtv_error_normalize (g_steal_pointer (&reason)));
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "%s: The stream broke: %s", self->label,
                 reason->message);
  return FALSE;
}

static gboolean
skip (MtvVsphereStream *self, guint64 length, GCancellable *cancellable, GError **error)
{
  g_autofree guint8 *unwanted = g_malloc (SKIP);

  while (length > 0)
    {
      gsize step = MIN (length, SKIP);

      if (!take (self, unwanted, step, NULL, cancellable, error))
        return FALSE;
      length -= step;
    }
  return TRUE;
}

static gboolean
take_header (MtvVsphereStream *self, GCancellable *cancellable, GError **error)
{
  guint8 bytes[MTV_VMDK_SECTOR];

  if (!take (self, bytes, sizeof bytes, NULL, cancellable, error)
      || !mtv_vmdk_header_parse (bytes, self->label, &self->header, error))
    return FALSE;
  if (!self->header.compressed || self->header.capacity == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is exported as a VMDK that is no stream", self->label);
      return FALSE;
    }
  if (self->header.overhead < 1 || self->header.overhead > MAX_MARKER_SECTORS)
    return bad (self, "a header of an impossible length", error);
  self->record = g_malloc (mtv_vmdk_max_record (&self->header) + MTV_VMDK_SECTOR);
  self->grain = g_malloc (self->header.grain_size * MTV_VMDK_SECTOR);
  return skip (self, (self->header.overhead - 1) * MTV_VMDK_SECTOR, cancellable, error);
}

MtvVsphereStream *
mtv_vsphere_stream_new (GInputStream *stream, const char *label, GCancellable *cancellable,
                        GError **error)
{
  g_autoptr (MtvVsphereStream) self = g_new0 (MtvVsphereStream, 1);

  self->stream = g_object_ref (stream);
  self->label = g_strdup (label);
  return take_header (self, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

void
mtv_vsphere_stream_free (MtvVsphereStream *self)
{
  g_object_unref (self->stream);
  g_free (self->label);
  g_free (self->record);
  g_free (self->grain);
  g_free (self);
}

guint64
mtv_vsphere_stream_get_capacity (MtvVsphereStream *self)
{
  return self->header.capacity * MTV_VMDK_SECTOR;
}

/* The record begins with the sector that is in self->record. */
static gboolean
take_grain (MtvVsphereStream *self, gsize *length, GCancellable *cancellable, GError **error)
{
  guint64 lba = mtv_vmdk_get64 (self->record);
  guint64 size = mtv_vmdk_get32 (self->record + 8);
  gsize grain_bytes = self->header.grain_size * MTV_VMDK_SECTOR;
  gsize padded = (RECORD_HEADER + size + MTV_VMDK_SECTOR - 1) / MTV_VMDK_SECTOR * MTV_VMDK_SECTOR;

  if (lba >= self->header.capacity || lba % self->header.grain_size != 0
      || size > mtv_vmdk_max_record (&self->header) - RECORD_HEADER)
    return bad (self, "a broken marker before what stands", error);
  if (lba * MTV_VMDK_SECTOR < self->reached)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is exported with its grains out of order, or twice", self->label);
      return FALSE;
    }
  *length = MIN (grain_bytes, (self->header.capacity - lba) * MTV_VMDK_SECTOR);
  MtvVmdkRecord of = { .grain = lba / self->header.grain_size,
                       .lba = lba,
                       .grain_bytes = grain_bytes,
                       .needed = *length,
                       .position = self->position - MTV_VMDK_SECTOR,
                       .label = self->label };
  if (!take (self, self->record + MTV_VMDK_SECTOR, padded - MTV_VMDK_SECTOR, NULL, cancellable,
             error)
      || !mtv_vmdk_grain_inflate (&of, self->record, padded, self->grain, error))
    return FALSE;
  self->reached = lba * MTV_VMDK_SECTOR + *length;
  return TRUE;
}

/* A marker, with what it is of. */
static gboolean
take_marker (MtvVsphereStream *self, GCancellable *cancellable, GError **error)
{
  guint64 sectors = mtv_vmdk_get64 (self->record);
  guint32 type = mtv_vmdk_get32 (self->record + RECORD_HEADER);

  if (type > MARKER_FOOTER || sectors > MAX_MARKER_SECTORS || (type == MARKER_END && sectors > 0))
    return bad (self, "a broken marker before what stands", error);
  self->ended = type == MARKER_END;
  return skip (self, sectors * MTV_VMDK_SECTOR, cancellable, error);
}

gboolean
mtv_vsphere_stream_next (MtvVsphereStream *self, guint64 *offset, const guint8 **data,
                         gsize *length, GCancellable *cancellable, GError **error)
{
  /* Without tables at its end a stream needs no markers either (QEMU writes such). */
  gboolean may_stop = self->header.gd_offset != MTV_VMDK_GD_AT_END;

  *data = NULL;
  *length = 0;
  *offset = mtv_vsphere_stream_get_capacity (self);
  while (!self->ended)
    {
      gboolean at_end;

      if (!take (self, self->record, MTV_VMDK_SECTOR, &at_end, cancellable, error))
        return FALSE;
      if (at_end && !may_stop)
        return bad (self, "its end, without the marker for it,", error);
      self->ended = at_end;
      if (at_end)
        break;
      if (mtv_vmdk_get32 (self->record + 8) > 0)
        {
          *offset = mtv_vmdk_get64 (self->record) * MTV_VMDK_SECTOR;
          *data = self->grain;
          return take_grain (self, length, cancellable, error);
        }
      if (!take_marker (self, cancellable, error))
        return FALSE;
    }
  return TRUE;
}
