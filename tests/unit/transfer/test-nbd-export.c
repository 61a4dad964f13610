/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "transfer-fixture.h"
#include "transfer/mtv-nbd-export.h"

#include <errno.h>
#include <libnbd.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define SIZE (4 * MIB + 100) /* with an odd end, which is filled up */
#define EXPORTED (4 * MIB + 512)

#define OPTION "IHAVEOPT"
#define FLAGS "\0\0\0\3" /* the client's: fixed newstyle, no zeroes */
#define NO_NAME OPTION "\0\0\0\1\0\0\0\0"
#define REQUEST "\x25\x60\x95\x13\0\0"

static char *self_path;

typedef struct
{
  guint8 *data;         /* (owned) EXPORTED bytes */
  BytesReader *reader;  /* (unowned) as long as the export's thread has it */
  MtvNbdExport *export; /* (owned) */
  int fd;               /* (owned) the client's end */
  GAsyncQueue *ended;   /* (owned) of what the thread let go of */
} Fixture;

static void
let_go_cb (gpointer ended, GObject *reader)
{
  g_async_queue_push (ended, reader);
}

static void
set_up (Fixture *f, gconstpointer size)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (5);
  g_autoptr (GError) error = NULL;
  gsize length = size != NULL ? GPOINTER_TO_SIZE (size) : SIZE;

  f->data = g_malloc0 (MAX (EXPORTED, length));
  for (gsize i = 0; i < SIZE; i++)
    f->data[i] = g_rand_int (random) >> 24;
  f->ended = g_async_queue_new ();
  g_autoptr (GBytes) bytes = g_bytes_new (f->data, length);
  f->reader = bytes_reader_new (bytes);
  g_object_weak_ref (G_OBJECT (f->reader), let_go_cb, f->ended);
  f->export = mtv_nbd_export_new (MTV_READER (f->reader), "'disk' of 'web'", &f->fd, &error);
  g_assert_no_error (error);
  g_object_unref (f->reader);
}

static void
assert_thread_ends (Fixture *f)
{
  g_assert_nonnull (g_async_queue_timeout_pop (f->ended, 60 * G_USEC_PER_SEC));
}

static void
tear_down (Fixture *f, gconstpointer size)
{
  (void) size;
  if (f->fd >= 0)
    close (f->fd);
  g_object_unref (f->export);
  g_async_queue_unref (f->ended);
  g_free (f->data);
}

static struct nbd_handle *
client (Fixture *f)
{
  struct nbd_handle *nbd = nbd_create ();

  g_assert_nonnull (nbd);
  nbd_set_strict_mode (nbd, 0); /* it would refuse by itself what the export is to refuse */
  g_assert_cmpint (nbd_connect_socket (nbd, f->fd), ==, 0);
  f->fd = -1;
  return nbd;
}

static void
assert_read (Fixture *f, struct nbd_handle *nbd, guint64 offset, gsize length)
{
  g_autofree guint8 *found = g_malloc (length);

  g_assert_cmpint (nbd_pread (nbd, found, length, offset, 0), ==, 0);
  g_assert_cmpmem (found, length, f->data + offset, length);
}

static void
test_read (Fixture *f, gconstpointer size)
{
  struct nbd_handle *nbd = client (f);

  (void) size;
  g_assert_cmpint (nbd_get_size (nbd), ==, EXPORTED);
  g_assert_cmpint (nbd_is_read_only (nbd), ==, 1);
  assert_read (f, nbd, 0, EXPORTED);
  assert_read (f, nbd, 1, 1);
  assert_read (f, nbd, 12345, 1000001);
  assert_read (f, nbd, SIZE - 1, 3);
  assert_read (f, nbd, SIZE + 1, 5); /* nothing but filling */
  assert_read (f, nbd, EXPORTED - 1, 1);
  g_assert_cmpint (nbd_shutdown (nbd, 0), ==, 0);
  assert_thread_ends (f);
  g_assert_null (mtv_nbd_export_get_error (f->export));
  nbd_close (nbd);
}

static void
assert_refused (struct nbd_handle *nbd, guint64 offset, gsize length, guint32 flags)
{
  g_autofree guint8 *found = g_malloc (length);

  g_assert_cmpint (nbd_pread (nbd, found, length, offset, flags), ==, -1);
  g_assert_cmpint (nbd_get_errno (), ==, EINVAL);
}

