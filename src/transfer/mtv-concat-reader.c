/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-concat-reader.h"

#include <string.h>

struct _MtvConcatReader
{
  GObject parent;

  GPtrArray *parts; /* (owned) (element-type MtvReader) */
  guint64 *starts;  /* (owned) one for each part, and where the zeroes begin */
  guint64 size;
};

static void mtv_concat_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvConcatReader, mtv_concat_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER,
                                                      mtv_concat_reader_reader_init))

static guint64
concat_reader_get_size (MtvReader *reader)
{
  return MTV_CONCAT_READER (reader)->size;
}

/* The part that holds @offset; the number of parts for the zeroes behind them. */
static guint
find_part (const MtvConcatReader *self, guint64 offset)
{
  guint low = 0;

  for (guint high = self->parts->len; low < high;)
    {
      guint middle = low + (high - low) / 2;

      if (self->starts[middle + 1] <= offset)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static guint64
part_end (const MtvConcatReader *self, guint part)
{
  return part < self->parts->len ? self->starts[part + 1] : self->size;
}

static gboolean
concat_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                    GCancellable *cancellable, GError **error)
{
  MtvConcatReader *self = MTV_CONCAT_READER (reader);
  guint8 *to = buffer;
  guint64 end = offset + length;

  for (guint i = find_part (self, offset); offset < end; i++)
    {
      gsize step = MIN (end, part_end (self, i)) - offset;

      if (i == self->parts->len)
        memset (to, 0, step);
      else if (step > 0
               && !mtv_reader_read (self->parts->pdata[i], offset - self->starts[i], to, step,
                                    cancellable, error))
        return FALSE;
      to += step;
      offset += step;
    }
  return TRUE;
}

static gboolean
concat_reader_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                       GCancellable *cancellable, GError **error)
{
  MtvConcatReader *self = MTV_CONCAT_READER (reader);
  guint64 end = offset + length;

  for (guint i = find_part (self, offset); offset < end; i++)
    {
      guint64 step = MIN (end, part_end (self, i)) - offset;
      guint old = extents->len;

      if (i == self->parts->len)
        {
          MtvExtent zeroes = { offset, step, TRUE };
          g_array_append_val (extents, zeroes);
        }
      else if (step > 0
               && !mtv_reader_extents (self->parts->pdata[i], offset - self->starts[i], step,
                                       extents, cancellable, error))
        return FALSE;
      for (; i < self->parts->len && old < extents->len; old++)
        g_array_index (extents, MtvExtent, old).offset += self->starts[i];
      offset += step;
    }
  return TRUE;
}

static void
mtv_concat_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = concat_reader_get_size;
  iface->read = concat_reader_read;
  iface->extents = concat_reader_extents;
}

static void
mtv_concat_reader_finalize (GObject *object)
{
  MtvConcatReader *self = MTV_CONCAT_READER (object);

  g_clear_pointer (&self->parts, g_ptr_array_unref);
  g_free (self->starts);

  G_OBJECT_CLASS (mtv_concat_reader_parent_class)->finalize (object);
}

static void
mtv_concat_reader_class_init (MtvConcatReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_concat_reader_finalize;
}

static void
mtv_concat_reader_init (MtvConcatReader *self)
{
  (void) self;
}

MtvConcatReader *
mtv_concat_reader_new (GPtrArray *parts, guint64 size)
{
  g_return_val_if_fail (parts != NULL, NULL);

  g_autofree guint64 *starts = g_new0 (guint64, parts->len + 1);
  for (guint i = 0; i < parts->len; i++)
    {
      guint64 length = mtv_reader_get_size (parts->pdata[i]);

      g_return_val_if_fail (length <= G_MAXINT64 - starts[i], NULL);
      starts[i + 1] = starts[i] + length;
    }
  g_return_val_if_fail (size == 0 || size >= starts[parts->len], NULL);

  MtvConcatReader *self = g_object_new (MTV_TYPE_CONCAT_READER, NULL);
  self->parts = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < parts->len; i++)
    g_ptr_array_add (self->parts, g_object_ref (parts->pdata[i]));
  self->size = size ? size : starts[parts->len];
  self->starts = g_steal_pointer (&starts);
  return self;
}
