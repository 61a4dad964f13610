/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-block-crew.h"

#define MAX_THREADS 4

struct _MtvBlockCrew
{
  guint n_blocks;
  guint max_together;
  const MtvCrewFuncs *funcs; /* (unowned) */
  gpointer data;             /* (unowned) */
  GCancellable *cancellable; /* (owned) */

  GMutex lock; /* for all below */
  GCond changed;
  guint next;
  guint n_running;
  gboolean called;
  GError *error; /* (owned) (nullable) the first one */
};

/* Takes the next piece of work; 0 when there is none. */
static guint
take (MtvBlockCrew *self, guint *first)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  MtvCrewKind kind = MTV_CREW_SKIP;
  guint n = 1;

  if (self->error != NULL)
    return 0;
  while (self->next < self->n_blocks && kind == MTV_CREW_SKIP)
    kind = self->funcs->kind (self->data, self->next++);
  if (kind == MTV_CREW_SKIP)
    return 0;

  *first = self->next - 1;
  for (; kind == MTV_CREW_TOGETHER && n < self->max_together; n++, self->next++)
    if (self->next == self->n_blocks
        || self->funcs->kind (self->data, self->next) != MTV_CREW_TOGETHER)
      break;
  return n;
}

static void
fail (MtvBlockCrew *self, GError *error)
{
  g_mutex_lock (&self->lock);
  if (self->error == NULL)
    self->error = g_steal_pointer (&error);
  g_mutex_unlock (&self->lock);
  g_clear_error (&error); /* the consequence of the first one */
  g_cancellable_cancel (self->cancellable);
}

static gpointer
hand_thread (gpointer data)
{
  MtvBlockCrew *self = data;
  g_autoptr (MtvAligned) buffer = mtv_aligned_new (MTV_CREW_PIECE);
  g_autoptr (MtvBlockHash) hash = mtv_block_hash_new (MTV_HASH_SHA256);
  MtvCrewHand hand = { self, self->cancellable, buffer, hash };
  guint first;
  guint n;

  while ((n = take (self, &first)) > 0)
    {
      GError *error = NULL;

      if (g_cancellable_set_error_if_cancelled (self->cancellable, &error)
          || !self->funcs->work (self->data, &hand, first, n, &error))
        fail (self, error);
    }

  g_mutex_lock (&self->lock);
  self->n_running--;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  return NULL;
}

static void
attend_until_all_ended (MtvBlockCrew *self)
{
  g_mutex_lock (&self->lock);
  while (self->n_running > 0)
    {
      if (!self->called || self->error != NULL)
        {
          g_cond_wait (&self->changed, &self->lock);
          continue;
        }
      self->called = FALSE;
      g_mutex_unlock (&self->lock);
      GError *error = NULL;
      if (!self->funcs->attend (self->data, &error))
        fail (self, error);
      g_mutex_lock (&self->lock);
    }
  g_mutex_unlock (&self->lock);
}

static void
cancel_cb (GCancellable *outer, GCancellable *inner)
{
  (void) outer;
  g_cancellable_cancel (inner);
}

gboolean
mtv_block_crew_run (guint n_blocks, guint n_threads, guint max_together, const MtvCrewFuncs *funcs,
                    gpointer data, GCancellable *cancellable, GError **error)
{
  g_autoptr (GCancellable) inner = g_cancellable_new ();
  MtvBlockCrew self = {
    .n_blocks = n_blocks,
    .max_together = max_together,
    .funcs = funcs,
    .data = data,
    .cancellable = inner,
    .n_running = n_threads,
  };
  g_autoptr (GPtrArray) threads = g_ptr_array_new ();
  gulong handler = 0;

  g_return_val_if_fail (n_threads > 0 && max_together > 0, FALSE);

  g_mutex_init (&self.lock);
  g_cond_init (&self.changed);
  if (cancellable != NULL)
    handler = g_cancellable_connect (cancellable, G_CALLBACK (cancel_cb), inner, NULL);
  for (guint i = 0; i < n_threads; i++)
    g_ptr_array_add (threads, g_thread_new ("mtv-blocks", hand_thread, &self));

  attend_until_all_ended (&self);
  for (guint i = 0; i < threads->len; i++)
    g_thread_join (threads->pdata[i]);
  g_cancellable_disconnect (cancellable, handler);
  g_cond_clear (&self.changed);
  g_mutex_clear (&self.lock);

  if (self.error == NULL)
    return TRUE;
  g_propagate_error (error, self.error);
  return FALSE;
}

void
mtv_block_crew_call (MtvBlockCrew *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  self->called = TRUE;
  g_cond_signal (&self->changed);
}

guint
mtv_block_crew_default_threads (void)
{
  return MIN (g_get_num_processors (), MAX_THREADS);
}
