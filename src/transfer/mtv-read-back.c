/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-read-back.h"

#include <string.h>

struct _MtvReadBack
{
  MtvReader *destination; /* (unowned) */
  MtvBlockMap *map;       /* (unowned) */
  gboolean zeroes;

  GMutex lock;    /* for all below */
  GArray *checks; /* (owned) (element-type MtvWritten) to be read, from @next on */
  guint next;
  guint n_under_way;
  GArray *rehashed; /* (owned) (element-type guint32) */
};

MtvReadBack *
mtv_read_back_new (MtvReader *destination, MtvBlockMap *map, gboolean zeroes)
{
  MtvReadBack *self = g_new0 (MtvReadBack, 1);

  self->destination = destination;
  self->map = map;
  self->zeroes = zeroes;
  g_mutex_init (&self->lock);
  self->checks = g_array_new (FALSE, FALSE, sizeof (MtvWritten));
  self->rehashed = g_array_new (FALSE, FALSE, sizeof (guint32));
  return self;
}

void
mtv_read_back_free (MtvReadBack *self)
{
  g_array_unref (self->checks);
  g_array_unref (self->rehashed);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gboolean
has_data_at (GArray *extents, guint64 start, guint64 end)
{
  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      if (!extent->zero && extent->offset < end && extent->offset + extent->length > start)
        return TRUE;
    }
  return FALSE;
}

static gboolean
add_zeroes (MtvReadBack *self, const MtvWritten *zeroes, GArray *to_read, GCancellable *cancellable,
            GError **error)
{
  guint64 start = mtv_block_map_get_start (self->map, zeroes->first);
  guint64 end = mtv_block_map_get_start (self->map, zeroes->first + zeroes->n);
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  if (!mtv_reader_extents (self->destination, start, end - start, extents, cancellable, error))
    return FALSE;
  for (guint i = zeroes->first; i < zeroes->first + zeroes->n; i++)
    {
      MtvWritten one = { .first = i, .n = 1 };

      if (has_data_at (extents, mtv_block_map_get_start (self->map, i),
                       mtv_block_map_get_start (self->map, i + 1)))
        g_array_append_val (to_read, one);
      else
        mtv_block_map_set_read_back (self->map, i);
    }
  return TRUE;
}

gboolean
mtv_read_back_add (MtvReadBack *self, GArray *written, GCancellable *cancellable, GError **error)
{
  g_autoptr (GArray) to_read = g_array_new (FALSE, FALSE, sizeof (MtvWritten));

  for (guint i = 0; i < written->len; i++)
    {
      const MtvWritten *one = &g_array_index (written, MtvWritten, i);

      if (one->has_data || one->is_partial)
        g_array_append_vals (to_read, one, 1);
      else if (self->zeroes && !add_zeroes (self, one, to_read, cancellable, error))
        return FALSE;
    }
  g_mutex_lock (&self->lock);
  g_array_remove_range (self->checks, 0, self->next);
  self->next = 0;
  g_array_append_vals (self->checks, to_read->data, to_read->len);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

gboolean
mtv_read_back_next (MtvReadBack *self, MtvTask *task)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (self->next == self->checks->len)
    return FALSE;
  const MtvWritten *written = &g_array_index (self->checks, MtvWritten, self->next++);
  task->first = written->first;
  task->n = 1;
  task->start = mtv_block_map_get_start (self->map, task->first);
  task->end = mtv_block_map_get_start (self->map, task->first + 1);
  task->read_back = TRUE;
  task->expect_data = written->has_data;
  task->expect_partial = written->is_partial;
  memcpy (task->expected, written->hash, sizeof task->expected);
  self->n_under_way++;
  return TRUE;
}

gboolean
mtv_read_back_check (MtvReadBack *self, const MtvTask *task, GError **error)
{
  gboolean has_data = task->expect_partial ? task->changed_has_data : task->has_data;
  const guint8 *hash = task->expect_partial ? task->changed_hash : task->hash;
  gsize size = mtv_hash_get_size (mtv_block_map_get_hash (self->map));
  guint32 index = task->first;

  if (has_data != task->expect_data || (has_data && memcmp (hash, task->expected, size) != 0))
    return mtv_crew_mismatch (
        task->start, task->expect_data ? "has another hash" : "should be all zeroes", error);
  if (task->expect_partial)
    mtv_block_map_set (self->map, index, task->has_data ? task->hash : NULL);
  mtv_block_map_set_read_back (self->map, index);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  if (task->expect_partial)
    g_array_append_val (self->rehashed, index);
  self->n_under_way--;
  return TRUE;
}

gboolean
mtv_read_back_is_under_way (MtvReadBack *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->n_under_way > 0 || self->next < self->checks->len;
}

GArray *
mtv_read_back_take_rehashed (MtvReadBack *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  GArray *taken = self->rehashed;

  self->rehashed = g_array_new (FALSE, FALSE, sizeof (guint32));
  return taken;
}

gboolean
mtv_read_back_has_rehashed (MtvReadBack *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->rehashed->len > 0;
}
