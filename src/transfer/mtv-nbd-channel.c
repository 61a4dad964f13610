/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-nbd-channel.h"

#include "base/mtv-error.h"
#include "transfer/mtv-nbd-link.h"

#include <errno.h>
#include <string.h>

#define N_PIECES 64
#define ZERO_SIZE (128 * 1024 * 1024)

/* MtvIo.reserved */
enum
{
  NEXT,    /* (unowned) (nullable) in the queue that it is in */
  ERROR,   /* (owned) (nullable) of the first piece that failed */
  PENDING, /* number of pieces that are under way */
};

typedef enum
{
  UNUSED,
  QUEUED, /* to be sent: for the first time or again, after the connection was lost */
  SENT,
  ANSWERED,
} PieceState;

typedef struct _NbdChannel NbdChannel;

/* What one NBD request does of an MtvIo. */
typedef struct
{
  NbdChannel *channel; /* (unowned) */
  MtvIo *io;           /* (unowned) */
  PieceState state;
  int kind; /* of the request: not io->kind where that is done in another way */
  guint64 offset;
  guint64 length;
  guint8 *buffer; /* (unowned) */
  guint8 *bounce; /* (owned) (nullable) for a block of which @io has a part only */
  int errnum;
  guint64 mark; /* of a flush */
} Piece;

typedef struct
{
  MtvIo *first; /* (unowned) (nullable) */
  MtvIo *last;  /* (unowned) */
} Queue;

struct _NbdChannel
{
  MtvChannel channel;
  MtvNbdLink link;

  Queue waiting;
  guint64 started; /* bytes of its first, that pieces were made for */
  Queue done;

  Piece pieces[N_PIECES];
  Piece *unused[N_PIECES]; /* (unowned) */
  guint n_unused;
  Piece *answered[N_PIECES]; /* (unowned) */
  guint n_answered;
  guint n_queued;
  guint n_sent;
  gboolean is_alone; /* nothing may go on beside the one piece that is under way */
  guint n_flushes;   /* of n_sent */
};

static void
push (Queue *queue, MtvIo *io)
{
  io->reserved[NEXT] = NULL;
  if (queue->first == NULL)
    queue->first = io;
  else
    queue->last->reserved[NEXT] = io;
  queue->last = io;
}

static MtvIo *
pop (Queue *queue)
{
  MtvIo *io = queue->first;

  queue->first = io->reserved[NEXT];
  return io;
}

static void
pop_waiting (NbdChannel *self)
{
  pop (&self->waiting);
  self->started = 0;
}

static void
add_pending (MtvIo *io, gssize n)
{
  io->reserved[PENDING] = GSIZE_TO_POINTER (GPOINTER_TO_SIZE (io->reserved[PENDING]) + n);
}

static void
finish_if_done (NbdChannel *self, MtvIo *io)
{
  if (io->reserved[PENDING] == NULL && io != self->waiting.first)
    push (&self->done, io);
}

/* Consumes @error. No more pieces are made of @io; it is done with the last one under way. */
static void
fail (NbdChannel *self, MtvIo *io, GError *error)
{
  if (io->reserved[ERROR] == NULL)
    io->reserved[ERROR] = error;
  else
    g_error_free (error);
  if (io == self->waiting.first)
    pop_waiting (self);
}

static void
release (NbdChannel *self, Piece *piece)
{
  g_clear_pointer (&piece->bounce, g_free);
  piece->state = UNUSED;
  self->unused[self->n_unused++] = piece;
  self->is_alone = FALSE;
  add_pending (piece->io, -1);
  finish_if_done (self, piece->io);
}

static const char *
describe (MtvIo *io)
{
  static const char *const names[]
      = { "read", "write", "write zeroes to", "flush", "open", "find the data of" };

  return names[io->kind];
}

static GError *
piece_error (NbdChannel *self, Piece *piece)
{
  MtvNbdRemote *remote = self->link.remote;
  GError *error = NULL;

  if (piece->errnum == EINVAL && piece->length % remote->min_block != 0)
    g_set_error (&error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "Cannot %s the last %" G_GUINT64_FORMAT
                 " bytes of %s: its NBD server only takes whole blocks of %u",
                 describe (piece->io), piece->length % remote->min_block, remote->label,
                 remote->min_block);
  else
    mtv_error_set_errno (&error, piece->errnum, "Cannot %s %s", describe (piece->io),
                         remote->label);
  return error;
}

