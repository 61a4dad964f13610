/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer-fixture.h"
#include "transfer/mtv-aligned.h"
#include "transfer/mtv-direct-reader.h"
#include "transfer/mtv-file-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/fs.h>
#include <stdarg.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (9 * MIB + 513)

/* The linker puts these in the place of the C library's: a disk that is full or cannot allocate,
 * and files that are block devices. */
int __real_fallocate64 (int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate64 (int fd, int mode, off_t offset, off_t length);
int __real_fstat64 (int fd, struct stat *st);
int __wrap_fstat64 (int fd, struct stat *st);
int __real_ioctl (int fd, unsigned long request, ...);
int __wrap_ioctl (int fd, unsigned long request, ...);

static int fallocate_fails; /* with this errno */
static guint64 device_size; /* 0: files are files */

int
__wrap_fallocate64 (int fd, int mode, off_t offset, off_t length)
{
  if (fallocate_fails == 0)
    return __real_fallocate64 (fd, mode, offset, length);
  errno = fallocate_fails;
  return -1;
}

int
__wrap_fstat64 (int fd, struct stat *st)
{
  int result = __real_fstat64 (fd, st);

  if (device_size > 0)
    {
      st->st_mode = S_IFBLK;
      st->st_size = 0;
    }
  return result;
}

int
__wrap_ioctl (int fd, unsigned long request, ...)
{
  va_list arguments;

  va_start (arguments, request);
  void *argument = va_arg (arguments, void *);
  va_end (arguments);
  if (request != BLKGETSIZE64 || device_size == 0)
    return __real_ioctl (fd, request, argument);
  *(guint64 *) argument = device_size;
  return 0;
}

typedef struct
{
  char *path; /* (owned) */
  int dirfd;  /* (owned) */
} Folder;

/* @where: the build directory, or /dev/shm, which before Linux 6.6 has no O_DIRECT. */
static void
folder_init (Folder *f, gconstpointer where)
{
  f->path = g_build_filename (where, "file-writer-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (f->path));
  f->dirfd = open (f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (f->dirfd, >=, 0);
}

static void
folder_clear (Folder *f)
{
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, f->path, NULL));
  close (f->dirfd);
  g_free (f->path);
}

static void
assert_file_is (Folder *f, const char *name, const guint8 *data, gsize size)
{
  g_autofree char *path = g_build_filename (f->path, name, NULL);
  g_autofree char *got = NULL;
  gsize length;

  g_assert_true (g_file_get_contents (path, &got, &length, NULL));
  g_assert_cmpuint (length, ==, size);
  g_assert_true (memcmp (got, data, size) == 0);
}

static void
test_copy (gconstpointer where)
{
  Folder f;
  g_autoptr (FakeMemoryDisk) source = fake_memory_disk_new (SIZE);
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  g_autoptr (GError) error = NULL;
  gboolean is_new = FALSE;
  struct stat st;

  folder_init (&f, where);
  guint8 *data = fake_memory_disk_get_data (source);
  memset (data + MIB, 'x', MIB + 70 * KIB);
  data[SIZE - 1] = 'z';
  g_autoptr (MtvFileWriter) writer
      = mtv_file_writer_new (f.dirfd, "a.img", SIZE, "'a'", &is_new, &error);
  g_assert_no_error (error);
  g_assert_true (is_new);
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (source), MTV_WRITER (writer), map, is_new);
  g_assert_true (copy_to_end (copier, NULL, &error));
  g_assert_no_error (error);

  assert_file_is (&f, "a.img", data, SIZE);
  g_assert_cmpint (fstatat (f.dirfd, "a.img", &st, 0), ==, 0);
  g_assert_cmpint (st.st_mode & 07777 & ~0640, ==, 0);
  g_assert_cmpint (st.st_blocks * 512, >=, MIB);
  g_assert_cmpint (st.st_blocks * 512, <=,
                   MIB + 70 * KIB + 200 * KIB); /* as sparse as the source */

  g_autoptr (MtvReader) back = mtv_file_writer_open_reader (f.dirfd, "a.img", "'a'", &error);
  g_assert_no_error (error);
  g_assert_true (verify (back, map, FALSE, &error));
  g_assert_true (verify (back, map, TRUE, &error));
  g_assert_no_error (error);
  folder_clear (&f);
}

