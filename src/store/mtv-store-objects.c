/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-objects.h"

#include "base/mtv-error.h"
#include "store/mtv-store-private.h"

/* A body is an a{sv} in the serialised form of GVariant, little-endian on every machine. */

static GVariant *
little_endian (GVariant *value)
{
  return G_BYTE_ORDER == G_LITTLE_ENDIAN ? g_variant_get_normal_form (value)
                                         : g_variant_byteswap (value);
}

/* @dict: (transfer floating). (transfer floating) */
static GVariant *
to_body (GVariant *dict)
{
  g_autoptr (GVariant) value = g_variant_ref_sink (dict);
  g_autoptr (GVariant) form = little_endian (value);
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (form);

  return g_variant_new_from_bytes (G_VARIANT_TYPE_BYTESTRING, bytes, TRUE);
}

/* NULL: it is none. (transfer full) */
static GVariant *
from_body (GVariant *body)
{
  g_autoptr (GBytes) bytes = g_variant_get_data_as_bytes (body);
  g_autoptr (GVariant) value
      = g_variant_ref_sink (g_variant_new_from_bytes (G_VARIANT_TYPE_VARDICT, bytes, FALSE));

  return g_variant_is_normal_form (value) ? little_endian (value) : NULL;
}

typedef struct
{
  const char *table;
  gpointer (*from_variant) (GVariant *variant, GError **error);
  GPtrArray *objects; /* (owned) */
} Loader;

/* (id, body) */
static gboolean
object_row (GVariant *row, gpointer user_data, GError **error)
{
  Loader *loader = user_data;
  g_autoptr (GVariant) id = g_variant_get_child_value (row, 0);
  g_autoptr (GVariant) body = g_variant_get_child_value (row, 1);
  g_autoptr (GVariant) dict = from_body (body);
  g_autoptr (GError) why = NULL;
  gpointer object = dict != NULL ? loader->from_variant (dict, &why) : NULL;

  if (object != NULL)
    {
      g_ptr_array_add (loader->objects, object);
      return TRUE;
    }
  g_autofree char *name = g_variant_print (id, FALSE);
  g_set_error (error, MTV_ERROR, MTV_ERROR_STORE, "Cannot read %s %s of the database: %s",
               loader->table, name, why != NULL ? why->message : "the bytes are damaged");
  return FALSE;
}

static GPtrArray *
load (MtvStore *store, const char *table, const char *sql, GVariant *parameters,
      gpointer (*from_variant) (GVariant *, GError **), GDestroyNotify free_func, GError **error)
{
  g_autoptr (GPtrArray) objects = g_ptr_array_new_with_free_func (free_func);
  Loader loader = { table, from_variant, objects };

  return mtv_store_foreach (store, sql, parameters, object_row, &loader, error)
             ? g_steal_pointer (&objects)
             : NULL;
}

/* A key that is missing means the empty string, which is not NULL for those in @keys. What an
 * object is known by comes first in its table, and is never empty. */
static gpointer
complete_from_variant (const MtvFields *fields, const char *const *keys, GVariant *variant,
                       GError **error)
{
  gpointer object = mtv_fields_from_variant (fields, variant, error);

  if (object == NULL)
    return NULL;
  if (G_STRUCT_MEMBER (char *, object, fields->fields[0].offset) == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "it lacks its %s", fields->fields[0].key);
      mtv_fields_free (fields, object);
      return NULL;
    }
  for (guint i = 0; i < fields->n_fields; i++)
    {
      char **string = &G_STRUCT_MEMBER (char *, object, fields->fields[i].offset);

      if (g_strv_contains (keys, fields->fields[i].key) && *string == NULL)
        *string = g_strdup ("");
    }
  return object;
}

/* ---- Providers ---- */

void
mtv_store_put_provider (MtvStoreBatch *batch, const MtvProviderConfig *config)
{
  mtv_store_batch_add (batch,
                       "INSERT INTO provider (id, name, created, body) VALUES (?, ?, ?, ?)"
                       " ON CONFLICT (id) DO UPDATE SET (name, created, body)"
                       " = (excluded.name, excluded.created, excluded.body)",
                       g_variant_new_string (config->id), g_variant_new_string (config->name),
                       g_variant_new_uint64 (config->created),
                       to_body (mtv_fields_to_variant (&mtv_provider_config_fields, config)), NULL);
}

void
mtv_store_remove_provider (MtvStoreBatch *batch, const char *id)
{
  mtv_store_batch_add (batch, "DELETE FROM provider WHERE id = ?", g_variant_new_string (id), NULL);
}

void
mtv_store_put_secrets (MtvStoreBatch *batch, const char *provider_id, GVariant *secrets)
{
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (secrets == NULL)
    {
      mtv_store_batch_add (batch, "DELETE FROM secret WHERE provider_id = ?",
                           g_variant_new_string (provider_id), NULL);
      return;
    }
  g_variant_builder_add (&builder, "{sv}", "secrets", secrets);
  mtv_store_batch_add (batch, "INSERT OR REPLACE INTO secret (provider_id, body) VALUES (?, ?)",
                       g_variant_new_string (provider_id),
                       to_body (g_variant_builder_end (&builder)), NULL);
}

