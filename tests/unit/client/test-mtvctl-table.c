/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-table.h"

#include <locale.h>

static const MtvctlColumn columns[] = {
  { "NAME", 0, 6, 0 },
  { "SIZE", MTVCTL_COLUMN_RIGHT, 0, 0 },
  { "STATE", 0, 0, 2 },
  { "PATH", MTVCTL_COLUMN_MIDDLE, 8, 1 },
};

static char *
render (guint width, gboolean colour, gboolean header)
{
  g_autoptr (MtvctlTable) table = mtvctl_table_new (columns, G_N_ELEMENTS (columns));
  MtvctlTerminal terminal = { .width = width, .colour = colour, .utf8 = TRUE };
  GString *out = g_string_new (NULL);

  mtvctl_table_add (table, "東京-web-server");
  mtvctl_table_add_number (table, 12);
  mtvctl_table_add_state (table, "failed");
  mtvctl_table_add (table, "/srv/exports/web.ova");
  mtvctl_table_add (table, "a\nb");
  mtvctl_table_add (table, NULL);
  mtvctl_table_add_state (table, "unheard-of");
  mtvctl_table_add (table, "");
  g_assert_cmpuint (mtvctl_table_get_n_rows (table), ==, 2);
  mtvctl_table_render (table, &terminal, header, out);
  return g_string_free (out, FALSE);
}

static void
test_wide (void)
{
  g_autofree char *out = render (0, FALSE, TRUE);

  g_assert_cmpstr (out, ==,
                   "NAME            SIZE STATE      PATH\n"
                   "東京-web-server   12 failed     /srv/exports/web.ova\n"
                   "a\\x0ab             - unheard-of -\n");
}

static void
test_shrunk (void)
{
  g_autofree char *out = render (40, FALSE, FALSE);

  g_assert_cmpstr (out, ==,
                   "東京-web-se… 12 failed     /srv/e…eb.ova\n"
                   "a\\x0ab        - unheard-of -\n");
}

/* Where cutting does not do, whole columns go: the highest rank first. */
static void
test_dropped (void)
{
  g_autofree char *narrow = render (24, FALSE, TRUE);
  g_autofree char *tiny = render (12, FALSE, TRUE);

  g_assert_cmpstr (narrow, ==,
                   "NAME      SIZE PATH\n"
                   "東京-web…   12 /srv….ova\n"
                   "a\\x0ab       - -\n");
  g_assert_cmpstr (tiny, ==,
                   "NAME    SIZE\n"
                   "東京-w…   12\n"
                   "a\\x0ab     -\n");
}

static void
test_colour (void)
{
  g_autofree char *out = render (0, TRUE, TRUE);

  g_assert_nonnull (strstr (out, "\033[4mNAME "));
  g_assert_nonnull (strstr (out, "PATH\033[0m\n"));
  g_assert_nonnull (strstr (out, " \033[0;31mfailed\033[0m     /srv"));
  g_assert_nonnull (strstr (out, " unheard-of "));
}

static void
test_fields (void)
{
  g_autoptr (MtvctlFields) fields = mtvctl_fields_new ();
  g_autoptr (GString) out = g_string_new (NULL);
  MtvctlTerminal terminal = { 0 };

  mtvctl_fields_add (fields, "Name", "web\033");
  mtvctl_fields_add (fields, "Nothing", "");
  mtvctl_fields_add (fields, "Nothing", NULL);
  mtvctl_fields_take (fields, "Größe", g_strdup ("5"));
  mtvctl_fields_add_state (fields, "State", "ready");
  mtvctl_fields_render (fields, &terminal, out);
  g_assert_cmpstr (out->str, ==, " Name: web\\x1b\nGröße: 5\nState: ready\n");
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/mtvctl-table/wide", test_wide);
  g_test_add_func ("/mtvctl-table/shrunk", test_shrunk);
  g_test_add_func ("/mtvctl-table/dropped", test_dropped);
  g_test_add_func ("/mtvctl-table/colour", test_colour);
  g_test_add_func ("/mtvctl-table/fields", test_fields);
  return g_test_run ();
}
