/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-verifier.h"

#include "base/mtv-error.h"
#include "transfer/mtv-crew.h"

struct _MtvVerifier
{
  GObject parent;

  MtvReader *written; /* (owned) */
  MtvBlockMap *map;   /* (owned) */
  gboolean full;
  gboolean started;
  MtvBudget *budget; /* (owned) (nullable) */

  MtvCrew *crew; /* (owned) (nullable) during the call */
  GMutex lock;   /* for these two */
  guint next;
  guint n_under_way;

  guint64 bytes_total; /* (atomic) */
  guint64 bytes_done;  /* (atomic) */
};

G_DEFINE_FINAL_TYPE (MtvVerifier, mtv_verifier, G_TYPE_OBJECT)

static void
mtv_verifier_finalize (GObject *object)
{
  MtvVerifier *self = MTV_VERIFIER (object);

  g_clear_object (&self->written);
  g_clear_pointer (&self->map, mtv_block_map_unref);
  g_clear_pointer (&self->budget, mtv_budget_unref);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_verifier_parent_class)->finalize (object);
}

static void
mtv_verifier_class_init (MtvVerifierClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_verifier_finalize;
}

static void
mtv_verifier_init (MtvVerifier *self)
{
  g_mutex_init (&self->lock);
}

MtvVerifier *
mtv_verifier_new (MtvReader *written, MtvBlockMap *map, gboolean full)
{
  g_return_val_if_fail (MTV_IS_READER (written), NULL);
  g_return_val_if_fail (map != NULL, NULL);

  MtvVerifier *self = g_object_new (MTV_TYPE_VERIFIER, NULL);
  self->written = g_object_ref (written);
  self->map = mtv_block_map_ref (map);
  self->full = full;
  return self;
}

void
mtv_verifier_set_budget (MtvVerifier *self, MtvBudget *budget)
{
  g_return_if_fail (MTV_IS_VERIFIER (self) && !self->started);
  g_return_if_fail (self->budget == NULL);

  self->budget = mtv_budget_ref (budget);
}

static gboolean
needs_check (MtvVerifier *self, guint index)
{
  return !mtv_block_map_is_read_back (self->map, index)
         || (self->full && mtv_block_map_get (self->map, index, NULL) == MTV_BLOCK_ZERO);
}

static MtvCrewAnswer
verifier_next (gpointer owner, guint lane, MtvTask *task)
{
  MtvVerifier *self = owner;
  guint n_blocks = mtv_block_map_get_n_blocks (self->map);
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  (void) lane;
  while (self->next < n_blocks && !needs_check (self, self->next))
    self->next++;
  if (self->next == n_blocks)
    {
      if (self->n_under_way == 0)
        mtv_crew_poke (self->crew);
      return MTV_CREW_LATER;
    }
  task->first = self->next++;
  task->n = 1;
  task->start = mtv_block_map_get_start (self->map, task->first);
  task->end = mtv_block_map_get_start (self->map, task->first + 1);
  self->n_under_way++;
  return MTV_CREW_TASK;
}

/* The bytes of block @index that are certainly read. */
static guint64
bytes_to_read (MtvVerifier *self, guint index)
{
  return needs_check (self, index)
                 && (self->full || mtv_block_map_get (self->map, index, NULL) == MTV_BLOCK_DATA)
             ? mtv_block_map_get_start (self->map, index + 1)
                   - mtv_block_map_get_start (self->map, index)
             : 0;
}

static gboolean
verifier_finished (gpointer owner, const MtvTask *task, GError **error)
{
  MtvVerifier *self = owner;
  const guint8 *hash = task->has_data ? task->hash : NULL;

  if (!mtv_block_map_is (self->map, task->first, hash))
    return mtv_crew_mismatch (task->start,
                              mtv_block_map_get (self->map, task->first, NULL) == MTV_BLOCK_DATA
                                  ? "has another hash"
                                  : "should be all zeroes",
                              error);
  __atomic_add_fetch (&self->bytes_done, bytes_to_read (self, task->first), __ATOMIC_RELAXED);
  g_mutex_lock (&self->lock);
  gboolean all = --self->n_under_way == 0 && self->next == mtv_block_map_get_n_blocks (self->map);
  g_mutex_unlock (&self->lock);
  if (all)
    mtv_crew_poke (self->crew);
  return TRUE;
}

