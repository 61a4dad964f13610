/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "bytes-reader.h"
#include "transfer-fixture.h"
#include "transfer/mtv-concat-reader.h"
#include "transfer/mtv-file-reader.h"
#include "transfer/mtv-gzip-reader.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-nbd-server.h"

#include <errno.h>
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
serve (const char *path, const char *format, gboolean writable, GCancellable *cancellable,
       GError **error)
{
  int fd = open (path, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  MtvNbdServer *server
      = mtv_nbd_server_new (fd, format, writable, "'disk' of 'web'", cancellable, error);
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

static MtvReader *
read_bytes (const char *contents, gsize length)
{
  g_autoptr (GBytes) bytes = g_bytes_new (contents, length);

  return MTV_READER (bytes_reader_new (bytes));
}

static MtvReader *
read_file (const char *path, guint64 offset, guint64 length)
{
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  MtvFileReader *reader = mtv_file_reader_new (fd, offset, length, "'it'", &error);

  g_assert_no_error (error);
  close (fd);
  return MTV_READER (reader);
}

/* Where it would lie in a tar: with something before and behind. */
static MtvReader *
read_range (const char *contents, gsize length)
{
  g_autofree char *tar = path_of ("range.tar");
  g_autoptr (GByteArray) bytes = g_byte_array_new ();

  g_byte_array_set_size (bytes, 1536);
  memset (bytes->data, 'h', 1536);
  g_byte_array_append (bytes, (const guint8 *) contents, length);
  g_byte_array_set_size (bytes, bytes->len + 4096);
  memset (bytes->data + 1536 + length, 'b', 4096);
  g_assert_true (g_file_set_contents (tar, (const char *) bytes->data, bytes->len, NULL));
  return read_file (tar, 1536, length);
}

static MtvReader *
read_pieces (const char *contents, gsize length)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_object_unref);
  gsize piece = length / 3 - 100; /* at odd places */

  for (gsize at = 0; at < length; at += piece)
    g_ptr_array_add (parts, read_bytes (contents + at, MIN (piece, length - at)));
  return MTV_READER (mtv_concat_reader_new (parts, 0));
}

static MtvReader *
read_gzip (const char *contents, gsize length)
{
  g_autofree char *path = path_of ("packed");
  g_autofree char *packed = path_of ("packed.gz");
  g_autoptr (GError) error = NULL;
  struct stat st;

  g_assert_true (g_file_set_contents (path, contents, length, NULL));
  run_tool ("gzip", "-f", path, NULL);
  g_assert_cmpint (stat (packed, &st), ==, 0);
  g_autoptr (MtvReader) file = read_file (packed, 0, st.st_size);
  MtvGzipReader *reader = mtv_gzip_reader_new (file, length, "'it'", NULL, &error);
  g_assert_no_error (error);
  return MTV_READER (reader);
}

/* As @raw has them; a format may round the size up. */
static void
assert_same (MtvNbdServer *server, const char *raw, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvNbdDisk) disk
      = mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), FALSE, NULL, "'it'", &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mtv_reader_get_size (MTV_READER (disk)), ==, size);
  g_autofree char *data = g_malloc (size);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 0, data, size, NULL, &error));
  g_assert_cmpmem (data, size, raw, size);
}

/* An image of @format out of each kind of reader is what qemu-img finds in it as a file. */
static void
test_reader (gconstpointer format)
{
  static MtvReader *(*const readers[]) (const char *contents, gsize length)
      = { read_bytes, read_range, read_pieces, read_gzip };
  g_autofree char *raw = path_of ("reader.raw");
  g_autofree char *image = path_of ("reader.image");
  g_autofree guint8 *data = g_malloc0 (SIZE + 512);
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autofree char *contents = NULL;
  g_autofree char *expected = NULL;
  gsize length, expected_length;

  if (!has_qemu ())
    return;
  fill_sparse (data, SIZE + 512, rand);
  g_assert_true (g_file_set_contents (raw, (const char *) data, SIZE + 512, NULL));
  run_tool ("qemu-img", "convert", "-f", "raw", "-O", (const char *) format, raw, image, NULL);
  run_tool ("qemu-img", "convert", "-f", (const char *) format, "-O", "raw", image, raw, NULL);
  g_assert_true (g_file_get_contents (image, &contents, &length, NULL));
  g_assert_true (g_file_get_contents (raw, &expected, &expected_length, NULL));
  for (guint i = 0; i < G_N_ELEMENTS (readers); i++)
    {
      g_autoptr (MtvReader) reader = readers[i](contents, length);
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvNbdServer) server
          = mtv_nbd_server_new_for_reader (reader, format, "'it'", NULL, &error);

      g_assert_no_error (error);
      assert_same (server, expected, expected_length);
      g_assert_true (mtv_nbd_server_stop (server, &error));
      g_assert_no_error (error);
    }
}

