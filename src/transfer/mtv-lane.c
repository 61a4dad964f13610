/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-crew-private.h"

#include <errno.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

/* What is polled: the channels and, behind them, what wakes the lane. */
#define WAKE MTV_LANE_N_ENDS
#define N_FDS (MTV_LANE_N_ENDS + 1)

void
mtv_lane_wake (MtvLane *self)
{
  (void) eventfd_write (self->wake_fd, 1);
}

static void
make_pieces (MtvLane *self)
{
  self->n_units = MAX (MTV_LANE_MIN_UNITS, MTV_LANE_MAX_UNITS / self->crew->n_lanes);
  self->free_units = ~G_GUINT64_CONSTANT (0) >> (64 - self->n_units);
  gsize size = (gsize) self->n_units * MTV_UNIT_SIZE;
  /* Mapped, so that what an end that hangs still holds of it outlives the lane unharmed. */
  self->arena = mmap (NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (self->arena == MAP_FAILED)
    g_error ("Cannot allocate %" G_GSIZE_FORMAT " bytes", size);
  /* Large pages are what a kernel takes hold of at least expense for a direct write. */
  (void) madvise (self->arena, size, MADV_HUGEPAGE);
  self->pieces = g_new0 (MtvPiece, self->n_units);
  for (guint i = 0; i < self->n_units; i++)
    self->pieces[i].buffer = self->arena + (gsize) i * MTV_UNIT_SIZE;
}

static gboolean
open_channels (MtvLane *self, GError **error)
{
  const MtvCrewWork *work = &self->crew->work;
  MtvChannel **channels = self->channels;
  GCancellable *cancellable = self->crew->cancellable;

  if (work->source != NULL)
    {
      channels[MTV_LANE_SOURCE] = mtv_reader_open_channel (work->source, cancellable, error);
      if (channels[MTV_LANE_SOURCE] == NULL)
        return FALSE;
    }
  if (work->writer != NULL)
    {
      channels[MTV_LANE_WRITER] = mtv_writer_open_channel (work->writer, cancellable, error);
      if (channels[MTV_LANE_WRITER] == NULL)
        return FALSE;
    }
  if (work->written != NULL)
    {
      channels[MTV_LANE_WRITTEN] = mtv_reader_open_channel (work->written, cancellable, error);
      if (channels[MTV_LANE_WRITTEN] == NULL)
        return FALSE;
    }
  return TRUE;
}

static void
close_channels (MtvLane *self)
{
  gboolean all_free = TRUE;

  for (guint i = 0; i < MTV_LANE_N_ENDS; i++)
    if (self->channels[i] != NULL)
      all_free = mtv_channel_free (self->channels[i]) && all_free;
  if (all_free)
    munmap (self->arena, (gsize) self->n_units * MTV_UNIT_SIZE);
  else
    g_debug ("An end of a copy hangs, leaving it %u buffers", self->n_units);
  g_free (self->pieces);
  mtv_lane_free_runs (self);
}

/* How many units may be in use; never so few that a task which is decided about cannot end. */
static guint
get_allowance (MtvLane *self)
{
  MtvBudget *budget = self->crew->work.budget;
  guint64 share = budget != NULL ? mtv_budget_get_share (budget) / MTV_UNIT_SIZE : self->n_units;

  return CLAMP (share, MTV_LANE_MIN_UNITS, self->n_units);
}

static void
flushed_cb (MtvIo *io, GError *error)
{
  MtvLane *self = io->data;

  self->flushing = FALSE;
  mtv_crew_flushed (self->crew, error);
}

/* One lane flushes for all: an end with a single connection has no other that it could come from.
 */
static void
flush_if_wanted (MtvLane *self)
{
  if (self->index != 0 || self->flushing || self->channels[MTV_LANE_WRITER] == NULL
      || !mtv_crew_take_flush (self->crew))
    return;
  self->flushing = TRUE;
  self->flush = (MtvIo){ .kind = MTV_IO_FLUSH, .done = flushed_cb, .data = self };
  mtv_channel_submit (self->channels[MTV_LANE_WRITER], &self->flush);
}

/* A reader that blocks has done what was issued: it is hashed and sent on before more is read. */
static void
issue (MtvLane *self)
{
  guint allowance = get_allowance (self);
  MtvChannel *source = self->channels[MTV_LANE_SOURCE];
  MtvChannel *written = self->channels[MTV_LANE_WRITTEN];
  gboolean blocks = (source != NULL && source->blocks) || (written != NULL && written->blocks);
  guint limit = blocks ? self->n_used + 1 : allowance;

  self->throttled_until_usec = 0;
  while (!self->stopping && self->n_used < MIN (limit, allowance)
         && mtv_lane_issue (self, allowance - self->n_used))
    continue;
}

static int
shorter (int a, int b)
{
  return a < 0 || (b >= 0 && b < a) ? b : a;
}

static int
prepare (MtvLane *self, struct pollfd fds[N_FDS])
{
  int timeout_msec = -1;

  for (guint i = 0; i < MTV_LANE_N_ENDS; i++)
    {
      fds[i] = (struct pollfd){ .fd = -1 };
      if (self->channels[i] != NULL)
        timeout_msec = shorter (timeout_msec, mtv_channel_prepare (self->channels[i], &fds[i]));
    }
  if (self->throttled_until_usec > 0)
    {
      gint64 left_usec = self->throttled_until_usec - g_get_monotonic_time ();

      timeout_msec = shorter (timeout_msec, (int) (MAX (left_usec, 0) / 1000) + 1);
    }
  return timeout_msec;
}

static void
dispatch (MtvLane *self, struct pollfd fds[N_FDS])
{
  eventfd_t count;

  if (fds[WAKE].revents != 0)
    (void) eventfd_read (self->wake_fd, &count);
  for (guint i = 0; i < MTV_LANE_N_ENDS; i++)
    if (self->channels[i] != NULL)
      mtv_channel_dispatch (self->channels[i], fds[i].revents);
}

/* Until the crew is closed, and for all but the first lane also after a failure: the first stays to
 * flush what was written before it. */
static void
loop (MtvLane *self)
{
  struct pollfd fds[N_FDS] = { [WAKE] = { .fd = self->wake_fd, .events = POLLIN } };

  while (!mtv_crew_is_closing (self->crew))
    {
      self->stopping = self->stopping || mtv_crew_has_failed (self->crew);
      if (self->stopping && self->index != 0)
        return;
      if (!self->stopping)
        issue (self);
      flush_if_wanted (self);
      int timeout_msec = prepare (self, fds);
      if (poll (fds, N_FDS, timeout_msec) < 0)
        for (guint i = 0; i < N_FDS; i++)
          fds[i].revents = 0; /* a signal */
      dispatch (self, fds);
    }
}

gpointer
mtv_lane_thread (gpointer data)
{
  MtvLane *self = data;
  MtvBudget *budget = self->crew->work.budget;
  GError *error = NULL;

  self->runs = g_ptr_array_new ();
  self->zeroes = g_ptr_array_new_with_free_func (g_free);
  if (budget != NULL)
    mtv_budget_join (budget);
  make_pieces (self);
  if (open_channels (self, &error))
    loop (self);
  else
    mtv_crew_fail (self->crew, error);
  mtv_crew_lane_ended (self->crew, self->index);
  close_channels (self);
  if (budget != NULL)
    mtv_budget_leave (budget);
  return NULL;
}
