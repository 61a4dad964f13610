/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer-fixture.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-nbd-server.h"

#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (4 * MIB)

static char *folder; /* (owned) of this run, in the build directory */
static char *self_path;

static char *
path_of (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* A raw file of @size bytes of @byte. */
static char *
raw_file (const char *name, gsize size, int byte)
{
  char *path = path_of (name);
  g_autofree char *data = g_malloc (size);

  memset (data, byte, size);
  g_assert_true (g_file_set_contents (path, data, size, NULL));
  return path;
}

static MtvNbdServer *
serve (const char *path, guint64 offset, const char *format, gboolean writable,
       GCancellable *cancellable, GError **error)
{
  int fd = open (path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);
  struct stat st;

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (fstat (fd, &st), ==, 0);
  MtvNbdServer *server = mtv_nbd_server_new (fd, offset, st.st_size - offset, format, writable,
                                             "'disk' of 'web'", cancellable, error);
  close (fd);
  return server;
}

static void
assert_all (MtvNbdServer *server, guint64 size, int byte)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvNbdDisk) disk
      = mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), FALSE, NULL, "'it'", &error);
  g_autofree guint8 *data = g_malloc (SIZE);

  g_assert_no_error (error);
  g_assert_cmpuint (mtv_reader_get_size (MTV_READER (disk)), ==, size);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 0, data, size, NULL, &error));
  g_assert_cmpint (data[0], ==, byte);
  g_assert_true (memcmp (data, data + 1, size - 1) == 0);
}

/* An image of @format where it would lie in a tar: at an offset, with something behind. */
static void
test_range (gconstpointer format)
{
  g_autofree char *raw = raw_file ("range.raw", MIB + 512, 'a');
  g_autofree char *image = path_of ("range.image");
  g_autofree char *tar = path_of ("range.tar");
  g_autofree char *contents = NULL;
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  gsize length;

  if (!has_qemu ())
    return;
  if (g_str_equal (format, "vpc")) /* else its size is rounded up to a CHS geometry */
    run_tool ("qemu-img", "convert", "-O", "vpc", "-o", "force_size=on", raw, image, NULL);
  else
    run_tool ("qemu-img", "convert", "-O", (const char *) format, raw, image, NULL);
  g_assert_true (g_file_get_contents (image, &contents, &length, NULL));
  g_byte_array_set_size (bytes, 1536);
  memset (bytes->data, 'h', 1536);
  g_byte_array_append (bytes, (const guint8 *) contents, length);
  g_byte_array_set_size (bytes, bytes->len + 4096);
  memset (bytes->data + 1536 + length, 'b', 4096);
  g_assert_true (g_file_set_contents (tar, (const char *) bytes->data, bytes->len, NULL));

  int fd = open (tar, O_RDONLY | O_CLOEXEC);
  g_autoptr (MtvNbdServer) server
      = mtv_nbd_server_new (fd, 1536, length, format, FALSE, "'it'", NULL, &error);
  g_assert_no_error (error);
  close (fd);
  assert_all (server, MIB + 512, 'a');
}

static void
test_backing_file_is_not_opened (void)
{
  g_autofree char *base = raw_file ("base.raw", SIZE, 'B');
  g_autofree char *overlay = path_of ("overlay.qcow2");
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  run_tool ("qemu-img", "create", "-f", "qcow2", "-F", "raw", "-b", "base.raw", overlay, NULL);
  g_assert_true (g_file_test (base, G_FILE_TEST_EXISTS)); /* there to be opened */
  for (gint writable = 0; writable <= 1; writable++)
    {
      g_autoptr (MtvNbdServer) server = serve (overlay, 0, "qcow2", writable, NULL, &error);
      g_assert_no_error (error);
      assert_all (server, SIZE, 0);
    }
}

static void
test_bad_image (void)
{
  g_autofree char *raw = raw_file ("bad.qcow2", MIB, 'x');
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  g_assert_null (serve (raw, 0, "qcow2", FALSE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_cmpstr (error->message, ==, "Cannot open 'disk' of 'web': Image is not in qcow2 format");
}

static void
test_stop (void)
{
  g_autofree char *raw = raw_file ("stop.raw", MIB, 'x');
  g_autoptr (GError) error = NULL;
  struct stat st;
  guint8 byte;

  if (!has_qemu ())
    return;
  g_autoptr (MtvNbdServer) server = serve (raw, 0, "raw", FALSE, NULL, &error);
  g_assert_no_error (error);
  g_autofree char *directory = g_path_get_dirname (mtv_nbd_server_get_socket (server));
  g_assert_cmpint (stat (directory, &st), ==, 0);
  g_assert_cmpint (st.st_mode & 07777, ==, 0700);

  g_autoptr (MtvNbdDisk) disk
      = mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), FALSE, NULL, "'it'", &error);
  g_assert_true (mtv_nbd_server_stop (server, &error));
  g_assert_no_error (error);
  g_assert_false (g_file_test (directory, G_FILE_TEST_EXISTS));
  g_assert_true (mtv_nbd_server_stop (server, &error)); /* no harm in a second time */

  g_assert_false (mtv_reader_read (MTV_READER (disk), 0, &byte, 1, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "'it'"));
}

