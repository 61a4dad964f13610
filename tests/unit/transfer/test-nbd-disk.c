/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "nbd-fixture.h"
#include "transfer/mtv-nbd-server.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SIZE (20 * MIB + 512)

typedef struct
{
  char *folder; /* (owned) */
  char *image;  /* (owned) */
} Fixture;

/* An empty qcow2 image in a folder of its own below @where. */
static void
fixture_init (Fixture *f, const char *where)
{
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, (guint64) SIZE);

  f->folder = g_build_filename (where, "nbd-disk-XXXXXX", NULL);
  g_assert_nonnull (g_mkdtemp (f->folder));
  f->image = g_build_filename (f->folder, "a.qcow2", NULL);
  run_tool ("qemu-img", "create", "-f", "qcow2", f->image, size, NULL);
}

static void
fixture_clear (Fixture *f)
{
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, f->folder, NULL));
  g_free (f->folder);
  g_free (f->image);
}

static MtvNbdServer *
serve (Fixture *f, gboolean writable)
{
  g_autoptr (GError) error = NULL;
  int fd = open (f->image, (writable ? O_RDWR : O_RDONLY) | O_CLOEXEC);

  MtvNbdServer *server = mtv_nbd_server_new (fd, "qcow2", writable, "'a'", NULL, &error);
  g_assert_no_error (error);
  close (fd);
  return server;
}

static MtvNbdDisk *
open_disk (MtvNbdServer *server, gboolean writable)
{
  g_autoptr (GError) error = NULL;
  MtvNbdDisk *disk = mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), writable,
                                       G_OBJECT (server), "disk 'a'", &error);

  g_assert_no_error (error);
  return disk;
}

static void
assert_image_is (Fixture *f, const guint8 *data)
{
  g_autofree char *raw = g_build_filename (f->folder, "a.raw", NULL);
  g_autofree char *got = NULL;
  gsize length;

  run_tool ("qemu-img", "check", f->image, NULL);
  run_tool ("qemu-img", "convert", "-f", "qcow2", "-O", "raw", f->image, raw, NULL);
  g_assert_true (g_file_get_contents (raw, &got, &length, NULL));
  g_assert_cmpuint (length, ==, SIZE);
  g_assert_true (memcmp (got, data, SIZE) == 0);
}

