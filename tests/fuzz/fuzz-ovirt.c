/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/ovirt/mtv-ovirt-imageio.h"
#include "provider/ovirt/mtv-ovirt-inventory.h"

#define SIZE (1024 * 1024)

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* What is taken for extents comes in order, and lies in the disk. */
static void
try_extents (const char *text, gsize length, gboolean dirty)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) extents
      = mtv_ovirt_imageio_parse_extents (text, length, dirty, SIZE, "disk", &error);
  guint64 at = 0;

  if (extents == NULL)
    {
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      return;
    }
  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_true (dirty ? extent->offset >= at : extent->offset == at);
      g_assert_cmpuint (extent->length, >, 0);
      at = extent->offset + extent->length;
      g_assert_cmpuint (at, <=, SIZE);
    }
}

static void
fill (GHashTable *table, JsonObject *object, const char *name)
{
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);

  for (guint i = 0; i < mtv_ovirt_count (object, name); i++)
    if (mtv_ovirt_item (object, name, i) != NULL)
      g_ptr_array_add (
          items, json_node_init_object (json_node_alloc (), mtv_ovirt_item (object, name, i)));
  mtv_ovirt_world_add (table, items);
}

/* Whatever a VM is said to be can be kept, and is the same afterwards. */
static void
try_world (JsonObject *object)
{
  g_autoptr (MtvOvirtWorld) world = mtv_ovirt_world_new ();

  fill (world->clusters, object, "cluster");
  fill (world->hosts, object, "host");
  fill (world->disks, object, "disk");
  fill (world->networks, object, "network");
  fill (world->profiles, object, "vnic_profile");
  fill (world->domains, object, "storage_domain");
  for (guint i = 0; i < mtv_ovirt_count (object, "vm"); i++)
    {
      JsonObject *json = mtv_ovirt_item (object, "vm", i);
      g_autoptr (MtvVm) vm = json == NULL ? NULL : mtv_ovirt_vm_parse (json, world);
      g_autoptr (GPtrArray) concerns = mtv_concerns_new ();

      if (vm == NULL)
        continue;
      g_autoptr (GVariant) kept = g_variant_ref_sink (mtv_vm_to_variant (vm));
      g_autoptr (MtvVm) again = mtv_vm_from_variant (kept, NULL);
      g_assert_nonnull (again);
      g_assert_cmpstr (again->name, ==, vm->name);
      mtv_ovirt_check_warm (json, world, concerns);
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (JsonParser) parser = json_parser_new ();

  try_extents ((const char *) data, size, FALSE);
  try_extents ((const char *) data, size, TRUE);
  if (json_parser_load_from_data (parser, (const char *) data, (gssize) size, NULL)
      && json_parser_get_root (parser) != NULL
      && JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    try_world (json_node_get_object (json_parser_get_root (parser)));
  return 0;
}
