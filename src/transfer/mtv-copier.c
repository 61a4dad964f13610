/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-copier.h"

#include "base/mtv-error.h"
#include "transfer/mtv-crew.h"
#include "transfer/mtv-read-back.h"

#include <string.h>

#define MAX_ZERO_RUN (G_GUINT64_CONSTANT (1) << 30)
#define DEFAULT_RUN (4 * 1024 * 1024)
#define CHECKPOINT_USEC (5 * G_TIME_SPAN_SECOND)

/* Blocks that a lane goes through in order. */
typedef struct
{
  guint next;
  guint end;
} Chunk;

struct _MtvCopier
{
  GObject parent;

  MtvReader *reader;     /* (owned) */
  MtvWriter *writer;     /* (owned) */
  MtvReader *written;    /* (owned) (nullable) */
  MtvBlockMap *map;      /* (owned) */
  GArray *changes;       /* (owned) (nullable) (element-type MtvExtent) */
  MtvThrottle *throttle; /* (owned) (nullable) */
  MtvBudget *budget;     /* (owned) (nullable) */
  gboolean target_is_zero;
  gboolean compare;
  gboolean started;
  guint n_threads; /* 0: what suits the ends */

  guint64 checkpoint_bytes;
  MtvCheckpointFunc checkpoint; /* (nullable) */
  gpointer checkpoint_data;
  GDestroyNotify checkpoint_destroy;

  MtvDataRuns *runs;         /* (owned) (nullable) not before the copy */
  MtvCrew *crew;             /* (owned) (nullable) during the copy */
  MtvReadBack *read_back;    /* (owned) (nullable) with @written, once the copy began */
  GCancellable *cancellable; /* (unowned) (nullable) during the copy */
  gboolean writes_zeroes;    /* over what was there */
  gboolean in_order;
  guint chunk_size; /* blocks */

  GMutex lock; /* for all below */
  Chunk chunks[MTV_CREW_MAX_LANES];
  guint next_chunk; /* the first block that no lane has got */
  guint n_copying;  /* tasks, reading back aside */
  GArray *rewrites; /* (owned) (element-type guint32) found to differ */
  /* Written, but not flushed: the map learns of them only after the flush, so that what it says
   * holds after any failure. */
  GArray *finished; /* (owned) (element-type MtvWritten) */
  guint64 unflushed;
  gboolean check_is_due; /* a copy and a check in turn */

  guint64 bytes_total;    /* (atomic) */
  guint64 bytes_done;     /* (atomic) */
  guint64 bytes_verified; /* (atomic) */
  guint64 bytes_written;  /* (atomic) */
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
  g_clear_object (&self->written);
  g_clear_pointer (&self->map, mtv_block_map_unref);
  g_clear_pointer (&self->changes, g_array_unref);
  g_clear_pointer (&self->throttle, mtv_throttle_unref);
  g_clear_pointer (&self->budget, mtv_budget_unref);
  g_clear_pointer (&self->runs, mtv_data_runs_free);
  g_array_unref (self->rewrites);
  g_array_unref (self->finished);
  g_clear_pointer (&self->read_back, mtv_read_back_free);
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
  self->rewrites = g_array_new (FALSE, FALSE, sizeof (guint32));
  self->finished = g_array_new (FALSE, FALSE, sizeof (MtvWritten));
  self->checkpoint_bytes = MTV_COPIER_CHECKPOINT_BYTES;
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
  g_return_if_fail (MTV_IS_COPIER (self) && !self->started);
  g_return_if_fail (n_threads > 0 && n_threads <= MTV_CREW_MAX_LANES);

  self->n_threads = n_threads;
}

void
mtv_copier_set_throttle (MtvCopier *self, MtvThrottle *throttle)
{
  g_return_if_fail (MTV_IS_COPIER (self) && !self->started);
  g_return_if_fail (self->throttle == NULL);

  self->throttle = mtv_throttle_ref (throttle);
}

void
mtv_copier_set_budget (MtvCopier *self, MtvBudget *budget)
{
  g_return_if_fail (MTV_IS_COPIER (self) && !self->started);
  g_return_if_fail (self->budget == NULL);

  self->budget = mtv_budget_ref (budget);
}

void
mtv_copier_set_read_back (MtvCopier *self, MtvReader *written)
{
  g_return_if_fail (MTV_IS_COPIER (self) && !self->started);
  g_return_if_fail (MTV_IS_READER (written));

  g_set_object (&self->written, written);
}

void
mtv_copier_set_compare (MtvCopier *self)
{
  g_return_if_fail (MTV_IS_COPIER (self) && !self->started);

  self->compare = TRUE;
}

