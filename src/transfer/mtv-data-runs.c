/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-data-runs.h"

#include "base/mtv-error.h"

#define STEP (G_GUINT64_CONSTANT (1) << 30) /* asked of the reader at once */
#define MAX_FINE_RUNS (1U << 17)            /* 2 MiB; from there on whole blocks */

typedef struct
{
  guint64 start;
  guint64 end;
} Run;

struct _MtvDataRuns
{
  GArray *runs; /* (owned) (element-type Run) sorted, apart */
};

static void
add (MtvDataRuns *self, guint64 start, guint64 end, guint64 block_size, guint64 size)
{
  guint64 unit = self->runs->len < MAX_FINE_RUNS ? MTV_DATA_GRANULE : block_size;
  Run run = { start / unit * unit, MIN (size, (end + unit - 1) / unit * unit) };
  Run *last = self->runs->len > 0 ? &g_array_index (self->runs, Run, self->runs->len - 1) : NULL;

  if (last != NULL && run.start <= last->end)
    last->end = MAX (last->end, run.end);
  else
    g_array_append_val (self->runs, run);
}

/* A gap in a reader's answer would be taken for zeroes and lose data, so it is an error. */
static gboolean
add_extents (MtvDataRuns *self, GArray *extents, guint64 offset, guint64 length, guint64 block_size,
             guint64 size, GError **error)
{
  guint64 at = offset;

  for (guint i = 0; i < extents->len && at < offset + length; i++)
    {
      MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      if (extent->offset != at || extent->length > offset + length - at)
        break;
      at += extent->length;
      if (!extent->zero && extent->length > 0)
        add (self, extent->offset, at, block_size, size);
    }
  if (at == offset + length)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED,
               "Where the disk has data is not told right at byte %" G_GUINT64_FORMAT, at);
  return FALSE;
}

MtvDataRuns *
mtv_data_runs_new (MtvReader *reader, guint64 block_size, GCancellable *cancellable, GError **error)
{
  guint64 size = mtv_reader_get_size (reader);
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (MtvDataRuns) self = g_new0 (MtvDataRuns, 1);

  self->runs = g_array_new (FALSE, FALSE, sizeof (Run));
  for (guint64 at = 0; at < size;)
    {
      guint64 step = MIN (STEP, size - at);

      g_array_set_size (extents, 0);
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !mtv_reader_extents (reader, at, step, extents, cancellable, error)
          || !add_extents (self, extents, at, step, block_size, size, error))
        return NULL;
      at += step;
    }
  return g_steal_pointer (&self);
}

void
mtv_data_runs_free (MtvDataRuns *self)
{
  g_array_unref (self->runs);
  g_free (self);
}

/* The first run that ends after @at; the number of runs when there is none. */
static guint
find (MtvDataRuns *self, guint64 at)
{
  guint low = 0;
  guint high = self->runs->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (self->runs, Run, middle).end > at)
        high = middle;
      else
        low = middle + 1;
    }
  return low;
}

guint64
mtv_data_runs_next (MtvDataRuns *self, guint64 at, guint64 end, gboolean *zero)
{
  guint i = find (self, at);

  *zero = TRUE;
  if (i == self->runs->len)
    return end;
  Run *run = &g_array_index (self->runs, Run, i);
  *zero = run->start > at;
  return MIN (end, *zero ? run->start : run->end);
}

guint64
mtv_data_runs_count (MtvDataRuns *self, guint64 start, guint64 end)
{
  guint64 n = 0;

  for (guint i = find (self, start); i < self->runs->len; i++)
    {
      Run *run = &g_array_index (self->runs, Run, i);

      if (run->start >= end)
        break;
      n += MIN (run->end, end) - MAX (run->start, start);
    }
  return n;
}
