/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-crew-private.h"

/* A task's way: pieces are issued in order, arrive in any, are hashed in order, and written as soon
 * as they are hashed. Zeroes are requests without a piece. */

static MtvRunKind
next_run (const MtvTaskRun *run, guint64 at, guint64 end, guint64 *next)
{
  MtvDataRuns *runs = run->lane->crew->work.runs;
  MtvRunKind kind = MTV_RUN_DATA;

  *next = run->task.read_back || runs == NULL ? end : mtv_data_runs_next (runs, at, end, &kind);
  return kind;
}

static MtvTaskRun *
take_run (MtvLane *self)
{
  MtvTaskRun *run = self->idle_runs;
  const MtvCrewWork *work = &self->crew->work;

  if (run == NULL)
    {
      run = g_new0 (MtvTaskRun, 1);
      run->lane = self;
      run->hash = mtv_block_hash_new (work->hash);
      run->changed = work->hash_changes ? mtv_block_hash_new (work->hash) : NULL;
      g_ptr_array_add (self->runs, run);
    }
  self->idle_runs = run->next;
  run->next = NULL;
  return run;
}

static void
give_back_run (MtvTaskRun *run)
{
  run->next = run->lane->idle_runs;
  run->lane->idle_runs = run;
}

/* @n neighbours, beginning with the first. */
static guint64
units_mask (guint n)
{
  return (G_GUINT64_CONSTANT (1) << n) - 1;
}

/* @wanted neighbouring units, or fewer where there are none; there is one at least. */
static MtvPiece *
take_piece (MtvLane *self, guint wanted)
{
  for (guint n = wanted; n > 0; n--)
    for (guint i = 0; i + n <= self->n_units; i++)
      if ((self->free_units >> i & units_mask (n)) == units_mask (n))
        {
          self->free_units &= ~(units_mask (n) << i);
          self->n_used += n;
          self->pieces[i].n_units = n;
          return &self->pieces[i];
        }
  g_return_val_if_reached (NULL);
}

static void
give_back_piece (MtvPiece *piece)
{
  MtvTaskRun *run = piece->run;
  MtvLane *lane = run->lane;

  run->under_way--;
  piece->run = NULL;
  lane->free_units |= units_mask (piece->n_units) << (piece - lane->pieces);
  lane->n_used -= piece->n_units;
}

static void
fail (MtvLane *self, GError *error)
{
  self->stopping = TRUE;
  mtv_crew_fail (self->crew, error);
}

/* All is hashed, and nothing is under way any more. */
static void
finish_if_complete (MtvTaskRun *run)
{
  MtvLane *lane = run->lane;
  const MtvCrewWork *work = &lane->crew->work;
  GError *error = NULL;

  if (!run->ended || run->under_way > 0 || lane->stopping)
    return;
  if (work->funcs->finished (work->owner, &run->task, &error))
    give_back_run (run);
  else
    fail (lane, error);
}

static void
written_cb (MtvIo *io, GError *error)
{
  MtvPiece *piece = io->data;
  MtvTaskRun *run = piece->run;

  if (error != NULL)
    fail (run->lane, error);
  if (--piece->requests > 0)
    return;
  give_back_piece (piece);
  finish_if_complete (run);
}

static void
zeroed_cb (MtvIo *io, GError *error)
{
  MtvTaskRun *run = io->data;

  g_ptr_array_remove_fast (run->lane->zeroes, io);
  if (error != NULL)
    fail (run->lane, error);
  run->under_way--;
  finish_if_complete (run);
}

static void
zero_now (MtvTaskRun *run)
{
  if (run->zero_end > run->zero_start)
    {
      MtvIo *io = g_new0 (MtvIo, 1);

      io->kind = MTV_IO_ZERO;
      io->offset = run->zero_start;
      io->length = run->zero_end - run->zero_start;
      io->done = zeroed_cb;
      io->data = run;
      run->under_way++;
      g_ptr_array_add (run->lane->zeroes, io);
      mtv_channel_submit (run->lane->channels[MTV_LANE_WRITER], io);
    }
  run->zero_start = run->zero_end = 0;
}

