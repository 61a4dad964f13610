/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-progress.h"

#include "store/mtv-store-private.h"

void
mtv_store_progress_add (MtvStoreBatch *batch, const char *run_id, guint number, guint disk,
                        GBytes *blocks)
{
  mtv_store_batch_add (
      batch, "INSERT INTO progress (run_id, number, disk, blocks) VALUES (?, ?, ?, ?)",
      g_variant_new_string (run_id), g_variant_new_uint32 (number), g_variant_new_uint32 (disk),
      g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, blocks, TRUE), NULL);
}

void
mtv_store_progress_clear (MtvStoreBatch *batch, const char *run_id, guint number)
{
  mtv_store_batch_add (batch, "DELETE FROM progress WHERE run_id = ? AND number = ?",
                       g_variant_new_string (run_id), g_variant_new_uint32 (number), NULL);
}

static gboolean
blocks_row (GVariant *row, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  g_autoptr (GVariant) blocks = g_variant_get_child_value (row, 0);

  g_ptr_array_add (user_data, g_variant_get_data_as_bytes (blocks));
  return TRUE;
}

GPtrArray *
mtv_store_progress_load (MtvStore *store, const char *run_id, guint number, guint disk,
                         GError **error)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  return mtv_store_foreach (store,
                            "SELECT blocks FROM progress"
                            " WHERE run_id = ? AND number = ? AND disk = ? ORDER BY seq",
                            g_variant_new ("(suu)", run_id, number, disk), blocks_row, pieces,
                            error)
             ? g_steal_pointer (&pieces)
             : NULL;
}
