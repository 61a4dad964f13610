/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "provider/ova/mtv-tar.h"

#include <string.h>

/* Archives are made here, header by header, so that each thing in them is meant. */
static void
append_header (GByteArray *archive, const char *name, char type, const char *size_field,
               const char *magic, const char *prefix)
{
  guint8 header[512] = { 0 };
  guint sum = 0;

  memcpy (header, name, MIN (strlen (name), 100));
  memcpy (header + 100, "0000644\0000000000\0000000000", 24);
  memcpy (header + 124, size_field, 12);
  memcpy (header + 136, "00000000000", 12);
  memset (header + 148, ' ', 8);
  header[156] = type;
  memcpy (header + 257, magic, 8);
  memcpy (header + 345, prefix, MIN (strlen (prefix), 155));
  for (guint i = 0; i < 512; i++)
    sum += header[i];
  g_snprintf ((char *) header + 148, 8, "%06o", sum);
  g_byte_array_append (archive, header, sizeof header);
}

static void
append_data (GByteArray *archive, gconstpointer data, gsize size)
{
  static const guint8 zeroes[512];

  g_byte_array_append (archive, data, size);
  g_byte_array_append (archive, zeroes, (512 - size % 512) % 512);
}

static void
append (GByteArray *archive, const char *name, char type, gconstpointer data, gsize size)
{
  g_autofree char *field = g_strdup_printf ("%011" G_GSIZE_MODIFIER "o", size);

  append_header (archive, name, type, field, "ustar\00000", "");
  append_data (archive, data, size);
}

static void
append_text (GByteArray *archive, const char *name, const char *text)
{
  append (archive, name, '0', text, strlen (text));
}

static void
append_end (GByteArray *archive)
{
  static const guint8 zeroes[1024];

  g_byte_array_append (archive, zeroes, sizeof zeroes);
}

static void
append_pax (GByteArray *archive, char type, const char *key, const char *value)
{
  gsize length = strlen (key) + strlen (value) + 3;
  gsize total = length + 1;
  g_autofree char *record = NULL;

  while (TRUE)
    {
      g_free (record);
      record = g_strdup_printf ("%" G_GSIZE_FORMAT " %s=%s\n", total, key, value);
      if (strlen (record) == total)
        break;
      total = strlen (record);
    }
  append (archive, "pax", type, record, total);
}

static MtvTar *
open_archive (GByteArray *archive, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (archive->data, archive->len);
  g_autoptr (BytesReader) reader = bytes_reader_new (bytes);

  return mtv_tar_new (MTV_READER (reader), "web.ova", NULL, error);
}