static int
answered_cb (void *data, int *errnum)
{
  Piece *piece = data;
  NbdChannel *self = piece->channel;

  piece->errnum = *errnum;
  piece->state = ANSWERED;
  self->answered[self->n_answered++] = piece;
  self->n_sent--;
  self->n_flushes -= piece->kind == MTV_IO_FLUSH;
  return 1; /* libnbd forgets the request */
}

static int
extents_cb (void *data, const char *context, uint64_t offset, uint32_t *entries, size_t n_entries,
            int *errnum)
{
  MtvNbdStatus *status = data;

  (void) errnum;
  if (g_strcmp0 (context, status->context) != 0 || offset > status->at)
    return 0;
  for (size_t i = 0; i + 1 < n_entries && status->at < status->end; i += 2)
    {
      offset += entries[i];
      if (offset <= status->at) /* told before, or not asked by us but by the block's size */
        continue;
      guint64 end = MIN (offset, status->end);
      status->add (status->extents, status->at, end - status->at, entries[i + 1]);
      status->at = end;
    }
  return 0;
}

static int
chunk_cb (void *data, const void *buffer, size_t length, uint64_t offset, unsigned status,
          int *errnum)
{
  (void) data, (void) buffer, (void) length, (void) offset, (void) status, (void) errnum;
  return 0; /* libnbd has it where it belongs */
}

/* A server that need not look for holes in what it answers reads faster: where they are was asked
 * before. */
static int64_t
submit_read (NbdChannel *self, Piece *piece, nbd_completion_callback done)
{
  nbd_chunk_callback chunk = { .callback = chunk_cb };

  if (!self->link.reads_whole)
    return nbd_aio_pread (self->link.nbd, piece->buffer, piece->length, piece->offset, done, 0);
  return nbd_aio_pread_structured (self->link.nbd, piece->buffer, piece->length, piece->offset,
                                   chunk, done, LIBNBD_CMD_FLAG_DF);
}

static int64_t
submit_to_libnbd (NbdChannel *self, Piece *piece)
{
  struct nbd_handle *nbd = self->link.nbd;
  nbd_completion_callback done = { .callback = answered_cb, .user_data = piece };
  nbd_extent_callback extents = { .callback = extents_cb, .user_data = piece->buffer };

  switch (piece->kind)
    {
    case MTV_IO_READ:
      return submit_read (self, piece, done);
    case MTV_IO_WRITE:
      return nbd_aio_pwrite (nbd, piece->buffer, piece->length, piece->offset, done, 0);
    case MTV_IO_ZERO:
      return nbd_aio_zero (nbd, piece->length, piece->offset, done, 0);
    case MTV_IO_FLUSH:
      return nbd_aio_flush (nbd, done, 0);
    default:
      return nbd_aio_block_status (nbd, piece->length, piece->offset, extents, done, 0);
    }
}

/* libnbd may find the connection broken in here, and then calls back for all that is under way. */
static void
send_piece (NbdChannel *self, Piece *piece)
{
  GError *error = NULL;

  if (piece->kind == MTV_IO_FLUSH
      && !mtv_nbd_remote_begin_flush (self->link.remote, &piece->mark, &error))
    {
      fail (self, piece->io, error);
      release (self, piece);
      return;
    }
  piece->state = SENT;
  self->n_flushes += piece->kind == MTV_IO_FLUSH;
  if (self->n_sent++ == 0)
    self->link.answered_at = g_get_monotonic_time ();
  if (submit_to_libnbd (self, piece) >= 0 || piece->state != SENT)
    return;
  int errnum = nbd_get_errno () != 0 ? nbd_get_errno () : EINVAL;
  if (nbd_aio_is_dead (self->link.nbd) || nbd_aio_is_closed (self->link.nbd))
    errnum = ENOTCONN;
  answered_cb (piece, &errnum);
}

static guint64
get_step (NbdChannel *self, int kind)
{
  static const guint64 zeroes_size = 64 * 1024;

  if (kind != MTV_IO_ZERO)
    return self->link.remote->max_data;
  return self->link.remote->can_zero ? ZERO_SIZE : MIN (zeroes_size, self->link.remote->max_data);
}