void
mtv_copier_set_changes (MtvCopier *self, GArray *changed)
{
  g_return_if_fail (MTV_IS_COPIER (self) && !self->started);
  g_return_if_fail (self->changes == NULL && changed != NULL);

  self->changes = g_array_ref (changed);
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

static gboolean
is_as_in_map (MtvCopier *self, const MtvTask *task)
{
  return mtv_block_map_is (self->map, task->first, task->has_data ? task->hash : NULL);
}

/* What of a copy a block needs. */
typedef enum
{
  NOTHING,
  ZEROES, /* neighbours of this kind are one task */
  COPYING,
  COMPARING,
} Need;

/* What was changed in part and not read back yet is done again if it is to be read back: the hash
 * that it must have did not survive. */
static Need
get_need (MtvCopier *self, guint index)
{
  guint64 end = mtv_block_map_get_start (self->map, index + 1);
  MtvBlockState state = mtv_block_map_get (self->map, index, NULL);
  gboolean is_known = state == MTV_BLOCK_ZERO || state == MTV_BLOCK_DATA
                      || (state == MTV_BLOCK_UNHASHED && self->written == NULL);
  MtvRunKind kind;

  if (is_known && !self->compare)
    return NOTHING;
  gboolean is_one_run
      = mtv_data_runs_next (self->runs, mtv_block_map_get_start (self->map, index), end, &kind)
        == end;
  if (is_one_run && kind == MTV_RUN_KEEP)
    return NOTHING;
  if (is_one_run && kind == MTV_RUN_ZERO)
    return state == MTV_BLOCK_ZERO ? NOTHING : ZEROES;
  return is_known ? COMPARING : COPYING;
}

static void
fill_task (MtvCopier *self, MtvTask *task, guint first, guint n)
{
  task->first = first;
  task->n = n;
  task->start = mtv_block_map_get_start (self->map, first);
  task->end = mtv_block_map_get_start (self->map, first + n);
}

/* FALSE: this lane gets no more. */
static gboolean
get_chunk (MtvCopier *self, Chunk *chunk)
{
  guint n_blocks = mtv_block_map_get_n_blocks (self->map);

  if (chunk->next < chunk->end)
    return TRUE;
  chunk->next = self->next_chunk;
  chunk->end = self->next_chunk = MIN (n_blocks, self->next_chunk + self->chunk_size);
  return chunk->next < chunk->end;
}

/* A block that does not fit into memory to be decided about is only hashed at first, and read again
 * if it differs; a source that cannot go back is not asked to. */
static void
set_sink (MtvCopier *self, MtvTask *task, Need need)
{
  if (need != COMPARING)
    task->sink = MTV_TASK_WRITE;
  else if (task->end - task->start <= MTV_TASK_MAX_DECIDE)
    task->sink = MTV_TASK_DECIDE;
  else
    task->sink = self->in_order ? MTV_TASK_WRITE : MTV_TASK_DROP;
}

/* Takes block @index as well if it is the next one, of the chunk or after it, and needs zeroes. */
static gboolean
take_zeroes (MtvCopier *self, Chunk *chunk, guint index)
{
  guint *next = chunk->next < chunk->end ? &chunk->next : &self->next_chunk;

  if (*next != index || index == mtv_block_map_get_n_blocks (self->map)
      || get_need (self, index) != ZEROES)
    return FALSE;
  (*next)++;
  return TRUE;
}

static gboolean
next_copy (MtvCopier *self, Chunk *chunk, MtvTask *task)
{
  guint max_together = MAX (1, MAX_ZERO_RUN / mtv_block_map_get_block_size (self->map));
  Need need = NOTHING;
  guint n = 1;

  if (self->rewrites->len > 0)
    {
      fill_task (self, task, g_array_index (self->rewrites, guint32, 0), 1);
      task->sink = MTV_TASK_WRITE;
      g_array_remove_index_fast (self->rewrites, 0);
      return TRUE;
    }
  while (need == NOTHING && get_chunk (self, chunk))
    need = get_need (self, chunk->next++);
  if (need == NOTHING)
    return FALSE;
  guint first = chunk->next - 1;
  while (need == ZEROES && n < max_together && take_zeroes (self, chunk, first + n))
    n++;
  fill_task (self, task, first, n);
  set_sink (self, task, need);
  return TRUE;
}

static gboolean
next_check (MtvCopier *self, MtvTask *task)
{
  if (self->read_back == NULL || !mtv_read_back_next (self->read_back, task))
    return FALSE;
  self->check_is_due = FALSE;
  return TRUE;
}

/* Of all that the map and the destination need, some is in flight or not begun. */
static gboolean
copies_locked (MtvCopier *self)
{
  gboolean begun = self->next_chunk == mtv_block_map_get_n_blocks (self->map);

  for (guint i = 0; i < MTV_CREW_MAX_LANES; i++)
    begun = begun && self->chunks[i].next >= self->chunks[i].end;
  return !begun || self->rewrites->len > 0 || self->n_copying > 0;
}

static MtvCrewAnswer
copier_next (gpointer owner, guint lane, MtvTask *task)
{
  MtvCopier *self = owner;
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (self->check_is_due && next_check (self, task))
    return MTV_CREW_TASK;
  if (next_copy (self, &self->chunks[lane], task))
    {
      self->n_copying++;
      self->check_is_due = TRUE;
      return MTV_CREW_TASK;
    }
  if (next_check (self, task))
    return MTV_CREW_TASK;
  if (!copies_locked (self))
    mtv_crew_poke (self->crew);
  return MTV_CREW_LATER;
}

static gboolean
copier_decide (gpointer owner, const MtvTask *task)
{
  return !is_as_in_map (owner, task);
}

static void
copied (MtvCopier *self, const MtvTask *task)
{
  MtvWritten finished = { task->first, task->n, task->has_data, task->is_partial, { 0 } };
  gboolean is_equal = task->sink != MTV_TASK_WRITE && is_as_in_map (self, task);

  memcpy (finished.hash, task->hash, sizeof finished.hash);
  g_mutex_lock (&self->lock);
  self->n_copying--;
  if (task->sink == MTV_TASK_DROP && !is_equal)
    g_array_append_val (self->rewrites, finished.first);
  else if (!is_equal)
    g_array_append_val (self->finished, finished);
  self->unflushed += task->written;
  gboolean due = self->unflushed >= self->checkpoint_bytes || !copies_locked (self);
  g_mutex_unlock (&self->lock);

  if (task->sink != MTV_TASK_DROP || is_equal)
    __atomic_add_fetch (&self->bytes_done, mtv_data_runs_count (self->runs, task->start, task->end),
                        __ATOMIC_RELAXED);
  __atomic_add_fetch (&self->bytes_written, task->written, __ATOMIC_RELAXED);
  if (due)
    mtv_crew_poke (self->crew);
}

static gboolean
checked (MtvCopier *self, const MtvTask *task, GError **error)
{
  if (!mtv_read_back_check (self->read_back, task, error))
    return FALSE;
  __atomic_add_fetch (&self->bytes_verified, task->end - task->start, __ATOMIC_RELAXED);
  if (!mtv_read_back_is_under_way (self->read_back))
    mtv_crew_poke (self->crew);
  return TRUE;
}

static gboolean
copier_finished (gpointer owner, const MtvTask *task, GError **error)
{
  if (task->read_back)
    return checked (owner, task, error);
  copied (owner, task);
  return TRUE;
}

static GArray *
take_finished (MtvCopier *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  GArray *taken = self->finished;

  self->finished = g_array_new (FALSE, FALSE, sizeof (MtvWritten));
  self->unflushed = 0;
  return taken;
}

/* (nullable) */
static GBytes *
note_in_map (MtvCopier *self, GArray *finished)
{
  g_autoptr (GArray) indices = self->read_back != NULL
                                   ? mtv_read_back_take_rehashed (self->read_back)
                                   : g_array_new (FALSE, FALSE, sizeof (guint32));

  for (guint i = 0; i < finished->len; i++)
    {
      MtvWritten *one = &g_array_index (finished, MtvWritten, i);

      for (guint32 j = one->first; j < one->first + one->n; j++)
        {
          if (one->is_partial)
            mtv_block_map_set_state (self->map, j, MTV_BLOCK_UNHASHED);
          else
            mtv_block_map_set (self->map, j, one->has_data ? one->hash : NULL);
          g_array_append_val (indices, j);
        }
    }
  return indices->len == 0
             ? NULL
             : mtv_block_map_pack (self->map, (const guint32 *) indices->data, indices->len);
}

static gboolean
make_checkpoint (MtvCopier *self, GError **error)
{
  g_autoptr (GArray) finished = take_finished (self);

  if (!mtv_crew_flush (self->crew, error))
    return FALSE;
  g_autoptr (GBytes) packed = note_in_map (self, finished);
  if (packed != NULL && self->checkpoint != NULL
      && !self->checkpoint (packed, self->checkpoint_data, error))
    return FALSE;
  if (self->read_back == NULL)
    return TRUE;
  if (!mtv_read_back_add (self->read_back, finished, self->cancellable, error))
    return FALSE;
  mtv_crew_wake (self->crew);
  return TRUE;
}

/* What an earlier run had done counts as done. */
static void
start_progress (MtvCopier *self)
{
  guint n_blocks = mtv_block_map_get_n_blocks (self->map);
  guint64 done = 0;

  for (guint i = 0; i < n_blocks; i++)
    if (get_need (self, i) == NOTHING)
      done += mtv_data_runs_count (self->runs, mtv_block_map_get_start (self->map, i),
                                   mtv_block_map_get_start (self->map, i + 1));
  __atomic_store_n (&self->bytes_total,
                    mtv_data_runs_count (self->runs, 0, mtv_block_map_get_disk_size (self->map)),
                    __ATOMIC_RELAXED);
  __atomic_store_n (&self->bytes_done, done, __ATOMIC_RELAXED);
}

/* What is to be waited for, and whether a checkpoint is to be made before that. */
static gboolean
is_under_way (MtvCopier *self, gint64 due_usec, gboolean *checkpoint)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  gboolean copies = copies_locked (self);
  gboolean checks = self->read_back != NULL && mtv_read_back_is_under_way (self->read_back);
  gboolean something = self->finished->len > 0
                       || (self->read_back != NULL && mtv_read_back_has_rehashed (self->read_back));

  *checkpoint
      = something
        && ((!copies && !checks) || (!copies && self->finished->len > 0)
            || self->unflushed >= self->checkpoint_bytes || g_get_monotonic_time () >= due_usec);
  return copies || checks || something;
}

