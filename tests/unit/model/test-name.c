/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-name.h"

#include <string.h>

#define X63 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

G_STATIC_ASSERT (sizeof X63 == 64);

static void
test_to_dns (void)
{
  static const char *const cases[][2] = {
    { "web", "web" },
    { "Web Server_1+2*3/4\\5", "web-server-1-2-3-4-5" },
    { "a--b", "a--b" },   /* good as it is */
    { "A--_ -b", "a-b" }, /* changed, so dashes collapse */
    { "-.web.-", "web" },
    { "a.-.b", "a.b" },
    { "a-.-b..c", "a.b.c" },
    { "w\303\244b(2)", "wb2" },
    { "../../etc/passwd", "etc-passwd" },
    { "two\nlines", "two-lines" },
    { X63 "y", X63 },
    { "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx.yy",
      "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *name = mtv_name_to_dns (cases[i][0]);

      g_assert_cmpstr (name, ==, cases[i][1]);
      g_assert_true (mtv_name_is_dns (name));
    }
}

static void
test_to_dns_of_nothing (void)
{
  g_autofree char *one = mtv_name_to_dns ("\346\227\245\346\234\254");
  g_autofree char *again = mtv_name_to_dns ("\346\227\245\346\234\254");
  g_autofree char *other = mtv_name_to_dns ("...");

  g_assert_true (g_regex_match_simple ("^vm-[a-z0-9]{4}$", one, 0, 0));
  g_assert_cmpstr (one, ==, again);
  g_assert_cmpstr (one, !=, other);
}

static void
test_is_dns (void)
{
  static const char *const bad[] = { "",     "-a", "a-",  ".a",  "a.",       "a..b", "a.-b",
                                     "a-.b", "A",  "a b", "a/b", "\303\244", X63 "x" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    g_assert_false (mtv_name_is_dns (bad[i]));
  g_assert_true (mtv_name_is_dns (X63));
  g_assert_true (mtv_name_is_dns ("a.b-2.c"));
}

static void
test_with_suffix (void)
{
  g_autofree char *name = mtv_name_with_suffix ("web");
  g_autofree char *longest = mtv_name_with_suffix (X63);
  g_autofree char *other = mtv_name_with_suffix (X63);

  g_assert_true (g_regex_match_simple ("^web-[a-z0-9]{4}$", name, 0, 0));
  g_assert_true (mtv_name_is_dns (longest));
  g_assert_cmpuint (strlen (longest), ==, 63);
  g_assert_cmpint (strncmp (longest, X63, 58), ==, 0);
  g_assert_cmpint (longest[58], ==, '-');
  g_assert_cmpstr (longest, !=, other);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/name/to-dns", test_to_dns);
  g_test_add_func ("/name/to-dns/nothing", test_to_dns_of_nothing);
  g_test_add_func ("/name/is-dns", test_is_dns);
  g_test_add_func ("/name/with-suffix", test_with_suffix);
  return g_test_run ();
}
