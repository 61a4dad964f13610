/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-json.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

static gboolean
skip (const char *text, GError **error)
{
  g_autoptr (MtvJson) json = mtv_json_new_for_text (text, strlen (text), "'x'");

  mtv_json_skip (json);
  return mtv_json_end (json, error);
}

/* Whatever it is, it is read as another parser reads it. */
static void
test_skip (void)
{
  static const char *const whole[] = { "{}",
                                       " [ ] ",
                                       "null",
                                       "true",
                                       "false",
                                       "0",
                                       "-0.5e+7",
                                       "12E3",
                                       "\"\"",
                                       "\"\\u00e4\\ud83d\\ude00\\n\\/\\\\\\\"\"",
                                       "{\"a\": [1, {\"b\": null}], \"\": [[]]}\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (whole); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (JsonNode) node G_GNUC_UNUSED = json_from_string (whole[i], &error);

      g_assert_no_error (error);
      g_assert_true (skip (whole[i], &error));
      g_assert_no_error (error);
    }
}

static void
test_mistakes (void)
{
  static const struct
  {
    const char *text;
    const char *message;
  } cases[] = {
    { "", "'x', line 1: no value" },
    { "\n\n[1,]", "'x', line 3, '[1]': no value" },
    { "[1 2]", "'x', line 1, '[0]': neither ',' nor ']' follows" },
    { "[", "'x', line 1, '[0]': no value" },
    { "[1", "'x', line 1, '[0]': neither ',' nor ']' follows" },
    { "{\"a\" 1}", "'x', line 1, 'a': no ':' follows" },
    { "{\"a\": {\"b\": [null, nul]}}", "'x', line 1, 'a.b[1]': no value" },
    { "{\"a\": 1,}", "'x', line 1: not a string" },
    { "{a: 1}", "'x', line 1: not a string" },
    { "1 1", "'x', line 1: more follows the end" },
    { "01", "'x', line 1: no value" },
    { "1.", "'x', line 1: no value" },
    { "+1", "'x', line 1: no value" },
    { ".5", "'x', line 1: no value" },
    { "1e", "'x', line 1: no value" },
    { "--1", "'x', line 1: no value" },
    { "tru", "'x', line 1: no value" },
    { "\"a", "'x', line 1: a string does not end" },
    { "\"a\nb\"", "'x', line 2: a string does not end" },
    { "\"\\x\"", "'x', line 1: a string has an escape that means nothing" },
    { "\"\\u00g0\"", "'x', line 1: a string has an escape that means nothing" },
    { "\"\\u0000\"", "'x', line 1: a string has an escape that means nothing" },
    { "\"\\ud83d\"", "'x', line 1: a string has an escape that means nothing" },
    { "\"\\ud83d\\u0041\"", "'x', line 1: a string has an escape that means nothing" },
    { "\"\\ude00\"", "'x', line 1: a string has an escape that means nothing" },
    { "\"\377\"", "'x', line 1: a string is not UTF-8" },
    { "{\"a\\n\377\": 1}", "'x', line 1, 'a \357\277\275': a string is not UTF-8" },
    { "[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]",
      "'x', line 1, '[0][0][0][0][0][0][0][0][0][0][0][0][0][0][0][0]': nested too deeply" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (skip (cases[i].text, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      g_assert_cmpstr (error->message, ==, cases[i].message);
    }
}

static void
test_limits (void)
{
  g_autofree char *a = g_strnfill (1024 * 1024, 'a');
  g_autofree char *longest = g_strdup_printf ("\"%s\"", a);
  g_autofree char *longer = g_strdup_printf ("\"%sa\"", a);
  g_autofree char *name = g_strdup_printf ("{\"%.256s\": 1}", a);
  g_autofree char *digits = g_strnfill (100000, '1');
  g_autoptr (GError) error = NULL;

  g_assert_true (skip (longest, &error));
  g_assert_false (skip (longer, &error));
  g_assert_cmpstr (error->message, ==, "'x', line 1: a string is longer than 1048576 bytes");
  g_clear_error (&error);
  g_assert_false (skip (name, &error));
  g_assert_nonnull (strstr (error->message, "a string is longer than 255 bytes"));
  g_clear_error (&error);
  g_assert_false (skip (digits, &error));
  g_assert_cmpstr (error->message, ==, "'x', line 1: no value");
}

/* One mistake is told, and after it nothing is found any more. */
static void
test_first (void)
{
  const char *text = "{\"n\": 18446744073709551615,\n\"m\": 18446744073709551616, \"o\": 1}";
  g_autoptr (MtvJson) json = mtv_json_new_for_text (text, strlen (text), "'x'");
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_json_begin (json, '{'));
  g_assert_cmpstr (mtv_json_next_member (json), ==, "n");
  g_assert_cmpuint (mtv_json_get_number (json), ==, G_MAXUINT64);
  g_assert_cmpstr (mtv_json_next_member (json), ==, "m");
  g_assert_cmpuint (mtv_json_get_number (json), ==, 0);
  g_assert_null (mtv_json_next_member (json));
  g_assert_null (mtv_json_get_string (json));
  g_assert_false (mtv_json_begin (json, '['));
  g_assert_false (mtv_json_next_item (json));
  mtv_json_skip (json);
  mtv_json_refuse (json, "another");
  g_assert_false (mtv_json_end (json, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_cmpstr (error->message, ==, "'x', line 2, 'm': not a whole number below 2^64");
}

static void
test_values (void)
{
  const char *text = "{\"\\u0061\": [null, \"\\ud83d\\ude00\\b\\t\", -1]}";
  g_autoptr (MtvJson) json = mtv_json_new_for_text (text, strlen (text), "'x'");
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_json_begin (json, '{'));
  g_assert_cmpstr (mtv_json_next_member (json), ==, "a");
  g_assert_true (mtv_json_begin (json, '['));
  g_assert_true (mtv_json_next_item (json));
  g_assert_null (mtv_json_get_string (json));
  g_assert_true (mtv_json_next_item (json));
  g_assert_cmpstr (mtv_json_get_string (json), ==, "\360\237\230\200\b\t");
  g_assert_true (mtv_json_next_item (json));
  mtv_json_get_number (json);
  g_assert_false (mtv_json_end (json, &error));
  g_assert_cmpstr (error->message, ==, "'x', line 1, 'a[2]': not a whole number below 2^64");
}

/* Of a file, tokens may lie across what is read at once. */
static void
test_file (void)
{
  g_autoptr (GString) text = g_string_new ("[\"\"");
  g_autofree char *path = NULL;
  g_autoptr (GError) error = NULL;
  guint n = 0;

  for (guint i = 0; i < 50000; i++)
    g_string_append (text, ", \"abcdefgh\"");
  g_string_append (text, "]");
  int fd = g_file_open_tmp ("mtv-json-XXXXXX", &path, &error);
  g_assert_no_error (error);
  g_assert_cmpint (write (fd, text->str, text->len), ==, text->len);

  g_autoptr (MtvJson) json = mtv_json_new_for_file (fd, "'x'");
  g_assert_true (mtv_json_begin (json, '['));
  for (; mtv_json_next_item (json); n++)
    g_assert_cmpstr (mtv_json_get_string (json), ==, n == 0 ? "" : "abcdefgh");
  g_assert_true (mtv_json_end (json, &error));
  g_assert_cmpuint (n, ==, 50001);
  close (fd);
  g_unlink (path);
}

static void
test_unreadable (void)
{
  int fd = open ("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (MtvJson) json = mtv_json_new_for_file (fd, "'x'");
  g_autoptr (GError) error = NULL;

  mtv_json_skip (json);
  g_assert_false (mtv_json_end (json, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_true (g_str_has_prefix (error->message, "Cannot read 'x': "));
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/json/skip", test_skip);
  g_test_add_func ("/json/mistakes", test_mistakes);
  g_test_add_func ("/json/limits", test_limits);
  g_test_add_func ("/json/first", test_first);
  g_test_add_func ("/json/values", test_values);
  g_test_add_func ("/json/file", test_file);
  g_test_add_func ("/json/unreadable", test_unreadable);
  return g_test_run ();
}