/* What needs no reading: the size, and that every block is known. */
static gboolean
start (MtvVerifier *self, GError **error)
{
  guint n_blocks = mtv_block_map_get_n_blocks (self->map);
  guint64 promised = mtv_block_map_get_disk_size (self->map);
  guint64 size = mtv_reader_get_size (self->written);
  guint64 total = 0;

  if (size < promised)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH,
                   "The written disk ends at byte %" G_GUINT64_FORMAT
                   ", but should have %" G_GUINT64_FORMAT,
                   size, promised);
      return FALSE;
    }
  for (guint i = 0; i < n_blocks; i++)
    {
      MtvBlockState state = mtv_block_map_get (self->map, i, NULL);

      if (state == MTV_BLOCK_PENDING || state == MTV_BLOCK_UNHASHED)
        return mtv_crew_mismatch (
            mtv_block_map_get_start (self->map, i),
            state == MTV_BLOCK_PENDING ? "was never copied" : "was never hashed", error);
      total += bytes_to_read (self, i);
    }
  __atomic_store_n (&self->bytes_total, total, __ATOMIC_RELAXED);
  return TRUE;
}

static gboolean
is_under_way (MtvVerifier *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->n_under_way > 0 || self->next < mtv_block_map_get_n_blocks (self->map);
}

static gboolean
verify (MtvVerifier *self, GCancellable *cancellable, GError **error)
{
  static const MtvCrewFuncs funcs = { verifier_next, NULL, verifier_finished };
  g_autoptr (MtvDataRuns) runs = NULL;
  MtvCrewWork work = {
    .source = self->written,
    .hash = mtv_block_map_get_hash (self->map),
    .budget = self->budget,
    .funcs = &funcs,
    .owner = self,
  };

  if (!start (self, error))
    return FALSE;
  if (!self->full)
    {
      runs = mtv_data_runs_new (self->written, mtv_block_map_get_block_size (self->map), NULL,
                                cancellable, error);
      if (runs == NULL)
        return FALSE;
    }
  work.runs = runs;
  self->crew = mtv_crew_new (&work, mtv_crew_get_n_lanes (&work));
  mtv_crew_start (self->crew, cancellable);
  while (is_under_way (self) && mtv_crew_wait (self->crew, G_MAXINT64))
    continue;
  gboolean ok = mtv_crew_end (self->crew, error); /* the lanes look at it until they ended */
  self->crew = NULL;
  return ok;
}

static gpointer
verify_thread (gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;

  if (verify (g_task_get_source_object (task), g_task_get_cancellable (task), &error))
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, mtv_error_normalize (error));
  return NULL;
}

void
mtv_verifier_verify_async (MtvVerifier *self, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_VERIFIER (self));
  g_return_if_fail (cancellable == NULL || G_IS_CANCELLABLE (cancellable));
  g_return_if_fail (!self->started);

  self->started = TRUE;
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (task, mtv_verifier_verify_async);
  g_task_set_check_cancellable (task, FALSE); /* the thread's own answer stands */
  g_thread_unref (g_thread_new ("mtv-verify", verify_thread, g_steal_pointer (&task)));
}

gboolean
mtv_verifier_verify_finish (MtvVerifier *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

guint64
mtv_verifier_get_bytes_total (MtvVerifier *self)
{
  g_return_val_if_fail (MTV_IS_VERIFIER (self), 0);

  return __atomic_load_n (&self->bytes_total, __ATOMIC_RELAXED);
}

guint64
mtv_verifier_get_bytes_done (MtvVerifier *self)
{
  g_return_val_if_fail (MTV_IS_VERIFIER (self), 0);

  return __atomic_load_n (&self->bytes_done, __ATOMIC_RELAXED);
}
