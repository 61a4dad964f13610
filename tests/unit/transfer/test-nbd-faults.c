/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "nbd-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define SIZE (8 * MIB)
#define N_READS 128
#define READ_SIZE (SIZE / N_READS)

static void
serve_file (NbdFixture *f)
{
  nbd_fixture_serve (f, "nbdkit", "file", f->file, NULL);
}

static void
restart (NbdFixture *f)
{
  nbd_fixture_kill (f);
  serve_file (f);
}

/* A file of random bytes; they are returned. */
static guint8 *
init_with_file (NbdFixture *f)
{
  guint8 *data = random_bytes (SIZE, 5);

  nbd_fixture_init (f);
  g_assert_true (g_file_set_contents (f->file, (char *) data, SIZE, NULL));
  return data;
}

static void
assert_lost (GError *error)
{
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "disk 'a'"));
  g_error_free (error);
}

/* An error of the server is the request's alone. */
static void
test_server_error (void)
{
  NbdFixture f;
  Loop loop;
  Request requests[3];
  guint8 buffer[4096] = { 0 };

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_autofree char *file = g_strconcat ("error-file=", f.file, NULL);
  nbd_fixture_serve (&f, "nbdkit", "--filter=error", "memory", "1M", "error-pread=EIO",
                     "error-pwrite=ENOSPC", "error-zero=EPERM", "error-rate=1", file, NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  g_assert_no_error (loop_do (&loop, MTV_IO_WRITE, 0, 4096, buffer));
  g_assert_true (g_file_set_contents (f.file, "", 0, NULL));
  loop_submit (&loop, &requests[0], MTV_IO_READ, 0, 4096, buffer);
  loop_submit (&loop, &requests[1], MTV_IO_WRITE, 0, 4096, buffer);
  loop_submit (&loop, &requests[2], MTV_IO_ZERO, 0, 4096, NULL);
  loop_run (&loop, 0);
  g_assert_error (requests[0].error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_cmpstr (requests[0].error->message, ==, "Cannot read disk 'a': Input/output error");
  g_assert_error (requests[1].error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (requests[1].error->message, "write disk 'a'"));
  g_assert_error (requests[2].error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED);
  g_assert_nonnull (strstr (requests[2].error->message, "write zeroes to disk 'a'"));
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    g_clear_error (&requests[i].error);
  g_unlink (f.file);
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 0, 4096, buffer));
  g_assert_no_error (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

/* Some of the pieces of a request fail: it is done once, with one error. */
static void
test_some_errors (void)
{
  NbdFixture f;
  Loop loop;
  Request requests[20];
  g_autofree guint8 *buffer = g_malloc (2 * MIB);
  guint n_good = 0;

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "--filter=error", "memory", "2M", "error-pread=EIO",
                     "error-pread-rate=0.2", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    loop_submit (&loop, &requests[i], MTV_IO_READ, 0, i % 2 ? 4096 : 2 * MIB, buffer);
  loop_run (&loop, 0);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      n_good += requests[i].error == NULL;
      if (requests[i].error != NULL)
        g_assert_error (requests[i].error, MTV_ERROR, MTV_ERROR_FAILED);
      g_clear_error (&requests[i].error);
    }
  g_assert_cmpuint (n_good, >, 0);
  g_assert_cmpuint (n_good, <, G_N_ELEMENTS (requests));
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

/* A server may refuse to answer a read in one piece: then it may answer in several. */
static void
test_too_much_at_once (void)
{
  NbdFixture f;
  Loop loop;
  g_autofree guint8 *buffer = g_malloc (2 * MIB);

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "eval", "get_size=echo 2097152",
                     "pread=mkdir $tmpdir/told 2> /dev/null && echo EOVERFLOW >&2 && exit 1; "
                     "head -c $3 /dev/zero",
                     NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  loop_init (&loop, disk, FALSE);
  memset (buffer, 1, 2 * MIB);
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 0, 2 * MIB, buffer));
  g_assert_true (buffer[0] == 0 && memcmp (buffer, buffer + 1, 2 * MIB - 1) == 0);
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

static void
test_restart_while_reading (void)
{
  NbdFixture f;
  Loop loop;
  g_autofree Request *requests = g_new (Request, N_READS);
  g_autofree guint8 *got = g_malloc0 (SIZE);

  if (!has_nbdkit ())
    return;
  g_autofree guint8 *data = init_with_file (&f);
  nbd_fixture_serve (&f, "nbdkit", "--filter=delay", "file", f.file, "delay-read=20ms", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  loop_init (&loop, disk, FALSE);
  for (guint i = 0; i < N_READS; i++)
    loop_submit (&loop, &requests[i], MTV_IO_READ, i * READ_SIZE, READ_SIZE, got + i * READ_SIZE);
  loop_run (&loop, N_READS - 1);
  restart (&f);
  g_assert_cmpuint (loop.n_pending, >, 0);
  loop_run (&loop, 0);
  for (guint i = 0; i < N_READS; i++)
    g_assert_no_error (requests[i].error);
  g_assert_true (memcmp (got, data, SIZE) == 0);
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

/* Writes that were not answered are written again, and only those: the flush can vouch for all. */
static void
test_restart_while_writing (void)
{
  NbdFixture f;
  Loop loop;
  Request requests[4];
  g_autofree guint8 *got = NULL;
  gsize length;

  if (!has_nbdkit ())
    return;
  g_autofree guint8 *data = init_with_file (&f);
  memset (data, 'x', MIB);
  memset (data + MIB, 0, MIB);
  nbd_fixture_serve (&f, "nbdkit", "--filter=delay", "file", f.file, "delay-write=1000",
                     "delay-zero=1000", NULL);
  {
    g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
    loop_init (&loop, disk, TRUE);
    loop_submit (&loop, &requests[0], MTV_IO_WRITE, 0, MIB, data);
    loop_submit (&loop, &requests[1], MTV_IO_ZERO, MIB, MIB, NULL);
    mtv_channel_dispatch (loop.channel, 0);
    restart (&f);
    loop_run (&loop, 0);
    g_assert_no_error (requests[0].error);
    g_assert_no_error (requests[1].error);
    g_assert_no_error (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));
    loop_clear (&loop);
  }
  g_assert_true (g_file_get_contents (f.file, (char **) &got, &length, NULL));
  g_assert_cmpuint (length, ==, SIZE);
  g_assert_true (memcmp (got, data, SIZE) == 0);
  nbd_fixture_clear (&f);
}

/* What was written and not flushed may be gone with the server, whoever flushes. */
static void
test_flush_after_restart (void)
{
  NbdFixture f;
  Loop loop;
  g_autoptr (GError) error = NULL;

  if (!has_nbdkit ())
    return;
  g_autofree guint8 *data = init_with_file (&f);
  serve_file (&f);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  g_assert_no_error (loop_do (&loop, MTV_IO_WRITE, 0, MIB, data));
  g_assert_no_error (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));
  restart (&f); /* nothing is lost */
  g_assert_no_error (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));

  g_assert_no_error (loop_do (&loop, MTV_IO_WRITE, 0, MIB, data));
  restart (&f);
  assert_lost (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));
  g_assert_no_error (loop_do (&loop, MTV_IO_WRITE, 0, MIB, data)); /* it is back, but */
  assert_lost (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));
  g_assert_false (mtv_writer_flush (MTV_WRITER (disk), NULL, &error));
  assert_lost (g_steal_pointer (&error));
  loop_clear (&loop);

  g_autoptr (MtvNbdDisk) again = nbd_fixture_open (&f, TRUE);
  g_assert_true (mtv_writer_flush (MTV_WRITER (again), NULL, &error));
  g_assert_no_error (error);
  nbd_fixture_clear (&f);
}

