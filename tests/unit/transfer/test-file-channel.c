/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer/mtv-aligned.h"
#include "transfer/mtv-file-channel.h"
#include "transfer/mtv-file-reader.h"
#include "transfer/mtv-file-writer.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <liburing.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024
#define MIB (1024 * KIB)
#define N_OPCODES 64

/* The linker puts this in the place of io_uring_submit(): it sees what is asked of the kernel, and
 * can spoil it. */
int __real_io_uring_submit (struct io_uring *ring);
int __wrap_io_uring_submit (struct io_uring *ring);

typedef void (*Spoil) (struct io_uring_sqe *sqe);

static gint asked[N_OPCODES]; /* (atomic) operations, by opcode */
static guint refusals;        /* of whole submissions, to come */
static Spoil spoil;           /* (nullable) */

int
__wrap_io_uring_submit (struct io_uring *ring)
{
  if (refusals > 0)
    {
      refusals--;
      return -EAGAIN;
    }
  for (guint at = *ring->sq.khead; at != ring->sq.sqe_tail; at++)
    {
      struct io_uring_sqe *sqe = &ring->sq.sqes[at & *ring->sq.kring_mask];

      g_atomic_int_inc (&asked[sqe->opcode]);
      if (spoil != NULL)
        spoil (sqe);
    }
  return __real_io_uring_submit (ring);
}

/* A disk in a file without a name, and requests under way on it. */
typedef struct
{
  char *name; /* (owned) in the build directory or in memory */
  int fd;
  int direct_fd;
  MtvFileEnd end;
  MtvChannel *channel; /* (nullable) */
  guint pending;
  guint n_failed;
  GError *error; /* (owned) (nullable) the first */
} Disk;

static void
open_channel (Disk *disk)
{
  disk->channel = mtv_file_channel_new (&disk->end);
  if (disk->channel == NULL)
    g_test_skip ("no io_uring here");
}

/* FALSE: the test is skipped. */
static gboolean
disk_init (Disk *disk, const char *where, guint64 size)
{
  memset (disk, 0, sizeof *disk);
  memset (asked, 0, sizeof asked);
  spoil = NULL;
  refusals = 0;
  disk->name = g_build_filename (where, "file-channel-XXXXXX", NULL);
  disk->fd = g_mkstemp (disk->name);
  g_assert_cmpint (disk->fd, >=, 0);
  g_assert_cmpint (ftruncate (disk->fd, size), ==, 0);
  disk->direct_fd = open (disk->name, O_RDWR | O_DIRECT | O_CLOEXEC);
  disk->end = (MtvFileEnd){ .fd = disk->fd,
                            .direct_fd = disk->direct_fd,
                            .zero_mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
                            .uncached = TRUE,
                            .label = "disk 'a'" };
  open_channel (disk);
  return disk->channel != NULL;
}

static void
disk_clear (Disk *disk)
{
  if (disk->channel != NULL)
    g_assert_true (mtv_channel_free (disk->channel));
  close (disk->fd);
  if (disk->direct_fd >= 0)
    close (disk->direct_fd);
  g_unlink (disk->name);
  g_free (disk->name);
  g_clear_error (&disk->error);
}

static void
done (MtvIo *io, GError *error)
{
  Disk *disk = io->data;

  disk->pending--;
  if (error == NULL)
    return;
  disk->n_failed++;
  if (disk->error == NULL)
    disk->error = error;
  else
    g_error_free (error);
}

static void
submit (Disk *disk, MtvIo *io, MtvIoKind kind, guint64 offset, guint64 length, guint8 *buffer)
{
  *io = (MtvIo){ kind, offset, length, buffer, done, disk, { NULL } };
  disk->pending++;
  mtv_channel_submit (disk->channel, io);
}

static void
wait_for_all (Disk *disk)
{
  while (disk->pending > 0)
    {
      struct pollfd fd;
      int timeout = mtv_channel_prepare (disk->channel, &fd);

      g_assert_cmpint (poll (&fd, 1, timeout), >=, 0);
      mtv_channel_dispatch (disk->channel, fd.revents);
    }
}

/* One request, to its end. */
static gboolean
ask (Disk *disk, MtvIoKind kind, guint64 offset, guint64 length, guint8 *buffer)
{
  MtvIo io;
  guint failed = disk->n_failed;

  submit (disk, &io, kind, offset, length, buffer);
  wait_for_all (disk);
  return disk->n_failed == failed;
}

