/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-fields.h"

#include "base/mtv-error.h"

typedef struct
{
  char *text;
  gboolean flag;
  guint small;
  guint64 large;
  GVariant *any;
  GPtrArray *children;
} Thing;

typedef struct
{
  char *name;
} Child;

static const MtvField child_fields[] = { MTV_FIELD (Child, name, "name", 's') };
static const MtvFields child_table = { child_fields, 1, sizeof (Child), NULL };
static guint n_cleared;

static const MtvField fields[] = {
  MTV_FIELD (Thing, text, "text", 's'),
  MTV_FIELD (Thing, flag, "flag", 'b'),
  MTV_FIELD (Thing, small, "small", 'u'),
  MTV_FIELD (Thing, large, "large", 't'),
  MTV_FIELD (Thing, any, "any", 'v'),
  MTV_FIELD_ARRAY (Thing, children, "children", child_table),
};

static void
count_clear (gpointer object)
{
  (void) object;
  n_cleared++;
}

static const MtvFields table = { fields, G_N_ELEMENTS (fields), sizeof (Thing), count_clear };

static GVariant *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *variant = g_variant_parse (G_VARIANT_TYPE_VARDICT, text, NULL, NULL, &error);

  g_assert_no_error (error);
  return variant;
}

static void
test_round_trip (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) variant
      = parse ("{'text': <'a'>, 'flag': <true>, 'small': <uint32 7>, 'large': <uint64 5000000000>,"
               " 'any': <['x', 'y']>, 'children': <[{'name': <'c'>}, {'name': <'d'>}]>}");
  Thing *thing = mtv_fields_from_variant (&table, variant, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (thing->text, ==, "a");
  g_assert_true (thing->flag);
  g_assert_cmpuint (thing->small, ==, 7);
  g_assert_cmpuint (thing->large, ==, 5000000000);
  g_assert_cmpstr (((Child *) g_ptr_array_index (thing->children, 1))->name, ==, "d");

  g_autoptr (GVariant) again = g_variant_ref_sink (mtv_fields_to_variant (&table, thing));
  g_assert_cmpvariant (again, variant);
  n_cleared = 0;
  mtv_fields_free (&table, thing);
  g_assert_cmpuint (n_cleared, ==, 1);
}

static void
test_empty (void)
{
  Thing *thing = mtv_fields_new (&table);

  thing->text = g_strdup ("");
  g_autoptr (GVariant) variant = g_variant_ref_sink (mtv_fields_to_variant (&table, thing));
  g_assert_cmpuint (g_variant_n_children (variant), ==, 0);
  g_assert_cmpuint (thing->children->len, ==, 0);
  mtv_fields_free (&table, thing);
  mtv_fields_free (&table, NULL);
}

static void
test_wrong_type (void)
{
  static const char *const wrong[]
      = { "{'text': <1>}", "{'large': <uint32 1>}", "{'children': <['x']>}",
          "{'text': <'a'>, 'children': <[{'name': <'c'>}, {'name': <true>}]>}" };
  static const char *const named[] = { "'text'", "'large'", "'children'", "'name'" };

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GVariant) variant = parse (wrong[i]);

      g_assert_null (mtv_fields_from_variant (&table, variant, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      g_assert_true (g_str_has_prefix (error->message, named[i]));
    }
}

static void
test_unknown_key (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) variant = parse ("{'of-a-later-version': <1>, 'small': <uint32 1>}");
  Thing *thing = mtv_fields_from_variant (&table, variant, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (thing->small, ==, 1);
  mtv_fields_free (&table, thing);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fields/round-trip", test_round_trip);
  g_test_add_func ("/fields/empty", test_empty);
  g_test_add_func ("/fields/wrong-type", test_wrong_type);
  g_test_add_func ("/fields/unknown-key", test_unknown_key);
  return g_test_run ();
}
