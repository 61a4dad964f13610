/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-file-channel.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer/mtv-aligned.h"

#include <fcntl.h>
#include <liburing.h>

#define DEPTH 256                      /* operations in the kernel's hands */
#define MAX_STEP (1024u * 1024 * 1024) /* bytes of one operation */
#define RETRY_MSEC 1
#define FREE_MSEC 100

/* What is to be done next for a request: a request has one operation at a time. */
typedef enum
{
  MOVE, /* bytes, either way */
  SYNC, /* what MOVE left in the page cache, to the disk */
  PUNCH,
  FLUSH,
} Stage;

/* MtvIo.reserved, which is aligned for pointers only. */
typedef struct __attribute__ ((packed, may_alias, aligned (sizeof (gpointer))))
{
  MtvIo *next;  /* (unowned) (nullable) of the queue */
  guint64 done; /* bytes of the request */
  guint32 step; /* bytes of the operation */
  guint8 stage;
  guint8 direct;       /* the operation goes past the page cache */
  guint8 never_direct; /* that was refused */
} State;
G_STATIC_ASSERT (sizeof (State) <= sizeof (((MtvIo *) 0)->reserved));

typedef struct
{
  MtvChannel channel;
  MtvFileEnd end;
  struct io_uring ring;
  guint in_flight; /* what the ring has, submitted or about to be */
  MtvIo *first;    /* (unowned) (nullable) the queue of those that wait for the ring */
  MtvIo *last;     /* (unowned) */
} FileChannel;

static const guint8 zeroes[64 * 1024] __attribute__ ((aligned (MTV_ALIGNMENT)));

static gint refused; /* (atomic) */

static State *
state_of (MtvIo *io)
{
  return (State *) io->reserved;
}

static void
enqueue (FileChannel *self, MtvIo *io)
{
  state_of (io)->next = NULL;
  if (self->first == NULL)
    self->first = io;
  else
    state_of (self->last)->next = io;
  self->last = io;
}

static void
file_submit (MtvChannel *channel, MtvIo *io)
{
  static const Stage stages[] = {
    [MTV_IO_READ] = MOVE,
    [MTV_IO_WRITE] = MOVE,
    [MTV_IO_ZERO] = PUNCH,
    [MTV_IO_FLUSH] = FLUSH,
  };

  *state_of (io) = (State){ .stage = stages[io->kind] };
  enqueue ((FileChannel *) channel, io);
}

static guint64
position (FileChannel *self, MtvIo *io)
{
  return self->end.base + io->offset + state_of (io)->done;
}

static void
drop_pages (FileChannel *self, MtvIo *io)
{
  (void) posix_fadvise (self->end.fd, position (self, io), state_of (io)->step,
                        POSIX_FADV_DONTNEED);
}

/* Only whole 4 KiB go past the cache: a page that requests share is always written through it, so
 * that none is written both ways. */
static void
prepare_move (FileChannel *self, MtvIo *io, struct io_uring_sqe *sqe)
{
  State *state = state_of (io);
  gboolean by_zeroes = io->kind == MTV_IO_ZERO;
  guint64 at = position (self, io);
  const guint8 *memory = by_zeroes ? zeroes : io->buffer + state->done;
  gsize length = MIN (io->length - state->done, by_zeroes ? sizeof zeroes : MAX_STEP);

  state->direct = self->end.direct_fd >= 0 && !state->never_direct && length >= MTV_ALIGNMENT
                  && (at | GPOINTER_TO_SIZE (memory)) % MTV_ALIGNMENT == 0;
  if (state->direct)
    length -= length % MTV_ALIGNMENT;
  state->step = length;
  if (io->kind == MTV_IO_READ && !state->direct && self->end.uncached)
    drop_pages (self, io);
  io_uring_prep_rw (io->kind == MTV_IO_READ ? IORING_OP_READ : IORING_OP_WRITE, sqe,
                    state->direct ? self->end.direct_fd : self->end.fd, memory, length, at);
}

