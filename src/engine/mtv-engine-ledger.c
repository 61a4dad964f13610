/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-work.h"
#include "engine/mtv-engine-private.h"
#include "store/mtv-store-ledger.h"

/* The ledger is read from the store, where it is true; in memory there are only counts of it. */

typedef struct
{
  MtvStore *store; /* (owned) */
  guint offset, limit;
  GVariant *entries; /* (owned) (nullable) */
} Page;

static void
page_free (gpointer data)
{
  Page *page = data;

  g_object_unref (page->store);
  g_clear_pointer (&page->entries, g_variant_unref);
  g_free (page);
}

static gboolean
load_page (gpointer data, GCancellable *cancellable, GError **error)
{
  Page *page = data;
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("a(sussss)"));
  g_autoptr (GPtrArray) entries
      = mtv_store_ledger_load_all (page->store, page->offset, page->limit, error);

  (void) cancellable;
  for (guint i = 0; entries != NULL && i < entries->len; i++)
    {
      const MtvLedgerEntry *entry = g_ptr_array_index (entries, i);

      g_variant_builder_add (&builder, "(sussss)", entry->run_id, entry->number, entry->provider,
                             entry->kind, entry->key,
                             entry->remote_id != NULL ? entry->remote_id : "");
    }
  page->entries = g_variant_ref_sink (g_variant_builder_end (&builder));
  return entries != NULL;
}

void
mtv_engine_load_ledger_async (MtvEngine *self, guint offset, guint limit,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MTV_IS_ENGINE (self));

  Page *page = g_new0 (Page, 1);

  page->store = g_object_ref (self->context.store);
  page->offset = offset;
  page->limit = limit;
  mtv_work_async ("mtv-ledger", load_page, page, page_free, self, NULL, callback, user_data);
}

GVariant *
mtv_engine_load_ledger_finish (MtvEngine *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (MTV_IS_ENGINE (self), NULL);

  Page *page = mtv_work_get_data (result);

  return mtv_work_finish (result, error) ? g_steal_pointer (&page->entries) : NULL;
}