static void
assert_disk_is (Disk *disk, const guint8 *expected, gsize size)
{
  g_autofree guint8 *got = g_malloc (size);
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_io_pread (disk->fd, got, size, 0, "it", &error));
  g_assert_no_error (error);
  g_assert_cmpmem (got, size, expected, size);
  g_assert_cmpint (lseek (disk->fd, 0, SEEK_END), ==, size);
}

static void
fill_randomly (guint8 *memory, gsize size)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (size);

  for (gsize i = 0; i < size; i++)
    memory[i] = g_rand_int (rand);
}

static void
shuffle (MtvIo *ios, guint n, GRand *rand)
{
  for (guint i = n; i > 1; i--)
    {
      guint other = g_rand_int_range (rand, 0, i);
      MtvIo io = ios[i - 1];

      ios[i - 1] = ios[other];
      ios[other] = io;
    }
}

/* Cuts [@start, @end) into requests, some of them of odd sizes, and has them all under way in any
 * order. @memory + offset is their buffer. */
static void
move_in_pieces (Disk *disk, MtvIoKind kind, guint64 start, guint64 end, guint8 *memory)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (end);
  g_autofree MtvIo *ios = g_new (MtvIo, (end - start) / (4 * KIB) + 1);
  guint n = 0;

  for (guint64 at = start, length; at < end; at += length)
    {
      gsize unit = g_rand_boolean (rand) ? 4 * KIB : 1;

      length = g_rand_int_range (rand, 4 * KIB, 160 * KIB) / unit * unit;
      length = MIN (length, end - at);
      ios[n++] = (MtvIo){ kind, at, length, memory + at, done, disk, { NULL } };
    }
  shuffle (ios, n, rand);
  disk->pending += n;
  for (guint i = 0; i < n; i++)
    mtv_channel_submit (disk->channel, &ios[i]);
  wait_for_all (disk);
}

typedef struct
{
  const char *name;
  const char *where;
  gboolean refused;
  gsize shift; /* of the buffers against their alignment */
} Way;

static const Way ways[] = {
  { "plain", ".", FALSE, 0 },
  { "misaligned", ".", FALSE, 512 },
  { "blocking", ".", TRUE, 0 },
  { "memory", "/dev/shm", FALSE, 0 },
};

static const gsize sizes[]
    = { 1, 511, 512, 4095, 4096, 4097, MIB + 1, 2 * MIB + 512, 9 * MIB + 513 };

/* The whole disk in pieces, by a writer's own channel and back by both readers'. */
static void
round_trip (const Way *way, gsize size)
{
  Disk disk;
  g_autoptr (MtvAligned) memory = mtv_aligned_new (size + 8 * KIB);
  g_autofree guint8 *expected = g_malloc (size);
  g_autoptr (GError) error = NULL;
  guint8 *data = memory + way->shift;

  if (!disk_init (&disk, way->where, size))
    return disk_clear (&disk);
  g_assert_true (mtv_channel_free (disk.channel));
  fill_randomly (expected, size);
  memcpy (data, expected, size);
  mtv_file_channel_set_refused (way->refused);

  g_autoptr (MtvFileWriter) writer
      = mtv_file_writer_new_for_fd (disk.fd, disk.direct_fd, size, "'a'", &error);
  g_assert_no_error (error);
  g_autoptr (MtvReader) direct
      = mtv_file_writer_open_reader_for_fd (disk.fd, disk.direct_fd, size, "'a'", &error);
  g_autoptr (MtvFileReader) cached = mtv_file_reader_new (disk.fd, 0, size, "'a'", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 3; i++)
    {
      disk.channel = i == 0   ? mtv_writer_open_channel (MTV_WRITER (writer), NULL, &error)
                     : i == 1 ? mtv_reader_open_channel (direct, NULL, &error)
                              : mtv_reader_open_channel (MTV_READER (cached), NULL, &error);
      if (i > 0)
        memset (data, 0xee, size);
      move_in_pieces (&disk, i == 0 ? MTV_IO_WRITE : MTV_IO_READ, 0, size, data);
      if (i == 0)
        g_assert_true (ask (&disk, MTV_IO_FLUSH, 0, 0, NULL));
      g_assert_no_error (disk.error);
      g_assert_cmpmem (data, size, expected, size);
      g_assert_true (mtv_channel_free (g_steal_pointer (&disk.channel)));
    }
  assert_disk_is (&disk, expected, size);
  g_assert_cmpint (asked[IORING_OP_FSYNC], ==, way->refused ? 0 : 1);
  mtv_file_channel_set_refused (FALSE);
  disk_clear (&disk);
}

