/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Without libFuzzer: gives a fuzz target every file of a folder, once. */

#include <glib.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

int
main (int argc, char *argv[])
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) folder = argc == 2 ? g_dir_open (argv[1], 0, &error) : NULL;
  guint n = 0;

  if (!folder)
    {
      g_printerr ("Usage: %s FOLDER (%s)\n", argv[0], error ? error->message : "one argument");
      return 2;
    }
  for (const char *name = g_dir_read_name (folder); name; name = g_dir_read_name (folder))
    {
      g_autofree char *path = g_build_filename (argv[1], name, NULL);
      char *contents;
      gsize length;

      if (!g_file_get_contents (path, &contents, &length, &error))
        {
          g_printerr ("%s\n", error->message);
          return 1;
        }
      /* Of exactly this size, so that the sanitizers see the end of it. */
      g_autofree guint8 *copy = g_memdup2 (contents, length);
      g_free (contents);
      LLVMFuzzerTestOneInput (copy, length);
      n++;
    }
  g_print ("%u inputs\n", n);
  return n > 0 ? 0 : 1;
}