static void
assert_text (GByteArray *archive, MtvTar *tar, const char *name, const char *text)
{
  g_autoptr (GError) error = NULL;
  const MtvTarMember *member = mtv_tar_find (tar, name, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (archive->data + member->offset, member->size, text, strlen (text));
}

static void
assert_refused (GByteArray *archive, int code, const char *message)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvTar) tar = open_archive (archive, &error);

  g_assert_null (tar);
  g_assert_error (error, MTV_ERROR, code);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_plain (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  append_text (archive, "./web.ovf", "<Envelope/>");
  append (archive, "./disks/", '5', NULL, 0);
  append_text (archive, "disks//./one.vmdk", "KDMV");
  append_text (archive, "disks/._one.vmdk", "Mac");
  append_header (archive, "old", '\0', "          3 ", "\0\0\0\0\0\0\0", "");
  append_data (archive, "old", 3);
  append_end (archive);
  append_text (archive, "behind-the-end", "x");

  g_autoptr (MtvTar) tar = open_archive (archive, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_tar_get_n_members (tar), ==, 4);
  assert_text (archive, tar, "web.ovf", "<Envelope/>");
  assert_text (archive, tar, "disks/one.vmdk", "KDMV");
  assert_text (archive, tar, "old", "old");
  g_assert_cmpstr (mtv_tar_get_member (tar, 1)->name, ==, "disks");
  g_assert_cmpint (mtv_tar_get_member (tar, 1)->type, ==, MTV_TAR_DIRECTORY);
  g_assert_null (mtv_tar_find (tar, "behind-the-end", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_cmpstr (error->message, ==, "'behind-the-end' is not in 'web.ova'");
}

static void
test_no_end_blocks (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  append_text (archive, "a", "one");
  g_byte_array_set_size (archive, 512 + 3); /* not even padded */
  g_autoptr (MtvTar) tar = open_archive (archive, &error);
  g_assert_no_error (error);
  assert_text (archive, tar, "a", "one");
}

static void
test_long_names (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autofree char *gnu = g_strnfill (300, 'g');
  g_autofree char *pax = g_strnfill (400, 'p');
  g_autoptr (GError) error = NULL;

  append (archive, "././@LongLink", 'K', "target", 7);
  append (archive, "././@LongLink", 'L', gnu, 301);
  append_text (archive, "cut-off", "one");
  append_pax (archive, 'g', "comment", "nothing to us");
  append_pax (archive, 'x', "path", pax);
  append_text (archive, "cut-off", "two");
  append_header (archive, "name", '0', "00000000005", "ustar\00000", "some/prefix");
  append_data (archive, "three", 5);
  append_header (archive, "gnu", '0', "00000000004", "ustar  ", "no-prefix");
  append_data (archive, "four", 4);
  append_end (archive);

  g_autoptr (MtvTar) tar = open_archive (archive, &error);
  g_assert_no_error (error);
  assert_text (archive, tar, gnu, "one");
  assert_text (archive, tar, pax, "two");
  assert_text (archive, tar, "some/prefix/name", "three");
  assert_text (archive, tar, "gnu", "four");
}

static void
test_sizes (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  append_header (archive, "base-256", '0', "\200\0\0\0\0\0\0\0\0\0\0\003", "ustar  ", "");
  append_data (archive, "one", 3);
  append_pax (archive, 'x', "size", "4");
  append_header (archive, "pax", '0', "00000000000", "ustar\00000", "");
  append_data (archive, "four", 4);
  append_text (archive, "after", "x");

  g_autoptr (MtvTar) tar = open_archive (archive, &error);
  g_assert_no_error (error);
  assert_text (archive, tar, "base-256", "one");
  assert_text (archive, tar, "pax", "four");
  assert_text (archive, tar, "after", "x");
}

static void
test_bad_sizes (void)
{
  static const char *const fields[]
      = { "\377\377\377\377\377\377\377\377\377\377\377\377", "\200\1\0\0\0\0\0\0\0\0\0\0",
          "0000000000z", "-0000000001" };

  for (guint i = 0; i < G_N_ELEMENTS (fields); i++)
    {
      g_autoptr (GByteArray) archive = g_byte_array_new ();

      append_text (archive, "a", "one");
      append_header (archive, "b", '0', fields[i], "ustar  ", "");
      append_data (archive, "one", 3);
      assert_refused (archive, MTV_ERROR_BAD_DATA,
                      "'web.ova' has a header without a valid size at byte 1024");
    }

  g_autoptr (GByteArray) archive = g_byte_array_new ();
  append_pax (archive, 'x', "size", "-4");
  append_text (archive, "a", "one");
  assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' has a pax header with the size '-4'");

  g_byte_array_set_size (archive, 0);
  append_pax (archive, 'x', "size", "\xff"); /* messages stay fit for the bus */
  append_text (archive, "a", "one");
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' has a pax header with the size '\xef\xbf\xbd'");
}

static void
test_truncated (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autofree char *data = g_strnfill (5000, 'x');

  append_text (archive, "web.ovf", "<Envelope/>");
  append_text (archive, "disk.vmdk", data);
  g_byte_array_set_size (archive, 4000);
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' is truncated: it ends at byte 4000, within member 'disk.vmdk' that "
                  "begins at byte 1536 and has 5000 bytes");
  g_byte_array_set_size (archive, 1100);
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' is truncated: it ends at byte 1100, within a header");
  g_byte_array_set_size (archive, 0);
  assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' is empty");

  append_pax (archive, 'x', "path", "name");
  g_byte_array_set_size (archive, 515);
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' is truncated: it ends at byte 515, within member 'pax' that begins at "
                  "byte 512 and has 13 bytes");
}

static void
test_damaged (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autofree char *noise = g_strnfill (2048, '#');

  append_text (archive, "a", "one");
  append_text (archive, "b", "two");
  archive->data[1024 + 3] ^= 1;
  assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' has a broken header at byte 1024");

  g_byte_array_set_size (archive, 0);
  g_byte_array_append (archive, (guint8 *) noise, 2048);
  assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' is not a tar archive");
}

static void
test_two_of_a_name (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();

  append_text (archive, "disk.vmdk", "one");
  append_text (archive, "./disk.vmdk", "two");
  assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' has two members of the name 'disk.vmdk'");
}

static void
test_sparse (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  const char *message = "Member 'disk.raw' of 'web.ova' is stored sparse: pack the archive without "
                        "--sparse";

  append (archive, "disk.raw", 'S', "one", 3);
  assert_refused (archive, MTV_ERROR_UNSUPPORTED, message);

  g_byte_array_set_size (archive, 0);
  append_pax (archive, 'x', "GNU.sparse.major", "1");
  append_text (archive, "disk.raw", "one");
  assert_refused (archive, MTV_ERROR_UNSUPPORTED, message);
}