/* Every combination of odd offsets, lengths and memory, in writing and in reading. */
static void
test_odd_ranges (gconstpointer where)
{
  Folder f;
  g_autoptr (GRand) rand = g_rand_new_with_seed (6);
  g_autofree guint8 *expected = g_malloc0 (SIZE);
  g_autoptr (MtvAligned) buffer = mtv_aligned_new (MIB + 8192);
  g_autoptr (GError) error = NULL;

  folder_init (&f, where);
  g_autoptr (MtvFileWriter) writer
      = mtv_file_writer_new (f.dirfd, "a.img", SIZE, "'a'", NULL, &error);
  for (guint i = 0; i < 60; i++)
    {
      gsize unit = i % 2 ? 4096 : 1;
      guint64 offset = g_rand_int_range (rand, 0, SIZE) / unit * unit;
      gsize wish = g_rand_int_range (rand, 1, MIB) / unit * unit;
      gsize length = MIN (SIZE - offset, wish);
      guint8 *memory = buffer + (i % 3 ? 0 : 512);

      memset (memory, 1 + i, length);
      memset (expected + offset, i % 5 ? 1 + i : 0, length);
      g_assert_true (
          i % 5 ? mtv_writer_write (MTV_WRITER (writer), offset, memory, length, NULL, &error)
                : mtv_writer_zero (MTV_WRITER (writer), offset, length, NULL, &error));
      g_assert_no_error (error);
    }
  g_assert_true (mtv_writer_flush (MTV_WRITER (writer), NULL, &error));
  assert_file_is (&f, "a.img", expected, SIZE);

  g_autoptr (MtvReader) back = mtv_file_writer_open_reader (f.dirfd, "a.img", "'a'", &error);
  g_assert_cmpuint (mtv_reader_get_size (back), ==, SIZE);
  /* And what stands in where the file system has no O_DIRECT. */
  g_autoptr (MtvReader) cached = mtv_direct_reader_new (
      openat (f.dirfd, "a.img", O_RDONLY | O_CLOEXEC), -1, SIZE, "'a'", &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 60; i++)
    {
      gsize unit = i % 2 ? 4096 : 1;
      guint64 offset = g_rand_int_range (rand, 0, SIZE) / unit * unit;
      gsize wish = g_rand_int_range (rand, 1, MIB);
      gsize length = MIN (SIZE - offset, wish);
      guint8 *memory = buffer + (i % 3 ? 0 : 512);

      if (i == 0)
        offset = SIZE - (length = 513);
      g_assert_true (mtv_reader_read (back, offset, memory, length, NULL, &error));
      g_assert_true (memcmp (memory, expected + offset, length) == 0);
      memset (memory, 0xee, length);
      g_assert_true (mtv_reader_read (cached, offset, memory, length, NULL, &error));
      g_assert_true (memcmp (memory, expected + offset, length) == 0);
    }
  folder_clear (&f);
}

