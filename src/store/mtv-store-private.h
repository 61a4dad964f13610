/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/mtv-store.h"

G_BEGIN_DECLS

/* Between the files of this folder. */

typedef struct
{
  const char *sql;       /* static */
  GPtrArray *parameters; /* (owned) (element-type GVariant) */
} MtvStoreStatement;

struct _MtvStoreBatch
{
  gint ref_count;     /* (atomic) */
  GArray *statements; /* (owned) (element-type MtvStoreStatement) */
};

/* One connection, with its prepared statements; one thread at a time. */
typedef struct _MtvStoreDb MtvStoreDb;

typedef enum
{
  MTV_STORE_DB_INSPECT, /* changes nothing, whatever is there */
  MTV_STORE_DB_READ,
  MTV_STORE_DB_WRITE,
} MtvStoreDbMode;

/* Gets a row as a tuple, in the thread that asks. */
typedef gboolean (*MtvStoreRowFunc) (GVariant *row, gpointer user_data, GError **error);

MtvStoreDb *mtv_store_db_open (const char *path, MtvStoreDbMode mode, GError **error);
void mtv_store_db_free (MtvStoreDb *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvStoreDb, mtv_store_db_free)
const char *mtv_store_db_get_path (MtvStoreDb *self);
/* @parameters: (nullable) (element-type GVariant); @func: (nullable) */
gboolean mtv_store_db_run (MtvStoreDb *self, const char *sql, GPtrArray *parameters,
                           MtvStoreRowFunc func, gpointer user_data, GError **error);
/* Several statements that are run only once. */
gboolean mtv_store_db_run_script (MtvStoreDb *self, const char *sql, GError **error);
/* The first column of the first row of a statement of the fixed @sql. */
gboolean mtv_store_db_get_integer (MtvStoreDb *self, const char *sql, gint64 *value,
                                   GError **error);
gboolean mtv_store_db_is_in_transaction (MtvStoreDb *self);

/* Is what lies at @path a database of ours, whole, and not of a later version? @deep: look at every
 * page. Changes nothing. */
gboolean mtv_store_schema_inspect (const char *path, gboolean deep, GError **error);
gboolean mtv_store_schema_upgrade (MtvStoreDb *db, GError **error);

/* mtv_store_query(), row by row. @parameters: (transfer floating) a tuple. */
gboolean mtv_store_foreach (MtvStore *self, const char *sql, GVariant *parameters,
                            MtvStoreRowFunc func, gpointer user_data, GError **error);

G_END_DECLS