static gpointer
secrets_from_variant (GVariant *variant, GError **error)
{
  GVariant *secrets = g_variant_lookup_value (variant, "secrets", G_VARIANT_TYPE ("a{ss}"));

  if (secrets == NULL)
    g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "it lacks its secrets");
  return secrets;
}

GVariant *
mtv_store_load_secrets (MtvStore *store, const char *provider_id, GError **error)
{
  g_autoptr (GPtrArray) found
      = load (store, "secret", "SELECT provider_id, body FROM secret WHERE provider_id = ?",
              g_variant_new ("(s)", provider_id), secrets_from_variant,
              (GDestroyNotify) g_variant_unref, error);

  return found == NULL || found->len == 0 ? NULL : g_variant_ref (g_ptr_array_index (found, 0));
}

static gpointer
provider_from_variant (GVariant *variant, GError **error)
{
  static const char *const keys[] = { "name", "type", NULL };

  return complete_from_variant (&mtv_provider_config_fields, keys, variant, error);
}

GPtrArray *
mtv_store_load_providers (MtvStore *store, GError **error)
{
  return load (store, "provider", "SELECT id, body FROM provider ORDER BY created, id",
               g_variant_new ("()"), provider_from_variant,
               (GDestroyNotify) mtv_provider_config_free, error);
}

/* ---- Inventories ---- */

/* Only what has changed is written: most of ten thousand are the same as an hour ago. */
void
mtv_store_put_inventory (MtvStoreBatch *batch, const char *provider_id, guint64 time,
                         GPtrArray *vms)
{
  mtv_store_batch_add (batch,
                       "INSERT INTO inventory (provider_id, time) VALUES (?, ?)"
                       " ON CONFLICT (provider_id) DO UPDATE SET time = excluded.time",
                       g_variant_new_string (provider_id), g_variant_new_uint64 (time), NULL);
  mtv_store_batch_add (batch, "DELETE FROM inventory_vm WHERE provider_id = ? AND position >= ?",
                       g_variant_new_string (provider_id), g_variant_new_uint32 (vms->len), NULL);
  for (guint i = 0; i < vms->len; i++)
    {
      MtvVm *vm = g_ptr_array_index (vms, i);

      mtv_store_batch_add (batch,
                           "INSERT INTO inventory_vm (provider_id, position, id, name, body)"
                           " VALUES (?, ?, ?, ?, ?)"
                           " ON CONFLICT (provider_id, position) DO UPDATE"
                           " SET (id, name, body) = (excluded.id, excluded.name, excluded.body)"
                           " WHERE body <> excluded.body",
                           g_variant_new_string (provider_id), g_variant_new_uint32 (i),
                           g_variant_new_string (vm->id), g_variant_new_string (vm->name),
                           to_body (mtv_vm_to_variant (vm)), NULL);
    }
}

static gpointer
vm_from_variant (GVariant *variant, GError **error)
{
  return mtv_vm_from_variant (variant, error);
}

GPtrArray *
mtv_store_load_inventory (MtvStore *store, const char *provider_id, guint64 *time, GError **error)
{
  g_autoptr (GPtrArray) rows = mtv_store_query (
      store, "SELECT time FROM inventory WHERE provider_id = ?", provider_id, error);

  if (rows == NULL || rows->len == 0)
    return NULL;
  g_variant_get (g_ptr_array_index (rows, 0), "(x)", time);
  return load (store, "inventory_vm",
               "SELECT id, body FROM inventory_vm WHERE provider_id = ? ORDER BY position",
               g_variant_new ("(s)", provider_id), vm_from_variant, (GDestroyNotify) mtv_vm_unref,
               error);
}

/* ---- Plans ---- */

void
mtv_store_put_plan (MtvStoreBatch *batch, const MtvPlan *plan)
{
  mtv_store_batch_add (batch,
                       "INSERT INTO plan (id, name, created, body) VALUES (?, ?, ?, ?)"
                       " ON CONFLICT (id) DO UPDATE SET (name, created, body)"
                       " = (excluded.name, excluded.created, excluded.body)",
                       g_variant_new_string (plan->id), g_variant_new_string (plan->name),
                       g_variant_new_uint64 (plan->created), to_body (mtv_plan_to_variant (plan)),
                       NULL);
}

void
mtv_store_remove_plan (MtvStoreBatch *batch, const char *id)
{
  mtv_store_batch_add (batch, "DELETE FROM plan WHERE id = ?", g_variant_new_string (id), NULL);
}

static gpointer
plan_from_variant (GVariant *variant, GError **error)
{
  return mtv_plan_from_variant (variant, error);
}