/* A copy to qcow2, read by qemu-img and by ourselves. */
static void
test_round_trip (gconstpointer where)
{
  Fixture f;
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  g_autoptr (MtvBlockMap) again = mtv_block_map_new (SIZE, MTV_HASH_SHA256);
  struct stat st;

  if (!has_qemu ())
    return;
  fixture_init (&f, where);
  g_autoptr (FakeMemoryDisk) source = fake_memory_disk_new (SIZE);
  g_autoptr (FakeMemoryDisk) target = fake_memory_disk_new (SIZE);
  guint8 *data = fake_memory_disk_get_data (source);
  fill_sparse (data, 10 * MIB, rand);
  memset (data + 3 * MIB, 'x', MIB);

  g_autoptr (MtvNbdServer) server = serve (&f, TRUE);
  {
    g_autoptr (MtvNbdDisk) disk = open_disk (server, TRUE);
    g_autoptr (MtvCopier) copier
        = mtv_copier_new (MTV_READER (source), MTV_WRITER (disk), map, FALSE);
    g_assert_true (copy_to_end (copier, NULL, &error));
    g_assert_no_error (error);
    g_assert_true (verify (MTV_READER (disk), map, FALSE, &error));
    g_assert_no_error (error);
  }
  g_assert_true (mtv_nbd_server_stop (server, &error));
  g_assert_no_error (error);
  assert_image_is (&f, data);
  g_assert_cmpint (stat (f.image, &st), ==, 0);
  g_assert_cmpint (st.st_blocks * 512, <, 11 * MIB);

  g_autoptr (MtvNbdServer) reading = serve (&f, FALSE);
  g_autoptr (MtvNbdDisk) disk = open_disk (reading, FALSE);
  g_autoptr (MtvCopier) back = mtv_copier_new (MTV_READER (disk), MTV_WRITER (target), again, TRUE);
  g_assert_true (copy_to_end (back, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (memcmp (fake_memory_disk_get_data (target), data, SIZE) == 0);
  g_assert_cmpuint (mtv_copier_get_bytes_total (back), <=, 10 * MIB); /* by base:allocation */
  fixture_clear (&f);
}

static void
test_extents (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autofree guint8 *data = g_malloc (MIB);
  guint64 at = 1000;

  if (!has_qemu ())
    return;
  fixture_init (&f, ".");
  memset (data, 'x', MIB);
  g_autoptr (MtvNbdServer) server = serve (&f, TRUE);
  g_autoptr (MtvNbdDisk) disk = open_disk (server, TRUE);
  g_assert_true (mtv_writer_write (MTV_WRITER (disk), 2 * MIB, data, MIB, NULL, &error));
  g_assert_true (mtv_writer_write (MTV_WRITER (disk), 5 * MIB, data, MIB, NULL, &error));
  g_assert_true (mtv_writer_zero (MTV_WRITER (disk), 5 * MIB, MIB, NULL, &error));
  g_assert_true (mtv_reader_extents (MTV_READER (disk), at, SIZE - at, extents, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < extents->len; i++)
    {
      MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, at);
      g_assert_cmpint (extent->zero, ==, at / MIB != 2);
      at += extent->length;
    }
  g_assert_cmpuint (at, ==, SIZE);
  g_clear_object (&disk);
  fixture_clear (&f);
}

static void
test_read_only (void)
{
  Fixture f;
  g_autoptr (GError) error = NULL;

  if (!has_qemu ())
    return;
  fixture_init (&f, ".");
  g_autoptr (MtvNbdServer) server = serve (&f, FALSE);
  g_assert_null (
      mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), TRUE, NULL, "disk 'a'", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  fixture_clear (&f);
}

static void
test_no_server (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_nbd_disk_new ("/nonexistent/socket", FALSE, NULL, "disk 'a'", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
}

/* The only child that this process has. */
static pid_t
find_child (void)
{
  g_autoptr (GDir) tasks = g_dir_open ("/proc/self/task", 0, NULL);

  for (const char *tid; (tid = g_dir_read_name (tasks)) != NULL;)
    {
      g_autofree char *path = g_build_filename ("/proc/self/task", tid, "children", NULL);
      g_autofree char *children = NULL;

      if (g_file_get_contents (path, &children, NULL, NULL) && *children != '\0')
        return atoi (children);
    }
  return 0;
}

typedef struct
{
  MtvNbdDisk *disk;
  GCancellable *cancellable;
  GError *error;
  gint tid; /* (atomic) */
} Read;

static gpointer
read_thread (gpointer data)
{
  Read *read = data;
  guint8 buffer[4096];

  g_atomic_int_set (&read->tid, gettid ());
  g_assert_false (
      mtv_reader_read (MTV_READER (read->disk), 0, buffer, 4096, read->cancellable, &read->error));
  return NULL;
}

/* Returns when the thread sleeps, which it does in waiting for an answer. */
static void
wait_until_it_waits (Read *read)
{
  for (gboolean sleeps = FALSE; !sleeps; g_thread_yield ())
    {
      g_autofree char *path
          = g_strdup_printf ("/proc/self/task/%d/stat", g_atomic_int_get (&read->tid));
      g_autofree char *stat = NULL;

      if (g_file_get_contents (path, &stat, NULL, NULL))
        sleeps = strstr (stat, ") S ") != NULL;
    }
}

static void
test_cancel_against_a_stopped_server (void)
{
  Fixture f;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  guint8 buffer[4096];

  if (!has_qemu ())
    return;
  fixture_init (&f, ".");
  g_autoptr (MtvNbdServer) server = serve (&f, FALSE);
  g_autoptr (MtvNbdDisk) disk = open_disk (server, FALSE);
  pid_t child = find_child ();
  g_assert_cmpint (child, >, 0);
  g_assert_cmpint (kill (child, SIGSTOP), ==, 0);

  Read read = { disk, cancellable, NULL, 0 };
  GThread *thread = g_thread_new ("read", read_thread, &read);
  wait_until_it_waits (&read);
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);
  read.error = mtv_error_normalize (read.error);
  g_assert_error (read.error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_clear_error (&read.error);

  /* A new connection does not wait for ever either. */
  g_cancellable_reset (cancellable);
  thread = g_thread_new ("read", read_thread, &read);
  wait_until_it_waits (&read);
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);
  read.error = mtv_error_normalize (read.error);
  g_assert_error (read.error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_clear_error (&read.error);

  /* The connection was given up, but not the disk. */
  g_assert_cmpint (kill (child, SIGCONT), ==, 0);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 0, buffer, 4096, NULL, &error));
  g_assert_no_error (error);

  /* A server that is killed is an error, and its end is told too. */
  g_assert_cmpint (kill (child, SIGKILL), ==, 0);
  g_assert_false (mtv_reader_read (MTV_READER (disk), 0, buffer, 4096, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_clear_error (&error);
  g_assert_false (mtv_nbd_server_stop (server, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "'a'"));
  fixture_clear (&f);
}

static void
assert_uri_fails (const char *uri, int code, const char *in_message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_nbd_disk_new_for_uri (uri, FALSE, NULL, "disk 'a'", NULL, &error));
  g_assert_error (error, MTV_ERROR, code);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  g_assert_nonnull (strstr (error->message, in_message));
  g_assert_null (strstr (error->message, "alice"));
}

static void
test_bad_uris (void)
{
  NbdFixture f;

  assert_uri_fails ("http://alice@localhost/", MTV_ERROR_INVALID_ARGUMENT, "not the address");
  assert_uri_fails ("nbd+vsock://1/", MTV_ERROR_INVALID_ARGUMENT, "not the address");
  assert_uri_fails ("nbd+ssh://alice@localhost/", MTV_ERROR_INVALID_ARGUMENT, "not the address");
  assert_uri_fails ("", MTV_ERROR_INVALID_ARGUMENT, "not the address");
  assert_uri_fails ("nbd://alice@127.0.0.1:1/", MTV_ERROR_UNREACHABLE, "refused");
  assert_uri_fails ("nbds://alice@127.0.0.1:1/", MTV_ERROR_UNREACHABLE, "refused");
  assert_uri_fails ("nbd+unix:///?socket=/nonexistent/s", MTV_ERROR_UNREACHABLE, "No such file");
  assert_uri_fails ("nbd+unix:///", MTV_ERROR_INVALID_ARGUMENT, "socket");
  if (!has_qemu ())
    return;
  nbd_fixture_init (&f);
  g_assert_true (g_file_set_contents (f.file, "x", 1, NULL));
  nbd_fixture_serve (&f, "qemu-nbd", "-r", "-f", "raw", "-x", "it", f.file, NULL);
  assert_uri_fails (f.uri, MTV_ERROR_NOT_FOUND, "export");
  nbd_fixture_clear (&f);
}

/* Who has no key, or another, is told so, without a name. */
static void
test_tls (void)
{
  NbdFixture f;
  guint8 buffer[512];
  g_autoptr (GError) error = NULL;

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_autofree char *other = g_strconcat (f.file, "-other", NULL);
  g_autofree char *psk = g_strconcat ("--tls-psk=", f.file, NULL);
  g_assert_true (
      g_file_set_contents (f.file, "alice:0123456789abcdef0123456789abcdef\n", -1, NULL));
  g_assert_true (g_file_set_contents (other, "alice:fedcba9876543210fedcba9876543210\n", -1, NULL));
  nbd_fixture_serve (&f, "nbdkit", "--tls=require", psk, "pattern", "1M", NULL);
  g_autofree char *good
      = g_strdup_printf ("nbds+unix://alice@/?socket=%s&tls-psk-file=%s", f.socket, f.file);
  g_autofree char *bad
      = g_strdup_printf ("nbds+unix://alice@/?socket=%s&tls-psk-file=%s", f.socket, other);
  g_autoptr (MtvNbdDisk) disk
      = mtv_nbd_disk_new_for_uri (good, FALSE, NULL, "disk 'a'", NULL, &error);
  g_assert_no_error (error);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 512, buffer, 512, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (buffer[6] << 8 | buffer[7], ==, 512);
  assert_uri_fails (bad, MTV_ERROR_UNREACHABLE, "NBD server");
  assert_uri_fails (f.uri, MTV_ERROR_UNREACHABLE, "NBD server");
  nbd_fixture_clear (&f);
}

static void
test_no_extents (void)
{
  NbdFixture f;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "-r", "--no-sr", "memory", "1M", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  g_assert_true (mtv_reader_extents (MTV_READER (disk), 5, MIB - 5, extents, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (extents->len, ==, 1);
  g_assert_false (g_array_index (extents, MtvExtent, 0).zero);
  nbd_fixture_clear (&f);
}

/* Asked for in parts of blocks, and of a disk that is larger than one question. */
static void
test_extents_of_blocks (void)
{
  NbdFixture f;
  const guint64 size = 3000 * MIB, at = 2 * MIB + 100;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  guint64 told = at, data = 0;

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "--filter=blocksize-policy", "memory", "3000M",
                     "blocksize-minimum=4096", "blocksize-error-policy=error", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  g_assert_true (mtv_writer_write (MTV_WRITER (disk), 2 * MIB, "x", 1, NULL, &error));
  g_assert_true (mtv_writer_write (MTV_WRITER (disk), size - MIB, "x", 1, NULL, &error));
  g_assert_true (mtv_reader_extents (MTV_READER (disk), at, size - at, extents, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < extents->len; i++)
    {
      MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, told);
      g_assert_cmpuint (extent->length, >, 0);
      told += extent->length;
      data += extent->zero ? 0 : extent->length;
    }
  g_assert_cmpuint (told, ==, size);
  g_assert_cmpuint (data, >, 0);
  g_assert_cmpuint (data, <, MIB);
  nbd_fixture_clear (&f);
}

/* A qcow2 image that was written at 1 MiB (two neighbours) and at 5 MiB since the bitmap began. */
static void
serve_bitmap (NbdFixture *f)
{
  run_tool ("qemu-img", "create", "-f", "qcow2", f->file, "20M", NULL);
  run_tool ("qemu-img", "bitmap", "--add", "-g", "64K", f->file, "since", NULL);
  run_tool ("qemu-io", "-c", "write 1M 64K", "-c", "write 1088K 64K", "-c", "write 5M 512", f->file,
            NULL);
  nbd_fixture_serve (f, "qemu-nbd", "-r", "-f", "qcow2", "-B", "since", f->file, NULL);
}

static void
test_changes (void)
{
  NbdFixture f;
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  MtvExtent *change = NULL;

  if (!has_qemu ())
    return;
  nbd_fixture_init (&f);
  serve_bitmap (&f);
  g_autoptr (MtvNbdDisk) disk
      = mtv_nbd_disk_new_for_uri (f.uri, FALSE, "since", "disk 'a'", NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_reader_get_hints (MTV_READER (disk)).max_channels, ==, 1);
  /* In two parts, the first of which ends within the first change. */
  g_assert_true (mtv_nbd_disk_get_changes (disk, 0, 1100 * KIB, changes, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (changes->len, ==, 1);
  g_assert_true (
      mtv_nbd_disk_get_changes (disk, 1100 * KIB, 20 * MIB - 1100 * KIB, changes, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (changes->len, ==, 2);
  change = &g_array_index (changes, MtvExtent, 0);
  g_assert_cmpuint (change->offset, ==, MIB);
  g_assert_cmpuint (change->length, ==, 128 * KIB);
  change = &g_array_index (changes, MtvExtent, 1);
  g_assert_cmpuint (change->offset, ==, 5 * MIB);
  g_assert_cmpuint (change->length, ==, 64 * KIB);
  g_assert_false (change->zero);
  g_clear_object (&disk);

  g_assert_null (mtv_nbd_disk_new_for_uri (f.uri, FALSE, "other", "disk 'a'", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "other"));
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  nbd_fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/nbd-disk/round-trip/disk", ".", test_round_trip);
  g_test_add_data_func ("/nbd-disk/round-trip/shm", "/dev/shm", test_round_trip);
  g_test_add_func ("/nbd-disk/extents", test_extents);
  g_test_add_func ("/nbd-disk/read-only", test_read_only);
  g_test_add_func ("/nbd-disk/no-server", test_no_server);
  g_test_add_func ("/nbd-disk/cancel-against-a-stopped-server",
                   test_cancel_against_a_stopped_server);
  g_test_add_func ("/nbd-disk/bad-uris", test_bad_uris);
  g_test_add_func ("/nbd-disk/tls", test_tls);
  g_test_add_func ("/nbd-disk/no-extents", test_no_extents);
  g_test_add_func ("/nbd-disk/extents-of-blocks", test_extents_of_blocks);
  g_test_add_func ("/nbd-disk/changes", test_changes);
  return g_test_run ();
}
