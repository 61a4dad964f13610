/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine-fixture.h"

#include <string.h>

#define assert_refused(error, code, text)           \
  G_STMT_START                                      \
  {                                                 \
    g_assert_error (error, MTV_ERROR, code);        \
    g_assert_cmpstr ((error)->message, ==, (text)); \
    g_clear_error (&(error));                       \
  }                                                 \
  G_STMT_END

static void
set_defaults (EngineFixture *f, const char *values, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_set_defaults_async (f->engine, g_variant_new_parsed (values), engine_take_result,
                                 &result);
  engine_finish (mtv_engine_set_defaults_finish, f->engine, error);
}

static char *
print_defaults (EngineFixture *f)
{
  g_autoptr (GVariant) defaults = g_variant_ref_sink (mtv_engine_get_defaults (f->engine));

  return g_variant_print (defaults, FALSE);
}

static void
run_sql (EngineFixture *f, const char *sql)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_batch_add (batch, sql, NULL);
  g_assert_true (mtv_store_commit (f->store, batch, NULL));
}

static void
test_defaults (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *before = print_defaults (f);

  (void) data;
  set_defaults (f, "{'max-vms-in-flight': <uint32 3>, 'retry': <uint64 1>}", &error);
  assert_refused (error, MTV_ERROR_INVALID_ARGUMENT, "There is no setting 'retry'");
  run_sql (f, "CREATE TRIGGER t BEFORE INSERT ON setting BEGIN SELECT RAISE (ABORT, 'no'); END");
  set_defaults (f, "{'max-vms-in-flight': <uint32 3>}", &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_clear_error (&error);
  g_autofree char *after = print_defaults (f);
  g_assert_cmpstr (after, ==, before);
  run_sql (f, "DROP TRIGGER t");
  set_defaults (f, "{'max-vms-in-flight': <uint32 3>}", &error);
  g_assert_no_error (error);
  set_defaults (f, "{'max-disks-per-vm': <uint32 4>}", &error);
  g_assert_no_error (error);

  /* What the file says holds for what nobody chose. */
  engine_stop (f);
  f->store = mtv_store_open (f->directory, NULL);
  engine_make (f);
  g_autoptr (GVariant) configured = g_variant_ref_sink (g_variant_new_parsed (
      "{'max-vms-in-flight': <uint32 9>, 'retry-interval': <uint64 5000000>}"));
  g_assert_true (mtv_engine_load (f->engine, configured, NULL, &error));
  g_autofree char *loaded = print_defaults (f);
  g_assert_true (
      g_str_has_prefix (loaded, "{'max-vms-in-flight': <uint32 3>, 'max-disks-per-vm': <uint32 4>, "
                                "'retry-interval': <uint64 5000000>, "));
}

static MtvProviderEntry *
add_provider (EngineFixture *f, const char *name, const char *type, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_add_provider_async (f->engine, name, type, NULL, -1, engine_take_result, &result);
  g_autoptr (MtvProviderEntry) entry
      = engine_finish (mtv_engine_add_provider_finish, f->engine, error);
  return entry;
}

static gboolean
remove_provider (EngineFixture *f, MtvProviderEntry *entry, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_remove_provider_async (f->engine, entry, engine_take_result, &result);
  return engine_finish (mtv_engine_remove_provider_finish, f->engine, error);
}

static void
test_providers (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) first = NULL;
  g_autofree char *long_name = g_strnfill (256, 'x');
  const char *bad[] = { "", "a/b", "a\nb", long_name };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_null (add_provider (f, bad[i], "fake", &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, bad[i]));
      g_clear_error (&error);
    }
  g_assert_null (add_provider (f, "x", "vmware", &error));
  assert_refused (error, MTV_ERROR_INVALID_ARGUMENT,
                  "There is no kind of provider 'vmware'; there are 'fake', 'local'");
  fake_world.broken = "fake";
  g_assert_null (add_provider (f, "x", "fake", &error));
  assert_refused (error, MTV_ERROR_INVALID_ARGUMENT, "No source can be made of 'x'");
  fake_world.broken = NULL;
  g_assert_cmpuint (mtv_engine_get_providers (f->engine)->len, ==, 1);

  mtv_engine_add_provider_async (f->engine, "x", "fake", NULL, -1, engine_take_result, &first);
  g_assert_null (add_provider (f, "x", "fake", &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "Another call about provider 'x' is under way");
  engine_wait_for (first != NULL);
  g_autoptr (MtvProviderEntry) entry = mtv_engine_add_provider_finish (f->engine, first, &error);
  g_assert_no_error (error);
  g_clear_object (&first);
  g_assert_null (add_provider (f, "x", "fake", &error));
  assert_refused (error, MTV_ERROR_EXISTS, "There is a provider 'x' already");

  engine_wait_for (mtv_provider_entry_get_state (entry) == MTV_PROVIDER_READY);
  engine_create_plan (f, engine_make_plan (f, "p", 0, 1), &error);
  g_assert_no_error (error);
  g_assert_false (remove_provider (f, entry, &error));
  assert_refused (error, MTV_ERROR_IN_USE,
                  "The provider 'x' is used by plan 'p'; remove that first");
  g_assert_false (remove_provider (f, mtv_engine_find_provider (f->engine, "local", NULL), &error));
  assert_refused (error, MTV_ERROR_IN_USE,
                  "The provider 'local' is the embedded destination and stays");
  MtvProviderEntry *other = add_provider (f, "y", "fake", &error);
  g_autofree char *id = g_strdup (mtv_provider_entry_get_config (other)->id);
  g_assert_true (remove_provider (f, other, &error)); /* while its inventory is being read */
  g_assert_null (mtv_engine_find_provider (f->engine, id, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  engine_settle (f);
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM inventory"), ==, 1);
  g_clear_object (&entry);
  engine_restart (f);
  g_assert_cmpuint (mtv_engine_get_providers (f->engine)->len, ==, 2);
}

static void
test_create (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fake_world.n_vms = 5;
  engine_add_source (f, NULL);
  struct
  {
    const char *name, *source, *destination;
    guint first, n;
    const char *vm; /* instead of an id */
    int code;
    const char *text;
  } cases[] = {
    { "a/b", NULL, NULL, 0, 1, NULL, MTV_ERROR_INVALID_ARGUMENT,
      "'a/b' is no name for a plan: it must have 1 to 255 bytes, without '/' and control "
      "characters" },
    { "p", "gone", NULL, 0, 1, NULL, MTV_ERROR_NOT_FOUND, "There is no provider 'gone'" },
    { "p", NULL, "gone", 0, 1, NULL, MTV_ERROR_NOT_FOUND, "There is no provider 'gone'" },
    { "p", "local", NULL, 0, 1, NULL, MTV_ERROR_INVALID_ARGUMENT,
      "The provider 'local' cannot be a source" },
    { "p", NULL, "", 0, 1, NULL, MTV_ERROR_INVALID_ARGUMENT,
      "The provider 'vsphere' cannot be a destination" },
    { "p", NULL, NULL, 0, 0, NULL, MTV_ERROR_INVALID_ARGUMENT,
      "The plan 'p' names 0 virtual machines; it must be 1 to 10000" },
    { "p", NULL, NULL, 0, 10001, NULL, MTV_ERROR_INVALID_ARGUMENT,
      "The plan 'p' names 10001 virtual machines; it must be 1 to 10000" },
    { "p", NULL, NULL, 7, 1, NULL, MTV_ERROR_NOT_FOUND,
      "The provider 'vsphere' has no virtual machine 'vm-7'" },
    { "p", NULL, NULL, 0, 2, "web-1", MTV_ERROR_INVALID_ARGUMENT,
      "The virtual machine 'web-1' is named twice" },
    { "p", NULL, NULL, 0, 1, "web-3", MTV_ERROR_INVALID_ARGUMENT,
      "There are 2 virtual machines named 'web-3'; say which by its id: 'vm-3', 'vm-4'" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      MtvPlan *plan = engine_make_plan (f, cases[i].name, cases[i].first, cases[i].n);

      if (cases[i].destination != NULL)
        {
          g_free (plan->destination);
          plan->destination
              = g_strdup (*cases[i].destination == '\0' ? plan->source : cases[i].destination);
        }
      if (cases[i].source != NULL)
        {
          g_free (plan->source);
          plan->source = g_strdup (cases[i].source);
        }
      if (cases[i].vm != NULL)
        {
          MtvPlanVm *vm = g_ptr_array_index (plan->vms, 0);

          g_free (vm->id);
          vm->id = g_strdup (cases[i].vm);
        }
      g_assert_null (engine_create_plan (f, plan, &error));
      assert_refused (error, cases[i].code, cases[i].text);
    }
  g_assert_cmpuint (mtv_engine_get_plans (f->engine)->len, ==, 0);

  MtvPlanEntry *entry = engine_create_plan (f, engine_make_plan (f, "p", 1, 2), &error);
  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "ready");
  const MtvPlanVm *vm = g_ptr_array_index (mtv_plan_entry_get_plan (entry)->vms, 0);
  g_assert_cmpstr (vm->name, ==, "web-1");
  g_assert_null (engine_create_plan (f, engine_make_plan (f, "p", 1, 2), &error));
  assert_refused (error, MTV_ERROR_EXISTS, "There is a plan 'p' already");
  g_autofree char *id = g_strdup (mtv_plan_entry_get_plan (entry)->id);
  engine_restart (f);
  g_assert_nonnull (mtv_engine_find_plan (f->engine, id, &error));
  g_assert_null (mtv_engine_find_plan (f->engine, "nope", &error));
  assert_refused (error, MTV_ERROR_NOT_FOUND, "There is no plan 'nope'");
}

/* The first inventory is waited for. */
static void
test_create_early (EngineFixture *f, gconstpointer data)
{
  gboolean fails = GPOINTER_TO_INT (data);
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  fake_block ("list");
  add_provider (f, "x", "fake", NULL);
  mtv_engine_create_plan_async (f->engine, engine_make_plan (f, "p", 0, 1), engine_take_result,
                                &result);
  g_assert_null (engine_create_plan (f, engine_make_plan (f, "p", 0, 1), &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "Another call about plan 'p' is under way");
  engine_wait_for (fake_is_blocked ("list"));
  if (fails)
    fake_fail ("list", MTV_ERROR_UNREACHABLE, 1);
  fake_release ("list");
  g_autoptr (MtvPlanEntry) entry = engine_finish (mtv_engine_create_plan_finish, f->engine, &error);
  if (fails)
    assert_refused (error, MTV_ERROR_UNREACHABLE, "list of the source failed");
  else
    g_assert_true (entry == g_ptr_array_index (mtv_engine_get_plans (f->engine), 0));
}

static GVariant *
validate (EngineFixture *f, MtvPlanEntry *entry, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_validate_plan_async (f->engine, entry, engine_take_result, &result);
  return engine_finish (mtv_engine_validate_plan_finish, f->engine, error);
}

static void
test_validate (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  gboolean blocked = TRUE;
  guint64 free_space;

  (void) data;
  engine_add_source (f, NULL);
  MtvPlanEntry *entry = engine_create_plan (f, engine_make_plan (f, "p", 0, 2), &error);
  fake_world.free_space = 1 << 30;
  g_autoptr (GVariant) good = validate (f, entry, &error);
  g_assert_true (g_variant_lookup (good, "blocked", "b", &blocked) && !blocked);
  g_assert_true (g_variant_lookup (good, "free-space", "t", &free_space));
  g_assert_cmpuint (free_space, ==, 1 << 30);
  g_autoptr (GVariant) vms = g_variant_lookup_value (good, "virtual-machines", NULL);
  g_assert_cmpuint (g_variant_n_children (vms), ==, 2);
  g_assert_cmpuint (fake_count ("create"), ==, 0);

  fake_world.on_disk_full = TRUE;
  g_autoptr (GVariant) bad = validate (f, entry, &error);
  g_assert_true (g_variant_lookup (bad, "blocked", "b", &blocked) && blocked);
  g_assert_null (engine_start_plan (f, entry, &error));
  assert_refused (error, MTV_ERROR_CRITICAL_CONCERNS,
                  "The plan 'p' cannot start: web-0: [destination.full] There is no room for "
                  "'web-0'.; web-1: [destination.full] There is no room for 'web-1'.");
  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "ready");
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM migration"), ==, 0);

  g_autofree char *id = g_strdup (mtv_plan_entry_get_plan (entry)->id);
  engine_stop (f);
  fake_world.broken = "local";
  engine_load (f);
  entry = mtv_engine_find_plan (f->engine, id, NULL);
  g_assert_null (validate (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE,
                  "The provider 'local' is not usable: No destination can be made of 'local'");
}

static gboolean
archive (EngineFixture *f, MtvPlanEntry *entry, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_archive_plan_async (f->engine, entry, engine_take_result, &result);
  return engine_finish (mtv_engine_archive_plan_finish, f->engine, error);
}

static gboolean
remove_plan (EngineFixture *f, MtvPlanEntry *entry, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_remove_plan_async (f->engine, entry, engine_take_result, &result);
  return engine_finish (mtv_engine_remove_plan_finish, f->engine, error);
}

static gboolean
forget (EngineFixture *f, MtvMigration *migration, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_forget_migration_async (f->engine, migration, engine_take_result, &result);
  return engine_finish (mtv_engine_forget_migration_finish, f->engine, error);
}

static void
assert_executing (EngineFixture *f, MtvPlanEntry *entry)
{
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "executing");
  g_assert_null (engine_start_plan (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "The plan 'p' is executing");
  g_assert_false (archive (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE,
                  "The plan 'p' cannot be archived while a migration of it runs; cancel that "
                  "first");
  g_assert_false (remove_plan (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE,
                  "The plan 'p' cannot be removed while a migration of it runs; cancel that first");
}

static void
test_life (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) first = NULL;

  (void) data;
  engine_add_source (f, NULL);
  MtvPlanEntry *entry = engine_create_plan (f, engine_make_plan (f, "p", 0, 2), &error);
  fake_block ("open-writer");
  mtv_engine_start_plan_async (f->engine, entry, 1000, engine_take_result, &first);
  g_assert_null (engine_start_plan (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "Another call about plan 'p' is under way");
  engine_wait_for (first != NULL);
  g_autoptr (MtvMigration) one = mtv_engine_start_plan_finish (f->engine, first, &error);
  g_clear_object (&first);
  assert_executing (f, entry);
  g_assert_false (forget (f, one, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE,
                  "The migration of plan 'p' still runs; cancel it first");
  engine_wait_for (fake_is_blocked ("open-writer"));
  g_assert_true (mtv_job_cancel (engine_get_job (one, 1), 1000, NULL));
  fake_release ("open-writer");
  engine_wait_for_state (engine_get_job (one, 2), "succeeded");
  engine_wait_for_state (engine_get_job (one, 1), "cancelled");
  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "succeeded");

  /* Another run takes over what is missing; the first is not tried again. */
  fake_block ("open-writer");
  MtvMigration *two = engine_start_plan (f, entry, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (mtv_migration_get_jobs (two)->len, ==, 1);
  g_assert_true (mtv_plan_entry_get_last_migration (entry) == two);
  g_assert_cmpstr (mtv_job_get_record (engine_get_job (two, 1))->vm_id, ==, "vm-0");
  assert_executing (f, entry);
  engine_wait_for (fake_is_blocked ("open-writer"));
  g_assert_true (mtv_migration_cancel (two, 1000, NULL));
  fake_release ("open-writer");
  engine_wait_for_state (engine_get_job (two, 1), "cancelled");

  const char *later = "There is a later migration of plan 'p'; retry that, or start the plan again";
  g_assert_false (mtv_migration_retry (one, 1000, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, later);
  g_assert_false (mtv_job_retry (engine_get_job (one, 1), 1000, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, later);

  /* Nor is one that is being forgotten, or whose plan is spoken for. */
  g_autofree char *forgetting = g_strdup_printf ("Another call about migration '%s' is under way",
                                                 mtv_migration_get_record (two)->id);
  run_sql (f, "CREATE TRIGGER t BEFORE DELETE ON migration BEGIN SELECT RAISE (ABORT, 'no'); END");
  mtv_engine_forget_migration_async (f->engine, two, engine_take_result, &first);
  g_assert_false (mtv_migration_retry (two, 1000, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, forgetting);
  engine_wait_for (first != NULL);
  g_assert_false (mtv_engine_forget_migration_finish (f->engine, first, NULL));
  g_clear_object (&first);
  mtv_engine_remove_plan_async (f->engine, entry, engine_take_result, &first);
  g_assert_false (mtv_job_retry (engine_get_job (two, 1), 1000, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "Another call about plan 'p' is under way");
  engine_wait_for (first != NULL);
  g_assert_false (mtv_engine_remove_plan_finish (f->engine, first, NULL));
  g_clear_object (&first);
  run_sql (f, "DROP TRIGGER t");

  g_assert_true (mtv_migration_retry (two, 1000, NULL));
  assert_executing (f, entry);
  engine_wait_for_state (engine_get_job (two, 1), "succeeded");
  g_assert_null (engine_start_plan (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE,
                  "Every virtual machine of plan 'p' has arrived already");

  g_assert_true (forget (f, two, &error));
  g_assert_true (mtv_plan_entry_get_last_migration (entry) == one);
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM migration"), ==, 1);
  g_assert_true (archive (f, entry, &error));
  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "archived");
  g_assert_false (archive (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "The plan 'p' is archived already");
  g_assert_null (engine_start_plan (f, entry, &error));
  assert_refused (error, MTV_ERROR_WRONG_STATE, "The plan 'p' is archived");
  g_clear_object (&one);

  engine_restart (f);
  entry = g_ptr_array_index (mtv_engine_get_plans (f->engine), 0);
  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "archived");
  g_assert_true (remove_plan (f, entry, &error));
  g_assert_cmpuint (mtv_engine_get_plans (f->engine)->len, ==, 0);
  g_assert_cmpuint (mtv_engine_get_migrations (f->engine)->len, ==, 0);
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM job"), ==, 0);
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM event"), ==, 0);
}

/* A call whose commit fails has changed nothing. */
static void
test_store_trouble (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  engine_add_source (f, NULL);
  MtvPlanEntry *entry = engine_create_plan (f, engine_make_plan (f, "p", 0, 1), &error);
  run_sql (f, "CREATE TRIGGER a BEFORE INSERT ON plan BEGIN SELECT RAISE (ABORT, 'no'); END");
  run_sql (f, "CREATE TRIGGER b BEFORE INSERT ON job BEGIN SELECT RAISE (ABORT, 'no'); END");
  run_sql (f, "CREATE TRIGGER c BEFORE DELETE ON plan BEGIN SELECT RAISE (ABORT, 'no'); END");
  run_sql (f, "CREATE TRIGGER d BEFORE INSERT ON provider BEGIN SELECT RAISE (ABORT, 'no'); END");
  g_assert_null (engine_create_plan (f, engine_make_plan (f, "q", 0, 1), &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_clear_error (&error);
  g_assert_null (engine_start_plan (f, entry, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_clear_error (&error);
  g_assert_false (archive (f, entry, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_clear_error (&error);
  g_assert_false (remove_plan (f, entry, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_clear_error (&error);
  g_assert_null (add_provider (f, "y", "fake", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_clear_error (&error);
  g_assert_cmpstr (mtv_plan_entry_get_state (entry), ==, "ready");
  g_assert_cmpuint (mtv_engine_get_plans (f->engine)->len, ==, 1);
  g_assert_cmpuint (mtv_engine_get_migrations (f->engine)->len, ==, 0);
  g_assert_cmpuint (mtv_engine_get_providers (f->engine)->len, ==, 2);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, func) \
  g_test_add ("/engine/" name, EngineFixture, data, engine_set_up, func, engine_tear_down)
  ADD ("defaults", NULL, test_defaults);
  ADD ("providers", NULL, test_providers);
  ADD ("plan/create", NULL, test_create);
  ADD ("plan/create-early", NULL, test_create_early);
  ADD ("plan/create-early-failed", GINT_TO_POINTER (TRUE), test_create_early);
  ADD ("plan/validate", NULL, test_validate);
  ADD ("plan/life", NULL, test_life);
  ADD ("store-trouble", NULL, test_store_trouble);
  return g_test_run ();
}
