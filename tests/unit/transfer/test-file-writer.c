/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer-fixture.h"
#include "transfer/mtv-aligned.h"
#include "transfer/mtv-direct-reader.h"
#include "transfer/mtv-file-writer.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define SIZE (9 * MIB + 513)

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
  return !ok && g_error_matches (error, MTV_ERROR, MTV_ERROR_NO_SPACE)
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
  return g_test_run ();
}