/* Neighbouring ranges of zeroes go out as one request. */
static void
zero_later (MtvTaskRun *run, guint64 start, guint64 end)
{
  if (run->lane->crew->work.target_is_zero)
    return;
  if (run->zero_end != start || run->zero_end == 0)
    {
      zero_now (run);
      run->zero_start = start;
    }
  run->zero_end = end;
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

static void
submit (MtvChannel *channel, MtvIoKind kind, MtvPiece *piece, guint64 start, guint64 end,
        MtvIoDone done)
{
  MtvIo *io = &piece->ios[piece->requests++];

  g_assert (piece->requests <= MTV_PIECE_MAX_RUNS);
  io->kind = kind;
  io->offset = start;
  io->length = end - start;
  io->buffer = piece->buffer + (start - piece->from);
  io->done = done;
  io->data = piece;
  mtv_channel_submit (channel, io);
}

/* Adds what was read of [@start, @end) to @hash (nullable), and writes it if it is asked to. */
static void
visit_data (MtvPiece *piece, guint64 start, guint64 end, MtvBlockHash *hash, gboolean write)
{
  MtvTaskRun *run = piece->run;
  const guint8 *buffer = piece->buffer + (start - piece->from);
  gboolean zero;

  for (gsize at = 0, next; at < end - start; at = next)
    {
      next = granules_end (buffer, at, end - start, &zero);
      if (hash != NULL && zero)
        mtv_block_hash_add_zeroes (hash, next - at);
      else if (hash != NULL)
        mtv_block_hash_add_data (hash, buffer + at, next - at);
      if (write && zero)
        zero_later (run, start + at, start + next);
      else if (write)
        {
          submit (run->lane->channels[MTV_LANE_WRITER], MTV_IO_WRITE, piece, start + at,
                  start + next, written_cb);
          run->task.written += next - at;
        }
    }
}

/* @piece: NULL where there is no data. */
static void
visit (MtvTaskRun *run, MtvPiece *piece, guint64 start, guint64 end, MtvBlockHash *hash,
       gboolean write)
{
  for (guint64 at = start, next; at < end; at = next)
    {
      MtvRunKind kind = next_run (run, at, end, &next);

      if (kind == MTV_RUN_KEEP)
        run->task.is_partial = TRUE;
      else if (kind == MTV_RUN_DATA)
        {
          g_assert (piece != NULL);
          visit_data (piece, at, next, hash, write);
        }
      else
        {
          if (hash != NULL)
            mtv_block_hash_add_zeroes (hash, next - at);
          if (write)
            zero_later (run, at, next);
        }
    }
}

/* Of what was read back, the parts that the copy had read at the source. */
static void
hash_changes (MtvTaskRun *run, MtvPiece *piece)
{
  MtvRunKind kind;

  for (guint64 at = piece->start, next; at < piece->end; at = next)
    {
      next = mtv_data_runs_next (run->lane->crew->work.runs, at, piece->end, &kind);
      if (kind != MTV_RUN_KEEP)
        visit_data (piece, at, next, run->changed, FALSE);
    }
}

static void
write_held (MtvTaskRun *run)
{
  guint64 at = run->task.start;

  for (MtvPiece *piece = run->held, *next; piece != NULL; piece = next)
    {
      next = piece->next;
      visit (run, piece, at, piece->end, NULL, TRUE);
      at = piece->end;
      if (piece->requests == 0)
        give_back_piece (piece);
    }
  visit (run, NULL, at, run->task.end, NULL, TRUE);
}

static void
drop_held (MtvTaskRun *run)
{
  for (MtvPiece *piece = run->held, *next; piece != NULL; piece = next)
    {
      next = piece->next;
      give_back_piece (piece);
    }
}

static void
end_hashing (MtvTaskRun *run)
{
  const MtvCrewWork *work = &run->lane->crew->work;
  MtvTask *task = &run->task;

  visit (run, NULL, run->seen, task->end, run->hash, task->sink == MTV_TASK_WRITE);
  task->has_data = mtv_block_hash_end (run->hash, task->hash);
  if (run->changed != NULL)
    task->changed_has_data = mtv_block_hash_end (run->changed, task->changed_hash);
  if (task->sink == MTV_TASK_DECIDE && work->funcs->decide (work->owner, task))
    write_held (run);
  else
    drop_held (run);
  zero_now (run);
  run->ended = TRUE;
}

/* What comes next in order is here. */
static void
see_piece (MtvPiece *piece)
{
  MtvTaskRun *run = piece->run;
  gboolean write = run->task.sink == MTV_TASK_WRITE;

  if (run->task.read_back && run->changed != NULL)
    hash_changes (run, piece);
  visit (run, piece, piece->start, piece->end, run->hash, write);
  run->seen = piece->end;
  if (run->task.sink == MTV_TASK_DECIDE)
    {
      MtvPiece **last = &run->held;

      while (*last != NULL)
        last = &(*last)->next;
      piece->next = NULL;
      *last = piece;
    }
  else if (piece->requests == 0)
    give_back_piece (piece);
}

static void
see_what_arrived (MtvTaskRun *run)
{
  while (run->arrived != NULL && run->arrived->start == run->seen)
    {
      MtvPiece *piece = run->arrived;

      run->arrived = piece->next;
      see_piece (piece);
    }
}

static void
advance (MtvTaskRun *run)
{
  see_what_arrived (run);
  if (!run->ended && run->issued == run->task.end && run->seen == run->last_end)
    end_hashing (run);
  finish_if_complete (run);
}

static void
read_cb (MtvIo *io, GError *error)
{
  MtvPiece *piece = io->data;
  MtvTaskRun *run = piece->run;
  MtvPiece **place = &run->arrived;

  if (error != NULL)
    fail (run->lane, error);
  if (--piece->requests > 0 || run->lane->stopping)
    return;
  while (*place != NULL && (*place)->start < piece->start)
    place = &(*place)->next;
  piece->next = *place;
  *place = piece;
  advance (run);
}

static gboolean
begin_task (MtvLane *self)
{
  MtvCrew *crew = self->crew;
  MtvTaskRun *run = take_run (self);

  memset (&run->task, 0, sizeof run->task);
  g_mutex_lock (&crew->next_lock);
  MtvCrewAnswer answer = crew->work.funcs->next (crew->work.owner, self->index, &run->task);
  g_mutex_unlock (&crew->next_lock);
  if (answer == MTV_CREW_LATER)
    {
      give_back_run (run);
      return FALSE;
    }
  run->issued = run->seen = run->last_end = run->task.start;
  run->held = NULL;
  run->ended = FALSE;
  self->current = run;
  return TRUE;
}

static guint64
unit_end (guint64 at)
{
  return (at / MTV_UNIT_SIZE + 1) * MTV_UNIT_SIZE;
}

/* Where the piece shall end that begins with the data at @from: with the unit, or further on where
 * the data does not end. */
static guint64
piece_end (MtvTaskRun *run, guint64 from, guint max_units)
{
  guint64 end = unit_end (from), next;
  MtvRunKind kind = next_run (run, from, run->task.end, &next);

  g_assert (kind == MTV_RUN_DATA);
  next = MIN (next, end + (MIN (max_units, MTV_PIECE_MAX_UNITS) - 1) * (guint64) MTV_UNIT_SIZE);
  if (next < run->task.end)
    next -= next % MTV_UNIT_SIZE;
  return MIN (run->task.end, MAX (end, next));
}

static void
issue_piece (MtvTaskRun *run, guint64 from, guint64 end)
{
  MtvLane *self = run->lane;
  MtvPiece *piece = take_piece (self, (end - from + MTV_UNIT_SIZE - 1) / MTV_UNIT_SIZE);
  MtvChannel *channel = self->channels[run->task.read_back ? MTV_LANE_WRITTEN : MTV_LANE_SOURCE];

  if (end - from > (guint64) piece->n_units * MTV_UNIT_SIZE)
    end = unit_end (from + (guint64) (piece->n_units - 1) * MTV_UNIT_SIZE);
  piece->run = run;
  piece->start = run->issued;
  piece->from = from;
  piece->end = end;
  piece->requests = 0;
  run->issued = run->last_end = end;
  run->under_way++;
  for (guint64 at = from, next; at < end; at = next)
    if (next_run (run, at, end, &next) == MTV_RUN_DATA)
      submit (channel, MTV_IO_READ, piece, at, next, read_cb);
}

/* Only what is read at the source is counted: it is what the user wants to spare. */
static gboolean
is_throttled (MtvTaskRun *run, guint64 from, guint64 end)
{
  const MtvCrewWork *work = &run->lane->crew->work;
  gint64 now = g_get_monotonic_time ();

  if (work->throttle == NULL || run->task.read_back)
    return FALSE;
  guint64 wait_usec
      = mtv_throttle_take (work->throttle, mtv_data_runs_count (work->runs, from, end), now);
  run->lane->throttled_until_usec = now + (gint64) MIN (wait_usec, MTV_THROTTLE_LOOK_USEC);
  return wait_usec > 0;
}

gboolean
mtv_lane_issue (MtvLane *self, guint max_units)
{
  if (self->current == NULL && !begin_task (self))
    return FALSE;

  MtvTaskRun *run = self->current;
  guint64 from = run->issued, next;
  while (from < run->task.end && next_run (run, from, run->task.end, &next) != MTV_RUN_DATA)
    from = next;
  if (from < run->task.end)
    {
      /* What is throttled flows evenly, in small pieces. */
      guint64 end = piece_end (run, from, self->crew->work.throttle != NULL ? 1 : max_units);

      if (is_throttled (run, from, end))
        return FALSE;
      issue_piece (run, from, end);
    }
  else
    run->issued = run->task.end;
  if (run->issued == run->task.end)
    self->current = NULL;
  advance (run);
  return TRUE;
}

void
mtv_lane_free_runs (MtvLane *self)
{
  for (guint i = 0; i < self->runs->len; i++)
    {
      MtvTaskRun *run = self->runs->pdata[i];

      mtv_block_hash_free (run->hash);
      g_clear_pointer (&run->changed, mtv_block_hash_free);
      g_free (run);
    }
  g_ptr_array_unref (self->runs);
  g_ptr_array_unref (self->zeroes);
}
