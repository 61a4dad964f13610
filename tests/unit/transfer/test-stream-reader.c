/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-stream-reader.h"

#include "base/mtv-error.h"
#include "bytes-reader.h"

#include <archive.h>
#include <archive_entry.h>
#include <string.h>

#define LABEL "disk 'a.img.packed'"
#define SIZE ((gsize) 3 * 1024 * 1024 + 77)

static const struct
{
  const char *name;
  int filter;
  gboolean in_order;
} formats[] = {
  { "gzip", ARCHIVE_FILTER_GZIP, FALSE }, { "zstd", ARCHIVE_FILTER_ZSTD, TRUE },
  { "xz", ARCHIVE_FILTER_XZ, TRUE },      { "bzip2", ARCHIVE_FILTER_BZIP2, TRUE },
  { "lz4", ARCHIVE_FILTER_LZ4, TRUE },
};

/* Noise and repetition by turns. */
static GBytes *
make_contents (void)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (4);
  guint8 *contents = g_malloc (SIZE);

  for (gsize i = 0; i < SIZE; i++)
    contents[i] = i / 70000 % 2 ? g_rand_int (rand) : i / 1000;
  return g_bytes_new_take (contents, SIZE);
}

static la_ssize_t
append_cb (struct archive *archive, void *data, const void *bytes, size_t length)
{
  (void) archive;
  g_byte_array_append (data, bytes, length);
  return length;
}

/* libarchive writes frames without a checksum, in which damage is no more to be seen. */
static GByteArray *
pack_zstd (const guint8 *contents, gsize length)
{
  g_autoptr (GBytes) in = g_bytes_new_static (contents, length);
  g_autoptr (GBytes) out = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) zstd
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                          "zstd", "-q", "-c", "-", NULL);

  g_assert_no_error (error);
  g_subprocess_communicate (zstd, in, NULL, &out, NULL, &error);
  g_assert_no_error (error);
  return g_bytes_unref_to_array (g_steal_pointer (&out));
}

static GByteArray *
pack (const guint8 *contents, gsize length, int filter)
{
  if (filter == ARCHIVE_FILTER_ZSTD)
    return pack_zstd (contents, length);

  struct archive *archive = archive_write_new ();
  struct archive_entry *entry = archive_entry_new ();
  GByteArray *packed = g_byte_array_new ();

  archive_entry_set_filetype (entry, AE_IFREG);
  g_assert_cmpint (archive_write_set_format_raw (archive), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_write_add_filter (archive, filter), ==, ARCHIVE_OK);
  archive_write_set_bytes_in_last_block (archive, 1);
  g_assert_cmpint (archive_write_open (archive, packed, NULL, append_cb, NULL), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_write_header (archive, entry), ==, ARCHIVE_OK);
  g_assert_cmpint (archive_write_data (archive, contents, length), ==, length);
  g_assert_cmpint (archive_write_close (archive), ==, ARCHIVE_OK);
  archive_write_free (archive);
  archive_entry_free (entry);
  return packed;
}

static GByteArray *
pack_bytes (GBytes *contents, int filter)
{
  return pack (g_bytes_get_data (contents, NULL), g_bytes_get_size (contents), filter);
}

static MtvReader *
open_packed (const GByteArray *packed, guint64 known_size, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (packed->data, packed->len);
  g_autoptr (BytesReader) file = bytes_reader_new (bytes);

  return mtv_stream_reader_open (MTV_READER (file), known_size, LABEL, NULL, error);
}

