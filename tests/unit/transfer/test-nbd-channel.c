/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "nbd-fixture.h"

#include <signal.h>
#include <string.h>

#define DATA_SIZE (256 * KIB)

static char *
log_to (NbdFixture *f)
{
  return g_strconcat ("logfile=", f->log, NULL);
}

/* Large requests are split, zeroes are not sent, and what was written is what is read. */
static void
test_round_trip (void)
{
  NbdFixture f;
  Loop loop;
  Request requests[3];
  g_autofree guint8 *data = random_bytes (3 * MIB, 1);
  g_autofree guint8 *got = g_malloc (3 * MIB);

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_autofree char *logfile = log_to (&f);
  nbd_fixture_serve (&f, "nbdkit", "--filter=log", "memory", "300M", logfile, NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  loop_submit (&loop, &requests[0], MTV_IO_WRITE, 1000, 2 * MIB + 1, data);
  loop_submit (&loop, &requests[1], MTV_IO_WRITE, 5 * MIB, MIB, data + 2 * MIB);
  loop_submit (&loop, &requests[2], MTV_IO_ZERO, 20 * MIB, 280 * MIB, NULL);
  loop_run (&loop, 0);
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    g_assert_no_error (requests[i].error);
  g_assert_no_error (loop_do (&loop, MTV_IO_ZERO, 5 * MIB + 100, 200, NULL));
  g_assert_no_error (loop_do (&loop, MTV_IO_FLUSH, 0, 0, NULL));
  memset (data + 2 * MIB + 100, 0, 200);
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 5 * MIB, MIB, got));
  g_assert_true (memcmp (got, data + 2 * MIB, MIB) == 0);
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 1000, 2 * MIB, got));
  g_assert_true (memcmp (got, data, 2 * MIB) == 0);
  loop_clear (&loop);

  g_assert_cmpuint (nbd_fixture_count (&f, "Write", 1, DATA_SIZE), ==, 9 + 4);
  g_assert_cmpuint (nbd_fixture_count (&f, "Read", 1, DATA_SIZE), ==, 8 + 4);
  g_assert_cmpuint (nbd_fixture_count (&f, "Zero", 1, 128 * MIB), ==, 3 + 1);
  g_assert_cmpuint (nbd_fixture_count (&f, "Flush", 1, 0), ==, 1);
  g_assert_cmpuint (nbd_fixture_count (&f, "Trim", 1, 0), ==, 0);
  nbd_fixture_clear (&f);
}

static void
test_no_zero (void)
{
  NbdFixture f;
  Loop loop;
  g_autofree guint8 *data = random_bytes (MIB, 1);
  g_autofree guint8 *got = g_malloc (MIB);

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_autofree char *logfile = log_to (&f);
  nbd_fixture_serve (&f, "nbdkit", "--filter=nozero", "--filter=log", "memory", "1M", logfile,
                     NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  g_assert_no_error (loop_do (&loop, MTV_IO_WRITE, 0, MIB, data));
  g_assert_no_error (loop_do (&loop, MTV_IO_ZERO, 1000, 500 * KIB, NULL));
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 0, MIB, got));
  memset (data + 1000, 0, 500 * KIB);
  g_assert_true (memcmp (got, data, MIB) == 0);
  loop_clear (&loop);
  g_assert_cmpuint (nbd_fixture_count (&f, "Zero", 1, 0), ==, 0);
  nbd_fixture_clear (&f);
}

#define N_STEPS 400
#define SMALL (200 * KIB)

/* One random request of those that run at once: they are disjoint, but may share blocks. */
static void
submit_random (Loop *loop, Request *request, GRand *rand, guint64 begin, guint64 end, guint8 *model,
               guint8 *data)
{
  MtvIoKind kind = g_rand_int_range (rand, MTV_IO_READ, MTV_IO_ZERO + 1);
  guint64 offset = g_rand_int_range (rand, begin, end);
  guint64 length = g_rand_int_range (rand, 1, end - offset + 1);

  if (kind == MTV_IO_WRITE)
    for (guint64 i = offset; i < offset + length; i++)
      model[i] = data[i] = g_rand_int (rand);
  else if (kind == MTV_IO_ZERO)
    memset (model + offset, 0, length);
  loop_submit (loop, request, kind, offset, length, data + offset);
}