GPtrArray *
mtv_store_load_plans (MtvStore *store, GError **error)
{
  return load (store, "plan", "SELECT id, body FROM plan ORDER BY created, id",
               g_variant_new ("()"), plan_from_variant, (GDestroyNotify) mtv_plan_free, error);
}

/* ---- Runs ---- */

void
mtv_store_put_migration (MtvStoreBatch *batch, const MtvMigrationRecord *record)
{
  mtv_store_batch_add (
      batch,
      "INSERT INTO migration (id, plan_name, start_time, end_time, body)"
      " VALUES (?, ?, ?, ?, ?)"
      " ON CONFLICT (id) DO UPDATE SET (plan_name, start_time, end_time, body)"
      " = (excluded.plan_name, excluded.start_time, excluded.end_time,"
      " excluded.body)",
      g_variant_new_string (record->id), g_variant_new_string (record->plan_name),
      g_variant_new_uint64 (record->start_time), g_variant_new_uint64 (record->end_time),
      to_body (mtv_fields_to_variant (&mtv_migration_record_fields, record)), NULL);
}

void
mtv_store_remove_migration (MtvStoreBatch *batch, const char *id)
{
  mtv_store_batch_add (batch, "DELETE FROM migration WHERE id = ?", g_variant_new_string (id),
                       NULL);
}

static gpointer
migration_from_variant (GVariant *variant, GError **error)
{
  static const char *const keys[] = { "plan-id", "plan-name", NULL };

  return complete_from_variant (&mtv_migration_record_fields, keys, variant, error);
}

GPtrArray *
mtv_store_load_migrations (MtvStore *store, GError **error)
{
  return load (store, "migration", "SELECT id, body FROM migration ORDER BY start_time, id",
               g_variant_new ("()"), migration_from_variant,
               (GDestroyNotify) mtv_migration_record_free, error);
}

void
mtv_store_put_job (MtvStoreBatch *batch, const MtvJobRecord *record)
{
  mtv_store_batch_add (batch,
                       "INSERT INTO job (run_id, number, name, state, body) VALUES (?, ?, ?, ?, ?)"
                       " ON CONFLICT (run_id, number) DO UPDATE SET (name, state, body)"
                       " = (excluded.name, excluded.state, excluded.body)",
                       g_variant_new_string (record->run_id), g_variant_new_uint32 (record->number),
                       g_variant_new_string (record->name), g_variant_new_string (record->state),
                       to_body (mtv_fields_to_variant (&mtv_job_record_fields, record)), NULL);
}

static gpointer
job_from_variant (GVariant *variant, GError **error)
{
  static const char *const keys[]
      = { "vm-id", "name",   "target-name",        "source", "destination", "devices", "format",
          "hash",  "verify", "target-power-state", "state",  NULL };

  return complete_from_variant (&mtv_job_record_fields, keys, variant, error);
}

GPtrArray *
mtv_store_load_jobs (MtvStore *store, const char *run_id, GError **error)
{
  return load (store, "job",
               "SELECT run_id || '/' || number, body FROM job WHERE run_id = ? ORDER BY number",
               g_variant_new ("(s)", run_id), job_from_variant,
               (GDestroyNotify) mtv_job_record_free, error);
}

/* ---- Settings ---- */

static void
put_setting (MtvStoreBatch *batch, const char *key, GVariant *value)
{
  mtv_store_batch_add (batch,
                       "INSERT INTO setting (key, body) VALUES (?, ?)"
                       " ON CONFLICT (key) DO UPDATE SET body = excluded.body",
                       g_variant_new_string (key), to_body (value), NULL);
}

static gpointer
setting_from_variant (GVariant *variant, GError **error G_GNUC_UNUSED)
{
  return g_variant_ref (variant);
}

static GVariant *
load_setting (MtvStore *store, const char *key, GError **error)
{
  g_autoptr (GPtrArray) settings = load (
      store, "setting", "SELECT key, body FROM setting WHERE key = ?", g_variant_new ("(s)", key),
      setting_from_variant, (GDestroyNotify) g_variant_unref, error);

  if (settings == NULL)
    return NULL;
  return settings->len > 0 ? g_variant_ref (g_ptr_array_index (settings, 0))
                           : g_variant_ref_sink (g_variant_new ("a{sv}", NULL));
}

void
mtv_store_put_defaults (MtvStoreBatch *batch, GVariant *defaults)
{
  put_setting (batch, "defaults", defaults);
}

GVariant *
mtv_store_load_defaults (MtvStore *store, GError **error)
{
  return load_setting (store, "defaults", error);
}

void
mtv_store_put_throttles (MtvStoreBatch *batch, GVariant *throttles)
{
  put_setting (batch, "throttles", throttles);
}

GVariant *
mtv_store_load_throttles (MtvStore *store, GError **error)
{
  return load_setting (store, "throttles", error);
}