static void
prepare_operation (FileChannel *self, MtvIo *io, struct io_uring_sqe *sqe)
{
  State *state = state_of (io);

  switch ((Stage) state->stage)
    {
    case MOVE:
      prepare_move (self, io, sqe);
      break;
    case SYNC:
      io_uring_prep_sync_file_range (sqe, self->end.fd, state->step, position (self, io),
                                     SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE
                                         | SYNC_FILE_RANGE_WAIT_AFTER);
      break;
    case PUNCH:
      state->step = MIN (io->length - state->done, MAX_STEP);
      io_uring_prep_fallocate (sqe, self->end.fd, self->end.zero_mode, position (self, io),
                               state->step);
      break;
    case FLUSH:
      io_uring_prep_fsync (sqe, self->end.fd, IORING_FSYNC_DATASYNC);
      break;
    default:
      g_assert_not_reached ();
    }
  io_uring_sqe_set_data (sqe, io);
}

/* What the kernel does not take at once, for want of memory, is offered again a little later. */
static int
file_prepare (MtvChannel *channel, struct pollfd *fd)
{
  FileChannel *self = (FileChannel *) channel;

  while (self->first != NULL && self->in_flight < DEPTH)
    {
      struct io_uring_sqe *sqe = io_uring_get_sqe (&self->ring);
      MtvIo *io = self->first;

      if (sqe == NULL)
        break;
      self->first = state_of (io)->next;
      self->in_flight++;
      prepare_operation (self, io, sqe);
    }
  if (io_uring_sq_ready (&self->ring) > 0)
    (void) io_uring_submit (&self->ring);

  fd->fd = self->ring.ring_fd;
  fd->events = POLLIN;
  if (io_uring_cq_ready (&self->ring) > 0)
    return 0;
  return io_uring_sq_ready (&self->ring) > 0 ? RETRY_MSEC : -1;
}

/* The next three look at an operation's result. Whether its request asks for another one. */
static gboolean
moved (FileChannel *self, MtvIo *io, int result, GError **error)
{
  static const char *const failures[] = { [MTV_IO_READ] = "Cannot read",
                                          [MTV_IO_WRITE] = "Cannot write",
                                          [MTV_IO_ZERO] = "Cannot write zeroes to" };
  State *state = state_of (io);

  if (result == -EINVAL && state->direct)
    {
      state->never_direct = TRUE;
      return TRUE;
    }
  if (result < 0 || (result == 0 && io->kind != MTV_IO_READ))
    {
      mtv_error_set_errno (error, result < 0 ? -result : EIO, "%s %s", failures[io->kind],
                           self->end.label);
      return FALSE;
    }
  if (result == 0) /* it says where the file ends */
    {
      mtv_io_pread (self->end.fd, io->buffer + state->done, io->length - state->done,
                    position (self, io), self->end.label, error);
      return FALSE;
    }
  state->step = result;
  if (!state->direct && io->kind != MTV_IO_READ)
    {
      state->stage = SYNC;
      return TRUE;
    }
  if (!state->direct && self->end.uncached)
    drop_pages (self, io);
  state->done += state->step;
  return state->done < io->length;
}

static gboolean
synced (FileChannel *self, MtvIo *io, int result, GError **error)
{
  State *state = state_of (io);

  if (mtv_file_sync_is_error (-result))
    {
      mtv_error_set_errno (error, -result, "Cannot write %s", self->end.label);
      return FALSE;
    }
  drop_pages (self, io);
  state->done += state->step;
  state->stage = MOVE;
  return state->done < io->length;
}

static gboolean
punched (FileChannel *self, MtvIo *io, int result, GError **error)
{
  State *state = state_of (io);

  if (mtv_file_hole_is_refused (-result))
    {
      state->stage = MOVE;
      return TRUE;
    }
  if (result < 0)
    {
      mtv_error_set_errno (error, -result, "Cannot write zeroes to %s", self->end.label);
      return FALSE;
    }
  state->done += state->step;
  return state->done < io->length;
}