/* A part of a block goes through a copy of the block: the server takes whole ones. */
static void
cut_part (NbdChannel *self, Piece *piece, guint64 at)
{
  guint64 min = self->link.remote->min_block;

  piece->kind = MTV_IO_READ;
  piece->offset = at / min * min;
  piece->length = MIN (min, self->link.remote->size - piece->offset);
  piece->buffer = piece->bounce = g_malloc (min);
  /* Whoever else writes to the block meanwhile would have it undone. */
  self->is_alone = piece->io->kind != MTV_IO_READ;
}

static void
cut_whole (NbdChannel *self, Piece *piece, guint64 at, guint64 length)
{
  static const guint8 zeroes[64 * 1024];
  MtvIo *io = piece->io;

  piece->offset = at;
  piece->length = MIN (length, get_step (self, io->kind));
  piece->buffer = io->kind == MTV_IO_ZERO ? NULL : io->buffer + (at - io->offset);
  if (io->kind == MTV_IO_ZERO && !self->link.remote->can_zero)
    {
      piece->kind = MTV_IO_WRITE;
      piece->buffer = (guint8 *) zeroes;
    }
}

/* What can be asked of whole blocks of [@at, @end), beginning at @at. A disk whose size is no
 * multiple of its blocks ends with an odd one, which the protocol leaves to the server. */
static guint64
whole_blocks (NbdChannel *self, guint64 at, guint64 end)
{
  guint64 min = self->link.remote->min_block;
  guint64 stop = end == self->link.remote->size ? end : end / min * min;

  return at % min == 0 && stop > at ? stop - at : 0;
}

/* Sets what @piece does of the first that waits; returns where in the disk it ends. */
static guint64
cut (NbdChannel *self, Piece *piece)
{
  MtvIo *io = piece->io;
  guint64 min = self->link.remote->min_block;
  guint64 at = io->offset + self->started;
  guint64 end = io->offset + io->length;
  guint64 whole = whole_blocks (self, at, end);

  piece->kind = io->kind;
  if (piece->kind == MTV_IO_FLUSH)
    {
      piece->length = 0;
      return end;
    }
  if (piece->kind == MTV_NBD_IO_STATUS)
    {
      piece->buffer = io->buffer;
      piece->offset = at / min * min;
      piece->length = MIN ((end + min - 1) / min * min, self->link.remote->size) - piece->offset;
      return end;
    }
  if (whole > 0)
    cut_whole (self, piece, at, whole);
  else
    cut_part (self, piece, at);
  return MIN (end, piece->offset + piece->length);
}

static gboolean
needs_to_be_alone (NbdChannel *self, MtvIo *io)
{
  guint64 at = io->offset + self->started;

  return (io->kind == MTV_IO_WRITE || io->kind == MTV_IO_ZERO)
         && whole_blocks (self, at, io->offset + io->length) == 0;
}

/* FALSE when it has to wait. */
static gboolean
start_piece (NbdChannel *self)
{
  MtvIo *io = self->waiting.first;

  if ((int) io->kind == MTV_NBD_IO_OPEN)
    {
      pop_waiting (self);
      finish_if_done (self, io);
      self->link.lost_at = self->link.delay_usec = 0;
      return TRUE;
    }
  if (self->n_unused == 0 || self->is_alone
      || (needs_to_be_alone (self, io) && self->n_unused < N_PIECES))
    return FALSE;
  Piece *piece = self->unused[--self->n_unused];
  piece->io = io;
  add_pending (io, 1);
  self->started = cut (self, piece) - io->offset;
  if (self->started >= io->length)
    pop_waiting (self);
  send_piece (self, piece);
  return TRUE;
}

static void
start (NbdChannel *self)
{
  for (guint i = 0; i < N_PIECES && self->n_queued > 0; i++)
    if (self->pieces[i].state == QUEUED)
      {
        self->n_queued--;
        send_piece (self, &self->pieces[i]);
      }
  while (self->waiting.first != NULL && start_piece (self))
    continue;
}

static void
queue_piece (NbdChannel *self, Piece *piece)
{
  piece->state = QUEUED;
  self->n_queued++;
}

