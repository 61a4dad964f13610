/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "store/mtv-store-private.h"

#include <glib/gstdio.h>

#define APPLICATION_ID 0x4d545644 /* "MTVD" */

/* Step n brings version n to n + 1. A step that was released is never changed. Columns beside a
 * body are for people and for order; the body is the truth. */
static const char *const steps[] = {
  "CREATE TABLE setting (key TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT;"
  "CREATE TABLE provider (id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL,"
  "  body BLOB NOT NULL) STRICT;"
  "CREATE TABLE inventory (provider_id TEXT PRIMARY KEY"
  "  REFERENCES provider (id) ON DELETE CASCADE, time INTEGER NOT NULL) STRICT;"
  "CREATE TABLE inventory_vm (provider_id TEXT NOT NULL"
  "  REFERENCES inventory (provider_id) ON DELETE CASCADE, position INTEGER NOT NULL,"
  "  id TEXT NOT NULL, name TEXT NOT NULL, body BLOB NOT NULL,"
  "  PRIMARY KEY (provider_id, position)) STRICT;"
  "CREATE TABLE plan (id TEXT PRIMARY KEY, name TEXT NOT NULL, created INTEGER NOT NULL,"
  "  body BLOB NOT NULL) STRICT;"
  "CREATE TABLE migration (id TEXT PRIMARY KEY, plan_name TEXT NOT NULL,"
  "  start_time INTEGER NOT NULL, end_time INTEGER NOT NULL, body BLOB NOT NULL) STRICT;"
  "CREATE TABLE job (run_id TEXT NOT NULL REFERENCES migration (id) ON DELETE CASCADE,"
  "  number INTEGER NOT NULL, name TEXT NOT NULL, state TEXT NOT NULL, body BLOB NOT NULL,"
  "  PRIMARY KEY (run_id, number)) STRICT;"
  "CREATE TABLE progress (seq INTEGER PRIMARY KEY, run_id TEXT NOT NULL, number INTEGER NOT NULL,"
  "  disk INTEGER NOT NULL, blocks BLOB NOT NULL,"
  "  FOREIGN KEY (run_id, number) REFERENCES job (run_id, number) ON DELETE CASCADE) STRICT;"
  "CREATE INDEX progress_by_disk ON progress (run_id, number, disk, seq);"
  "CREATE TABLE event (run_id TEXT NOT NULL REFERENCES migration (id) ON DELETE CASCADE,"
  "  seq INTEGER NOT NULL, time INTEGER NOT NULL, number INTEGER NOT NULL, event TEXT NOT NULL,"
  "  text TEXT NOT NULL, uid INTEGER NOT NULL, PRIMARY KEY (run_id, seq)) STRICT, WITHOUT ROWID;"
  /* No cascade: as long as something of a run may exist elsewhere, the run is not forgotten. */
  "CREATE TABLE ledger (id INTEGER PRIMARY KEY AUTOINCREMENT,"
  "  run_id TEXT NOT NULL REFERENCES migration (id), number INTEGER NOT NULL,"
  "  provider TEXT NOT NULL, kind TEXT NOT NULL, key TEXT NOT NULL, remote_id TEXT NOT NULL,"
  "  UNIQUE (run_id, number, kind, key)) STRICT;",
  /* Copies that did not come to their end: what of them is at the destination. */
  "CREATE TABLE transfer (id INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE,"
  "  destination TEXT NOT NULL UNIQUE, time INTEGER NOT NULL) STRICT;"
  "CREATE TABLE transfer_progress (seq INTEGER PRIMARY KEY, key TEXT NOT NULL"
  "  REFERENCES transfer (key) ON DELETE CASCADE, blocks BLOB NOT NULL) STRICT;"
  "CREATE INDEX transfer_progress_by_key ON transfer_progress (key, seq);",
  /* Apart from the providers, so that nothing that shows those can show these. */
  ("CREATE TABLE secret (provider_id TEXT PRIMARY KEY REFERENCES provider (id) ON DELETE CASCADE,"
   "  body BLOB NOT NULL) STRICT;"),
};

static gboolean
refuse (const char *path, const char *why, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_STORE,
               "'%s' is damaged, or not a database of mtvd (%s); restore it from a backup, or move "
               "it away to start with an empty one",
               path, why);
  return FALSE;
}

static gboolean
check_row (GVariant *row, gpointer user_data G_GNUC_UNUSED, GError **error)
{
  const char *answer;

  g_variant_get_child (row, 0, "&s", &answer);
  if (g_str_equal (answer, "ok"))
    return TRUE;
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_STORE, answer);
  return FALSE;
}

static gboolean
check_owner (MtvStoreDb *db, GError **error)
{
  gint64 version = 0, id = 0, tables = 0, pages = 0;
  GStatBuf st;

  if (!mtv_store_db_get_integer (db, "PRAGMA page_count", &pages, error)
      || !mtv_store_db_get_integer (db, "PRAGMA user_version", &version, error)
      || !mtv_store_db_get_integer (db, "PRAGMA application_id", &id, error)
      || !mtv_store_db_get_integer (db, "SELECT count(*) FROM sqlite_schema", &tables, error))
    return FALSE;
  /* SQLite would take a file shorter than a page for an empty one. One that is empty now was being
   * made in a crash. */
  if (pages == 0 && (g_stat (mtv_store_db_get_path (db), &st) < 0 || st.st_size > 0))
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_STORE, "it is not a database");
      return FALSE;
    }
  if (id != APPLICATION_ID && (id != 0 || version != 0 || tables != 0))
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_STORE, "it belongs to another program");
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_not_newer (MtvStoreDb *db, GError **error)
{
  gint64 version = 0;

  if (!mtv_store_db_get_integer (db, "PRAGMA user_version", &version, error))
    return FALSE;
  if (version <= (gint64) G_N_ELEMENTS (steps))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_STORE,
               "'%s' has schema version %" G_GINT64_FORMAT
               ", this mtvd knows up to %u: run the newer mtvd that wrote it, or move it away to "
               "start with an empty one",
               mtv_store_db_get_path (db), version, (guint) G_N_ELEMENTS (steps));
  return FALSE;
}

gboolean
mtv_store_schema_inspect (const char *path, gboolean deep, GError **error)
{
  g_autoptr (GError) why = NULL;
  g_autoptr (MtvStoreDb) db = mtv_store_db_open (path, MTV_STORE_DB_INSPECT, &why);

  if (db == NULL || !check_owner (db, &why))
    return refuse (path, why->message, error);
  if (!check_not_newer (db, error))
    return FALSE;
  if (!deep || mtv_store_db_run (db, "PRAGMA quick_check(1)", NULL, check_row, NULL, &why))
    return TRUE;
  return refuse (path, why->message, error);
}

gboolean
mtv_store_schema_upgrade (MtvStoreDb *db, GError **error)
{
  gint64 version = 0;

  if (!mtv_store_db_get_integer (db, "PRAGMA user_version", &version, error))
    return FALSE;
  for (; version < (gint64) G_N_ELEMENTS (steps); version++)
    {
      g_autofree char *script
          = g_strdup_printf ("BEGIN IMMEDIATE; %s PRAGMA application_id = %d;"
                             "PRAGMA user_version = %" G_GINT64_FORMAT "; COMMIT;",
                             steps[version], APPLICATION_ID, version + 1);

      if (!mtv_store_db_run_script (db, script, error))
        return FALSE;
    }
  return TRUE;
}
