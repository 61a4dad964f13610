/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-copier.h"

#include "base/mtv-error.h"
#include "transfer/mtv-block-crew.h"
#include "transfer/mtv-data-runs.h"

#define MAX_ZERO_RUN (G_GUINT64_CONSTANT (1) << 30)
#define DEFAULT_CHECKPOINT_BYTES (G_GUINT64_CONSTANT (1) << 30)

/* Blocks that are written, but not flushed: the map learns of them only after the flush, so that
 * what it says holds after any failure. */
typedef struct
{
  guint32 first;
  guint32 n;
  gboolean has_data; /* and so a hash */
  guint8 hash[MTV_HASH_MAX_SIZE];
} Finished;

struct _MtvCopier
{
  GObject parent;

  MtvReader *reader; /* (owned) */
  MtvWriter *writer; /* (owned) */
  MtvBlockMap *map;  /* (owned) */
  gboolean target_is_zero;
  gboolean started;
  guint n_threads;

  guint64 checkpoint_bytes;
  MtvCheckpointFunc checkpoint; /* (nullable) */
  gpointer checkpoint_data;
  GDestroyNotify checkpoint_destroy;
  gboolean checkpoint_failed;

  MtvDataRuns *runs; /* (owned) (nullable) not before the copy */

  GMutex lock;      /* for these two */
  GArray *finished; /* (owned) (element-type Finished) */
  guint64 unflushed;

  guint64 bytes_total; /* (atomic) */
  guint64 bytes_done;  /* (atomic) */
};

G_DEFINE_FINAL_TYPE (MtvCopier, mtv_copier, G_TYPE_OBJECT)

static void
mtv_copier_finalize (GObject *object)
{
  MtvCopier *self = MTV_COPIER (object);

  if (self->checkpoint_destroy != NULL)
    self->checkpoint_destroy (self->checkpoint_data);
  g_clear_object (&self->reader);
  g_clear_object (&self->writer);
  g_clear_pointer (&self->map, mtv_block_map_unref);
  g_clear_pointer (&self->runs, mtv_data_runs_free);
  g_array_unref (self->finished);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_copier_parent_class)->finalize (object);
}

static void
mtv_copier_class_init (MtvCopierClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_copier_finalize;
}

static void
mtv_copier_init (MtvCopier *self)
{
  g_mutex_init (&self->lock);
  self->finished = g_array_new (FALSE, FALSE, sizeof (Finished));
  self->n_threads = mtv_block_crew_default_threads ();
  self->checkpoint_bytes = DEFAULT_CHECKPOINT_BYTES;
}

MtvCopier *
mtv_copier_new (MtvReader *reader, MtvWriter *writer, MtvBlockMap *map, gboolean target_is_zero)
{
  g_return_val_if_fail (MTV_IS_READER (reader), NULL);
  g_return_val_if_fail (MTV_IS_WRITER (writer), NULL);
  g_return_val_if_fail (map != NULL, NULL);
  g_return_val_if_fail (mtv_block_map_get_disk_size (map) == mtv_reader_get_size (reader), NULL);

  MtvCopier *self = g_object_new (MTV_TYPE_COPIER, NULL);
  self->reader = g_object_ref (reader);
  self->writer = g_object_ref (writer);
  self->map = mtv_block_map_ref (map);
  self->target_is_zero = target_is_zero;
  return self;
}

void
mtv_copier_set_threads (MtvCopier *self, guint n_threads)
{
  g_return_if_fail (MTV_IS_COPIER (self));
  g_return_if_fail (n_threads > 0);

  self->n_threads = n_threads;
}

void
mtv_copier_set_checkpoint (MtvCopier *self, guint64 bytes, MtvCheckpointFunc func,
                           gpointer user_data, GDestroyNotify destroy)
{
  g_return_if_fail (MTV_IS_COPIER (self));
  g_return_if_fail (bytes > 0);
  g_return_if_fail (self->checkpoint == NULL && !self->started);

  self->checkpoint_bytes = bytes;
  self->checkpoint = func;
  self->checkpoint_data = user_data;
  self->checkpoint_destroy = destroy;
}

static guint64
block_start (MtvCopier *self, guint index)
{
  return MIN (index * mtv_block_map_get_block_size (self->map),
              mtv_block_map_get_disk_size (self->map));
}