/* Moves what @piece->io has of the block into its buffer, or else from there into the block. */
static void
copy_part (Piece *piece)
{
  MtvIo *io = piece->io;
  guint64 at = MAX (io->offset, piece->offset);
  gsize n = MIN (io->offset + io->length, piece->offset + piece->length) - at;
  guint8 *in_block = piece->bounce + (at - piece->offset);

  if (io->kind == MTV_IO_READ)
    memcpy (io->buffer + (at - io->offset), in_block, n);
  else if (io->kind == MTV_IO_WRITE)
    memcpy (in_block, io->buffer + (at - io->offset), n);
  else
    memset (in_block, 0, n);
}

/* The answer was good. FALSE: there is more to do. */
static gboolean
take_answer (NbdChannel *self, Piece *piece)
{
  GError *error = NULL;

  if (piece->bounce != NULL && piece->kind == MTV_IO_READ)
    copy_part (piece);
  if (piece->kind == MTV_IO_READ && piece->io->kind != MTV_IO_READ)
    {
      piece->kind = MTV_IO_WRITE;
      queue_piece (self, piece);
      return FALSE;
    }
  if (piece->kind == MTV_IO_WRITE || piece->kind == MTV_IO_ZERO)
    mtv_nbd_remote_add_written (self->link.remote);
  else if (piece->kind == MTV_IO_FLUSH
           && !mtv_nbd_remote_end_flush (self->link.remote, piece->mark, &error))
    fail (self, piece->io, error);
  return TRUE;
}

static void
take_answers (NbdChannel *self)
{
  gboolean heard = FALSE;

  for (guint i = 0; i < self->n_answered; i++)
    {
      Piece *piece = self->answered[i];

      /* ENOTCONN is libnbd's, for what was never answered; ESHUTDOWN the server's. */
      if (piece->errnum == ENOTCONN || piece->errnum == ESHUTDOWN)
        {
          self->link.is_broken = TRUE;
          queue_piece (self, piece);
          continue;
        }
      heard = TRUE;
      if (piece->errnum == EOVERFLOW && piece->kind == MTV_IO_READ && self->link.reads_whole)
        {
          self->link.reads_whole
              = FALSE; /* the protocol's way to say that this is too much for that */
          queue_piece (self, piece);
          continue;
        }
      if (piece->errnum != 0)
        fail (self, piece->io, piece_error (self, piece));
      if (piece->errnum != 0 || take_answer (self, piece))
        release (self, piece);
    }
  self->n_answered = 0;
  if (heard)
    mtv_nbd_link_heard (&self->link);
}

/* What was sent will have to be sent again. */
static void
queue_sent (NbdChannel *self)
{
  for (guint i = 0; i < N_PIECES; i++)
    if (self->pieces[i].state == SENT)
      queue_piece (self, &self->pieces[i]);
  self->n_sent = self->n_flushes = 0;
}

static void
fail_all (NbdChannel *self, const GError *error)
{
  for (guint i = 0; i < N_PIECES; i++)
    if (self->pieces[i].state == QUEUED)
      {
        fail (self, self->pieces[i].io, g_error_copy (error));
        release (self, &self->pieces[i]);
      }
  self->n_queued = 0;
  while (self->waiting.first != NULL)
    {
      MtvIo *io = self->waiting.first;

      fail (self, io, g_error_copy (error));
      finish_if_done (self, io);
    }
}

static void
handle (NbdChannel *self, MtvNbdLinkEvent event)
{
  if (event != MTV_NBD_LINK_SAME)
    queue_sent (self);
  if (event == MTV_NBD_LINK_GIVEN_UP)
    fail_all (self, self->link.reason);
}

static gboolean
has_work (NbdChannel *self)
{
  return self->waiting.first != NULL || self->n_unused < N_PIECES;
}

/* What is submitted meanwhile is reported the next time, so that a caller that always has more
 * comes back to its loop. */
static void
report (NbdChannel *self)
{
  MtvIo *io = g_steal_pointer (&self->done.first);

  while (io != NULL)
    {
      MtvIo *next = io->reserved[NEXT];

      io->done (io, io->reserved[ERROR]);
      io = next;
    }
}

static void
nbd_channel_submit (MtvChannel *channel, MtvIo *io)
{
  NbdChannel *self = (NbdChannel *) channel;

  io->reserved[ERROR] = NULL;
  io->reserved[PENDING] = NULL;
  push (&self->waiting, io);
  if (self->link.is_ready && !self->link.is_broken)
    start (self);
}