static void
test_odd_end (void)
{
  g_autofree char *data = g_malloc0 (MIB + 512);
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  memset (data, 'a', MIB + 5);
  g_autoptr (MtvReader) reader = read_bytes (data, MIB + 5);
  g_autoptr (MtvNbdServer) server
      = mtv_nbd_server_new_for_reader (reader, "raw", "'it'", NULL, &error);
  g_assert_no_error (error);
  assert_same (server, data, MIB + 512);
}

/* While the image is opened, the reader's own error is told. */
static void
test_failing_reader (void)
{
  g_autofree char *data = g_malloc0 (MIB);
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  g_autoptr (MtvReader) reader = read_bytes (data, MIB);
  g_assert_null (mtv_nbd_server_new_for_reader (reader, "qcow2", "'it'", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_cmpstr (error->message, ==, "Cannot open 'it': Image is not in qcow2 format");
  g_clear_error (&error);

  bytes_reader_fail_at (BYTES_READER (reader), 0);
  g_assert_null (mtv_nbd_server_new_for_reader (reader, "qcow2", "'it'", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_cmpstr (error->message, ==, "Cable pulled");
}

/* In a process that may not open the file again: prints what it reads of the image in @fd. */
static int
read_unreadable (int fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autoptr (GError) error = NULL;
  struct stat st;

  g_assert_cmpint (open (path, O_RDONLY | O_CLOEXEC), ==, -1);
  g_assert_cmpint (errno, ==, EACCES);
  g_assert_null (mtv_nbd_server_new (fd, "qcow2", FALSE, "'it'", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED);
  g_clear_error (&error);

  g_assert_cmpint (fstat (fd, &st), ==, 0);
  MtvReader *file = MTV_READER (mtv_file_reader_new (fd, 0, st.st_size, "'it'", &error));
  g_autoptr (MtvNbdServer) server
      = mtv_nbd_server_new_for_reader (file, "qcow2", "'it'", NULL, &error);
  g_object_unref (file);
  g_assert_no_error (error);
  assert_all (server, SIZE, 'x');
  g_print ("read\n");
  return 0;
}

/* An administrator hands over a file that the daemon's user cannot open. Root, who can open
 * anything, becomes somebody else for it. */
static void
test_unreadable (void)
{
  g_autofree char *raw = raw_file ("unreadable.raw", SIZE, 'x');
  g_autofree char *image = path_of ("unreadable.qcow2");
  g_autofree char *setpriv = g_find_program_in_path ("setpriv");
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  const char *argv[] = {
    setpriv, "--reuid=65534", "--regid=65534", "--clear-groups", "/proc/self/fd/4", "--unreadable",
    NULL
  };
  g_autofree char *said = NULL;
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  if (setpriv == NULL)
    {
      g_test_skip ("setpriv is not installed");
      return;
    }
  run_tool ("qemu-img", "convert", "-O", "qcow2", raw, image, NULL);
  g_subprocess_launcher_take_fd (launcher, open (image, O_RDONLY | O_CLOEXEC), 3);
  g_subprocess_launcher_take_fd (launcher, open (self_path, O_RDONLY | O_CLOEXEC), 4);
  g_subprocess_launcher_setenv (launcher, "TMPDIR", "/tmp", TRUE);
  g_assert_cmpint (g_chmod (image, 0), ==, 0);
  g_autoptr (GSubprocess) child
      = g_subprocess_launcher_spawnv (launcher, geteuid () == 0 ? argv : argv + 4, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (child, NULL, NULL, &said, NULL, &error));
  g_assert_true (g_subprocess_get_successful (child));
  g_assert_cmpstr (said, ==, "read\n");
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
      g_autoptr (MtvNbdServer) server = serve (overlay, "qcow2", writable, NULL, &error);
      g_assert_no_error (error);
      assert_all (server, SIZE, 0);
    }
}

static void
write_to (const char *image, const char *command)
{
  g_autofree char *file
      = g_strdup_printf ("json:{\"driver\":\"qcow2\",\"backing\":null,\"file\":{\"driver\":"
                         "\"file\",\"filename\":\"%s\"}}",
                         image);

  run_tool ("qemu-io", "-c", command, file, NULL);
}

/* The layers are those that are handed in; the names in the headers lead nowhere. */
static void
test_chain (void)
{
  g_autofree char *base = raw_file ("chain-base", SIZE, 'b');
  g_autofree char *middle = path_of ("chain-middle");
  g_autofree char *top = path_of ("chain-top");
  g_autofree char *data = g_malloc (SIZE);
  g_autofree char *expected = g_malloc (SIZE);
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (GError) error = NULL;
  const char *const paths[] = { top, middle, base };
  MtvNbdLayer layers[3] = { { -1, "qcow2" }, { -1, "qcow2" }, { -1, "raw" } };

  run_tool ("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "raw", "-b", "nowhere-1", middle,
            "4M", NULL);
  run_tool ("qemu-img", "create", "-q", "-f", "qcow2", "-u", "-F", "qcow2", "-b", "nowhere-2", top,
            "4M", NULL);
  run_tool ("qemu-img", "bitmap", "--add", "--enable", "-g", "65536", top, "marks", NULL);
  write_to (middle, "write -P 0x6d 64k 64k");
  write_to (top, "write -P 0x74 1M 128k");
  memset (expected, 'b', SIZE);
  memset (expected + 64 * 1024, 'm', 64 * 1024);
  memset (expected + MIB, 't', 128 * 1024);
  for (guint i = 0; i < 3; i++)
    layers[i].fd = open (paths[i], O_RDONLY | O_CLOEXEC);

  g_autoptr (MtvNbdServer) server
      = mtv_nbd_server_new_for_chain (layers, 3, "marks", "'disk'", NULL, &error);
  g_assert_no_error (error);
  g_autoptr (MtvNbdDisk) disk = mtv_nbd_disk_new_with_bitmap (
      mtv_nbd_server_get_socket (server), "marks", G_OBJECT (server), "'disk'", &error);
  g_assert_no_error (error);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 0, data, SIZE, NULL, &error));
  g_assert_cmpmem (data, SIZE, expected, SIZE);
  g_assert_true (mtv_nbd_disk_get_changes (disk, 0, SIZE, changes, NULL, &error));
  g_assert_cmpuint (changes->len, ==, 1);
  g_assert_cmpuint (g_array_index (changes, MtvExtent, 0).offset, ==, MIB);
  g_assert_cmpuint (g_array_index (changes, MtvExtent, 0).length, ==, 128 * 1024);

  g_assert_null (mtv_nbd_server_new_for_chain (layers, 3, "others", "'disk'", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "others"));
  for (guint i = 0; i < 3; i++)
    close (layers[i].fd);
}

static void
test_bad_image (void)
{
  g_autofree char *raw = raw_file ("bad.qcow2", MIB, 'x');
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  g_assert_null (serve (raw, "qcow2", FALSE, NULL, &error));
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
  g_autoptr (MtvNbdServer) server = serve (raw, "raw", FALSE, NULL, &error);
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
  g_assert_null (serve (raw, "raw", FALSE, cancellable, &error));
  error = mtv_error_normalize (g_steal_pointer (&error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

static gpointer
serve_thread (gpointer path)
{
  return serve (path, "raw", FALSE, NULL, NULL);
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
  g_autoptr (MtvNbdServer) server = serve (path, "raw", FALSE, NULL, NULL);

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

/* The secret says how large the disk is. */
static void
test_program (void)
{
  const char *argv[] = { "/bin/sh", "-c", "exec nbdkit --foreground memory $(cat <&4)", NULL };
  const char *bad[] = { "/bin/sh", "-c", "echo 'out of luck' >&2; exit 1", NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *nbdkit = g_find_program_in_path ("nbdkit");

  if (nbdkit == NULL)
    {
      g_test_skip ("nbdkit is not installed");
      return;
    }
  g_autoptr (MtvNbdServer) server
      = mtv_nbd_server_new_for_program (argv, "4M", "disk 'p'", NULL, &error);
  g_assert_no_error (error);
  assert_all (server, SIZE, 0);

  g_assert_null (mtv_nbd_server_new_for_program (bad, NULL, "disk 'p'", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "disk 'p': out of luck"));
}

int
main (int argc, char **argv)
{
  if (argc == 3 && g_str_equal (argv[1], "--hold"))
    hold (argv[2]);
  if (argc == 2 && g_str_equal (argv[1], "--unreadable"))
    return read_unreadable (3);

  g_test_init (&argc, &argv, NULL);
  self_path = argv[0];
  folder = g_strdup ("nbd-server-XXXXXX");
  g_assert_nonnull (g_mkdtemp (folder));
  g_test_add_data_func ("/nbd-server/reader/qcow2", "qcow2", test_reader);
  g_test_add_data_func ("/nbd-server/reader/vpc", "vpc", test_reader);
  g_test_add_data_func ("/nbd-server/reader/vhdx", "vhdx", test_reader);
  g_test_add_func ("/nbd-server/odd-end", test_odd_end);
  g_test_add_func ("/nbd-server/failing-reader", test_failing_reader);
  g_test_add_func ("/nbd-server/unreadable", test_unreadable);
  g_test_add_func ("/nbd-server/backing-file-is-not-opened", test_backing_file_is_not_opened);
  g_test_add_func ("/nbd-server/chain", test_chain);
  g_test_add_func ("/nbd-server/bad-image", test_bad_image);
  g_test_add_func ("/nbd-server/program", test_program);
  g_test_add_func ("/nbd-server/stop", test_stop);
  g_test_add_func ("/nbd-server/cancelled", test_cancelled);
  g_test_add_func ("/nbd-server/outlives-its-thread", test_outlives_its_thread);
  g_test_add_func ("/nbd-server/dies-with-its-process", test_dies_with_its_process);
  int failed = g_test_run ();
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, folder, NULL));
  g_free (folder);
  return failed;
}