static void
test_round_trip (gconstpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    round_trip (data, sizes[i]);
}

static int flushed_fd;

static void
see_flush (struct io_uring_sqe *sqe)
{
  g_assert_cmpint (sqe->opcode, ==, IORING_OP_FSYNC);
  g_assert_cmpuint (sqe->fsync_flags, ==, IORING_FSYNC_DATASYNC);
  flushed_fd = sqe->fd;
}

/* What is asked of the kernel: one operation for what is aligned; past the cache all but the
 * tail, which is then synced and dropped. */
static void
test_operations (void)
{
  Disk disk;
  gsize size = MIB + 513;
  g_autoptr (MtvAligned) aligned = mtv_aligned_new (MIB);
  g_autoptr (MtvAligned) other = mtv_aligned_new (2 * MIB);

  if (!disk_init (&disk, ".", size))
    return disk_clear (&disk);
  memset (aligned, 'a', MIB);
  memset (other, 'b', 2 * MIB);
  g_assert_true (ask (&disk, MTV_IO_WRITE, 0, MIB, aligned));
  g_assert_cmpint (asked[IORING_OP_WRITE], ==, 1);
  g_assert_true (ask (&disk, MTV_IO_READ, MIB / 2, MIB / 2, aligned + MIB / 2));
  g_assert_cmpint (asked[IORING_OP_READ], ==, 1);
  g_assert_cmpint (asked[IORING_OP_SYNC_FILE_RANGE], ==, 0);

  g_assert_true (ask (&disk, MTV_IO_WRITE, 0, size, other));
  g_assert_cmpint (asked[IORING_OP_WRITE], ==, 3);
  g_assert_cmpint (asked[IORING_OP_SYNC_FILE_RANGE], ==, 1);
  spoil = see_flush;
  g_assert_true (ask (&disk, MTV_IO_FLUSH, 0, 0, NULL));
  g_assert_cmpint (asked[IORING_OP_FSYNC], ==, 1);
  g_assert_cmpint (flushed_fd, ==, disk.fd); /* which has the errors of all its cached pages */
  g_assert_no_error (disk.error);
  assert_disk_is (&disk, other, size);
  disk_clear (&disk);
}

/* More than the ring holds, submitted at once. */
static void
test_many (void)
{
  Disk disk;
  g_autoptr (MtvAligned) data = mtv_aligned_new (4 * MIB);
  g_autofree MtvIo *ios = g_new (MtvIo, KIB);

  if (!disk_init (&disk, ".", 4 * MIB))
    return disk_clear (&disk);
  fill_randomly (data, 4 * MIB);
  for (guint i = 0; i < KIB; i++)
    submit (&disk, &ios[i], MTV_IO_WRITE, i * 4 * KIB, 4 * KIB, data + i * 4 * KIB);
  wait_for_all (&disk);
  g_assert_no_error (disk.error);
  assert_disk_is (&disk, data, 4 * MIB);
  disk_clear (&disk);
}

typedef struct
{
  Disk *disk; /* the file's */
  guint64 start;
  guint64 end;
  guint8 *data;
} Share;

static gpointer
write_share (gpointer data)
{
  Share *share = data;
  Disk mine = *share->disk; /* the same file, a channel of its own */

  mine.channel = mtv_file_channel_new (&mine.end);
  g_assert_nonnull (mine.channel);
  move_in_pieces (&mine, MTV_IO_WRITE, share->start, share->end, share->data);
  g_assert_no_error (mine.error);
  g_assert_true (ask (&mine, MTV_IO_FLUSH, 0, 0, NULL));
  g_assert_true (mtv_channel_free (mine.channel));
  return NULL;
}