/* Until all is copied, flushed and read back; or the crew's first failure. FALSE after a failed
 * checkpoint: the kernel may call pages clean then that it lost, and a second flush would lie. */
static gboolean
attend (MtvCopier *self, GError **error)
{
  gint64 due_usec = g_get_monotonic_time () + CHECKPOINT_USEC;
  gboolean checkpoint;

  while (is_under_way (self, due_usec, &checkpoint))
    {
      if (checkpoint && !make_checkpoint (self, error))
        return FALSE;
      if (checkpoint || g_get_monotonic_time () >= due_usec)
        due_usec = g_get_monotonic_time () + CHECKPOINT_USEC;
      if (!checkpoint && !mtv_crew_wait (self->crew, due_usec))
        return TRUE;
    }
  return TRUE;
}

static gboolean
has_finished (MtvCopier *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->finished->len > 0;
}

static gboolean
run (MtvCopier *self, GCancellable *cancellable, GError **error)
{
  static const MtvCrewFuncs funcs = { copier_next, copier_decide, copier_finished };
  MtvCrewWork work = {
    .source = self->reader,
    .writer = self->writer,
    .written = self->written,
    .runs = self->runs,
    .hash = mtv_block_map_get_hash (self->map),
    .target_is_zero = !self->writes_zeroes,
    .hash_changes = self->written != NULL && self->changes != NULL,
    .throttle = self->throttle,
    .budget = self->budget,
    .funcs = &funcs,
    .owner = self,
  };
  guint n_lanes = mtv_crew_get_n_lanes (&work);
  g_autoptr (GError) late = NULL;

  if (self->n_threads > 0)
    n_lanes = MIN (n_lanes, self->n_threads);
  self->crew = mtv_crew_new (&work, n_lanes);
  mtv_crew_start (self->crew, cancellable);
  gboolean ok = attend (self, error);
  if (ok && !mtv_crew_has_failed (self->crew))
    ok = mtv_crew_flush (self->crew, error);
  else if (ok && has_finished (self) && !make_checkpoint (self, &late))
    g_debug ("Cannot keep what was copied before the failure, ignoring: %s", late->message);
  /* The lanes look at it until they have ended. */
  if (!mtv_crew_end (self->crew, ok ? error : NULL))
    ok = FALSE;
  self->crew = NULL;
  return ok;
}

