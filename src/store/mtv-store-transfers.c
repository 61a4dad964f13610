/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-transfers.h"

#include "store/mtv-store-private.h"

void
mtv_store_transfer_void (MtvStoreBatch *batch, const char *destination)
{
  mtv_store_batch_add (batch, "DELETE FROM transfer WHERE destination = ?",
                       g_variant_new_string (destination), NULL);
}

void
mtv_store_transfer_remove (MtvStoreBatch *batch, const char *key)
{
  mtv_store_batch_add (batch, "DELETE FROM transfer WHERE key = ?", g_variant_new_string (key),
                       NULL);
}

void
mtv_store_transfer_begin (MtvStoreBatch *batch, const char *key, const char *destination,
                          guint64 time, gboolean keep)
{
  if (keep)
    {
      mtv_store_batch_add (batch, "UPDATE transfer SET time = ? WHERE key = ?",
                           g_variant_new_uint64 (time), g_variant_new_string (key), NULL);
      return;
    }
  mtv_store_transfer_remove (batch, key);
  mtv_store_transfer_void (batch, destination);
  mtv_store_batch_add (batch, "INSERT INTO transfer (key, destination, time) VALUES (?, ?, ?)",
                       g_variant_new_string (key), g_variant_new_string (destination),
                       g_variant_new_uint64 (time), NULL);
  mtv_store_batch_add (batch,
                       "DELETE FROM transfer WHERE id NOT IN"
                       " (SELECT id FROM transfer ORDER BY time DESC, id DESC LIMIT ?)",
                       g_variant_new_uint32 (MTV_STORE_MAX_TRANSFERS), NULL);
}

void
mtv_store_transfer_add (MtvStoreBatch *batch, const char *key, GBytes *blocks)
{
  /* Of a copy that was forgotten meanwhile for being the oldest, nothing is noted any more. */
  mtv_store_batch_add (batch,
                       "INSERT INTO transfer_progress (key, blocks)"
                       " SELECT key, ? FROM transfer WHERE key = ?",
                       g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, blocks, TRUE),
                       g_variant_new_string (key), NULL);
}

typedef struct
{
  GPtrArray *pieces; /* (unowned) */
  gboolean known;
} Load;

/* A copy that was begun has a row with an empty piece before its first checkpoint. */
static gboolean
piece_row (GVariant *row, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  Load *load = user_data;
  g_autoptr (GVariant) piece = g_variant_get_child_value (row, 0);
  GBytes *bytes = g_variant_get_data_as_bytes (piece);

  load->known = TRUE;
  if (g_bytes_get_size (bytes) > 0)
    g_ptr_array_add (load->pieces, bytes);
  else
    g_bytes_unref (bytes);
  return TRUE;
}

GPtrArray *
mtv_store_transfer_load (MtvStore *store, const char *key, const char *destination, gboolean *known,
                         GError **error)
{
  g_autoptr (GPtrArray) pieces = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  Load load = { pieces, FALSE };

  if (!mtv_store_foreach (store,
                          "SELECT coalesce (blocks, x'') FROM transfer"
                          " LEFT JOIN transfer_progress USING (key)"
                          " WHERE transfer.key = ? AND destination = ? ORDER BY seq",
                          g_variant_new ("(ss)", key, destination), piece_row, &load, error))
    return NULL;
  *known = load.known;
  return g_steal_pointer (&pieces);
}