static void
finish_operation (FileChannel *self, MtvIo *io, int result)
{
  GError *error = NULL;
  gboolean more = FALSE;
  Stage stage = state_of (io)->stage;

  if (result == -EINTR || result == -EAGAIN)
    more = TRUE;
  else if (stage == MOVE)
    more = moved (self, io, result, &error);
  else if (stage == SYNC)
    more = synced (self, io, result, &error);
  else if (stage == PUNCH)
    more = punched (self, io, result, &error);
  else if (result < 0)
    mtv_error_set_errno (&error, -result, "Cannot flush %s", self->end.label);

  if (more)
    enqueue (self, io);
  else
    io->done (io, error);
}

/* The next operation that has ended, if there is one. */
static gboolean
reap (FileChannel *self, MtvIo **io, int *result)
{
  struct io_uring_cqe *cqe;

  if (io_uring_peek_cqe (&self->ring, &cqe) != 0)
    return FALSE;
  *io = io_uring_cqe_get_data (cqe);
  *result = cqe->res;
  io_uring_cqe_seen (&self->ring, cqe);
  return TRUE;
}

static void
file_dispatch (MtvChannel *channel, short revents)
{
  FileChannel *self = (FileChannel *) channel;
  MtvIo *io;
  int result;

  (void) revents;
  while (reap (self, &io, &result))
    {
      self->in_flight--;
      finish_operation (self, io, result);
    }
}

/* What already is in a disk's queue cannot be taken back, only waited for. */
static void
cancel_all (FileChannel *self)
{
  gint64 deadline = g_get_monotonic_time () + FREE_MSEC * G_TIME_SPAN_MILLISECOND;
  struct io_uring_sqe *sqe = io_uring_get_sqe (&self->ring);
  struct pollfd fd = { self->ring.ring_fd, POLLIN, 0 };
  MtvIo *io;
  int result;

  if (sqe != NULL)
    {
      io_uring_prep_cancel (sqe, NULL, IORING_ASYNC_CANCEL_ANY);
      io_uring_sqe_set_data (sqe, NULL);
    }
  (void) io_uring_submit (&self->ring);
  while (self->in_flight > 0)
    {
      gint64 left = deadline - g_get_monotonic_time ();

      while (reap (self, &io, &result))
        self->in_flight -= io != NULL;
      if (self->in_flight == 0 || left <= 0)
        return;
      (void) poll (&fd, 1, left / G_TIME_SPAN_MILLISECOND + 1);
    }
}

static gboolean
file_free (MtvChannel *channel)
{
  FileChannel *self = (FileChannel *) channel;

  if (self->in_flight > 0)
    cancel_all (self);
  gboolean quiet = self->in_flight == 0;
  io_uring_queue_exit (&self->ring);
  g_free (self);
  return quiet;
}

/* Linux 5.19 spares a thread that is busy the interrupts. (IORING_SETUP_DEFER_TASKRUN would do so,
 * too, but does not wake who polls the ring.) */
static gboolean
open_ring (struct io_uring *ring)
{
  static const guint flags[] = { IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG, 0 };

  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    if (io_uring_queue_init (DEPTH, ring, flags[i]) == 0)
      {
        /* Linux 5.6: the same release has all the operations that are used here. */
        if (ring->features & IORING_FEAT_RW_CUR_POS)
          return TRUE;
        io_uring_queue_exit (ring);
        return FALSE;
      }
  return FALSE;
}

MtvChannel *
mtv_file_channel_new (const MtvFileEnd *end)
{
  static const MtvChannelFuncs funcs = { file_submit, file_prepare, file_dispatch, file_free };
  struct io_uring ring;

  g_return_val_if_fail (end->fd >= 0, NULL);

  if (g_atomic_int_get (&refused) || !open_ring (&ring))
    return NULL;
  FileChannel *self = g_new0 (FileChannel, 1);
  self->channel.funcs = &funcs;
  self->end = *end;
  self->ring = ring;
  return &self->channel;
}

void
mtv_file_channel_set_refused (gboolean value)
{
  g_atomic_int_set (&refused, value);
}