/* Another channel lost what was written by it. */
static void
test_flush_of_another_channel (void)
{
  NbdFixture f;
  Loop writing, flushing;

  if (!has_nbdkit ())
    return;
  g_autofree guint8 *data = init_with_file (&f);
  serve_file (&f);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&writing, disk, TRUE);
  loop_init (&flushing, disk, TRUE);
  g_assert_no_error (loop_do (&writing, MTV_IO_WRITE, 0, MIB, data));
  restart (&f);
  assert_lost (loop_do (&flushing, MTV_IO_FLUSH, 0, 0, NULL));
  loop_clear (&writing);
  loop_clear (&flushing);
  nbd_fixture_clear (&f);
}

static void
test_give_up (void)
{
  NbdFixture f;
  Loop loop;
  Request requests[100];
  guint8 buffer[4096];
  g_autoptr (GError) error = NULL;

  if (!has_nbdkit ())
    return;
  g_autofree guint8 *data = init_with_file (&f);
  serve_file (&f);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  mtv_nbd_disk_set_patience (disk, 300, 10000);
  loop_init (&loop, disk, TRUE);
  nbd_fixture_kill (&f);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    loop_submit (&loop, &requests[i], MTV_IO_READ, 0, sizeof buffer, buffer);
  loop_run (&loop, 0);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    assert_lost (requests[i].error);
  g_assert_false (mtv_reader_read (MTV_READER (disk), 0, buffer, sizeof buffer, NULL, &error));
  assert_lost (g_steal_pointer (&error));

  serve_file (&f); /* whoever asks later has his own luck */
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 0, sizeof buffer, buffer));
  g_assert_true (memcmp (buffer, data, sizeof buffer) == 0);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 0, buffer, sizeof buffer, NULL, &error));
  g_assert_no_error (error);
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

