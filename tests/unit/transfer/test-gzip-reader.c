/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-gzip-reader.h"

#include "base/mtv-error.h"
#include "bytes-reader.h"

#include <string.h>
#include <zlib.h>

#define LABEL "disk 'a.vmdk.gz'"

/* Half noise, half text, so that there are stored and compressed blocks. */
static GByteArray *
make_contents (gsize length, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  GByteArray *contents = g_byte_array_sized_new (length + 64);

  while (contents->len < length)
    {
      gsize run = g_rand_int_range (rand, 1, 100000);
      gboolean noise = g_rand_boolean (rand);
      guint8 letter = g_rand_int (rand);

      for (gsize i = 0; i < run && contents->len < length; i++)
        {
          guint8 byte = noise ? g_rand_int (rand) : letter + i % 61 + i / 997;
          g_byte_array_append (contents, &byte, 1);
        }
    }
  return contents;
}

static void
add_member (GByteArray *file, const guint8 *contents, gsize length)
{
  z_stream z = { 0 };

  g_assert_cmpint (deflateInit2 (&z, 1, Z_DEFLATED, 31, 8, Z_DEFAULT_STRATEGY), ==, Z_OK);
  guint old = file->len;
  g_byte_array_set_size (file, old + deflateBound (&z, length));
  z.next_in = (Bytef *) contents;
  z.avail_in = length;
  z.next_out = file->data + old;
  z.avail_out = file->len - old;
  g_assert_cmpint (deflate (&z, Z_FINISH), ==, Z_STREAM_END);
  g_byte_array_set_size (file, file->len - z.avail_out);
  deflateEnd (&z);
}

static MtvGzipReader *
open_file (GByteArray *file, guint64 max_size, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->len);
  g_autoptr (BytesReader) reader = bytes_reader_new (bytes);

  return mtv_gzip_reader_new (MTV_READER (reader), max_size, LABEL, NULL, error);
}

