/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-objects.h"
#include "store/mtv-store-private.h"

/* 10 000 entries a run: the first, which says how it began, and the newest. */
#define KEPT_AFTER_FIRST "9999"

void
mtv_store_add_event (MtvStoreBatch *batch, guint64 time, const char *run_id, guint number,
                     const char *event, const char *text, guint32 uid)
{
  mtv_store_batch_add (batch,
                       "INSERT INTO event (run_id, seq, time, number, event, text, uid)"
                       " SELECT ?1, 1 + ifnull(max(seq), 0), ?2, ?3, ?4, ?5, ?6"
                       " FROM event WHERE run_id = ?1",
                       g_variant_new_string (run_id), g_variant_new_uint64 (time),
                       g_variant_new_uint32 (number), g_variant_new_string (event),
                       g_variant_new_string (text), g_variant_new_uint32 (uid), NULL);
  mtv_store_batch_add (batch,
                       "DELETE FROM event WHERE run_id = ?1 AND seq > 1 AND seq <="
                       " (SELECT max(seq) FROM event WHERE run_id = ?1) - " KEPT_AFTER_FIRST,
                       g_variant_new_string (run_id), NULL);
}

static gboolean
event_row (GVariant *row, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  GVariantDict entry;
  gint64 time, number, uid;
  const char *event, *text;

  g_variant_get (row, "(xx&s&sx)", &time, &number, &event, &text, &uid);
  g_variant_dict_init (&entry, NULL);
  g_variant_dict_insert (&entry, "time", "t", (guint64) time);
  if (number != 0)
    g_variant_dict_insert (&entry, "vm", "u", (guint) number);
  g_variant_dict_insert (&entry, "event", "s", event);
  g_variant_dict_insert (&entry, "text", "s", text);
  if (uid != G_MAXUINT32)
    g_variant_dict_insert (&entry, "uid", "u", (guint) uid);
  g_variant_builder_add_value (user_data, g_variant_dict_end (&entry));
  return TRUE;
}

GVariant *
mtv_store_load_events (MtvStore *store, const char *run_id, guint number, guint offset, guint limit,
                       GError **error)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  if (!mtv_store_foreach (store,
                          "SELECT time, number, event, text, uid FROM event"
                          " WHERE run_id = ?1 AND ?2 IN (0, number)"
                          " ORDER BY seq LIMIT ?4 OFFSET ?3",
                          g_variant_new ("(suuu)", run_id, number, offset, limit), event_row,
                          &builder, error))
    return NULL;
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