static int
msec_until (gint64 when)
{
  return CLAMP ((when - g_get_monotonic_time () + 999) / 1000, 0, G_MAXINT);
}

static int
nbd_channel_prepare (MtvChannel *channel, struct pollfd *fd)
{
  NbdChannel *self = (NbdChannel *) channel;

  fd->fd = -1;
  fd->events = 0;
  if (self->done.first != NULL || self->n_answered > 0 || self->link.is_broken)
    return 0;
  if (self->link.nbd == NULL)
    return has_work (self) ? msec_until (self->link.retry_at) : -1;

  unsigned direction = nbd_aio_get_direction (self->link.nbd);
  gint64 deadline = mtv_nbd_link_get_deadline (&self->link, self->n_sent, self->n_flushes);
  fd->fd = nbd_aio_get_fd (self->link.nbd);
  if (direction & LIBNBD_AIO_DIRECTION_READ)
    fd->events |= POLLIN;
  if (direction & LIBNBD_AIO_DIRECTION_WRITE)
    fd->events |= POLLOUT;
  return deadline == 0 ? -1 : msec_until (deadline);
}

static void
nbd_channel_dispatch (MtvChannel *channel, short revents)
{
  NbdChannel *self = (NbdChannel *) channel;

  if (self->link.nbd != NULL)
    mtv_nbd_link_pump (&self->link, revents);
  take_answers (self);
  if (self->link.nbd != NULL)
    handle (self, mtv_nbd_link_check (&self->link, self->n_sent, self->n_flushes));
  if (self->link.nbd == NULL && has_work (self))
    handle (self, mtv_nbd_link_connect (&self->link));
  if (self->link.is_ready)
    start (self);
  report (self);
}

static gboolean
nbd_channel_free (MtvChannel *channel)
{
  NbdChannel *self = (NbdChannel *) channel;

  mtv_nbd_link_end (&self->link, self->n_sent > 0); /* libnbd's hold on the buffers, too */
  for (guint i = 0; i < N_PIECES; i++)
    if (self->pieces[i].state != UNUSED)
      {
        g_clear_error ((GError **) &self->pieces[i].io->reserved[ERROR]);
        g_free (self->pieces[i].bounce);
      }
  while (self->done.first != NULL)
    g_clear_error ((GError **) &pop (&self->done)->reserved[ERROR]);
  g_free (self);
  return TRUE;
}

MtvChannel *
mtv_nbd_channel_new (MtvNbdRemote *remote)
{
  static const MtvChannelFuncs funcs
      = { nbd_channel_submit, nbd_channel_prepare, nbd_channel_dispatch, nbd_channel_free };
  NbdChannel *self = g_new0 (NbdChannel, 1);

  self->channel.funcs = &funcs;
  self->link.remote = remote;
  for (guint i = 0; i < N_PIECES; i++)
    {
      self->pieces[i].channel = self;
      self->unused[self->n_unused++] = &self->pieces[i];
    }
  return &self->channel;
}

typedef struct
{
  MtvIo io; /* has to be the first */
  gboolean is_done;
  GError *error; /* (owned) (nullable) */
} Call;

static void
call_done (MtvIo *io, GError *error)
{
  Call *call = (Call *) io;

  call->is_done = TRUE;
  call->error = error;
}

gboolean
mtv_nbd_channel_run (MtvChannel **self, const MtvIo *io, GCancellable *cancellable, GError **error)
{
  GPollFD cancel_fd = { .fd = -1 };
  gboolean has_fd = cancellable != NULL && g_cancellable_make_pollfd (cancellable, &cancel_fd);
  Call call = { .io = *io };

  call.io.done = call_done;
  mtv_channel_submit (*self, &call.io);
  while (!call.is_done && !g_cancellable_set_error_if_cancelled (cancellable, &call.error))
    {
      struct pollfd fds[2] = { { .fd = -1 }, { .fd = cancel_fd.fd, .events = POLLIN } };
      int timeout = mtv_channel_prepare (*self, &fds[0]);

      mtv_channel_dispatch (*self, poll (fds, 2, timeout) > 0 ? fds[0].revents : 0);
    }
  if (has_fd)
    g_cancellable_release_fd (cancellable);
  if (!call.is_done)
    mtv_channel_free (g_steal_pointer (self));
  if (call.error != NULL)
    g_propagate_error (error, call.error);
  return call.error == NULL;
}
