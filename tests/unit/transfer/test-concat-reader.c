/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-concat-reader.h"

#include "base/mtv-error.h"
#include "bytes-reader.h"

#include <string.h>

static const char *const pieces[] = { "abc", "", "defgh", "i" };

static MtvConcatReader *
make (guint64 size, guint bad_part)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; i < G_N_ELEMENTS (pieces); i++)
    {
      g_autoptr (GBytes) bytes = g_bytes_new_static (pieces[i], strlen (pieces[i]));
      BytesReader *part = bytes_reader_new (bytes);

      if (i == bad_part)
        bytes_reader_fail_at (part, 0);
      g_ptr_array_add (parts, part);
    }
  return mtv_concat_reader_new (parts, size);
}

static void
test_every_range (void)
{
  static const char whole[12] = "abcdefghi\0\0\0";
  g_autoptr (MtvConcatReader) concat = make (12, G_MAXUINT);
  MtvReader *reader = MTV_READER (concat);

  g_assert_cmpuint (mtv_reader_get_size (reader), ==, 12);
  for (guint start = 0; start <= 12; start++)
    for (guint length = 0; length <= 12 - start; length++)
      {
        g_autoptr (GError) error = NULL;
        char buffer[13];

        memset (buffer, '#', sizeof buffer);
        mtv_reader_read (reader, start, buffer, length, NULL, &error);
        g_assert_no_error (error);
        g_assert_cmpmem (buffer, length, whole + start, length);
        g_assert_cmpint (buffer[length], ==, '#');
      }
}

static void
test_extents (void)
{
  g_autoptr (MtvConcatReader) concat = make (12, G_MAXUINT);
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  static const MtvExtent expected[]
      = { { 2, 1, FALSE }, { 3, 5, FALSE }, { 8, 1, FALSE }, { 9, 2, TRUE } };

  g_assert_true (mtv_reader_extents (MTV_READER (concat), 2, 9, extents, NULL, NULL));
  g_assert_cmpuint (extents->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, expected[i].offset);
      g_assert_cmpuint (extent->length, ==, expected[i].length);
      g_assert_cmpint (extent->zero, ==, expected[i].zero);
    }
}

static void
test_size_of_parts (void)
{
  g_autoptr (MtvConcatReader) concat = make (0, G_MAXUINT);

  g_assert_cmpuint (mtv_reader_get_size (MTV_READER (concat)), ==, 9);
}

static void
test_error_of_a_part (void)
{
  g_autoptr (MtvConcatReader) concat = make (0, 2);
  g_autoptr (GError) error = NULL;
  char buffer[9];

  g_assert_true (mtv_reader_read (MTV_READER (concat), 0, buffer, 3, NULL, NULL));
  g_assert_false (mtv_reader_read (MTV_READER (concat), 0, buffer, 9, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_cmpstr (error->message, ==, "Cable pulled");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/concat-reader/every-range", test_every_range);
  g_test_add_func ("/concat-reader/extents", test_extents);
  g_test_add_func ("/concat-reader/size-of-parts", test_size_of_parts);
  g_test_add_func ("/concat-reader/error-of-a-part", test_error_of_a_part);
  return g_test_run ();
}