static void
random_steps (NbdFixture *f, guint seed)
{
  Loop loop;
  Request requests[8];
  guint64 share = SMALL / G_N_ELEMENTS (requests) - 13;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autofree guint8 *model = g_malloc0 (SMALL);
  g_autofree guint8 *data = g_malloc0 (SMALL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (f, TRUE);

  g_assert_cmpuint (mtv_writer_get_hints (MTV_WRITER (disk)).max_channels, ==, 1);
  loop_init (&loop, disk, TRUE);
  for (guint step = 0; step < N_STEPS; step += G_N_ELEMENTS (requests))
    {
      for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
        submit_random (&loop, &requests[i], rand, i * share, (i + 1) * share, model, data);
      loop_run (&loop, 0);
      for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
        {
          g_assert_no_error (requests[i].error);
          if (requests[i].io.kind == MTV_IO_READ)
            g_assert_true (
                memcmp (requests[i].io.buffer, model + requests[i].io.offset, requests[i].io.length)
                == 0);
        }
    }
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 0, SMALL, data));
  g_assert_true (memcmp (data, model, SMALL) == 0);
  loop_clear (&loop);
}

/* A server that refuses parts of blocks, and large requests, gets neither. */
static void
test_block_size (gconstpointer block_size)
{
  NbdFixture f;
  guint64 min = GPOINTER_TO_UINT (block_size);
  g_autofree char *minimum = g_strdup_printf ("blocksize-minimum=%u", (guint) min);

  if (!has_nbdkit ())
    return;
  for (guint with_zero = 0; with_zero < 2; with_zero++)
    {
      nbd_fixture_init (&f);
      g_autofree char *logfile = log_to (&f);
      nbd_fixture_serve (&f, "nbdkit", "--filter=log", "--filter=blocksize-policy",
                         with_zero ? "--filter=fua" : "--filter=nozero", "memory", "200K", minimum,
                         "blocksize-maximum=32K", "blocksize-preferred=8K",
                         "blocksize-error-policy=error", logfile, NULL);
      random_steps (&f, min + with_zero);
      g_assert_cmpuint (nbd_fixture_count (&f, "Read", min, 32 * KIB), >, 0);
      g_assert_cmpuint (nbd_fixture_count (&f, "Write", min, 32 * KIB), >, 0);
      g_assert_cmpuint (nbd_fixture_count (&f, "Zero", min, 128 * MIB) > 0, ==, with_zero);
      nbd_fixture_clear (&f);
    }
}