static void
test_blocking_calls_come_back (void)
{
  NbdFixture f;
  guint8 buffer[4096];
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  if (!has_nbdkit ())
    return;
  g_autofree guint8 *data = init_with_file (&f);
  serve_file (&f);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  restart (&f);
  g_assert_true (mtv_reader_read (MTV_READER (disk), MIB, buffer, sizeof buffer, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (memcmp (buffer, data + MIB, sizeof buffer) == 0);
  restart (&f);
  g_assert_true (mtv_reader_extents (MTV_READER (disk), 0, SIZE, extents, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (extents->len, >, 0);
  nbd_fixture_clear (&f);
}

static void
test_size_changed (void)
{
  NbdFixture f;
  Loop loop;
  guint8 buffer[4096];

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "memory", "1M", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  nbd_fixture_kill (&f);
  nbd_fixture_serve (&f, "nbdkit", "memory", "2M", NULL);
  g_autoptr (GError) error = loop_do (&loop, MTV_IO_READ, 0, sizeof buffer, buffer);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED);
  g_assert_cmpstr (error->message, ==,
                   "disk 'a' has 2097152 bytes on a new connection, and had 1048576");
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

/* A connection on which nothing comes is worth a second one, and no third. */
static void
test_silence (void)
{
  NbdFixture f;
  Loop loop;
  guint8 buffer[4096];

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_autofree char *logfile = g_strconcat ("logfile=", f.log, NULL);
  nbd_fixture_serve (&f, "nbdkit", "--filter=log", "--filter=delay", "memory", "1M", logfile,
                     "delay-read=60", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  mtv_nbd_disk_set_patience (disk, 60000, 300);
  loop_init (&loop, disk, TRUE);
  gint64 before = g_get_monotonic_time ();
  g_autoptr (GError) error = loop_do (&loop, MTV_IO_READ, 0, sizeof buffer, buffer);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_cmpstr (error->message, ==,
                   "Cannot reach the NBD server of disk 'a': it does not answer");
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 600 * 1000);
  g_assert_cmpint (g_get_monotonic_time () - before, <, 30 * G_USEC_PER_SEC);
  g_assert_cmpuint (nbd_fixture_count (&f, "Read", 1, MIB), ==, 2);
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

typedef struct
{
  NbdFixture *fixture;
  MtvNbdDisk *disk; /* (nullable) to read from; otherwise to be opened */
  GCancellable *cancellable;
  GError *error;
  gint runs; /* (atomic) */
} Call;

static gpointer
call_thread (gpointer data)
{
  Call *call = data;
  guint8 buffer[4096];

  g_atomic_int_set (&call->runs, TRUE);
  if (call->disk != NULL)
    g_assert_false (mtv_reader_read (MTV_READER (call->disk), 0, buffer, sizeof buffer,
                                     call->cancellable, &call->error));
  else
    g_assert_null (mtv_nbd_disk_new_for_uri (call->fixture->uri, FALSE, NULL, "disk 'a'",
                                             call->cancellable, &call->error));
  return NULL;
}

static void
assert_cancelled_at_once (NbdFixture *f, MtvNbdDisk *disk)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Call call = { f, disk, cancellable, NULL, FALSE };
  GThread *thread = g_thread_new ("call", call_thread, &call);

  while (!g_atomic_int_get (&call.runs))
    g_thread_yield ();
  gint64 before = g_get_monotonic_time ();
  g_cancellable_cancel (cancellable);
  g_thread_join (thread);
  g_assert_cmpint (g_get_monotonic_time () - before, <, G_USEC_PER_SEC);
  call.error = mtv_error_normalize (call.error);
  g_assert_error (call.error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_error_free (call.error);
}

static void
test_cancel (void)
{
  NbdFixture f;

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "memory", "1M", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  nbd_fixture_signal (&f, SIGSTOP);
  assert_cancelled_at_once (&f, disk); /* a connection that there is */
  assert_cancelled_at_once (&f, disk); /* a new one */
  assert_cancelled_at_once (&f, NULL);
  nbd_fixture_kill (&f);
  assert_cancelled_at_once (&f, disk); /* while the server is looked for */
  nbd_fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nbd-faults/server-error", test_server_error);
  g_test_add_func ("/nbd-faults/some-errors", test_some_errors);
  g_test_add_func ("/nbd-faults/too-much-at-once", test_too_much_at_once);
  g_test_add_func ("/nbd-faults/restart-while-reading", test_restart_while_reading);
  g_test_add_func ("/nbd-faults/restart-while-writing", test_restart_while_writing);
  g_test_add_func ("/nbd-faults/flush-after-restart", test_flush_after_restart);
  g_test_add_func ("/nbd-faults/flush-of-another-channel", test_flush_of_another_channel);
  g_test_add_func ("/nbd-faults/give-up", test_give_up);
  g_test_add_func ("/nbd-faults/blocking-calls-come-back", test_blocking_calls_come_back);
  g_test_add_func ("/nbd-faults/size-changed", test_size_changed);
  g_test_add_func ("/nbd-faults/silence", test_silence);
  g_test_add_func ("/nbd-faults/cancel", test_cancel);
  return g_test_run ();
}
