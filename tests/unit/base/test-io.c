/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *path; /* (owned) of a folder that is the test's own */
  int fd;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  f->path = g_dir_make_tmp ("mtv-io-XXXXXX", &error);
  g_assert_no_error (error);
  f->fd = open (f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_assert_cmpint (f->fd, >=, 0);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  close (f->fd);
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, f->path, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (f->path, G_FILE_TEST_EXISTS));
  g_free (f->path);
}

static char *
contents_of (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->path, name, NULL);
  char *contents = NULL;

  g_file_get_contents (path, &contents, NULL, NULL);
  return contents;
}

static void
test_replace_file (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  struct stat st;

  g_assert_true (mtv_io_replace_file (f->fd, "a", "one, and long", -1, 0640, &error));
  g_assert_true (mtv_io_replace_file (f->fd, "a", "t\0w", 3, 0640, &error));
  g_assert_no_error (error);
  g_autofree char *contents = contents_of (f, "a");
  g_assert_cmpmem (contents, 4, "t\0w\0", 4);
  g_assert_cmpint (fstatat (f->fd, "a", &st, 0), ==, 0);
  g_assert_cmpint (st.st_size, ==, 3);
  g_assert_cmpint (st.st_mode & 0137, ==, 0);
}

/* What is there stays whole when the new contents cannot be written, and no temporary stays. */
static void
test_replace_file_fails (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  struct rlimit old, small = { 4, RLIM_INFINITY };

  g_assert_true (mtv_io_replace_file (f->fd, "a", "old", -1, 0600, &error));
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small.rlim_max = old.rlim_max;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  gboolean ok = mtv_io_replace_file (f->fd, "a", "new and too long", -1, 0600, &error);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);

  g_assert_false (ok);
  g_assert_nonnull (strstr (error->message, ".a.new"));
  g_autofree char *contents = contents_of (f, "a");
  g_assert_cmpstr (contents, ==, "old");
  g_assert_cmpint (faccessat (f->fd, ".a.new", F_OK, 0), ==, -1);
}

static void
test_replace_file_symlink (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_io_replace_file (f->fd, "victim", "keep", -1, 0600, &error));
  g_assert_cmpint (symlinkat ("victim", f->fd, "link"), ==, 0);
  g_assert_true (mtv_io_replace_file (f->fd, "link", "new", -1, 0600, &error));
  g_autofree char *victim = contents_of (f, "victim");
  g_autofree char *link = contents_of (f, "link");
  g_assert_cmpstr (victim, ==, "keep");
  g_assert_cmpstr (link, ==, "new");
}

static void
test_remove_tree (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mkdirat (f->fd, "outside", 0700), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "tree", 0700), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "tree/deep", 0700), ==, 0);
  g_assert_cmpint (symlinkat ("../../outside", f->fd, "tree/deep/link"), ==, 0);
  g_assert_true (mtv_io_replace_file (f->fd, "keep", "keep", -1, 0600, &error));
  g_assert_cmpint (linkat (f->fd, "keep", f->fd, "outside/file", 0), ==, 0);
  g_assert_cmpint (linkat (f->fd, "keep", f->fd, "tree/deep/file", 0), ==, 0);

  g_assert_true (mtv_io_remove_tree (f->fd, "tree", &error));
  g_assert_no_error (error);
  g_assert_cmpint (faccessat (f->fd, "tree", F_OK, AT_SYMLINK_NOFOLLOW), ==, -1);
  g_assert_cmpint (faccessat (f->fd, "outside/file", F_OK, 0), ==, 0);

  /* The name itself may be a link, too; and what is gone is gone. */
  g_assert_cmpint (symlinkat ("outside", f->fd, "top"), ==, 0);
  g_assert_true (mtv_io_remove_tree (f->fd, "top", &error));
  g_assert_true (mtv_io_remove_tree (f->fd, "top", &error));
  g_assert_no_error (error);
  g_assert_cmpint (faccessat (f->fd, "outside/file", F_OK, 0), ==, 0);
}

static void
test_read_and_write (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  int fd = openat (f->fd, "x", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  char buffer[4] = { 0 };

  g_assert_true (mtv_io_pwrite (fd, "abcd", 4, 100, "'x'", &error));
  g_assert_true (mtv_io_pread (fd, buffer, 4, 99, "'x'", &error));
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, 4, "\0abc", 4);

  g_assert_false (mtv_io_pread (fd, buffer, 4, 102, "'x'", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_cmpstr (error->message, ==, "Cannot read 'x': it ends at byte 104");
  close (fd);
}

int
main (int argc, char **argv)
{
  signal (SIGXFSZ, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/io/replace-file", Fixture, NULL, set_up, test_replace_file, tear_down);
  g_test_add ("/io/replace-file/fails", Fixture, NULL, set_up, test_replace_file_fails, tear_down);
  g_test_add ("/io/replace-file/symlink", Fixture, NULL, set_up, test_replace_file_symlink,
              tear_down);
  g_test_add ("/io/remove-tree", Fixture, NULL, set_up, test_remove_tree, tear_down);
  g_test_add ("/io/read-and-write", Fixture, NULL, set_up, test_read_and_write, tear_down);
  return g_test_run ();
}