/* The end of a disk whose size is no multiple of the block's is the server's to give or not. */
static void
test_odd_end (void)
{
  NbdFixture f;
  guint8 buffer[10000];
  g_autoptr (GError) error = NULL;

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "--filter=blocksize-policy", "memory", "10000",
                     "blocksize-minimum=4096", "blocksize-error-policy=error", NULL);
  {
    g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
    g_assert_true (mtv_reader_read (MTV_READER (disk), 1, buffer, 8191, NULL, &error));
    g_assert_no_error (error);
    g_assert_false (mtv_reader_read (MTV_READER (disk), 0, buffer, 10000, NULL, &error));
    g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
    g_assert_nonnull (strstr (error->message, "last 1808 bytes of disk 'a'"));
  }
  nbd_fixture_kill (&f);

  nbd_fixture_serve (&f, "nbdkit", "--filter=blocksize-policy", "memory", "10000",
                     "blocksize-minimum=4096", "blocksize-error-policy=allow", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  g_clear_error (&error);
  g_assert_true (mtv_writer_write (MTV_WRITER (disk), 9999, "x", 1, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (mtv_reader_read (MTV_READER (disk), 9000, buffer, 1000, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpint (buffer[998], ==, 0);
  g_assert_cmpint (buffer[999], ==, 'x');
  nbd_fixture_clear (&f);
}

#define ODD_SIZE (3 * MIB + 4321)

static void
test_odd_size (void)
{
  NbdFixture f;
  Loop loop;
  g_autofree guint8 *data = random_bytes (ODD_SIZE, 3);
  g_autofree guint8 *got = g_malloc (ODD_SIZE);

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_assert_true (g_file_set_contents (f.file, (char *) data, ODD_SIZE, NULL));
  nbd_fixture_serve (&f, "nbdkit", "-r", "file", f.file, NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  g_assert_cmpuint (mtv_reader_get_size (MTV_READER (disk)), ==, ODD_SIZE);
  g_assert_cmpuint (mtv_reader_get_hints (MTV_READER (disk)).max_channels, ==, 2);
  loop_init (&loop, disk, FALSE);
  g_assert_no_error (loop_do (&loop, MTV_IO_READ, 0, ODD_SIZE, got));
  g_assert_true (memcmp (got, data, ODD_SIZE) == 0);
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

#define N_SMALL 1000

/* More than a connection takes at once, and all of them in one call. */
static void
test_many (void)
{
  NbdFixture f;
  Loop loop;
  g_autofree Request *requests = g_new (Request, N_SMALL);
  g_autofree guint8 *data = random_bytes (N_SMALL * 1000, 4);
  g_autofree guint8 *got = g_malloc0 (N_SMALL * 1000);

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  g_assert_true (g_file_set_contents (f.file, (char *) data, N_SMALL * 1000, NULL));
  nbd_fixture_serve (&f, "nbdkit", "-r", "file", f.file, NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, FALSE);
  loop_init (&loop, disk, FALSE);
  for (guint i = 0; i < N_SMALL; i++)
    loop_submit (&loop, &requests[i], MTV_IO_READ, i * 1000, 1000, got + i * 1000);
  loop_run (&loop, 0);
  for (guint i = 0; i < N_SMALL; i++)
    g_assert_no_error (requests[i].error);
  g_assert_true (memcmp (got, data, N_SMALL * 1000) == 0);
  loop_clear (&loop);
  nbd_fixture_clear (&f);
}

/* What is under way at a server that hangs does not keep anybody. */
static void
test_free_against_a_stopped_server (void)
{
  NbdFixture f;
  Loop loop;
  g_autofree Request *requests = g_new (Request, 100);
  guint8 *buffer = g_malloc (DATA_SIZE);

  if (!has_nbdkit ())
    return;
  nbd_fixture_init (&f);
  nbd_fixture_serve (&f, "nbdkit", "memory", "1M", NULL);
  g_autoptr (MtvNbdDisk) disk = nbd_fixture_open (&f, TRUE);
  loop_init (&loop, disk, TRUE);
  nbd_fixture_signal (&f, SIGSTOP);
  for (guint i = 0; i < 100; i++)
    loop_submit (&loop, &requests[i], i % 2 ? MTV_IO_READ : MTV_IO_WRITE, 0, DATA_SIZE, buffer);
  gint64 before = g_get_monotonic_time ();
  loop_clear (&loop);
  g_free (buffer); /* nobody touches it any more */
  nbd_fixture_signal (&f, SIGCONT);
  g_assert_cmpint (g_get_monotonic_time () - before, <, G_USEC_PER_SEC);
  nbd_fixture_clear (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/nbd-channel/round-trip", test_round_trip);
  g_test_add_func ("/nbd-channel/no-zero", test_no_zero);
  g_test_add_data_func ("/nbd-channel/block-size/512", GUINT_TO_POINTER (512), test_block_size);
  g_test_add_data_func ("/nbd-channel/block-size/4096", GUINT_TO_POINTER (4096), test_block_size);
  g_test_add_func ("/nbd-channel/odd-end", test_odd_end);
  g_test_add_func ("/nbd-channel/odd-size", test_odd_size);
  g_test_add_func ("/nbd-channel/many", test_many);
  g_test_add_func ("/nbd-channel/free-against-a-stopped-server",
                   test_free_against_a_stopped_server);
  return g_test_run ();
}