static void
test_refused (Fixture *f, gconstpointer size)
{
  struct nbd_handle *nbd = client (f);

  (void) size;
  assert_refused (nbd, EXPORTED, 1, 0);
  assert_refused (nbd, EXPORTED - 1, 2, 0);
  assert_refused (nbd, G_MAXINT64, 512, 0);
  assert_refused (nbd, G_MAXUINT64 - 511, 1024, 0); /* the sum is small */
  assert_refused (nbd, 0, 512, LIBNBD_CMD_FLAG_DF);
  g_assert_cmpint (nbd_pwrite (nbd, f->data, 5000, 0, 0), ==, -1);
  g_assert_cmpint (nbd_get_errno (), ==, EPERM);
  g_assert_cmpint (nbd_trim (nbd, 512, 0, 0), ==, -1);
  g_assert_cmpint (nbd_get_errno (), ==, EINVAL);
  assert_read (f, nbd, 77, 512); /* the connection is as good as before */
  nbd_close (nbd);
  assert_thread_ends (f);
}

static void
test_too_large (Fixture *f, gconstpointer size)
{
  struct nbd_handle *nbd = client (f);

  g_assert_cmpint (nbd_get_size (nbd), ==, GPOINTER_TO_SIZE (size));
  assert_refused (nbd, 0, MTV_NBD_EXPORT_MAX_REQUEST + 1, 0);
  g_assert_cmpuint (bytes_reader_get_n_reads (f->reader), ==, 0);
  assert_read (f, nbd, 1, MTV_NBD_EXPORT_MAX_REQUEST);
  nbd_close (nbd);
}

static void
test_failing_reader (Fixture *f, gconstpointer size)
{
  struct nbd_handle *nbd = client (f);
  guint8 found[512];

  (void) size;
  bytes_reader_fail_at (f->reader, MIB);
  g_assert_cmpint (nbd_pread (nbd, found, 512, MIB - 100, 0), ==, -1);
  g_assert_cmpint (nbd_get_errno (), ==, EIO);
  assert_read (f, nbd, 0, MIB);
  g_autoptr (GError) error = mtv_nbd_export_get_error (f->export);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_cmpstr (error->message, ==, "Cable pulled");
  nbd_close (nbd);
}

static void
test_in_flight (Fixture *f, gconstpointer size)
{
  enum
  {
    N = 200,
    LENGTH = 100003,
  };
  struct nbd_handle *nbd = client (f);
  g_autofree guint8 *found = g_malloc (N * LENGTH);
  g_autoptr (GRand) random = g_rand_new_with_seed (6);
  guint64 offsets[N];

  (void) size;
  for (guint i = 0; i < N; i++)
    {
      offsets[i] = g_rand_int_range (random, 0, EXPORTED - LENGTH);
      g_assert_cmpint (
          nbd_aio_pread (nbd, found + i * LENGTH, LENGTH, offsets[i], NBD_NULL_COMPLETION, 0), >,
          0);
    }
  while (nbd_aio_in_flight (nbd) > 0)
    {
      g_assert_cmpint (nbd_poll (nbd, 60000), ==, 1);
      for (int64_t cookie; (cookie = nbd_aio_peek_command_completed (nbd)) > 0;)
        g_assert_cmpint (nbd_aio_command_completed (nbd, cookie), ==, 1);
    }
  for (guint i = 0; i < N; i++)
    g_assert_cmpmem (found + i * LENGTH, LENGTH, f->data + offsets[i], LENGTH);
  nbd_close (nbd);
}

static int
count_cb (void *names, const char *name, const char *description)
{
  (void) description;
  g_ptr_array_add (names, g_strdup (name));
  return 0;
}

/* The rest of the handshake: another name, the list, only asking. */
static void
test_options (Fixture *f, gconstpointer size)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  struct nbd_handle *nbd = nbd_create ();

  (void) size;
  nbd_set_opt_mode (nbd, true);
  g_assert_cmpint (nbd_connect_socket (nbd, f->fd), ==, 0);
  f->fd = -1;
  g_assert_cmpint (
      nbd_opt_list (nbd, (nbd_list_callback){ .callback = count_cb, .user_data = names }), ==, 1);
  g_assert_cmpstr (names->pdata[0], ==, "");
  g_assert_cmpint (nbd_set_export_name (nbd, "other"), ==, 0);
  g_assert_cmpint (nbd_opt_info (nbd), ==, -1);
  g_assert_cmpint (nbd_get_errno (), ==, ENOENT);
  g_assert_cmpint (nbd_set_export_name (nbd, ""), ==, 0);
  g_assert_cmpint (nbd_opt_info (nbd), ==, 0);
  g_assert_cmpint (nbd_get_size (nbd), ==, EXPORTED);
  g_assert_cmpint (nbd_opt_go (nbd), ==, 0);
  assert_read (f, nbd, 5, 5);
  nbd_close (nbd);
}