static void
test_two_threads (void)
{
  Disk disk;
  gsize size = 20 * MIB + 700;
  g_autoptr (MtvAligned) data = mtv_aligned_new (size);

  if (!disk_init (&disk, ".", size))
    return disk_clear (&disk);
  fill_randomly (data, size);
  Share shares[] = { { &disk, 0, 10 * MIB, data }, { &disk, 10 * MIB, size, data } };
  GThread *threads[2];
  for (guint i = 0; i < 2; i++)
    threads[i] = g_thread_new ("share", write_share, &shares[i]);
  for (guint i = 0; i < 2; i++)
    g_thread_join (threads[i]);
  assert_disk_is (&disk, data, size);
  disk_clear (&disk);
}

static void
test_holes (void)
{
  Disk disk;
  struct stat st;
  gsize size = 4 * MIB + 100;
  g_autoptr (MtvAligned) data = mtv_aligned_new (size);

  if (!disk_init (&disk, ".", size))
    return disk_clear (&disk);
  memset (data, 'x', size);
  g_assert_true (ask (&disk, MTV_IO_WRITE, 0, size, data));
  g_assert_true (ask (&disk, MTV_IO_ZERO, MIB, 2 * MIB, NULL));
  g_assert_true (ask (&disk, MTV_IO_ZERO, size - 50, 50, NULL));
  g_assert_true (ask (&disk, MTV_IO_FLUSH, 0, 0, NULL));
  g_assert_no_error (disk.error);

  memset (data + MIB, 0, 2 * MIB);
  memset (data + size - 50, 0, 50);
  assert_disk_is (&disk, data, size);
  g_assert_cmpint (lseek (disk.fd, 0, SEEK_HOLE), ==, MIB);
  g_assert_cmpint (lseek (disk.fd, MIB, SEEK_DATA), ==, 3 * MIB);
  g_assert_cmpint (fstat (disk.fd, &st), ==, 0);
  g_assert_cmpint (st.st_blocks * 512, <=, 2 * MIB + 64 * KIB);
  disk_clear (&disk);
}

/* A file system that cannot make holes gets zero bytes. */
static void
test_no_holes (void)
{
  Disk disk;
  gsize size = 3 * MIB;
  g_autoptr (MtvAligned) data = mtv_aligned_new (size);

  if (!disk_init (&disk, ".", size))
    return disk_clear (&disk);
  g_assert_true (mtv_channel_free (disk.channel));
  disk.end.zero_mode = FALLOC_FL_PUNCH_HOLE; /* never without KEEP_SIZE: EOPNOTSUPP */
  open_channel (&disk);
  memset (data, 'x', size);
  g_assert_true (ask (&disk, MTV_IO_WRITE, 0, size, data));
  g_assert_true (ask (&disk, MTV_IO_ZERO, MIB - 100, MIB + 300, NULL));
  g_assert_no_error (disk.error);
  memset (data + MIB - 100, 0, MIB + 300);
  assert_disk_is (&disk, data, size);
  g_assert_cmpint (lseek (disk.fd, 0, SEEK_HOLE), ==, size);
  disk_clear (&disk);
}

static void
halve (struct io_uring_sqe *sqe)
{
  if (sqe->opcode != IORING_OP_SYNC_FILE_RANGE && sqe->len > 5000)
    sqe->len = sqe->len / 2 + 200; /* the next offset is a misaligned one */
}

static void
refuse_direct (struct io_uring_sqe *sqe)
{
  if (sqe->opcode == IORING_OP_WRITE && sqe->len >= MTV_ALIGNMENT && sqe->addr % MTV_ALIGNMENT == 0)
    sqe->ioprio = 0xffff; /* EINVAL */
}

static void
misaddress_once (struct io_uring_sqe *sqe)
{
  sqe->fd = -1;
  spoil = NULL;
}

static void
test_short (void)
{
  Disk disk;
  gsize size = MIB + 77;
  g_autoptr (MtvAligned) data = mtv_aligned_new (size);
  g_autofree guint8 *expected = g_malloc (size);

  if (!disk_init (&disk, ".", size))
    return disk_clear (&disk);
  close (disk.direct_fd);
  disk.direct_fd = -1;
  g_assert_true (mtv_channel_free (disk.channel));
  disk.end.direct_fd = -1;
  open_channel (&disk);
  fill_randomly (expected, size);
  memcpy (data, expected, size);
  spoil = halve;
  g_assert_true (ask (&disk, MTV_IO_WRITE, 0, size, data));
  g_assert_cmpint (asked[IORING_OP_WRITE], >, 5);
  assert_disk_is (&disk, expected, size);
  memset (data, 0, size);
  g_assert_true (ask (&disk, MTV_IO_READ, 0, size, data));
  g_assert_cmpint (asked[IORING_OP_READ], >, 5);
  g_assert_no_error (disk.error);
  g_assert_cmpmem (data, size, expected, size);
  disk_clear (&disk);
}