/* Blocks larger than a thread's buffer, and a map that stays small. */
static void
test_huge (void)
{
  Folder f;
  guint64 size = 600 * 1024 * MIB + 512;
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (size, MTV_HASH_SHA256);
  g_autofree guint8 *data = g_malloc (MIB);
  g_autoptr (GError) error = NULL;

  folder_init (&f, ".");
  memset (data, 'x', MIB);
  g_autoptr (MtvFileWriter) source
      = mtv_file_writer_new (f.dirfd, "source", size, "'source'", NULL, &error);
  g_autoptr (MtvFileWriter) target
      = mtv_file_writer_new (f.dirfd, "target", size, "'target'", NULL, &error);
  g_assert_no_error (error);
  for (guint64 at = MIB / 2; at < size - MIB; at += 100 * 1024 * MIB)
    g_assert_true (mtv_writer_write (MTV_WRITER (source), at, data, MIB, NULL, &error));
  g_assert_true (mtv_writer_write (MTV_WRITER (source), size - 1, data, 1, NULL, &error));

  g_autoptr (MtvReader) reader
      = mtv_file_writer_open_reader (f.dirfd, "source", "'source'", &error);
  g_autoptr (MtvCopier) copier = mtv_copier_new (reader, MTV_WRITER (target), map, TRUE);
  g_assert_true (copy_to_end (copier, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_block_map_get_block_size (map), ==, 2 * MIB);
  g_assert_cmpuint (mtv_block_map_get_n_data (map), ==, 7);
  g_autoptr (MtvReader) back = mtv_file_writer_open_reader (f.dirfd, "target", "'target'", &error);
  g_assert_true (verify (reader, map, FALSE, &error));
  g_assert_true (verify (back, map, FALSE, &error));
  g_assert_no_error (error);
  folder_clear (&f);
}

static void
test_open_again (void)
{
  Folder f;
  g_autoptr (GError) error = NULL;
  gboolean is_new = TRUE;

  folder_init (&f, ".");
  g_autoptr (MtvFileWriter) first
      = mtv_file_writer_new (f.dirfd, "a.img", 4096, "'a'", NULL, &error);
  g_assert_true (mtv_writer_write (MTV_WRITER (first), 0, "kept", 4, NULL, &error));
  g_autoptr (MtvFileWriter) second
      = mtv_file_writer_new (f.dirfd, "a.img", 8192, "'a'", &is_new, &error);
  g_assert_no_error (error);
  g_assert_nonnull (second);
  g_assert_false (is_new);
  g_autoptr (MtvReader) back = mtv_file_writer_open_reader (f.dirfd, "a.img", "'a'", &error);
  char got[5] = { 0 };
  g_assert_cmpuint (mtv_reader_get_size (back), ==, 8192);
  g_assert_true (mtv_reader_read (back, 0, got, 4, NULL, &error));
  g_assert_cmpstr (got, ==, "kept");
  folder_clear (&f);
}

static int
open_in (Folder *f, const char *name, int flags)
{
  int fd = openat (f->dirfd, name, flags | O_CLOEXEC, 0600);

  g_assert_cmpint (fd, >=, 0);
  return fd;
}

/* Whatever size the file had; a descriptor of another file is none of this one. */
static void
test_for_fd (void)
{
  Folder f;
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvAligned) data = mtv_aligned_new (MIB);
  g_autoptr (MtvAligned) got = mtv_aligned_new (MIB);

  folder_init (&f, ".");
  memset (data, 'x', MIB);
  int fd = open_in (&f, "a.img", O_RDWR | O_CREAT);
  int other = open_in (&f, "b.img", O_RDWR | O_CREAT | O_DIRECT);
  g_assert_cmpint (ftruncate (fd, 3 * MIB), ==, 0);
  g_autoptr (MtvFileWriter) writer = mtv_file_writer_new_for_fd (fd, other, MIB, "'a'", &error);
  g_assert_no_error (error);
  g_assert_true (mtv_writer_write (MTV_WRITER (writer), 0, data, MIB, NULL, &error));
  g_assert_true (mtv_writer_flush (MTV_WRITER (writer), NULL, &error));
  assert_file_is (&f, "a.img", data, MIB);
  assert_file_is (&f, "b.img", (const guint8 *) "", 0);

  g_autoptr (MtvReader) back = mtv_file_writer_open_reader_for_fd (fd, other, MIB, "'a'", &error);
  g_assert_no_error (error);
  close (fd); /* both have their own */
  close (other);
  g_assert_cmpuint (mtv_reader_get_size (back), ==, MIB);
  g_assert_true (mtv_reader_read (back, 0, got, MIB, NULL, &error));
  g_assert_cmpmem (got, MIB, data, MIB);
  folder_clear (&f);
}

