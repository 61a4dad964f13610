/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-text.h"

#include <json-glib/json-glib.h>
#include <string.h>

#define HOSTILE "<&'\"]]>\n- a: {b}\t# \302\205\342\200\250 \346\227\245\\ ../x: \"%s\" &amp;"

static void
test_quote (void)
{
  static const char *const texts[] = { "", "plain", "yes", "null", "1e3", HOSTILE, "\001\033\177" };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      g_autofree char *quoted = mtv_text_quote (texts[i]);
      g_autoptr (JsonNode) node = json_from_string (quoted, NULL);

      g_assert_nonnull (node);
      g_assert_cmpstr (json_node_get_string (node), ==, texts[i]);
      g_assert_null (strchr (quoted, '\n'));
    }
}

static void
test_quote_exactly (void)
{
  g_autofree char *none = mtv_text_quote (NULL);
  g_autofree char *special = mtv_text_quote ("a\"\\\n\302\205\342\200\250\357\273\277\303\244");
  g_autofree char *broken = mtv_text_quote ("a\377z");

  g_assert_cmpstr (none, ==, "null");
  g_assert_cmpstr (special, ==, "\"a\\\"\\\\\\u000a\\u0085\\u2028\\ufeff\303\244\"");
  g_assert_cmpstr (broken, ==, "\"a\357\277\275z\"");
}

static void
test_one_line (void)
{
  g_autofree char *line = mtv_text_one_line ("a\n\001b\357\277\277c\303\244<\377");

  g_assert_cmpstr (line, ==, "a  b c\303\244<\357\277\275");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/text/quote", test_quote);
  g_test_add_func ("/text/quote/exactly", test_quote_exactly);
  g_test_add_func ("/text/one-line", test_one_line);
  return g_test_run ();
}