static void
assert_range (MtvReader *reader, GBytes *contents, guint64 offset, gsize length)
{
  g_autofree guint8 *buffer = g_malloc (length);
  g_autoptr (GError) error = NULL;

  mtv_reader_read (reader, offset, buffer, length, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (
      memcmp (buffer, (const guint8 *) g_bytes_get_data (contents, NULL) + offset, length) == 0);
}

static void
test_formats (void)
{
  g_autoptr (GBytes) contents = make_contents ();

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    for (guint64 known_size = 0; known_size <= SIZE; known_size += SIZE)
      {
        g_autoptr (GByteArray) packed = pack_bytes (contents, formats[i].filter);
        g_autoptr (GError) error = NULL;
        g_autoptr (MtvReader) reader = open_packed (packed, known_size, &error);

        g_assert_no_error (error);
        g_assert_cmpuint (mtv_reader_get_size (reader), ==, SIZE);
        g_assert_true (mtv_reader_get_hints (reader).in_order == formats[i].in_order);
        for (gsize at = 0; at < SIZE; at += 300007)
          assert_range (reader, contents, at, MIN (300007, SIZE - at));
        assert_range (reader, contents, SIZE / 2, 1000);
        assert_range (reader, contents, SIZE - 1, 1);
        assert_range (reader, contents, 0, SIZE);
      }
}

/* Forwards, the file is read once. */
static void
test_forwards (void)
{
  g_autoptr (GBytes) contents = make_contents ();
  g_autoptr (GByteArray) packed = pack_bytes (contents, ARCHIVE_FILTER_ZSTD);
  g_autoptr (GBytes) bytes = g_bytes_new (packed->data, packed->len);
  g_autoptr (BytesReader) file = bytes_reader_new (bytes);
  guint chunks = (packed->len + 256 * 1024 - 1) / (256 * 1024);
  g_autoptr (MtvReader) reader
      = mtv_stream_reader_open (MTV_READER (file), SIZE, LABEL, NULL, NULL);

  for (gsize at = 0; at + 90000 <= SIZE; at += 100000) /* with gaps */
    assert_range (reader, contents, at, 90000);
  g_assert_cmpuint (bytes_reader_get_n_reads (file), <=, 1 + chunks);
  assert_range (reader, contents, 5, 1);
  g_assert_cmpuint (bytes_reader_get_n_reads (file), <=, 2 + 2 * chunks);
}

/* Whoever packs on several cores writes several streams. */
static void
test_streams_in_a_row (void)
{
  g_autoptr (GBytes) contents = make_contents ();
  const guint8 *data = g_bytes_get_data (contents, NULL);
  static const guint8 zeroes[512];

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (GByteArray) packed = pack (data, 1000000, formats[i].filter);
      g_autoptr (GByteArray) second = pack (data + 1000000, SIZE - 1000000, formats[i].filter);
      g_autoptr (GError) error = NULL;

      g_byte_array_append (packed, second->data, second->len);
      if (formats[i].filter == ARCHIVE_FILTER_GZIP || formats[i].filter == ARCHIVE_FILTER_XZ)
        g_byte_array_append (packed, zeroes, sizeof zeroes);
      g_autoptr (MtvReader) reader = open_packed (packed, 0, &error);
      g_assert_no_error (error);
      g_assert_cmpuint (mtv_reader_get_size (reader), ==, SIZE);
      assert_range (reader, contents, 0, SIZE);
    }
}

/* A disk whose first bytes look like gzip is a disk. */
static void
test_once_only (void)
{
  g_autoptr (GBytes) contents = make_contents ();
  g_autoptr (GByteArray) inner = pack_bytes (contents, ARCHIVE_FILTER_GZIP);
  g_autoptr (GByteArray) outer = pack (inner->data, inner->len, ARCHIVE_FILTER_ZSTD);
  g_autoptr (GBytes) expected = g_bytes_new (inner->data, inner->len);
  g_autoptr (MtvReader) reader = open_packed (outer, 0, NULL);

  g_assert_cmpuint (mtv_reader_get_size (reader), ==, inner->len);
  assert_range (reader, expected, 0, inner->len);
}

static void
assert_bad (const GByteArray *packed, guint64 known_size, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvReader) reader = open_packed (packed, known_size, &error);

  /* With a known size, damage shows where it is read. */
  if (reader)
    {
      g_autofree guint8 *buffer = g_malloc (mtv_reader_get_size (reader));

      if (known_size == 0)
        g_error ("Damage was not seen (%s)", text);
      g_assert_false (
          mtv_reader_read (reader, 0, buffer, mtv_reader_get_size (reader), NULL, &error));
    }
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_true (g_str_has_prefix (error->message, LABEL ": "));
  if (!strstr (error->message, text) || !strstr (error->message, " at byte "))
    g_error ("'%s' does not say '%s'", error->message, text);
}

static void
test_damage (void)
{
  g_autoptr (GBytes) contents = make_contents ();

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (GByteArray) packed = pack_bytes (contents, formats[i].filter);
      guint8 *middle = &packed->data[packed->len / 2];

      for (guint64 known_size = 0; known_size <= SIZE; known_size += SIZE)
        {
          *middle ^= 4;
          assert_bad (packed, known_size, "");
          *middle ^= 4;
        }
      assert_bad (packed, SIZE - 1, "");
      assert_bad (packed, SIZE + 1, "the data ends");
      g_byte_array_append (packed, (const guint8 *) "garbage", 7);
      assert_bad (packed, 0, "");
      assert_bad (packed, SIZE, "");
      g_byte_array_set_size (packed, packed->len - 7 - 9);
      assert_bad (packed, 0, "");
      assert_bad (packed, SIZE, "");
      g_byte_array_set_size (packed, packed->len / 2);
      assert_bad (packed, 0, "");
      assert_bad (packed, SIZE, "");
    }
}

