/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"

#include <errno.h>
#include <string.h>

static void
test_errno (void)
{
  static const struct
  {
    int errnum;
    MtvError code;
  } cases[] = {
    { ENOSPC, MTV_ERROR_NO_SPACE },          { EDQUOT, MTV_ERROR_NO_SPACE },
    { ENOENT, MTV_ERROR_NOT_FOUND },         { EEXIST, MTV_ERROR_EXISTS },
    { EACCES, MTV_ERROR_PERMISSION_DENIED }, { EROFS, MTV_ERROR_PERMISSION_DENIED },
    { ECONNREFUSED, MTV_ERROR_UNREACHABLE }, { EIO, MTV_ERROR_FAILED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autofree char *message
          = g_strdup_printf ("Cannot open 'a%%b': %s", g_strerror (cases[i].errnum));

      mtv_error_set_errno (&error, cases[i].errnum, "Cannot open '%s'", "a%b");
      g_assert_error (error, MTV_ERROR, (gint) cases[i].code);
      g_assert_cmpstr (error->message, ==, message);
    }
}

static void
test_normalize (void)
{
  g_autoptr (GError) own = mtv_error_normalize (g_error_new (MTV_ERROR, MTV_ERROR_IN_USE, "a"));
  g_autoptr (GError) io = mtv_error_normalize (g_error_new (G_IO_ERROR, G_IO_ERROR_CANCELLED, "b"));
  g_autoptr (GError) foreign
      = mtv_error_normalize (g_error_new (G_MARKUP_ERROR, G_MARKUP_ERROR_PARSE, "c"));

  g_assert_error (own, MTV_ERROR, MTV_ERROR_IN_USE);
  g_assert_error (io, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_assert_error (foreign, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_cmpstr (foreign->message, ==, "c");
}

static void
test_names (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (int code = 0; code < MTV_N_ERRORS; code++)
    {
      g_autoptr (GError) error = g_error_new (MTV_ERROR, code, "the text");
      char *name = mtv_error_get_name (error);
      g_autoptr (GError) again = mtv_error_new_for_name (name, error->message);

      g_assert_error (again, MTV_ERROR, code);
      g_assert_cmpstr (again->message, ==, "the text");
      g_assert_true (g_dbus_is_interface_name (name));
      g_assert_true (g_hash_table_add (seen, name));
    }

  g_autoptr (GError) unknown = mtv_error_new_for_name ("org.example.Nothing", "x");
  g_assert_error (unknown, MTV_ERROR, MTV_ERROR_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/error/errno", test_errno);
  g_test_add_func ("/error/normalize", test_normalize);
  g_test_add_func ("/error/names", test_names);
  return g_test_run ();
}