static void
test_for_fd_refused (void)
{
  static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR | O_APPEND, O_RDWR | O_DIRECT };
  Folder f;
  int pipe_fds[2];

  folder_init (&f, ".");
  close (open_in (&f, "a.img", O_RDWR | O_CREAT));
  for (guint i = 0; i < G_N_ELEMENTS (flags); i++)
    {
      g_autoptr (GError) error = NULL;
      int fd = open_in (&f, "a.img", flags[i]);

      g_assert_null (mtv_file_writer_new_for_fd (fd, -1, MIB, "disk 'a'", &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, "disk 'a'"));
      g_assert_nonnull (strstr (error->message, "reading and writing"));
      close (fd);
    }
  assert_file_is (&f, "a.img", (const guint8 *) "", 0); /* and was not made any larger */

  g_autoptr (GError) error = NULL;
  g_assert_cmpint (pipe2 (pipe_fds, O_CLOEXEC), ==, 0);
  g_assert_null (mtv_file_writer_open_reader_for_fd (pipe_fds[0], -1, MIB, "disk 'a'", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  close (pipe_fds[0]);
  close (pipe_fds[1]);
  folder_clear (&f);
}

static void
test_block_device (void)
{
  Folder f;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *data = g_malloc0 (2 * MIB);

  folder_init (&f, ".");
  int fd = open_in (&f, "a.img", O_RDWR | O_CREAT);
  g_assert_cmpint (ftruncate (fd, 2 * MIB), ==, 0);
  device_size = 2 * MIB;
  g_assert_null (mtv_file_writer_new_for_fd (fd, -1, 2 * MIB + 1, "disk 'a'", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  g_assert_nonnull (strstr (error->message, "2097152"));
  g_clear_error (&error);

  g_autoptr (MtvFileWriter) writer = mtv_file_writer_new_for_fd (fd, -1, MIB, "'a'", &error);
  device_size = 0;
  g_assert_no_error (error);
  data[MIB - 1] = 'x';
  g_assert_true (mtv_writer_write (MTV_WRITER (writer), MIB - 1, "x", 1, NULL, &error));
  assert_file_is (&f, "a.img", data, 2 * MIB); /* as large as it was */
  close (fd);
  folder_clear (&f);
}

static void
test_preallocate (void)
{
  Folder f;
  struct stat st;
  guint64 size = 2 * MIB + 300;
  g_autofree guint8 *data = g_malloc0 (size);
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  folder_init (&f, ".");
  g_autoptr (MtvFileWriter) writer
      = mtv_file_writer_new (f.dirfd, "a.img", size, "disk 'a'", NULL, &error);
  g_cancellable_cancel (cancelled);
  g_assert_false (mtv_file_writer_preallocate (writer, cancelled, &error));
  error = mtv_error_normalize (g_steal_pointer (&error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_clear_error (&error);
  fallocate_fails = ENOSPC;
  g_assert_false (mtv_file_writer_preallocate (writer, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  g_clear_error (&error);
  fallocate_fails = EOPNOTSUPP;
  g_assert_true (mtv_file_writer_preallocate (writer, NULL, &error));
  fallocate_fails = 0;

  g_assert_true (mtv_file_writer_preallocate (writer, NULL, &error));
  g_assert_no_error (error);
  memset (data, 'x', size);
  g_assert_true (mtv_writer_write (MTV_WRITER (writer), 0, data, size, NULL, &error));
  g_assert_true (mtv_writer_zero (MTV_WRITER (writer), MIB, MIB, NULL, &error));
  g_assert_true (mtv_writer_flush (MTV_WRITER (writer), NULL, &error));
  memset (data + MIB, 0, MIB);
  assert_file_is (&f, "a.img", data, size);
  g_assert_cmpint (fstatat (f.dirfd, "a.img", &st, 0), ==, 0);
  g_assert_cmpint (st.st_blocks * 512, >=, size); /* what was taken is kept */
  folder_clear (&f);
}

static void
test_no_links (void)
{
  Folder f;
  g_autoptr (GError) written = NULL;
  g_autoptr (GError) read = NULL;
  g_autoptr (GError) path = NULL;
  g_autoptr (GError) folder = NULL;

  folder_init (&f, ".");
  g_autofree char *victim = g_build_filename (f.path, "victim", NULL);
  g_assert_true (g_file_set_contents (victim, "safe", 4, NULL));
  g_assert_cmpint (symlinkat ("victim", f.dirfd, "a.img"), ==, 0);
  g_assert_cmpint (mkdirat (f.dirfd, "d", 0700), ==, 0);

  g_assert_null (mtv_file_writer_new (f.dirfd, "a.img", 4096, "disk 'a'", NULL, &written));
  g_assert_error (written, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_nonnull (strstr (written->message, "disk 'a'"));
  g_assert_null (mtv_file_writer_open_reader (f.dirfd, "a.img", "disk 'a'", &read));
  g_assert_nonnull (strstr (read->message, "disk 'a'"));
  g_assert_null (mtv_file_writer_new (f.dirfd, "../x", 4096, "disk 'a'", NULL, &path));
  g_assert_error (path, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (path->message, "../x"));
  g_assert_null (mtv_file_writer_open_reader (f.dirfd, "d", "disk 'd'", &folder));
  g_assert_error (folder, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  assert_file_is (&f, "victim", (const guint8 *) "safe", 4);
  folder_clear (&f);
}

/* The first failure is kept. */
static void
fill_done (MtvIo *io, GError *error)
{
  GError **kept = io->data;

  if (*kept == NULL && error != NULL)
    *kept = g_steal_pointer (&error);
  g_clear_error (&error);
  io->done = NULL;
}

static gboolean
channel_is_told (MtvWriter *writer, const guint8 *data)
{
  g_autoptr (GError) error = NULL;
  MtvChannel *channel = mtv_writer_open_channel (writer, NULL, &error);

  for (guint64 at = 0; at < SIZE; at += MIB)
    {
      MtvIo io
          = { MTV_IO_WRITE,      at,      MIN (SIZE - at, MIB), (guint8 *) data + at, fill_done,
              (gpointer) &error, { NULL } };

      mtv_channel_submit (channel, &io);
      while (io.done != NULL)
        {
          struct pollfd fd;
          int timeout = mtv_channel_prepare (channel, &fd);

          poll (&fd, 1, timeout);
          mtv_channel_dispatch (channel, fd.revents);
        }
    }
  return mtv_channel_free (channel) && g_error_matches (error, MTV_ERROR, MTV_ERROR_NO_SPACE)
         && strstr (error->message, "disk 'a'") != NULL;
}

/* What test_full_disk() runs on a full file system; the answer is its exit code. */
static int
fill (const char *path)
{
  g_autoptr (FakeMemoryDisk) source = fake_memory_disk_new (SIZE);
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  g_autoptr (GError) error = NULL;
  int dirfd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  memset (fake_memory_disk_get_data (source), 'x', SIZE);
  g_autoptr (MtvFileWriter) writer
      = mtv_file_writer_new (dirfd, "a.img", SIZE, "disk 'a'", NULL, &error);
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (source), MTV_WRITER (writer), map, TRUE);
  gboolean ok = copy_to_end (copier, NULL, &error);
  return !ok && channel_is_told (MTV_WRITER (writer), fake_memory_disk_get_data (source))
                 && g_error_matches (error, MTV_ERROR, MTV_ERROR_NO_SPACE)
                 && strstr (error->message, "disk 'a'") != NULL
                 && mtv_block_map_get_n_done (map) < mtv_block_map_get_n_blocks (map)
             ? 0
             : 1;
}

static const char *self_path;

static void
test_full_disk (void)
{
  const char *mount[]
      = { "unshare",
          "-rm",
          "sh",
          "-c",
          "mount -t tmpfs -o size=5m tmpfs \"$1\" || exit 77; exec \"$0\" --fill \"$1\"",
          self_path,
          NULL,
          NULL };
  Folder f;
  g_autoptr (GError) error = NULL;
  int status;

  folder_init (&f, ".");
  mount[6] = f.path;
  if (!g_spawn_sync (NULL, (char **) mount, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL,
                     &status, &error)
      || (WIFEXITED (status) && WEXITSTATUS (status) == 77))
    g_test_skip ("no user namespace to mount a small file system in");
  else
    g_assert_cmpint (status, ==, 0);
  folder_clear (&f);
}

int
main (int argc, char **argv)
{
  if (argc == 3 && g_str_equal (argv[1], "--fill"))
    return fill (argv[2]);

  self_path = argv[0];
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/file-writer/copy/disk", ".", test_copy);
  g_test_add_data_func ("/file-writer/copy/shm", "/dev/shm", test_copy);
  g_test_add_data_func ("/file-writer/odd-ranges/disk", ".", test_odd_ranges);
  g_test_add_data_func ("/file-writer/odd-ranges/shm", "/dev/shm", test_odd_ranges);
  g_test_add_func ("/file-writer/huge", test_huge);
  g_test_add_func ("/file-writer/full-disk", test_full_disk);
  g_test_add_func ("/file-writer/open-again", test_open_again);
  g_test_add_func ("/file-writer/no-links", test_no_links);
  g_test_add_func ("/file-writer/for-fd", test_for_fd);
  g_test_add_func ("/file-writer/for-fd/refused", test_for_fd_refused);
  g_test_add_func ("/file-writer/for-fd/block-device", test_block_device);
  g_test_add_func ("/file-writer/preallocate", test_preallocate);
  return g_test_run ();
}
