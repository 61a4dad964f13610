/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include "base/mtv-io.h"
#include "fakes/fake-destination.h"
#include "fakes/fake-live.h"
#include "fakes/fake-source.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <unistd.h>

static const MtvProviderType *const types[] = { &fake_source_type, &fake_destination_type, NULL };

void
engine_remove_directory (const char *directory)
{
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, directory, NULL));
}

void
engine_make (EngineFixture *f)
{
  f->engine = mtv_engine_new (f->store, MTV_CLOCK (f->clock), types, f->directory);
}

void
engine_load (EngineFixture *f)
{
  g_autoptr (GError) error = NULL;

  f->store = mtv_store_open (f->directory, &error);
  g_assert_no_error (error);
  engine_make (f);
  mtv_engine_load (f->engine, NULL, NULL, &error);
  g_assert_no_error (error);
}

void
engine_set_up (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_reset ();
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK); /* failed jobs are warnings */
  f->directory = g_dir_make_tmp ("mtv-engine-XXXXXX", NULL);
  f->clock = fake_clock_new (1700000000 * ENGINE_SECOND);
  engine_load (f);
  mtv_engine_run (f->engine);
}

void
engine_take_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  (void) source;
  *(GAsyncResult **) user_data = g_object_ref (result);
}

void
engine_stop (EngineFixture *f)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_stop_async (f->engine, engine_take_result, &result);
  engine_wait_for (result != NULL);
  mtv_engine_stop_finish (f->engine, result);
  g_clear_object (&result);
  g_assert_finalize_object (g_steal_pointer (&f->engine));
  mtv_store_close (f->store);
  while (g_main_context_iteration (NULL, FALSE))
    ;
  g_assert_finalize_object (g_steal_pointer (&f->store));
}

void
engine_restart (EngineFixture *f)
{
  engine_stop (f);
  engine_load (f);
  mtv_engine_run (f->engine);
}

void
engine_tear_down (EngineFixture *f, gconstpointer data)
{
  (void) data;
  engine_stop (f);
  g_object_unref (f->clock);
  engine_remove_directory (f->directory);
  g_free (f->directory);
}

/* The timeout that the next poll of the main loop would have: -1 when nothing is due, ever. */
static gint
get_timeout (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[16];
  gint timeout, priority;

  g_assert_true (g_main_context_acquire (context));
  g_main_context_prepare (context, &priority);
  g_assert_cmpint (g_main_context_query (context, priority, &timeout, fds, G_N_ELEMENTS (fds)), <=,
                   (gint) G_N_ELEMENTS (fds));
  g_main_context_release (context);
  return timeout;
}

void
engine_settle (EngineFixture *f)
{
  (void) f;
  while (g_main_context_pending (NULL) || get_timeout () != -1)
    g_main_context_iteration (NULL, TRUE);
}

MtvProviderEntry *
engine_find_source (EngineFixture *f)
{
  GPtrArray *providers = mtv_engine_get_providers (f->engine);

  for (guint i = 0; i < providers->len; i++)
    {
      MtvProviderEntry *entry = g_ptr_array_index (providers, i);

      if (g_str_equal (mtv_provider_entry_get_config (entry)->type, "fake"))
        return entry;
    }
  return NULL;
}

MtvProviderEntry *
engine_add_source (EngineFixture *f, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_add_provider_async (f->engine, "vsphere", "fake", NULL, -1, engine_take_result,
                                 &result);
  g_autoptr (MtvProviderEntry) entry
      = engine_finish (mtv_engine_add_provider_finish, f->engine, error);
  if (entry != NULL)
    engine_wait_for (mtv_provider_entry_get_state (entry) != MTV_PROVIDER_REFRESHING);
  return entry; /* the engine has it */
}

