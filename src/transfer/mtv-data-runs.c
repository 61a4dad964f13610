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
  GArray *data;    /* (owned) (element-type Run) sorted, apart */
  GArray *changed; /* (owned) (nullable) likewise */
};

static void
add (GArray *runs, guint64 start, guint64 end, guint64 block_size, guint64 size)
{
  guint64 unit = runs->len < MAX_FINE_RUNS ? MTV_DATA_GRANULE : block_size;
  Run run = { start / unit * unit, MIN (size, (end + unit - 1) / unit * unit) };
  Run *last = runs->len > 0 ? &g_array_index (runs, Run, runs->len - 1) : NULL;

  if (last != NULL && run.start <= last->end)
    last->end = MAX (last->end, run.end);
  else
    g_array_append_val (runs, run);
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
        add (self->data, extent->offset, at, block_size, size);
    }
  if (at == offset + length)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED,
               "Where the disk has data is not told right at byte %" G_GUINT64_FORMAT, at);
  return FALSE;
}

static gboolean
add_changes (MtvDataRuns *self, GArray *changes, guint64 block_size, guint64 size, GError **error)
{
  guint64 at = 0;

  self->changed = g_array_new (FALSE, FALSE, sizeof (Run));
  for (guint i = 0; i < changes->len; i++)
    {
      MtvExtent *extent = &g_array_index (changes, MtvExtent, i);

      if (extent->offset < at || extent->offset > size || extent->length > size - extent->offset)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "What changed on the disk is not told right at byte %" G_GUINT64_FORMAT,
                       extent->offset);
          return FALSE;
        }
      at = extent->offset + extent->length;
      if (extent->length > 0)
        add (self->changed, extent->offset, at, block_size, size);
    }
  return TRUE;
}

/* The first run that ends after @at; the number of runs when there is none. */
static guint
find (GArray *runs, guint64 at)
{
  guint low = 0;
  guint high = runs->len;

  while (low < high)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (runs, Run, middle).end > at)
        high = middle;
      else
        low = middle + 1;
    }
  return low;
}

/* Where being in a run or not, which goes to @inside, ends: at most @end. */
static guint64
next_edge (GArray *runs, guint64 at, guint64 end, gboolean *inside)
{
  guint i = find (runs, at);

  *inside = FALSE;
  if (i == runs->len)
    return end;
  Run *run = &g_array_index (runs, Run, i);
  *inside = run->start <= at;
  return MIN (end, *inside ? run->end : run->start);
}

/* Nothing is asked where nothing changed. */
static gboolean
load (MtvDataRuns *self, MtvReader *reader, guint64 block_size, GCancellable *cancellable,
      GError **error)
{
  guint64 size = mtv_reader_get_size (reader);
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  for (guint64 at = 0, step; at < size; at += step)
    {
      gboolean changed = TRUE;

      step = MIN (STEP, size - at);
      if (self->changed != NULL && next_edge (self->changed, at, at + step, &changed) == at + step
          && !changed)
        continue;
      g_array_set_size (extents, 0);
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !mtv_reader_extents (reader, at, step, extents, cancellable, error)
          || !add_extents (self, extents, at, step, block_size, size, error))
        return FALSE;
    }
  return TRUE;
}

MtvDataRuns *
mtv_data_runs_new (MtvReader *reader, guint64 block_size, GArray *changes,
                   GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvDataRuns) self = g_new0 (MtvDataRuns, 1);

  self->data = g_array_new (FALSE, FALSE, sizeof (Run));
  if (changes != NULL
      && !add_changes (self, changes, block_size, mtv_reader_get_size (reader), error))
    return NULL;
  return load (self, reader, block_size, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

void
mtv_data_runs_free (MtvDataRuns *self)
{
  g_array_unref (self->data);
  g_clear_pointer (&self->changed, g_array_unref);
  g_free (self);
}

guint64
mtv_data_runs_next (MtvDataRuns *self, guint64 at, guint64 end, MtvRunKind *kind)
{
  gboolean inside = TRUE;

  if (self->changed != NULL)
    end = next_edge (self->changed, at, end, &inside);
  *kind = MTV_RUN_KEEP;
  if (!inside)
    return end;
  end = next_edge (self->data, at, end, &inside);
  *kind = inside ? MTV_RUN_DATA : MTV_RUN_ZERO;
  return end;
}

guint64
mtv_data_runs_count (MtvDataRuns *self, guint64 start, guint64 end)
{
  guint64 n = 0;
  MtvRunKind kind;

  for (guint64 at = start, next; at < end; at = next)
    {
      next = mtv_data_runs_next (self, at, end, &kind);
      n += kind == MTV_RUN_DATA ? next - at : 0;
    }
  return n;
}