/* A submission that the kernel has no memory for, and a file system that does not like our idea of
 * alignment. */
static void
test_refused (void)
{
  Disk disk;
  g_autoptr (MtvAligned) data = mtv_aligned_new (MIB);
  struct pollfd fd;
  MtvIo io;

  if (!disk_init (&disk, ".", MIB))
    return disk_clear (&disk);
  fill_randomly (data, MIB);
  refusals = 3;
  submit (&disk, &io, MTV_IO_WRITE, 0, MIB, data);
  g_assert_cmpint (mtv_channel_prepare (disk.channel, &fd), >, 0); /* not for ever */
  wait_for_all (&disk);
  g_assert_cmpuint (refusals, ==, 0);
  assert_disk_is (&disk, data, MIB);

  memset (data, 'y', MIB);
  spoil = refuse_direct;
  submit (&disk, &io, MTV_IO_WRITE, 0, MIB, data);
  mtv_channel_prepare (disk.channel, &fd);
  spoil = NULL;
  wait_for_all (&disk);
  g_assert_no_error (disk.error);
  g_assert_cmpint (asked[IORING_OP_WRITE], ==, 3);
  g_assert_cmpint (asked[IORING_OP_SYNC_FILE_RANGE], ==, 1);
  assert_disk_is (&disk, data, MIB);
  disk_clear (&disk);
}

/* Every kind of request tells its failure, and the channel goes on. */
static void
test_errors (void)
{
  static const char *const messages[] = { [MTV_IO_READ] = "Cannot read disk 'a'",
                                          [MTV_IO_WRITE] = "Cannot write disk 'a'",
                                          [MTV_IO_ZERO] = "Cannot write zeroes to disk 'a'",
                                          [MTV_IO_FLUSH] = "Cannot flush disk 'a'" };
  Disk disk;
  g_autoptr (MtvAligned) data = mtv_aligned_new (MIB);

  if (!disk_init (&disk, ".", MIB))
    return disk_clear (&disk);
  memset (data, 'x', MIB);
  for (guint kind = MTV_IO_READ; kind <= MTV_IO_FLUSH; kind++)
    {
      spoil = misaddress_once;
      g_assert_false (ask (&disk, kind, 0, MIB, data));
      g_assert_error (disk.error, MTV_ERROR, MTV_ERROR_FAILED);
      g_assert_true (g_str_has_prefix (disk.error->message, messages[kind]));
      g_clear_error (&disk.error);
    }
  g_assert_true (ask (&disk, MTV_IO_WRITE, 0, MIB, data));
  assert_disk_is (&disk, data, MIB);
  disk_clear (&disk);
}

static void
test_past_the_end (void)
{
  Disk disk;
  g_autoptr (MtvAligned) data = mtv_aligned_new (2 * MIB);

  if (!disk_init (&disk, ".", MIB + 100))
    return disk_clear (&disk);
  g_assert_false (ask (&disk, MTV_IO_READ, MIB / 2, MIB, data));
  g_assert_error (disk.error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (disk.error->message, "disk 'a'"));
  g_assert_nonnull (strstr (disk.error->message, "1048676"));
  disk_clear (&disk);
}