static void
test_abort (Fixture *f, gconstpointer size)
{
  struct nbd_handle *nbd = nbd_create ();

  (void) size;
  nbd_set_opt_mode (nbd, true);
  g_assert_cmpint (nbd_connect_socket (nbd, f->fd), ==, 0);
  f->fd = -1;
  g_assert_cmpint (nbd_opt_abort (nbd), ==, 0);
  assert_thread_ends (f);
  nbd_close (nbd);
}

static void
say (Fixture *f, const char *bytes, gsize length)
{
  g_assert_cmpint (send (f->fd, bytes, length, MSG_NOSIGNAL), ==, length);
}

/* Reads @length bytes from behind what @skip more are, and compares them. */
static void
assert_answer (Fixture *f, gsize skip, const char *expected, gsize length)
{
  char found[256];

  g_assert_cmpint (recv (f->fd, found, skip + length, MSG_WAITALL), ==, skip + length);
  g_assert_cmpmem (found + skip, length, expected, length);
}

#define SAY(bytes) say (f, bytes, sizeof (bytes) - 1)
#define ASSERT_ANSWER(skip, bytes) assert_answer (f, skip, bytes, sizeof (bytes) - 1)

/* What no client of ours says but what the protocol has an answer for. */
static void
test_malformed (Fixture *f, gconstpointer size)
{
  (void) size;
  ASSERT_ANSWER (0, "NBDMAGICIHAVEOPT\0\3");
  SAY (FLAGS OPTION "\0\0\0\7\0\0\0\6\xff\xff\xff\xff\0\0"); /* a name past the end */
  ASSERT_ANSWER (8, "\0\0\0\7\x80\0\0\3\0\0\0\0");
  SAY (OPTION "\0\0\0\7\0\0\0\6\0\0\0\0\0\1"); /* a request past the end */
  ASSERT_ANSWER (8, "\0\0\0\7\x80\0\0\3\0\0\0\0");
  SAY (OPTION "\0\0\0\6\0\0\0\2\0\0"); /* no length */
  ASSERT_ANSWER (8, "\0\0\0\6\x80\0\0\3\0\0\0\0");
  SAY (OPTION "\0\0\0\3\0\0\0\1?"); /* a list of what? */
  ASSERT_ANSWER (8, "\0\0\0\3\x80\0\0\3\0\0\0\0");
  SAY (OPTION "\0\0\0\5\0\0\0\0"); /* TLS */
  ASSERT_ANSWER (8, "\0\0\0\5\x80\0\0\1\0\0\0\0");
  SAY (NO_NAME);
  ASSERT_ANSWER (0, "\0\0\0\0\0\x40\2\0\0\3");
  SAY (REQUEST "\0\x63"
               "cookie01"
               "\0\0\0\0\0\0\0\0\0\0\0\1"); /* an unknown command */
  ASSERT_ANSWER (0, "\x67\x44\x66\x98\0\0\0\x16"
                    "cookie01");
  SAY (REQUEST "\0\0"
               "cookie02"
               "\0\0\0\0\0\0\0\0\0\0\0\0"); /* nothing is there */
  ASSERT_ANSWER (0, "\x67\x44\x66\x98\0\0\0\0"
                    "cookie02");
}

/* Without "no zeroes", 124 of them follow the flags. */
static void
test_old_client (Fixture *f, gconstpointer size)
{
  char zeroes[124] = { 0 };

  (void) size;
  ASSERT_ANSWER (0, "NBDMAGICIHAVEOPT\0\3");
  SAY ("\0\0\0\1" NO_NAME);
  ASSERT_ANSWER (0, "\0\0\0\0\0\x40\2\0\0\3");
  assert_answer (f, 0, zeroes, sizeof zeroes);
}