/* One piece of work of one thread: neighbouring ranges of zeroes go out as one request. */
typedef struct
{
  MtvCopier *copier; /* (unowned) */
  MtvCrewHand *hand; /* (unowned) */
  guint64 zero_start;
  guint64 zero_end;
  guint64 written;
} Work;

static gboolean
zero_now (Work *work, GError **error)
{
  guint64 start = work->zero_start;
  guint64 length = work->zero_end - start;

  work->zero_start = work->zero_end;
  return length == 0 || work->copier->target_is_zero
         || mtv_writer_zero (work->copier->writer, start, length, work->hand->cancellable, error);
}

static gboolean
zero_later (Work *work, guint64 start, guint64 end, GError **error)
{
  if (work->zero_end != start)
    {
      if (!zero_now (work, error))
        return FALSE;
      work->zero_start = start;
    }
  work->zero_end = end;
  mtv_block_hash_add_zeroes (work->hand->hash, end - start);
  return TRUE;
}

/* The end of the granules from @start on that are all zero, or all not. */
static gsize
granules_end (const guint8 *buffer, gsize start, gsize length, gboolean *zero)
{
  gsize end = start + MIN (MTV_DATA_GRANULE, length - start);

  *zero = mtv_is_zero (buffer + start, end - start);
  while (end < length)
    {
      gsize step = MIN (MTV_DATA_GRANULE, length - end);

      if (mtv_is_zero (buffer + end, step) != *zero)
        break;
      end += step;
    }
  return end;
}

/* Writes the @length bytes in the thread's buffer. */
static gboolean
write_piece (Work *work, guint64 offset, gsize length, GError **error)
{
  const guint8 *buffer = work->hand->buffer;
  gboolean zero;

  for (gsize at = 0, end; at < length; at = end)
    {
      end = granules_end (buffer, at, length, &zero);
      if (zero)
        {
          if (!zero_later (work, offset + at, offset + end, error))
            return FALSE;
          continue;
        }
      mtv_block_hash_add_data (work->hand->hash, buffer + at, end - at);
      if (!mtv_writer_write (work->copier->writer, offset + at, buffer + at, end - at,
                             work->hand->cancellable, error))
        return FALSE;
      work->written += end - at;
    }
  return TRUE;
}

static gboolean
copy_range (Work *work, guint64 start, guint64 end, GError **error)
{
  MtvCopier *self = work->copier;
  GCancellable *cancellable = work->hand->cancellable;
  gboolean zero;

  for (guint64 at = start, next; at < end; at = next)
    {
      next = mtv_data_runs_next (self->runs, at, end, &zero);
      if (zero)
        {
          if (!zero_later (work, at, next, error))
            return FALSE;
          continue;
        }
      next = MIN (next, at + MTV_CREW_PIECE);
      if (g_cancellable_set_error_if_cancelled (cancellable, error)
          || !mtv_reader_read (self->reader, at, work->hand->buffer, next - at, cancellable, error)
          || !write_piece (work, at, next - at, error))
        return FALSE;
    }
  return zero_now (work, error);
}

static gboolean
copier_work (gpointer data, MtvCrewHand *hand, guint first, guint n, GError **error)
{
  MtvCopier *self = data;
  guint64 start = block_start (self, first);
  guint64 end = block_start (self, first + n);
  Work work = { .copier = self, .hand = hand };
  Finished finished = { .first = first, .n = n };

  mtv_block_hash_reset (hand->hash);
  if (!copy_range (&work, start, end, error))
    return FALSE;
  finished.has_data = mtv_block_hash_end (hand->hash, finished.hash);

  g_mutex_lock (&self->lock);
  g_array_append_val (self->finished, finished);
  self->unflushed += work.written;
  gboolean due = self->unflushed >= self->checkpoint_bytes;
  g_mutex_unlock (&self->lock);

  __atomic_add_fetch (&self->bytes_done, mtv_data_runs_count (self->runs, start, end),
                      __ATOMIC_RELAXED);
  if (due)
    mtv_block_crew_call (hand->crew);
  return TRUE;
}

static MtvCrewKind
copier_kind (gpointer data, guint index)
{
  MtvCopier *self = data;
  guint64 end = block_start (self, index + 1);
  gboolean zero;

  if (mtv_block_map_get (self->map, index, NULL) != MTV_BLOCK_PENDING)
    return MTV_CREW_SKIP;
  guint64 next = mtv_data_runs_next (self->runs, block_start (self, index), end, &zero);
  return zero && next == end ? MTV_CREW_TOGETHER : MTV_CREW_ALONE;
}