/* RFC 8878 §3.1.1: a frame of one raw block "abc" whose window would be 1 GiB. */
static void
test_huge_window (void)
{
  static const guint8 frame[]
      = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 20 << 3, 3 << 3 | 1, 0, 0, 'a', 'b', 'c' };
  g_autoptr (GByteArray) packed = g_byte_array_new ();
  g_autoptr (MtvReader) small = NULL;

  g_byte_array_append (packed, frame, sizeof frame);
  assert_bad (packed, 0, "memory");
  packed->data[5] = 10 << 3; /* 1 MiB */
  small = open_packed (packed, 0, NULL);
  g_assert_nonnull (small);
  g_assert_cmpuint (mtv_reader_get_size (small), ==, 3);
}

static void
test_trouble_below (void)
{
  g_autoptr (GBytes) contents = make_contents ();

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (GByteArray) packed = pack_bytes (contents, formats[i].filter);
      g_autoptr (GBytes) bytes = g_bytes_new (packed->data, packed->len);
      g_autoptr (BytesReader) file = bytes_reader_new (bytes);
      g_autoptr (GCancellable) cancellable = g_cancellable_new ();
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) cancelled = NULL;

      g_cancellable_cancel (cancellable);
      g_assert_null (mtv_stream_reader_open (MTV_READER (file), 0, LABEL, cancellable, &cancelled));
      cancelled = mtv_error_normalize (g_steal_pointer (&cancelled));
      g_assert_error (cancelled, MTV_ERROR, MTV_ERROR_CANCELLED);
      bytes_reader_fail_at (file, packed->len - 10);
      g_assert_null (mtv_stream_reader_open (MTV_READER (file), 0, LABEL, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
      g_assert_cmpstr (error->message, ==, "Cable pulled");
    }
}

static void
test_sniff (void)
{
  g_autoptr (GByteArray) plain = g_byte_array_new ();
  g_autoptr (GError) error = NULL;
  static const guint8 mbr[] = { 0xeb, 0x63, 0x90, 0x10, 0x8e, 0xd0 };

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (GByteArray) packed = pack ((const guint8 *) "abc", 3, formats[i].filter);

      g_assert_cmpint (mtv_stream_sniff (packed->data, MTV_STREAM_HEAD), !=, MTV_STREAM_NONE);
      g_assert_cmpint (mtv_stream_sniff (packed->data, 2), ==, MTV_STREAM_NONE);
    }
  g_assert_cmpint (mtv_stream_sniff (mbr, sizeof mbr), ==, MTV_STREAM_NONE);
  g_byte_array_append (plain, mbr, sizeof mbr);
  g_assert_null (open_packed (plain, 0, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_cmpstr (error->message, ==, LABEL ": not compressed, or in a way that is not known");
}

/* libarchive's own writer crashes for such a frame. */
static GByteArray *
pack_nothing (int filter)
{
  static const guint8 lz4[]
      = { 0x04, 0x22, 0x4d, 0x18, 0x64, 0x40, 0xa7, 0, 0, 0, 0, 0x05, 0x5d, 0xcc, 0x02 };

  if (filter != ARCHIVE_FILTER_LZ4)
    return pack ((const guint8 *) "", 0, filter);
  return g_byte_array_append (g_byte_array_new (), lz4, sizeof lz4);
}

static void
test_empty (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (GByteArray) packed = pack_nothing (formats[i].filter);
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvReader) reader = open_packed (packed, 0, &error);

      g_assert_no_error (error);
      g_assert_cmpuint (mtv_reader_get_size (reader), ==, 0);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/stream-reader/formats", test_formats);
  g_test_add_func ("/stream-reader/forwards", test_forwards);
  g_test_add_func ("/stream-reader/streams-in-a-row", test_streams_in_a_row);
  g_test_add_func ("/stream-reader/once-only", test_once_only);
  g_test_add_func ("/stream-reader/damage", test_damage);
  g_test_add_func ("/stream-reader/huge-window", test_huge_window);
  g_test_add_func ("/stream-reader/trouble-below", test_trouble_below);
  g_test_add_func ("/stream-reader/sniff", test_sniff);
  g_test_add_func ("/stream-reader/empty", test_empty);
  return g_test_run ();
}
