/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer/mtv-crew-private.h"

#include <sys/eventfd.h>
#include <unistd.h>

/* For an end that hangs: in an hour it would still be no error of ours, but nobody waits so long.
 */
#define FLUSH_USEC (10 * G_TIME_SPAN_MINUTE)
#define FLUSH_FAILED_USEC (30 * G_TIME_SPAN_SECOND)
#define FLUSH_CANCELLED_USEC (80 * G_TIME_SPAN_MILLISECOND)

static guint
at_most (guint n, guint limit)
{
  return limit == 0 ? n : MIN (n, limit);
}

gboolean
mtv_crew_mismatch (guint64 offset, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH,
               "The written disk is not what was copied: the block at byte %" G_GUINT64_FORMAT
               " %s",
               offset, what);
  return FALSE;
}

guint
mtv_crew_get_n_lanes (const MtvCrewWork *work)
{
  guint n = MIN (g_get_num_processors (), MTV_CREW_MAX_LANES);

  if (work->source != NULL)
    n = at_most (n, mtv_reader_get_hints (work->source).max_channels);
  if (work->writer != NULL)
    n = at_most (n, mtv_writer_get_hints (work->writer).max_channels);
  if (work->written != NULL)
    n = at_most (n, mtv_reader_get_hints (work->written).max_channels);
  /* Where many copies share the memory, each gets on with as little as it can. */
  if (work->budget != NULL
      && mtv_budget_get_share (work->budget) < MTV_LANE_MIN_UNITS * MTV_UNIT_SIZE)
    return 1;
  return MAX (1, n);
}

static void
wake_all (MtvCrew *self)
{
  for (guint i = 0; i < self->n_lanes; i++)
    mtv_lane_wake (&self->lanes[i]);
}

static void
cancelled_cb (GCancellable *outer, gpointer crew)
{
  GError *error = NULL;

  g_cancellable_set_error_if_cancelled (outer, &error);
  mtv_crew_fail (crew, error);
}

MtvCrew *
mtv_crew_new (const MtvCrewWork *work, guint n_lanes)
{
  g_return_val_if_fail (n_lanes > 0, NULL);

  MtvCrew *self = g_new0 (MtvCrew, 1);
  self->work = *work;
  self->cancellable = g_cancellable_new ();
  g_mutex_init (&self->lock);
  g_mutex_init (&self->next_lock);
  g_cond_init (&self->changed);
  self->n_lanes = n_lanes;
  self->lanes = g_new0 (MtvLane, n_lanes);
  for (guint i = 0; i < n_lanes; i++)
    {
      self->lanes[i].crew = self;
      self->lanes[i].index = i;
      self->lanes[i].wake_fd = eventfd (0, EFD_CLOEXEC | EFD_NONBLOCK);
      if (self->lanes[i].wake_fd < 0)
        g_error ("Cannot make an event descriptor");
    }
  return self;
}

void
mtv_crew_start (MtvCrew *self, GCancellable *cancellable)
{
  if (g_set_object (&self->outer, cancellable))
    self->cancelled_id = g_cancellable_connect (cancellable, G_CALLBACK (cancelled_cb), self, NULL);
  for (guint i = 0; i < self->n_lanes; i++)
    self->lanes[i].thread = g_thread_new ("mtv-lane", mtv_lane_thread, &self->lanes[i]);
}

void
mtv_crew_wake (MtvCrew *self)
{
  wake_all (self);
}

void
mtv_crew_poke (MtvCrew *self)
{
  g_mutex_lock (&self->lock);
  self->poked = TRUE;
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
}

void
mtv_crew_fail (MtvCrew *self, GError *error)
{
  g_mutex_lock (&self->lock);
  if (self->error == NULL)
    self->error = g_steal_pointer (&error);
  g_cond_signal (&self->changed);
  g_mutex_unlock (&self->lock);
  g_clear_error (&error); /* the consequence of the first one */
  g_cancellable_cancel (self->cancellable);
  wake_all (self);
}

gboolean
mtv_crew_has_failed (MtvCrew *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->error != NULL;
}

gboolean
mtv_crew_is_closing (MtvCrew *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  return self->closing;
}

gboolean
mtv_crew_wait (MtvCrew *self, gint64 until_usec)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  while (!self->poked && self->error == NULL)
    if (!g_cond_wait_until (&self->changed, &self->lock, until_usec))
      break;
  self->poked = FALSE;
  return self->error == NULL;
}

gboolean
mtv_crew_take_flush (MtvCrew *self)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  gboolean wanted = self->flush == MTV_FLUSH_WANTED;

  if (wanted)
    self->flush = MTV_FLUSH_NONE;
  return wanted;
}

void
mtv_crew_flushed (MtvCrew *self, GError *error)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  g_clear_error (&self->flush_error);
  self->flush_error = error;
  self->flush = MTV_FLUSH_DONE;
  g_cond_signal (&self->changed);
}

/* How long a flush that is under way is waited for. */
static gint64
get_patience_usec (MtvCrew *self)
{
  if (self->error == NULL)
    return FLUSH_USEC;
  return g_error_matches (self->error, G_IO_ERROR, G_IO_ERROR_CANCELLED) ? FLUSH_CANCELLED_USEC
                                                                         : FLUSH_FAILED_USEC;
}

gboolean
mtv_crew_flush (MtvCrew *self, GError **error)
{
  gint64 start_usec = g_get_monotonic_time ();

  g_mutex_lock (&self->lock);
  self->flush = MTV_FLUSH_WANTED;
  g_mutex_unlock (&self->lock);
  mtv_lane_wake (&self->lanes[0]);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  while (self->flush != MTV_FLUSH_DONE)
    {
      gint64 until_usec = start_usec + get_patience_usec (self);

      if (self->flusher_gone || g_get_monotonic_time () >= until_usec)
        {
          if (self->error != NULL) /* for which it is not waited for any longer */
            g_propagate_error (error, g_error_copy (self->error));
          else
            g_set_error_literal (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                                 "The destination does not end its flush");
          return FALSE;
        }
      g_cond_wait_until (&self->changed, &self->lock, until_usec);
    }
  if (self->flush_error == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&self->flush_error));
  return FALSE;
}

void
mtv_crew_lane_ended (MtvCrew *self, guint index)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  self->flusher_gone = self->flusher_gone || index == 0;
  g_cond_signal (&self->changed);
}

gboolean
mtv_crew_end (MtvCrew *self, GError **error)
{
  g_autoptr (GError) first = NULL;

  g_mutex_lock (&self->lock);
  self->closing = TRUE;
  g_mutex_unlock (&self->lock);
  wake_all (self);
  for (guint i = 0; i < self->n_lanes; i++)
    g_thread_join (self->lanes[i].thread);
  for (guint i = 0; i < self->n_lanes; i++)
    close (self->lanes[i].wake_fd);

  g_cancellable_disconnect (self->outer, self->cancelled_id);
  g_clear_object (&self->outer);
  g_clear_object (&self->cancellable);
  g_clear_error (&self->flush_error);
  first = g_steal_pointer (&self->error);
  g_cond_clear (&self->changed);
  g_mutex_clear (&self->lock);
  g_mutex_clear (&self->next_lock);
  g_free (self->lanes);
  g_free (self);
  if (first == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&first));
  return FALSE;
}