/* Names that lead out of the archive, and links, are there but cannot be had by name. */
static void
test_unusable (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  append_text (archive, "/etc/passwd", "root");
  append_text (archive, "../disk.vmdk", "up");
  append (archive, "link.vmdk", '2', NULL, 0);
  append (archive, "device", '3', NULL, 0);
  append_text (archive, "good", "x");

  g_autoptr (MtvTar) tar = open_archive (archive, &error);
  g_assert_no_error (error);
  assert_text (archive, tar, "good", "x");
  g_assert_null (mtv_tar_find (tar, "etc/passwd", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (mtv_tar_find (tar, "disk.vmdk", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_clear_error (&error);
  g_assert_null (mtv_tar_find (tar, "link.vmdk", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_cmpstr (error->message, ==, "'link.vmdk' in 'web.ova' is a link, not a file");
  g_clear_error (&error);
  g_assert_null (mtv_tar_find (tar, "device", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
}

static void
test_limits (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autofree char *huge = g_strnfill (2 * 1024 * 1024, 'n');
  g_autofree char *name = g_strnfill (5000, 'n');

  append (archive, "././@LongLink", 'L', name, 5000);
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' has an extended header of 5000 bytes at byte 512, more than 4097");

  g_byte_array_set_size (archive, 0);
  append_pax (archive, 'x', "path", name);
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' has a name of 5000 bytes, more than 4096");

  g_byte_array_set_size (archive, 0);
  append (archive, "pax", 'x', huge, 2 * 1024 * 1024);
  assert_refused (archive, MTV_ERROR_BAD_DATA,
                  "'web.ova' has an extended header of 2097152 bytes at byte 512, more than "
                  "1048576");

  g_byte_array_set_size (archive, 0);
  for (guint i = 0; i <= 100000; i++)
    {
      g_autofree char *unique = g_strdup_printf ("m%u", i);
      append (archive, unique, '0', NULL, 0);
    }
  assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' has more than 100000 members");
}

static void
test_broken_pax (void)
{
  static const char *const records[] = { "9 path=a\nx", "99 path=a\n", "0 path=a\n", "path=a\n",
                                         "6 path\n",    "10 path=ab",  "3 \n" };

  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    {
      g_autoptr (GByteArray) archive = g_byte_array_new ();

      append (archive, "pax", 'x', records[i], strlen (records[i]));
      append_text (archive, "a", "one");
      assert_refused (archive, MTV_ERROR_BAD_DATA, "'web.ova' has a broken pax header at byte 512");
    }
}

static void
test_unreadable (void)
{
  g_autoptr (GByteArray) archive = g_byte_array_new ();
  g_autoptr (GError) error = NULL;

  append_text (archive, "a", "one");
  g_autoptr (GBytes) bytes = g_bytes_new (archive->data, archive->len);
  g_autoptr (BytesReader) reader = bytes_reader_new (bytes);
  bytes_reader_fail_at (reader, 10);
  g_assert_null (mtv_tar_new (MTV_READER (reader), "web.ova", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
}

static void
test_normalize (void)
{
  static const char *const bad[] = { "", ".", "./", "/a", "..", "a/../b", "../a", "a/.." };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_null (mtv_tar_normalize_name (bad[i]));
  g_autofree char *name = mtv_tar_normalize_name ("././a//b/./c..d/");
  g_assert_cmpstr (name, ==, "a/b/c..d");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/tar/plain", test_plain);
  g_test_add_func ("/tar/no-end-blocks", test_no_end_blocks);
  g_test_add_func ("/tar/long-names", test_long_names);
  g_test_add_func ("/tar/sizes", test_sizes);
  g_test_add_func ("/tar/bad-sizes", test_bad_sizes);
  g_test_add_func ("/tar/truncated", test_truncated);
  g_test_add_func ("/tar/damaged", test_damaged);
  g_test_add_func ("/tar/two-of-a-name", test_two_of_a_name);
  g_test_add_func ("/tar/sparse", test_sparse);
  g_test_add_func ("/tar/unusable", test_unusable);
  g_test_add_func ("/tar/limits", test_limits);
  g_test_add_func ("/tar/broken-pax", test_broken_pax);
  g_test_add_func ("/tar/unreadable", test_unreadable);
  g_test_add_func ("/tar/normalize", test_normalize);

  return g_test_run ();
}