/* The limit on a file's size stands in for a disk that takes no more. */
static void
test_too_large (void)
{
  Disk disk;
  struct rlimit old, limit;
  g_autoptr (MtvAligned) data = mtv_aligned_new (2 * MIB);

  if (!disk_init (&disk, ".", MIB))
    return disk_clear (&disk);
  memset (data, 'x', 2 * MIB);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  limit = old;
  limit.rlim_cur = MIB;
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
  g_assert_false (ask (&disk, MTV_IO_WRITE, 0, 2 * MIB, data)); /* half of it is written first */
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  g_assert_error (disk.error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_true (g_str_has_prefix (disk.error->message, "Cannot write disk 'a': "));
  assert_disk_is (&disk, data, MIB);
  disk_clear (&disk);
}

static void
test_read_only (void)
{
  Disk disk;
  guint8 byte = 'x';

  if (!disk_init (&disk, ".", MIB))
    return disk_clear (&disk);
  g_assert_true (mtv_channel_free (disk.channel));
  disk.end.fd = open (disk.name, O_RDONLY | O_CLOEXEC);
  open_channel (&disk);
  g_assert_false (ask (&disk, MTV_IO_WRITE, 0, 1, &byte));
  g_assert_true (g_str_has_prefix (disk.error->message, "Cannot write disk 'a': "));
  close (disk.end.fd);
  disk_clear (&disk);
}

/* Requests that wait in the queue, that are with the disk, and that would wait for ever. */
static void
test_free (void)
{
  Disk disk;
  g_autoptr (MtvAligned) data = mtv_aligned_new (4 * MIB);
  g_autofree MtvIo *ios = g_new (MtvIo, KIB);
  struct pollfd fd;
  int pipe_fds[2];

  if (!disk_init (&disk, ".", 4 * MIB))
    return disk_clear (&disk);
  memset (data, 'x', 4 * MIB);
  for (guint i = 0; i < KIB; i++)
    submit (&disk, &ios[i], MTV_IO_WRITE, i * 4 * KIB, 4 * KIB, data + i * 4 * KIB);
  mtv_channel_prepare (disk.channel, &fd);
  g_assert_true (mtv_channel_free (disk.channel));
  g_assert_cmpuint (disk.pending, ==, KIB); /* none was told to be done */

  g_assert_cmpint (pipe2 (pipe_fds, O_CLOEXEC), ==, 0);
  disk.end.fd = pipe_fds[0];
  disk.end.direct_fd = -1;
  open_channel (&disk);
  submit (&disk, &ios[0], MTV_IO_READ, 0, 10, data);
  g_assert_cmpint (mtv_channel_prepare (disk.channel, &fd), ==, -1);
  g_assert_true (mtv_channel_free (g_steal_pointer (&disk.channel)));
  g_assert_cmpint (write (pipe_fds[1], "late", 4), ==, 4);
  g_assert_cmpmem (data, 4, "xxxx", 4);
  close (pipe_fds[0]);
  close (pipe_fds[1]);
  disk_clear (&disk);
}

/* What does not end in time is said to be still under way. */
static void
test_free_of_a_hung_disk (void)
{
  Disk disk;
  guint8 byte = 'x';
  struct pollfd fd;
  MtvIo io;
  gint64 begin = g_get_monotonic_time ();

  if (!disk_init (&disk, ".", MIB))
    return disk_clear (&disk);
  refusals = G_MAXUINT;
  submit (&disk, &io, MTV_IO_WRITE, 0, 1, &byte);
  mtv_channel_prepare (disk.channel, &fd);
  g_assert_false (mtv_channel_free (g_steal_pointer (&disk.channel)));
  g_assert_cmpint (g_get_monotonic_time () - begin, <, G_TIME_SPAN_SECOND);
  disk_clear (&disk);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (ways); i++)
    {
      g_autofree char *path = g_strconcat ("/file-channel/round-trip/", ways[i].name, NULL);

      g_test_add_data_func (path, &ways[i], test_round_trip);
    }
  g_test_add_func ("/file-channel/operations", test_operations);
  g_test_add_func ("/file-channel/many", test_many);
  g_test_add_func ("/file-channel/two-threads", test_two_threads);
  g_test_add_func ("/file-channel/holes", test_holes);
  g_test_add_func ("/file-channel/no-holes", test_no_holes);
  g_test_add_func ("/file-channel/short", test_short);
  g_test_add_func ("/file-channel/refused", test_refused);
  g_test_add_func ("/file-channel/errors", test_errors);
  g_test_add_func ("/file-channel/past-the-end", test_past_the_end);
  g_test_add_func ("/file-channel/too-large", test_too_large);
  g_test_add_func ("/file-channel/read-only", test_read_only);
  g_test_add_func ("/file-channel/free", test_free);
  g_test_add_func ("/file-channel/free/hung", test_free_of_a_hung_disk);
  return g_test_run ();
}