static void
test_garbage (void)
{
#define BYTES(name, bytes)          \
  {                                 \
    name, bytes, sizeof (bytes) - 1 \
  }
  static const struct
  {
    const char *name;
    const char *bytes;
    gsize length;
  } cases[] = {
    BYTES ("http", "GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    BYTES ("flags", "\0\0\0\7" NO_NAME),
    BYTES ("option magic", FLAGS "IHAVENOTOPTION!!"),
    BYTES ("long option", FLAGS OPTION "\0\0\0\7\xff\xff\xff\xff"),
    BYTES ("other name", FLAGS OPTION "\0\0\0\1\0\0\0\5other"),
    BYTES ("request magic", FLAGS NO_NAME "????\0\0\0\0cookie01\0\0\0\0\0\0\0\0\0\0\0\1"),
    BYTES ("long write", FLAGS NO_NAME REQUEST "\0\1cookie01\0\0\0\0\0\0\0\0\xff\xff\xff\xff"),
  };
#undef BYTES

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      Fixture f = { 0 };
      char answer[256];

      set_up (&f, NULL);
      g_test_message ("%s", cases[i].name);
      say (&f, cases[i].bytes, cases[i].length);
      while (recv (f.fd, answer, sizeof answer, 0) > 0) /* until it hangs up */
        continue;
      assert_thread_ends (&f);
      tear_down (&f, NULL);
    }
}

/* A client that only ever asks for options is sent away. */
static void
test_endless_options (Fixture *f, gconstpointer size)
{
  (void) size;
  SAY (FLAGS);
  while (send (f->fd, OPTION "\0\0\0\5\0\0\0\0", 16, MSG_NOSIGNAL) > 0)
    continue;
  assert_thread_ends (f);
}

/* The process that test_killed_peer() kills: it asks for more than a socket holds, and does not
 * listen. */
G_NORETURN static void
hold (int fd)
{
  static const char request[] = REQUEST "\0\0cookie01\0\0\0\0\0\0\0\0\0\x40\0\0";

  prctl (PR_SET_PDEATHSIG, SIGKILL);
  g_assert_cmpint (send (fd, FLAGS NO_NAME, 20, 0), ==, 20);
  g_assert_cmpint (send (fd, request, sizeof request - 1, 0), ==, sizeof request - 1);
  g_print ("asked\n");
  for (;;)
    pause ();
}

static GSubprocess *
start_peer (Fixture *f)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GError) error = NULL;

  g_subprocess_launcher_take_fd (launcher, f->fd, 3);
  f->fd = -1;
  GSubprocess *peer = g_subprocess_launcher_spawn (launcher, &error, self_path, "--hold", NULL);
  g_assert_no_error (error);
  g_autoptr (GDataInputStream) lines
      = g_data_input_stream_new (g_subprocess_get_stdout_pipe (peer));
  g_autofree char *line = g_data_input_stream_read_line (lines, NULL, NULL, &error);
  g_assert_cmpstr (line, ==, "asked");
  return peer;
}

static void
test_killed_peer (Fixture *f, gconstpointer size)
{
  g_autoptr (GSubprocess) peer = start_peer (f);

  (void) size;
  g_assert_null (g_async_queue_try_pop (f->ended));
  g_subprocess_force_exit (peer);
  assert_thread_ends (f);
}

static void
test_stop (Fixture *f, gconstpointer size)
{
  g_autoptr (GSubprocess) peer = start_peer (f);

  (void) size;
  mtv_nbd_export_stop (f->export); /* while it sends to nobody */
  g_assert_nonnull (g_async_queue_try_pop (f->ended));
  mtv_nbd_export_stop (f->export);
  g_subprocess_force_exit (peer);
}

int
main (int argc, char *argv[])
{
  if (argc == 2 && g_str_equal (argv[1], "--hold"))
    hold (3);

  g_test_init (&argc, &argv, NULL);
  self_path = argv[0];
#define ADD(name, test, size) \
  g_test_add ("/nbd-export/" name, Fixture, GSIZE_TO_POINTER (size), set_up, test, tear_down)
  ADD ("read", test_read, 0);
  ADD ("refused", test_refused, 0);
  ADD ("too-large", test_too_large, 33 * MIB);
  ADD ("failing-reader", test_failing_reader, 0);
  ADD ("in-flight", test_in_flight, 0);
  ADD ("options", test_options, 0);
  ADD ("abort", test_abort, 0);
  ADD ("malformed", test_malformed, 0);
  ADD ("old-client", test_old_client, 0);
  g_test_add_func ("/nbd-export/garbage", test_garbage);
  ADD ("endless-options", test_endless_options, 0);
  ADD ("killed-peer", test_killed_peer, 0);
  ADD ("stop", test_stop, 0);

  return g_test_run ();
}
