/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-ledger.h"

#include "store/mtv-store-private.h"

void
mtv_ledger_entry_free (MtvLedgerEntry *self)
{
  g_free (self->run_id);
  g_free (self->provider);
  g_free (self->kind);
  g_free (self->key);
  g_free (self->remote_id);
  g_free (self);
}

void
mtv_store_ledger_intend (MtvStoreBatch *batch, const char *run_id, guint number,
                         const char *provider, const char *kind, const char *key)
{
  /* The ON CONFLICT of an upsert: OR IGNORE would also pass over what must not happen. */
  mtv_store_batch_add (batch,
                       "INSERT INTO ledger (run_id, number, provider, kind, key, remote_id)"
                       " VALUES (?, ?, ?, ?, ?, '')"
                       " ON CONFLICT (run_id, number, kind, key) DO NOTHING",
                       g_variant_new_string (run_id), g_variant_new_uint32 (number),
                       g_variant_new_string (provider), g_variant_new_string (kind),
                       g_variant_new_string (key), NULL);
}

void
mtv_store_ledger_note_id (MtvStoreBatch *batch, const char *run_id, guint number, const char *kind,
                          const char *key, const char *remote_id)
{
  mtv_store_batch_add (batch,
                       "UPDATE ledger SET remote_id = ?"
                       " WHERE run_id = ? AND number = ? AND kind = ? AND key = ?",
                       g_variant_new_string (remote_id), g_variant_new_string (run_id),
                       g_variant_new_uint32 (number), g_variant_new_string (kind),
                       g_variant_new_string (key), NULL);
}

void
mtv_store_ledger_strike (MtvStoreBatch *batch, const char *run_id, guint number, const char *kind,
                         const char *key)
{
  mtv_store_batch_add (batch,
                       "DELETE FROM ledger"
                       " WHERE run_id = ? AND number = ? AND kind = ? AND key = ?",
                       g_variant_new_string (run_id), g_variant_new_uint32 (number),
                       g_variant_new_string (kind), g_variant_new_string (key), NULL);
}

static gboolean
entry_row (GVariant *row, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  MtvLedgerEntry *entry = g_new0 (MtvLedgerEntry, 1);
  gint64 number;

  g_variant_get (row, "(xsxssss)", &entry->id, &entry->run_id, &number, &entry->provider,
                 &entry->kind, &entry->key, &entry->remote_id);
  entry->number = number;
  if (*entry->remote_id == '\0')
    g_clear_pointer (&entry->remote_id, g_free);
  g_ptr_array_add (user_data, entry);
  return TRUE;
}

/* @parameters: (transfer floating) */
static GPtrArray *
load (MtvStore *store, const char *sql, GVariant *parameters, GError **error)
{
  g_autoptr (GPtrArray) entries
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_ledger_entry_free);

  return mtv_store_foreach (store, sql, parameters, entry_row, entries, error)
             ? g_steal_pointer (&entries)
             : NULL;
}

#define COLUMNS "SELECT id, run_id, number, provider, kind, key, remote_id FROM ledger"

GPtrArray *
mtv_store_ledger_load (MtvStore *store, const char *run_id, guint number, GError **error)
{
  return load (store, COLUMNS " WHERE run_id = ? AND number = ? ORDER BY id DESC",
               g_variant_new ("(su)", run_id, number), error);
}

GPtrArray *
mtv_store_ledger_load_all (MtvStore *store, guint offset, guint limit, GError **error)
{
  return load (store, COLUMNS " ORDER BY id LIMIT ?2 OFFSET ?1",
               g_variant_new ("(uu)", offset, limit), error);
}