static void
assert_range (MtvReader *reader, GByteArray *contents, guint64 offset, gsize length)
{
  g_autofree guint8 *buffer = g_malloc (length + 1);
  g_autoptr (GError) error = NULL;

  mtv_reader_read (reader, offset, buffer, length, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpmem (buffer, length, contents->data + offset, length);
}

static void
test_random_and_sequential (void)
{
  g_autoptr (GByteArray) contents = make_contents (23 * 1024 * 1024 + 5, 7);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (3);
  g_autoptr (GError) error = NULL;

  add_member (file, contents->data, contents->len);
  g_autoptr (MtvGzipReader) gzip = open_file (file, contents->len, &error);
  g_assert_no_error (error);
  MtvReader *reader = MTV_READER (gzip);
  g_assert_cmpuint (mtv_reader_get_size (reader), ==, contents->len);

  for (gsize at = 0; at < contents->len; at += 1024 * 1024)
    assert_range (reader, contents, at, MIN (1024 * 1024, contents->len - at));
  for (int i = 0; i < 60; i++)
    {
      gsize at = g_rand_int_range (rand, 0, contents->len);

      assert_range (reader, contents, at,
                    g_rand_int_range (rand, 0, MIN (contents->len - at, 9000)));
    }
}

/* From every point, hit exactly: where zlib must be handed bits and a window. */
static void
test_backwards (void)
{
  g_autoptr (GByteArray) contents = make_contents (13 * 1024 * 1024, 11);
  g_autoptr (GByteArray) file = g_byte_array_new ();

  add_member (file, contents->data, contents->len);
  g_autoptr (MtvGzipReader) gzip = open_file (file, G_MAXINT64, NULL);
  for (gsize at = contents->len; at >= 700001; at -= 700001)
    assert_range (MTV_READER (gzip), contents, at - 700001, 1000);
}

static void
test_members (void)
{
  g_autoptr (GByteArray) contents = make_contents (9 * 1024 * 1024 + 77, 5);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  static const guint8 zeroes[1000];

  add_member (file, contents->data, 5);
  add_member (file, contents->data + 5, 0);
  for (gsize at = 5; at < contents->len; at += 3000000)
    add_member (file, contents->data + at, MIN (3000000, contents->len - at));
  g_byte_array_append (file, zeroes, sizeof zeroes);

  g_autoptr (MtvGzipReader) gzip = open_file (file, G_MAXINT64, NULL);
  g_assert_nonnull (gzip);
  g_assert_cmpuint (mtv_reader_get_size (MTV_READER (gzip)), ==, contents->len);
  assert_range (MTV_READER (gzip), contents, 8 * 1024 * 1024, 1024 * 1024);
  assert_range (MTV_READER (gzip), contents, 4300000, 4000000);
  assert_range (MTV_READER (gzip), contents, 0, contents->len);
}

static gpointer
read_all_thread (gpointer data)
{
  MtvReader *reader = data;
  GChecksum *checksum = g_checksum_new (G_CHECKSUM_MD5);
  guint8 buffer[70000];

  for (guint64 at = 0; at < mtv_reader_get_size (reader); at += sizeof buffer)
    {
      gsize length = MIN (sizeof buffer, mtv_reader_get_size (reader) - at);

      g_assert_true (mtv_reader_read (reader, at, buffer, length, NULL, NULL));
      g_checksum_update (checksum, buffer, length);
    }
  return checksum;
}

static void
test_threads (void)
{
  g_autoptr (GByteArray) contents = make_contents (6 * 1024 * 1024, 9);
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autofree char *expected
      = g_compute_checksum_for_data (G_CHECKSUM_MD5, contents->data, contents->len);
  GThread *threads[6];

  add_member (file, contents->data, contents->len);
  g_autoptr (MtvGzipReader) gzip = open_file (file, G_MAXINT64, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] = g_thread_new ("test-reader", read_all_thread, gzip);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    {
      g_autoptr (GChecksum) checksum = g_thread_join (threads[i]);

      g_assert_cmpstr (g_checksum_get_string (checksum), ==, expected);
    }
}

static void
assert_refused (GByteArray *file, guint64 max_size, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (open_file (file, max_size, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, LABEL));
  g_assert_nonnull (strstr (error->message, message));
}

static void
test_damage (void)
{
  g_autoptr (GByteArray) contents = make_contents (300000, 1);
  g_autoptr (GByteArray) whole = g_byte_array_new ();
  g_autoptr (GByteArray) file = g_byte_array_new ();

  add_member (whole, contents->data, contents->len);
  assert_refused (file, 1, "ends early at byte 0"); /* empty */
  g_byte_array_append (file, whole->data, whole->len - 1);
  assert_refused (file, G_MAXINT64, "ends early");
  g_byte_array_set_size (file, whole->len / 2);
  assert_refused (file, G_MAXINT64, "ends early");

  g_byte_array_set_size (file, 0);
  g_byte_array_append (file, whole->data, whole->len);
  file->data[file->len - 6] ^= 1; /* CRC */
  assert_refused (file, G_MAXINT64, "damaged");
  file->data[file->len - 6] ^= 1;
  file->data[file->len - 1] ^= 1; /* length */
  assert_refused (file, G_MAXINT64, "damaged");
  file->data[file->len - 1] ^= 1;
  g_byte_array_append (file, (const guint8 *) "\0\0junk", 6);
  assert_refused (file, G_MAXINT64, "something else follows");
  g_byte_array_set_size (file, 0);
  g_byte_array_append (file, (const guint8 *) "KDMV, not gzip", 14);
  assert_refused (file, G_MAXINT64, "damaged");
}

/* 64 MiB of zeroes in some 64 KiB: the pass stops at the limit, having read next to nothing. */
static void
test_bomb (void)
{
  g_autofree guint8 *zeroes = g_malloc0 (64 * 1024 * 1024);
  g_autoptr (GByteArray) file = g_byte_array_new ();

  add_member (file, zeroes, 64 * 1024 * 1024);
  for (int i = 0; i < 6; i++)
    g_byte_array_append (file, file->data, file->len);
  g_autoptr (GBytes) bytes = g_bytes_new (file->data, file->len);
  g_autoptr (BytesReader) reader = bytes_reader_new (bytes);
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_gzip_reader_new (MTV_READER (reader), 1024 * 1024, LABEL, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "more than it may"));
  g_assert_cmpuint (bytes_reader_get_n_reads (reader), ==, 1);
}

static void
test_cancelled (void)
{
  g_autoptr (GByteArray) file = g_byte_array_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  add_member (file, (const guint8 *) "hello", 5);
  g_autoptr (MtvGzipReader) gzip = open_file (file, 5, NULL);
  char buffer[5];
  g_cancellable_cancel (cancellable);
  g_assert_false (mtv_reader_read (MTV_READER (gzip), 0, buffer, 5, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/gzip-reader/random-and-sequential", test_random_and_sequential);
  g_test_add_func ("/gzip-reader/backwards", test_backwards);
  g_test_add_func ("/gzip-reader/members", test_members);
  g_test_add_func ("/gzip-reader/threads", test_threads);
  g_test_add_func ("/gzip-reader/damage", test_damage);
  g_test_add_func ("/gzip-reader/bomb", test_bomb);
  g_test_add_func ("/gzip-reader/cancelled", test_cancelled);
  return g_test_run ();
}