static void
test_cancelled (void)
{
  g_autofree char *raw = raw_file ("cancelled.raw", MIB, 'x');
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  g_cancellable_cancel (cancellable);
  g_assert_null (serve (raw, 0, "raw", FALSE, cancellable, &error));
  error = mtv_error_normalize (g_steal_pointer (&error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

static gpointer
serve_thread (gpointer path)
{
  return serve (path, 0, "raw", FALSE, NULL, NULL);
}

/* The kernel's "signal when the parent dies" means the thread that forked. */
static void
test_outlives_its_thread (void)
{
  g_autofree char *raw = raw_file ("thread.raw", MIB, 'x');
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  g_autoptr (MtvNbdServer) server = g_thread_join (g_thread_new ("short", serve_thread, raw));
  g_assert_nonnull (server);
  assert_all (server, MIB, 'x');
  g_assert_true (mtv_nbd_server_stop (server, &error));
  g_assert_no_error (error);
}

/* The process that test_dies_with_its_process() kills. */
G_NORETURN static void
hold (const char *path)
{
  g_autoptr (MtvNbdServer) server = serve (path, 0, "raw", FALSE, NULL, NULL);

  g_print ("%s\n", mtv_nbd_server_get_socket (server));
  for (;;)
    pause ();
}

static void
test_dies_with_its_process (void)
{
  g_autofree char *raw = raw_file ("killed.raw", MIB, 'x');
  g_autoptr (GError) error = NULL;
  char greeting[8];

  if (!has_qemu ())
    return;
  g_autoptr (GSubprocess) holder
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, self_path, "--hold", raw, NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) lines
      = g_data_input_stream_new (g_subprocess_get_stdout_pipe (holder));
  g_autofree char *socket_path = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_nonnull (socket_path);

  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (socket_path);
  g_autoptr (GSocket) connection
      = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, &error);
  g_socket_set_timeout (connection, 60);
  g_assert_true (g_socket_connect (connection, address, NULL, &error));
  g_assert_cmpint (g_socket_receive (connection, greeting, 8, NULL, &error), ==, 8);
  g_assert_cmpmem (greeting, 8, "NBDMAGIC", 8);

  g_subprocess_force_exit (holder); /* SIGKILL */
  while (g_socket_receive (connection, greeting, 8, NULL, &error) > 0)
    continue;
  g_assert_false (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_TIMED_OUT));
  g_clear_error (&error);
  /* A dying process closes its descriptors in any order: the listening one may be last. */
  gint64 deadline = g_get_monotonic_time () + 10 * G_USEC_PER_SEC;
  while (error == NULL && g_get_monotonic_time () < deadline)
    {
      g_autoptr (GSocket) again
          = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, 0, NULL);
      g_socket_connect (again, address, NULL, &error);
    }
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CONNECTION_REFUSED);

  g_autofree char *left = g_path_get_dirname (socket_path);
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, left, NULL));
}

int
main (int argc, char **argv)
{
  if (argc == 3 && g_str_equal (argv[1], "--hold"))
    hold (argv[2]);

  g_test_init (&argc, &argv, NULL);
  self_path = argv[0];
  folder = g_strdup ("nbd-server-XXXXXX");
  g_assert_nonnull (g_mkdtemp (folder));
  g_test_add_data_func ("/nbd-server/range/raw", "raw", test_range);
  g_test_add_data_func ("/nbd-server/range/qcow2", "qcow2", test_range);
  g_test_add_data_func ("/nbd-server/range/vpc", "vpc", test_range);
  g_test_add_data_func ("/nbd-server/range/vhdx", "vhdx", test_range);
  g_test_add_func ("/nbd-server/backing-file-is-not-opened", test_backing_file_is_not_opened);
  g_test_add_func ("/nbd-server/bad-image", test_bad_image);
  g_test_add_func ("/nbd-server/stop", test_stop);
  g_test_add_func ("/nbd-server/cancelled", test_cancelled);
  g_test_add_func ("/nbd-server/outlives-its-thread", test_outlives_its_thread);
  g_test_add_func ("/nbd-server/dies-with-its-process", test_dies_with_its_process);
  int failed = g_test_run ();
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, folder, NULL));
  g_free (folder);
  return failed;
}
