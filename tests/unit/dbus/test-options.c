/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "dbus/mtv-options.h"

#include "base/mtv-error.h"

static const MtvOption known[]
    = { { "filter", "s" }, { "offset", "u" }, { "names", "a{ss}" }, { NULL, NULL } };

static gboolean
check (const char *text, const MtvOption *options, GError **error)
{
  g_autoptr (GError) parse = NULL;
  g_autoptr (GVariant) variant = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &parse);

  g_assert_no_error (parse);
  return mtv_options_check (variant, options, error);
}

static void
refused (const char *text, const MtvOption *options, const char *message)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (check (text, options, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, message);
}

static void
test_check (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (check ("{}", known, &error));
  g_assert_true (check ("{}", NULL, &error));
  g_assert_true (
      check ("{'offset': <uint32 7>, 'filter': <'x'>, 'names': <@a{ss} {}>}", known, &error));
  g_assert_no_error (error);

  refused ("{'filter': <'x'>, 'fliter': <'y'>}", known,
           "Unknown option 'fliter' (known: 'filter', 'offset', 'names')");
  refused ("{'wait': <true>}", NULL, "Unknown option 'wait' (there are no options here)");
  refused ("{'': <true>}", known, "Unknown option '' (known: 'filter', 'offset', 'names')");
  refused ("{'offset': <7>}", known, "Option 'offset' must be of type 'u', not 'i'");
  refused ("{'names': <{'a': <'b'>}>}", known,
           "Option 'names' must be of type 'a{ss}', not 'a{sv}'");
}

/* A dictionary in a message may say a thing twice; which of the two counts must not matter. */
static void
test_twice (void)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  g_autoptr (GError) error = NULL;

  g_variant_builder_add (&builder, "{sv}", "filter", g_variant_new_string ("a"));
  g_variant_builder_add (&builder, "{sv}", "filter", g_variant_new_string ("b"));
  g_autoptr (GVariant) options = g_variant_ref_sink (g_variant_builder_end (&builder));

  g_assert_false (mtv_options_check (options, known, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_cmpstr (error->message, ==, "Option 'filter' is given twice");
}

static void
page (const char *text, guint offset_expected, guint limit_expected)
{
  g_autoptr (GVariant) options = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, NULL);
  guint offset, limit;

  mtv_options_get_page (options, &offset, &limit);
  g_assert_cmpuint (offset, ==, offset_expected);
  g_assert_cmpuint (limit, ==, limit_expected);
}

static void
test_page (void)
{
  page ("{}", 0, 1000);
  page ("{'offset': <uint32 3000>}", 3000, 1000);
  page ("{'offset': <uint32 5>, 'limit': <uint32 10>}", 5, 10);
  page ("{'limit': <uint32 4294967295>}", 0, 1000);
  page ("{'limit': <uint32 0>}", 0, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/options/check", test_check);
  g_test_add_func ("/options/twice", test_twice);
  g_test_add_func ("/options/page", test_page);
  return g_test_run ();
}
