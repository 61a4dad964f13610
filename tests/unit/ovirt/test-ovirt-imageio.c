/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-imageio.h"

#include "base/mtv-error.h"

#include <string.h>

static GArray *
parse (const char *text, gboolean dirty, guint64 size, GError **error)
{
  return mtv_ovirt_imageio_parse_extents (text, strlen (text), dirty, size, "disk 'a'", error);
}

static void
assert_extent (GArray *extents, guint index, guint64 offset, guint64 length, gboolean zero)
{
  const MtvExtent *extent = &g_array_index (extents, MtvExtent, index);

  g_assert_cmpuint (extent->offset, ==, offset);
  g_assert_cmpuint (extent->length, ==, length);
  g_assert_cmpint (extent->zero, ==, zero);
}

static void
test_zero (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents
      = parse ("[{\"start\":0,\"length\":65536,\"zero\":false,\"hole\":false},"
               "{\"start\":65536,\"length\":1048576,\"zero\":true,\"hole\":true,\"new\":[1,{}]},"
               "{\"start\":1114112,\"length\":512}]",
               FALSE, 1114624, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (extents->len, ==, 3);
  assert_extent (extents, 0, 0, 65536, FALSE);
  assert_extent (extents, 1, 65536, 1048576, TRUE);
  assert_extent (extents, 2, 1114112, 512, FALSE);
}

static void
test_dirty (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents
      = parse ("[{\"start\":0,\"length\":65536,\"dirty\":false,\"zero\":false},"
               "{\"start\":65536,\"length\":65536,\"dirty\":true,\"zero\":true},"
               "{\"start\":131072,\"length\":65536,\"dirty\":true,\"zero\":false},"
               "{\"start\":196608,\"length\":65536,\"dirty\":false,\"zero\":true}]",
               TRUE, 262144, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (extents->len, ==, 2);
  assert_extent (extents, 0, 65536, 65536, TRUE);
  assert_extent (extents, 1, 131072, 65536, FALSE);
}

static void
test_nonsense (void)
{
  static const char *const bad[] = {
    "",
    "{}",
    "[",
    "[{\"start\":0,\"length\":65536}]",                                    /* ends too early */
    "[{\"start\":0,\"length\":65536},{\"start\":65536,\"length\":65537}]", /* too late */
    "[{\"start\":0,\"length\":0},{\"start\":0,\"length\":131072}]",
    "[{\"start\":512,\"length\":130560}]",
    "[{\"start\":0,\"length\":131072},{\"start\":0,\"length\":131072}]",
    "[{\"start\":0,\"length\":18446744073709551615}]",
    "[{\"start\":-1,\"length\":131072}]",
    "[{\"start\":0,\"length\":131072,\"zero\":\"no\"}]",
    "[{\"start\":0,\"length\":131072}] more",
    "[131072]",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (parse (bad[i], FALSE, 131072, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      g_assert_nonnull (strstr (error->message, "disk 'a'"));
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ovirt-imageio/extents/zero", test_zero);
  g_test_add_func ("/ovirt-imageio/extents/dirty", test_dirty);
  g_test_add_func ("/ovirt-imageio/extents/nonsense", test_nonsense);
  return g_test_run ();
}
