/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "nbd-fixture.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>

void
nbd_fixture_init (NbdFixture *f)
{
  f->folder = g_dir_make_tmp ("mtv-nbd-XXXXXX", NULL);
  g_assert_nonnull (f->folder);
  f->file = g_build_filename (f->folder, "disk", NULL);
  f->log = g_build_filename (f->folder, "log", NULL);
  f->socket = g_build_filename (f->folder, "socket", NULL);
  f->uri = g_strdup_printf ("nbd+unix:///?socket=%s", f->socket);
  f->ready = g_build_filename (f->folder, "pid", NULL);
  f->pid = 0;
}

void
nbd_fixture_clear (NbdFixture *f)
{
  nbd_fixture_kill (f);
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, f->folder, NULL));
  g_free (f->folder);
  g_free (f->file);
  g_free (f->log);
  g_free (f->socket);
  g_free (f->uri);
  g_free (f->ready);
}

static void
die_with_us (gpointer data)
{
  (void) data;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
add_listening (GStrvBuilder *builder, NbdFixture *f, const char *program)
{
  if (g_str_equal (program, "nbdkit"))
    g_strv_builder_add_many (builder, "nbdkit", "-f", "-U", f->socket, "-P", f->ready, NULL);
  else
    {
      g_autofree char *pid_file = g_strconcat ("--pid-file=", f->ready, NULL);

      g_strv_builder_add_many (builder, "qemu-nbd", "-t", "-e", "4", "-k", f->socket, pid_file,
                               NULL);
    }
}

void
nbd_fixture_serve (NbdFixture *f, const char *program, ...)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;
  va_list args;

  add_listening (builder, f, program);
  va_start (args, program);
  for (const char *arg; (arg = va_arg (args, const char *)) != NULL;)
    g_strv_builder_add (builder, arg);
  va_end (args);
  g_auto (GStrv) argv = g_strv_builder_end (builder);
  g_spawn_async (NULL, argv, NULL,
                 G_SPAWN_SEARCH_PATH | G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
                 die_with_us, NULL, &f->pid, &error);
  g_assert_no_error (error);
  while (!g_file_test (f->ready, G_FILE_TEST_EXISTS)
         || !g_file_test (f->socket, G_FILE_TEST_EXISTS))
    {
      g_assert_cmpint (waitpid (f->pid, NULL, WNOHANG), ==, 0);
      g_thread_yield ();
    }
}

void
nbd_fixture_signal (NbdFixture *f, int signum)
{
  int status = 0;

  g_assert_cmpint (kill (f->pid, signum), ==, 0);
  if (signum != SIGSTOP)
    return;
  /* Its threads may go on for a while after kill(2). */
  g_assert_cmpint (waitpid (f->pid, &status, WUNTRACED), ==, f->pid);
  g_assert_true (WIFSTOPPED (status));
}

void
nbd_fixture_kill (NbdFixture *f)
{
  if (f->pid == 0)
    return;
  nbd_fixture_signal (f, SIGKILL);
  g_assert_cmpint (waitpid (f->pid, NULL, 0), ==, f->pid);
  f->pid = 0;
  g_unlink (f->socket);
  g_unlink (f->ready);
}

MtvNbdDisk *
nbd_fixture_open (NbdFixture *f, gboolean writable)
{
  g_autoptr (GError) error = NULL;
  MtvNbdDisk *disk = mtv_nbd_disk_new_for_uri (f->uri, writable, NULL, "disk 'a'", NULL, &error);

  g_assert_no_error (error);
  return disk;
}

guint
nbd_fixture_count (NbdFixture *f, const char *kind, guint64 min, guint64 max)
{
  g_autofree char *pattern
      = g_strdup_printf (" %s id=\\d+ (?:offset=(0x[0-9a-f]+) count=(0x[0-9a-f]+))?", kind);
  g_autoptr (GRegex) regex = g_regex_new (pattern, 0, 0, NULL);
  g_autoptr (GMatchInfo) match = NULL;
  g_autofree char *log = NULL;
  guint n = 0;

  g_assert_true (g_file_get_contents (f->log, &log, NULL, NULL));
  g_regex_match (regex, log, 0, &match);
  for (; g_match_info_matches (match); g_match_info_next (match, NULL), n++)
    {
      g_autofree char *offset = g_match_info_fetch (match, 1);
      g_autofree char *count = g_match_info_fetch (match, 2);

      if (offset == NULL || *offset == '\0')
        continue;
      g_assert_cmpuint (g_ascii_strtoull (offset, NULL, 16) % min, ==, 0);
      g_assert_cmpuint (g_ascii_strtoull (count, NULL, 16) % min, ==, 0);
      g_assert_cmpuint (g_ascii_strtoull (count, NULL, 16), <=, max);
    }
  return n;
}

gboolean
has_nbdkit (void)
{
  g_autofree char *nbdkit = g_find_program_in_path ("nbdkit");

  if (nbdkit == NULL)
    g_test_skip ("nbdkit is not installed");
  return nbdkit != NULL;
}

void
loop_init (Loop *loop, MtvNbdDisk *disk, gboolean writable)
{
  g_autoptr (GError) error = NULL;

  loop->n_pending = 0;
  loop->channel = writable ? mtv_writer_open_channel (MTV_WRITER (disk), NULL, &error)
                           : mtv_reader_open_channel (MTV_READER (disk), NULL, &error);
  g_assert_no_error (error);
}

void
loop_clear (Loop *loop)
{
  g_assert_true (mtv_channel_free (loop->channel));
}

static void
request_done (MtvIo *io, GError *error)
{
  Request *request = (Request *) io;
  Loop *loop = io->data;

  g_assert_false (request->is_done);
  request->is_done = TRUE;
  request->error = error;
  loop->n_pending--;
}

void
loop_submit (Loop *loop, Request *request, MtvIoKind kind, guint64 offset, guint64 length,
             gpointer buffer)
{
  request->is_done = FALSE;
  request->error = NULL;
  request->io = (MtvIo){ .kind = kind,
                         .offset = offset,
                         .length = length,
                         .buffer = buffer,
                         .done = request_done,
                         .data = loop };
  loop->n_pending++;
  mtv_channel_submit (loop->channel, &request->io);
  g_assert_false (request->is_done);
}

void
loop_run (Loop *loop, guint n_pending)
{
  while (loop->n_pending > n_pending)
    {
      struct pollfd fd;
      int timeout = mtv_channel_prepare (loop->channel, &fd);

      mtv_channel_dispatch (loop->channel, poll (&fd, 1, timeout) > 0 ? fd.revents : 0);
    }
}

GError *
loop_do (Loop *loop, MtvIoKind kind, guint64 offset, guint64 length, gpointer buffer)
{
  Request request;

  loop_submit (loop, &request, kind, offset, length, buffer);
  loop_run (loop, 0);
  return request.error;
}

guint8 *
random_bytes (gsize length, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint8 *bytes = g_malloc (length);

  for (gsize i = 0; i < length; i++)
    bytes[i] = g_rand_int (rand);
  return bytes;
}