static gboolean
copy (MtvCopier *self, GCancellable *cancellable, GError **error)
{
  guint64 block_size = mtv_block_map_get_block_size (self->map);
  MtvHints hints = mtv_reader_get_hints (self->reader);

  self->runs = mtv_data_runs_new (self->reader, block_size, self->changes, cancellable, error);
  if (self->runs == NULL)
    return FALSE;
  self->in_order = hints.in_order;
  self->compare = self->compare || (self->in_order && mtv_block_map_get_n_done (self->map) > 0);
  self->writes_zeroes = !self->target_is_zero || self->compare || self->changes != NULL;
  self->cancellable = cancellable;
  if (self->written != NULL)
    self->read_back = mtv_read_back_new (self->written, self->map, self->writes_zeroes);
  self->chunk_size = MAX (1, MAX (hints.run, DEFAULT_RUN) / block_size);
  start_progress (self);
  return run (self, cancellable, error);
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

guint64
mtv_copier_get_bytes_verified (MtvCopier *self)
{
  g_return_val_if_fail (MTV_IS_COPIER (self), 0);

  return __atomic_load_n (&self->bytes_verified, __ATOMIC_RELAXED);
}

guint64
mtv_copier_get_bytes_written (MtvCopier *self)
{
  g_return_val_if_fail (MTV_IS_COPIER (self), 0);

  return __atomic_load_n (&self->bytes_written, __ATOMIC_RELAXED);
}
