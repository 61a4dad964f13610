/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "store/mtv-store-private.h"

#include <errno.h>
#include <sqlite3.h>

/* For people with sqlite3(1) who hold a lock. */
#define BUSY_TIMEOUT_MSEC 10000

struct _MtvStoreDb
{
  char *path;             /* (owned) */
  sqlite3 *handle;        /* (owned) */
  GHashTable *statements; /* (owned) SQL to sqlite3_stmt */
};

static gboolean
fail (MtvStoreDb *self, GError **error)
{
  int code = sqlite3_extended_errcode (self->handle);
  int errnum = sqlite3_system_errno (self->handle);
  gboolean full = (code & 0xff) == SQLITE_FULL
                  || ((code & 0xff) == SQLITE_IOERR && (errnum == ENOSPC || errnum == EDQUOT));

  g_set_error (error, MTV_ERROR, full ? MTV_ERROR_NO_SPACE : MTV_ERROR_STORE, "Database '%s': %s",
               self->path, sqlite3_errmsg (self->handle));
  return FALSE;
}

static void
finalize_statement (gpointer statement)
{
  sqlite3_finalize (statement);
}

/* journal_size_limit: what a whole inventory needed is given back. secure_delete: a password that
 * was changed is gone from the file. */
static const char *
setup_of (MtvStoreDbMode mode)
{
  switch (mode)
    {
    case MTV_STORE_DB_WRITE:
      return "PRAGMA journal_mode = WAL;"
             "PRAGMA synchronous = FULL;"
             "PRAGMA foreign_keys = ON;"
             "PRAGMA secure_delete = ON;"
             "PRAGMA journal_size_limit = 4194304;"
             "PRAGMA cache_size = -512;";
    case MTV_STORE_DB_READ:
      return "PRAGMA query_only = ON;"
             "PRAGMA cache_size = -256;";
    case MTV_STORE_DB_INSPECT:
    default:
      /* Not opened read-only: what a crash left half done must be rolled back before it can be
       * read at all. */
      return "PRAGMA query_only = ON;";
    }
}

MtvStoreDb *
mtv_store_db_open (const char *path, MtvStoreDbMode mode, GError **error)
{
  g_autoptr (MtvStoreDb) self = g_new0 (MtvStoreDb, 1);
  self->path = g_strdup (path);
  self->statements = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, finalize_statement);
  if (sqlite3_open_v2 (path, &self->handle, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX, NULL)
      != SQLITE_OK)
    {
      fail (self, error);
      return NULL;
    }
  sqlite3_busy_timeout (self->handle, BUSY_TIMEOUT_MSEC);
  if (mode == MTV_STORE_DB_INSPECT)
    sqlite3_db_config (self->handle, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
  return mtv_store_db_run_script (self, setup_of (mode), error) ? g_steal_pointer (&self) : NULL;
}

void
mtv_store_db_free (MtvStoreDb *self)
{
  g_hash_table_unref (self->statements);
  sqlite3_close (self->handle);
  g_free (self->path);
  g_free (self);
}

const char *
mtv_store_db_get_path (MtvStoreDb *self)
{
  return self->path;
}

gboolean
mtv_store_db_run_script (MtvStoreDb *self, const char *sql, GError **error)
{
  return sqlite3_exec (self->handle, sql, NULL, NULL, NULL) == SQLITE_OK || fail (self, error);
}

gboolean
mtv_store_db_is_in_transaction (MtvStoreDb *self)
{
  return !sqlite3_get_autocommit (self->handle);
}

static sqlite3_stmt *
prepare (MtvStoreDb *self, const char *sql, GError **error)
{
  sqlite3_stmt *statement = g_hash_table_lookup (self->statements, sql);

  if (statement != NULL)
    return statement;
  if (sqlite3_prepare_v3 (self->handle, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, NULL)
      != SQLITE_OK)
    {
      fail (self, error);
      return NULL;
    }
  g_hash_table_insert (self->statements, (gpointer) sql, statement);
  return statement;
}

/* The parameters outlive the run. */
static void
bind (sqlite3_stmt *statement, int index, GVariant *value)
{
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
    sqlite3_bind_text (statement, index, g_variant_get_string (value, NULL), -1, SQLITE_STATIC);
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    sqlite3_bind_int64 (statement, index, g_variant_get_uint32 (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    sqlite3_bind_int64 (statement, index, (gint64) g_variant_get_uint64 (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    sqlite3_bind_int64 (statement, index, g_variant_get_boolean (value));
  else if (g_variant_is_of_type (value, G_VARIANT_TYPE_BYTESTRING))
    {
      gsize size = g_variant_get_size (value);
      /* A blob of no bytes at no address would be NULL. */
      sqlite3_bind_blob64 (statement, index, size > 0 ? g_variant_get_data (value) : "", size,
                           SQLITE_STATIC);
    }
  else
    g_critical ("No column can hold a '%s'", g_variant_get_type_string (value));
}

static GVariant *
column_to_variant (sqlite3_stmt *statement, int column)
{
  switch (sqlite3_column_type (statement, column))
    {
    case SQLITE_INTEGER:
      return g_variant_new_int64 (sqlite3_column_int64 (statement, column));
    case SQLITE_BLOB:
      {
        gconstpointer data = sqlite3_column_blob (statement, column);
        return g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, data,
                                          sqlite3_column_bytes (statement, column), 1);
      }
    default: /* no NULL and no fraction is ever written */
      {
        const char *text = (const char *) sqlite3_column_text (statement, column);
        return g_variant_new_take_string (g_utf8_make_valid (text != NULL ? text : "", -1));
      }
    }
}

static gboolean
hand_over_row (sqlite3_stmt *statement, MtvStoreRowFunc func, gpointer user_data, GError **error)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_TUPLE);

  for (int i = 0; i < sqlite3_column_count (statement); i++)
    g_variant_builder_add_value (&builder, column_to_variant (statement, i));
  g_autoptr (GVariant) row = g_variant_ref_sink (g_variant_builder_end (&builder));
  return func (row, user_data, error);
}

gboolean
mtv_store_db_run (MtvStoreDb *self, const char *sql, GPtrArray *parameters, MtvStoreRowFunc func,
                  gpointer user_data, GError **error)
{
  sqlite3_stmt *statement = prepare (self, sql, error);
  gboolean ok = TRUE;

  if (statement == NULL)
    return FALSE;
  for (guint i = 0; parameters != NULL && i < parameters->len; i++)
    bind (statement, i + 1, g_ptr_array_index (parameters, i));

  int code = sqlite3_step (statement);
  for (; ok && code == SQLITE_ROW; code = sqlite3_step (statement))
    ok = func == NULL || hand_over_row (statement, func, user_data, error);
  if (ok && code != SQLITE_DONE)
    ok = fail (self, error);
  sqlite3_reset (statement);
  sqlite3_clear_bindings (statement);
  return ok;
}

static gboolean
integer_row (GVariant *row, gpointer user_data, GError **error G_GNUC_UNUSED)
{
  g_variant_get_child (row, 0, "x", user_data);
  return TRUE;
}

gboolean
mtv_store_db_get_integer (MtvStoreDb *self, const char *sql, gint64 *value, GError **error)
{
  return mtv_store_db_run (self, sql, NULL, integer_row, value, error);
}
