/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-format.h"

#include <locale.h>
#include <string.h>

#define SECOND ((guint64) G_USEC_PER_SEC)
#define HOUR (3600 * SECOND)
#define DAY (24 * HOUR)

static void
take (char *got, const char *expected)
{
  g_assert_cmpstr (got, ==, expected);
  g_free (got);
}

static void
test_percent (void)
{
  g_assert_cmpuint (mtvctl_format_percent (0, 7), ==, 0);
  g_assert_cmpuint (mtvctl_format_percent (999999, 1000000), ==, 99);
  g_assert_cmpuint (mtvctl_format_percent (32112640, 32112640), ==, 100);
  g_assert_cmpuint (mtvctl_format_percent (8, 7), ==, 100);
}

static void
test_size (void)
{
  take (mtvctl_format_size (0), "0B");
  take (mtvctl_format_size (1023), "1023B");
  take (mtvctl_format_size (1024), "1.0K");
  take (mtvctl_format_size (1536), "1.5K");
  take (mtvctl_format_size (1024 * 1024 - 1), "1023.9K");
  take (mtvctl_format_size ((guint64) 5 << 30), "5.0G");
  take (mtvctl_format_size (G_MAXUINT64), "15.9E");
  take (mtvctl_format_rate (0), "-");
  take (mtvctl_format_rate (110 << 20), "110.0M/s");
}

static void
test_span (void)
{
  take (mtvctl_format_span (0), "0");
  take (mtvctl_format_span (12000), "12ms");
  take (mtvctl_format_span (59 * SECOND), "59s");
  take (mtvctl_format_span (252 * SECOND + 7000), "4min 12s");
  take (mtvctl_format_span (2 * HOUR), "2h");
  take (mtvctl_format_span (2 * HOUR + 5 * SECOND), "2h");
  take (mtvctl_format_span (26 * HOUR + 90 * SECOND), "1d 2h");
}

static void
test_time (void)
{
  guint64 now = 100 * 365 * DAY;

  take (mtvctl_format_time (0), "-");
  take (mtvctl_format_ago (0, now), "-");
  take (mtvctl_format_ago (now, now), "now");
  take (mtvctl_format_ago (now + HOUR, now), "now"); /* a clock that is a little behind */
  take (mtvctl_format_ago (now - 72 * SECOND, now), "1min 12s ago");
}

static void
test_rate (void)
{
  static const char *const bad[] = { "", "x", "-1", "0", "200MB", "1 M", "1e30", "0.2" };
  guint64 rate = 0;

  g_assert_true (mtvctl_parse_rate ("200M", &rate, NULL));
  g_assert_cmpuint (rate, ==, 200 << 20);
  g_assert_true (mtvctl_parse_rate ("1.5k", &rate, NULL));
  g_assert_cmpuint (rate, ==, 1536);
  g_assert_true (mtvctl_parse_rate ("4096", &rate, NULL));
  g_assert_cmpuint (rate, ==, 4096);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_false (mtvctl_parse_rate (bad[i], &rate, &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
      g_assert_nonnull (strstr (error->message, bad[i]));
    }
}

static void
test_escape (void)
{
  take (mtvctl_escape ("plain"), "plain");
  take (mtvctl_escape ("Büro 東京"), "Büro 東京");
  take (mtvctl_escape ("a\033[2Jb\n\r\tc\177"), "a\\x1b[2Jb\\x0a\\x0d\\x09c\\x7f");
  take (mtvctl_escape ("\xc2\x9b"
                       "31m"),
        "\\x9b31m"); /* the one-character CSI */
  take (mtvctl_escape ("\xe2\x80\xae"
                       "x"),
        "\\u202ex");
  take (mtvctl_escape ("\xff\xc3"), "\\xff\\xc3");
}

static void
test_ellipsize (void)
{
  g_assert_cmpuint (mtvctl_width ("東京"), ==, 4);
  g_assert_cmpuint (mtvctl_width ("e\xcc\x81"), ==, 1);
  take (mtvctl_ellipsize ("short", 5, FALSE), "short");
  take (mtvctl_ellipsize ("longer", 5, FALSE), "long…");
  take (mtvctl_ellipsize ("/srv/exports/web.ova", 11, TRUE), "/srv/…b.ova");
  take (mtvctl_ellipsize ("東京都庁", 6, FALSE), "東京…");
  take (mtvctl_ellipsize ("東京都庁", 5, FALSE), "東京…");
  take (mtvctl_ellipsize ("x東京都庁", 6, TRUE), "x東…庁");
  take (mtvctl_ellipsize ("abc", 1, TRUE), "…");
  take (mtvctl_ellipsize ("abc", 0, FALSE), "");
}

static void
test_wrap (void)
{
  take (mtvctl_wrap ("one two three", 0, "  "), "  one two three");
  take (mtvctl_wrap ("one two three", 9, "  "), "  one two\n  three");
  take (mtvctl_wrap ("one two three", 8, "  "), "  one\n  two\n  three");
  take (mtvctl_wrap ("unbreakable x", 4, ""), "unbreakable\nx");
  take (mtvctl_wrap ("東京 x", 6, ""), "東京 x");
  take (mtvctl_wrap ("", 10, "> "), "> ");
}

static void
test_closest (void)
{
  static const char *const names[] = { "provider", "plan", "vm", "migration", NULL };

  g_assert_cmpstr (mtvctl_closest ("prowider", names), ==, "provider");
  g_assert_cmpstr (mtvctl_closest ("plna", names), ==, "plan");
  g_assert_null (mtvctl_closest ("zzz", names));
  g_assert_null (mtvctl_closest ("xy", names));
  g_assert_null (mtvctl_closest ("", names));
}

static void
test_kebab (void)
{
  take (mtvctl_kebab ("VirtualMachineCount"), "virtual-machine-count");
  take (mtvctl_kebab ("Name"), "name");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mtvctl-format/percent", test_percent);
  g_test_add_func ("/mtvctl-format/size", test_size);
  g_test_add_func ("/mtvctl-format/span", test_span);
  g_test_add_func ("/mtvctl-format/time", test_time);
  g_test_add_func ("/mtvctl-format/rate", test_rate);
  g_test_add_func ("/mtvctl-format/escape", test_escape);
  g_test_add_func ("/mtvctl-format/ellipsize", test_ellipsize);
  g_test_add_func ("/mtvctl-format/wrap", test_wrap);
  g_test_add_func ("/mtvctl-format/closest", test_closest);
  g_test_add_func ("/mtvctl-format/kebab", test_kebab);
  return g_test_run ();
}
