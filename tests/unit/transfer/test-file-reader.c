/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer/mtv-file-reader.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024 * 1024)

/* An anonymous file in the build directory, whose file system has holes. */
static int
temporary_file (void)
{
  g_autofree char *name = g_strdup ("file-reader-XXXXXX");
  int fd = g_mkstemp (name);

  g_assert_cmpint (fd, >=, 0);
  g_unlink (name);
  return fd;
}

static void
test_range (void)
{
  int fd = temporary_file ();
  g_autoptr (GError) error = NULL;
  char got[5] = { 0 };

  g_assert_true (mtv_io_pwrite (fd, "headDATA!tail", 13, 512, "it", &error));
  g_autoptr (MtvFileReader) reader
      = mtv_file_reader_new (fd, 516, 5, "'disk' of 'web.ova'", &error);
  g_assert_no_error (error);
  close (fd); /* the reader has its own */

  g_assert_cmpuint (mtv_reader_get_size (MTV_READER (reader)), ==, 5);
  g_assert_cmpuint (mtv_file_reader_get_offset (reader), ==, 516);
  g_assert_true (mtv_reader_read (MTV_READER (reader), 0, got, 5, NULL, &error));
  g_assert_cmpmem (got, 5, "DATA!", 5);
  g_assert_true (mtv_reader_read (MTV_READER (reader), 4, got, 1, NULL, &error));
  g_assert_cmpmem (got, 1, "!", 1);
}

static void
test_holes (void)
{
  int fd = temporary_file ();
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (GError) error = NULL;
  guint64 at = 0;

  /* The range begins 1 MiB into the file; its data is its second MiB, the rest is holes. */
  g_assert_cmpint (ftruncate (fd, 5 * MIB), ==, 0);
  g_autofree char *data = g_malloc (MIB);
  memset (data, 'x', MIB);
  g_assert_true (mtv_io_pwrite (fd, data, MIB, 2 * MIB, "it", &error));
  g_autoptr (MtvFileReader) reader = mtv_file_reader_new (fd, MIB, 4 * MIB, "it", &error);
  close (fd);

  g_assert_true (mtv_reader_extents (MTV_READER (reader), 10, 4 * MIB - 20, extents, NULL, &error));
  g_assert_no_error (error);
  for (guint i = 0; i < extents->len; i++)
    {
      MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      if (i == 0)
        at = 10;
      g_assert_cmpuint (extent->offset, ==, at);
      g_assert_cmpint (extent->zero, ==, extent->offset < MIB || extent->offset >= 2 * MIB);
      at += extent->length;
    }
  g_assert_cmpuint (at, ==, 4 * MIB - 10);
  g_assert_cmpuint (extents->len, ==, 3);
}

static void
test_past_the_end (void)
{
  int fd = temporary_file ();
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (GError) error = NULL;
  char got[100];

  g_assert_cmpint (ftruncate (fd, MIB), ==, 0);
  g_autoptr (MtvFileReader) reader = mtv_file_reader_new (fd, 0, 2 * MIB, "'a.vmdk'", &error);
  close (fd);
  g_assert_true (mtv_reader_extents (MTV_READER (reader), 0, 2 * MIB, extents, NULL, &error));
  /* Missing bytes are not called zeroes, so that they get read, and noticed. */
  MtvExtent *last = &g_array_index (extents, MtvExtent, extents->len - 1);
  g_assert_cmpuint (last->offset, ==, MIB);
  g_assert_cmpuint (last->length, ==, MIB);
  g_assert_false (last->zero);

  g_assert_false (mtv_reader_read (MTV_READER (reader), MIB - 50, got, 100, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "'a.vmdk'"));
  g_assert_nonnull (strstr (error->message, "1048576"));
}

static void
keep_error (MtvIo *io, GError *error)
{
  *(GError **) io->data = error;
  io->done = NULL;
}

/* The same bytes and the same errors by a channel, from where the range begins. */
static void
test_channel (void)
{
  int fd = temporary_file ();
  g_autoptr (GError) error = NULL;
  char got[5] = { 0 };

  g_assert_true (mtv_io_pwrite (fd, "headDATA", 8, 512, "it", &error));
  g_autoptr (MtvFileReader) reader = mtv_file_reader_new (fd, 516, 5, "'a.vmdk'", &error);
  close (fd);
  MtvChannel *channel = mtv_reader_open_channel (MTV_READER (reader), NULL, &error);
  g_assert_no_error (error);
  for (guint length = 4; length <= 5; length++)
    {
      MtvIo io = { MTV_IO_READ, 0, length, (guint8 *) got, keep_error, &error, { NULL } };

      mtv_channel_submit (channel, &io);
      while (io.done != NULL)
        {
          struct pollfd poll_fd;
          int timeout = mtv_channel_prepare (channel, &poll_fd);

          g_assert_cmpint (poll (&poll_fd, 1, timeout), >=, 0);
          mtv_channel_dispatch (channel, poll_fd.revents);
        }
      if (length == 4)
        g_assert_no_error (error);
      g_assert_cmpmem (got, 4, "DATA", 4);
    }
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "'a.vmdk'"));
  g_assert_nonnull (strstr (error->message, "520"));
  g_assert_true (mtv_channel_free (channel));
}

static void
test_cancelled (void)
{
  int fd = temporary_file ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  char got;

  g_autoptr (MtvFileReader) reader = mtv_file_reader_new (fd, 0, 1, "it", &error);
  close (fd);
  g_cancellable_cancel (cancellable);
  g_assert_false (mtv_reader_read (MTV_READER (reader), 0, &got, 1, cancellable, &error));
  error = mtv_error_normalize (g_steal_pointer (&error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/file-reader/range", test_range);
  g_test_add_func ("/file-reader/holes", test_holes);
  g_test_add_func ("/file-reader/past-the-end", test_past_the_end);
  g_test_add_func ("/file-reader/channel", test_channel);
  g_test_add_func ("/file-reader/cancelled", test_cancelled);
  return g_test_run ();
}