MtvPlan *
engine_make_plan (EngineFixture *f, const char *name, guint first, guint n)
{
  MtvPlan *plan = mtv_plan_new ();

  plan->name = g_strdup (name);
  plan->source = g_strdup (mtv_provider_entry_get_config (engine_find_source (f))->id);
  plan->destination = g_strdup ("local");
  for (guint i = first; i < first + n; i++)
    mtv_plan_add_vm (plan)->id = g_strdup_printf ("vm-%u", i);
  return plan;
}

MtvPlanEntry *
engine_create_plan (EngineFixture *f, MtvPlan *plan, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_create_plan_async (f->engine, plan, engine_take_result, &result);
  g_autoptr (MtvPlanEntry) entry = engine_finish (mtv_engine_create_plan_finish, f->engine, error);
  return entry;
}

MtvMigration *
engine_start_plan (EngineFixture *f, MtvPlanEntry *entry, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_start_plan_async (f->engine, entry, 1000, engine_take_result, &result);
  g_autoptr (MtvMigration) migration
      = engine_finish (mtv_engine_start_plan_finish, f->engine, error);
  return migration;
}

MtvMigration *
engine_begin (EngineFixture *f, guint n)
{
  g_autoptr (GError) error = NULL;

  engine_add_source (f, &error);
  g_assert_no_error (error);
  MtvPlanEntry *entry = engine_create_plan (f, engine_make_plan (f, "p", 0, n), &error);
  g_assert_no_error (error);
  MtvMigration *migration = engine_start_plan (f, entry, &error);
  g_assert_no_error (error);
  return migration;
}

MtvJob *
engine_get_job (MtvMigration *migration, guint number)
{
  return g_ptr_array_index (mtv_migration_get_jobs (migration), number - 1);
}

void
engine_wait_for_state (MtvJob *job, const char *state)
{
  engine_wait_for (g_str_equal (mtv_job_get_state (job), state));
}

void
engine_assert_arrived (EngineFixture *f, guint vm, const char *name)
{
  for (guint i = 0; i < fake_world.n_disks; i++)
    {
      g_autofree char *file = g_strdup_printf ("disk%u", i);
      g_autofree char *path = g_build_filename (f->directory, "vms", name, file, NULL);
      g_autofree char *id = g_strdup_printf ("vm-%u", vm);
      g_autofree guint8 *expected
          = fake_world.live != NULL ? fake_live_read (id, i) : fake_make_bytes (vm, i);
      g_autofree char *bytes = NULL;
      gsize length;

      g_assert_true (g_file_get_contents (path, &bytes, &length, NULL));
      g_assert_cmpmem (bytes, length, expected, fake_world.disk_size);
    }
}

static guint
count_files (EngineFixture *f, const char *folder)
{
  g_autofree char *path = g_build_filename (f->directory, folder, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

void
engine_assert_vms (EngineFixture *f, guint n)
{
  g_assert_cmpuint (count_files (f, "vms"), ==, n);
}

gint64
engine_count_rows (EngineFixture *f, const char *sql)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = mtv_store_query (f->store, sql, NULL, &error);
  gint64 n;

  g_assert_no_error (error);
  g_variant_get (g_ptr_array_index (rows, 0), "(x)", &n);
  return n;
}

void
engine_assert_clean (EngineFixture *f)
{
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM ledger"), ==, 0);
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM progress"), ==, 0);
  g_assert_cmpuint (count_files (f, "work"), ==, 0);
}

char *
engine_get_timeline (MtvMigration *migration, guint number)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GError) error = NULL;

  mtv_migration_load_timeline_async (migration, number, 0, 100, engine_take_result, &result);
  g_autoptr (GVariant) events
      = engine_finish (mtv_migration_load_timeline_finish, migration, &error);
  g_assert_no_error (error);
  for (gsize i = 0; i < g_variant_n_children (events); i++)
    {
      g_autoptr (GVariant) event = g_variant_get_child_value (events, i);
      const char *name = "?";

      g_variant_lookup (event, "event", "&s", &name);
      g_string_append_printf (text, "%s%s", i == 0 ? "" : " ", name);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