static GArray *
take_finished (MtvCopier *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  GArray *taken = self->finished;

  self->finished = g_array_new (FALSE, FALSE, sizeof (Finished));
  self->unflushed = 0;
  return taken;
}

static GBytes *
note_in_map (MtvCopier *self, GArray *finished)
{
  g_autoptr (GArray) indices = g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < finished->len; i++)
    {
      Finished *one = &g_array_index (finished, Finished, i);

      for (guint32 j = one->first; j < one->first + one->n; j++)
        {
          mtv_block_map_set (self->map, j, one->has_data ? one->hash : NULL);
          g_array_append_val (indices, j);
        }
    }
  return mtv_block_map_pack (self->map, (const guint32 *) indices->data, indices->len);
}

/* Not cancellable: what was written before a cancel is kept, and half a flush is none. */
static gboolean
copier_checkpoint (gpointer data, GError **error)
{
  MtvCopier *self = data;
  g_autoptr (GArray) finished = take_finished (self);

  self->checkpoint_failed = TRUE;
  if (!mtv_writer_flush (self->writer, NULL, error))
    return FALSE;
  g_autoptr (GBytes) packed = note_in_map (self, finished);
  if (finished->len > 0 && self->checkpoint != NULL
      && !self->checkpoint (packed, self->checkpoint_data, error))
    return FALSE;
  self->checkpoint_failed = FALSE;
  return TRUE;
}

/* What an earlier run had done counts as done. */
static void
start_progress (MtvCopier *self)
{
  guint n_blocks = mtv_block_map_get_n_blocks (self->map);
  guint64 done = 0;

  for (guint i = 0; i < n_blocks; i++)
    if (mtv_block_map_get (self->map, i, NULL) != MTV_BLOCK_PENDING)
      done += mtv_data_runs_count (self->runs, block_start (self, i), block_start (self, i + 1));
  __atomic_store_n (&self->bytes_total,
                    mtv_data_runs_count (self->runs, 0, mtv_block_map_get_disk_size (self->map)),
                    __ATOMIC_RELAXED);
  __atomic_store_n (&self->bytes_done, done, __ATOMIC_RELAXED);
}

static gboolean
copy (MtvCopier *self, GCancellable *cancellable, GError **error)
{
  static const MtvCrewFuncs funcs = { copier_kind, copier_work, copier_checkpoint };
  guint64 block_size = mtv_block_map_get_block_size (self->map);
  g_autoptr (GError) late = NULL;

  self->runs = mtv_data_runs_new (self->reader, block_size, cancellable, error);
  if (self->runs == NULL)
    return FALSE;
  start_progress (self);

  gboolean ok
      = mtv_block_crew_run (mtv_block_map_get_n_blocks (self->map), self->n_threads,
                            MAX (1, MAX_ZERO_RUN / block_size), &funcs, self, cancellable, error);
  /* After a failed flush the kernel may call lost pages clean, and a second flush would lie. */
  if (self->checkpoint_failed)
    return FALSE;
  if (ok)
    return copier_checkpoint (self, error);
  if (!copier_checkpoint (self, &late))
    g_debug ("Cannot keep what was copied before the failure, ignoring: %s", late->message);
  return FALSE;
}

static gpointer
copy_thread (gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (copy (g_task_get_source_object (task), g_task_get_cancellable (task), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, mtv_error_normalize (error));
  return NULL;
}

void
mtv_copier_copy_async (MtvCopier *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                       gpointer user_data)
{
  g_return_if_fail (MTV_IS_COPIER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (!self->started);

  self->started = TRUE;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, mtv_copier_copy_async);
  g_task_set_check_cancellable (task, FALSE); /* the thread's own answer stands */

  /* A copy lasts hours: g_task_run_in_thread() would hold one of GIO's few pool threads. */
  g_thread_unref (g_thread_new ("mtv-copy", copy_thread, g_steal_pointer (&task)));
}

gboolean
mtv_copier_copy_finish (MtvCopier *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

guint64
mtv_copier_get_bytes_total (MtvCopier *self)
{
  g_return_val_if_fail (MTV_IS_COPIER (self), 0);

  return __atomic_load_n (&self->bytes_total, __ATOMIC_RELAXED);
}

guint64
mtv_copier_get_bytes_done (MtvCopier *self)
{
  g_return_val_if_fail (MTV_IS_COPIER (self), 0);

  return __atomic_load_n (&self->bytes_done, __ATOMIC_RELAXED);
}
