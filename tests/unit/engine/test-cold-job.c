/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine-fixture.h"
#include "transfer/mtv-hash.h"

static const char *
step_states (MtvJob *job)
{
  static char text[200];
  GString *string = g_string_new (NULL);
  GPtrArray *steps = mtv_job_get_record (job)->steps;

  for (guint i = 0; i < steps->len; i++)
    {
      MtvStepRecord *step = g_ptr_array_index (steps, i);

      g_string_append_printf (string, "%s%s=%s", i == 0 ? "" : " ", step->name, step->state);
    }
  g_strlcpy (text, string->str, sizeof text);
  g_string_free (string, TRUE);
  return text;
}

static void
test_success (EngineFixture *f, gconstpointer data)
{
  MtvMigration *migration = engine_begin (f, 1);
  MtvJob *job = engine_get_job (migration, 1);

  (void) data;
  engine_wait_for_state (job, "succeeded");
  g_autofree char *timeline = engine_get_timeline (migration, 1);
  g_assert_cmpstr (timeline, ==, "preparing allocating copying verifying defining succeeded");
  g_assert_cmpstr (step_states (job), ==,
                   "preparing=completed allocating=completed copying=completed "
                   "verifying=completed defining=completed");
  g_assert_cmpstr (mtv_job_get_phase (job), ==, "done");
  g_assert_cmpuint (mtv_job_get_bytes_done (job), ==, mtv_job_get_bytes_total (job));
  g_assert_cmpuint (mtv_job_get_bytes_done (job), >, 0);
  g_assert_cmpuint (mtv_job_get_rate (job), ==, 0);
  g_assert_cmpuint (mtv_job_get_expected_end (job), ==, 0);
  g_assert_cmpuint (mtv_job_get_leftovers (job), ==, 0);
  g_assert_true (g_str_has_suffix (mtv_job_get_record (job)->location, "/vms/web-0"));
  g_assert_cmpuint (mtv_job_get_record (job)->end_time, !=, 0);
  g_autoptr (GVariant) disks = g_variant_ref_sink (mtv_job_get_disks (job));
  g_assert_cmpuint (g_variant_n_children (disks), ==, 2);
  g_autofree char *text = g_variant_print (disks, FALSE);
  g_assert_nonnull (strstr (text, "'state': <'verified'>"));
  g_assert_null (strstr (text, "'state': <'copied'>"));

  g_assert_cmpstr (mtv_migration_get_state (migration), ==, "succeeded");
  g_assert_cmpuint (mtv_migration_get_record (migration)->end_time, !=, 0);
  g_assert_cmpuint (fake_count ("identity"), ==, 2); /* prepared, and once more before the copy */
  g_assert_cmpuint (fake_count ("zero"), ==, 0);     /* new volumes read as zeroes */
  g_assert_cmpuint (fake_count ("define"), ==, 1);
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
  engine_settle (f);

  engine_restart (f);
  migration = g_ptr_array_index (mtv_engine_get_migrations (f->engine), 0);
  g_assert_cmpstr (mtv_migration_get_state (migration), ==, "succeeded");
  g_assert_cmpstr (mtv_job_get_phase (engine_get_job (migration, 1)), ==, "done");
  g_assert_cmpuint (fake_count ("define"), ==, 1);
}

/* How the verify option of the plan decides what is read back. */
static void
test_verify (EngineFixture *f, gconstpointer data)
{
  const char *verify = data;
  gboolean off = g_str_equal (verify, "off");
  MtvPlan *plan;

  engine_add_source (f, NULL);
  plan = engine_make_plan (f, "p", 0, 1);
  g_free (plan->verify);
  plan->verify = g_strdup (verify);
  MtvMigration *migration = engine_start_plan (f, engine_create_plan (f, plan, NULL), NULL);
  MtvJob *job = engine_get_job (migration, 1);
  engine_wait_for_state (job, "succeeded");
  g_assert_cmpuint (fake_count ("open-reader"), ==, off ? 0 : 2);
  g_assert_cmpuint (fake_count ("read-back"), >=, off ? 0 : g_str_equal (verify, "full") ? 6 : 4);
  g_assert_nonnull (strstr (step_states (job), off ? "verifying=skipped" : "verifying=completed"));
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
}

/* The hash option of the plan is that of the maps, which outlive the process. */
static void
test_hash (EngineFixture *f, gconstpointer data)
{
  const char *hash = data;
  MtvPlan *plan;

  engine_add_source (f, NULL);
  plan = engine_make_plan (f, "p", 0, 1);
  g_free (plan->hash);
  plan->hash = g_strdup (hash);
  MtvMigration *migration = engine_start_plan (f, engine_create_plan (f, plan, NULL), NULL);
  engine_wait_for_state (engine_get_job (migration, 1), "succeeded");
  engine_assert_arrived (f, 0, "web-0");

  g_autofree char *path = g_build_filename (f->directory, "vms", "web-0", "hash", NULL);
  g_autofree char *used = NULL;
  g_assert_true (g_file_get_contents (path, &used, NULL, NULL));
  g_assert_cmpstr (used, ==, hash);
}

static void
test_corrupt (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_world.corrupt = TRUE;
  MtvMigration *migration = engine_begin (f, 1);
  MtvJob *job = engine_get_job (migration, 1);

  engine_wait_for_state (job, "failed");
  g_assert_cmpstr (mtv_job_get_record (job)->error_name, ==, "org.mtv.Error.ChecksumMismatch");
  g_assert_cmpstr (mtv_job_get_phase (job), ==, "verifying");
  g_assert_cmpstr (step_states (job), ==,
                   "preparing=completed allocating=completed copying=completed verifying=failed "
                   "defining=pending cleaning-up=completed");
  g_assert_cmpstr (mtv_migration_get_state (migration), ==, "failed");
  engine_assert_clean (f);
  engine_assert_vms (f, 0);

  fake_world.corrupt = FALSE;
  g_assert_true (mtv_job_retry (job, 1000, NULL));
  engine_wait_for_state (job, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
}

/* Every request of the way, and the state of the job that makes it. */
static const struct
{
  const char *request;
  const char *phase;
} requests[] = {
  { "identity", "preparing" },   { "open-disk", "preparing" },   { "has-vm", "preparing" },
  { "free-space", "preparing" }, { "create", "allocating" },     { "open-writer", "copying" },
  { "check-disk", "copying" },   { "read", "copying" },          { "write", "copying" },
  { "flush", "copying" },        { "open-reader", "verifying" }, { "read-back", "verifying" },
  { "define", "defining" },
};

/* Half a flush is none: it is waited for, whatever was asked for meanwhile. */
static void
release_stubborn (const char *request)
{
  if (g_str_equal (request, "flush"))
    fake_release (request);
}

static gboolean
can_fail (const char *request)
{
  return !g_str_equal (request, "has-vm") && !g_str_equal (request, "free-space");
}

static void
test_failures (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_world.checks_disks = TRUE;
  MtvMigration *migration = NULL;
  MtvJob *job = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      if (!can_fail (requests[i].request))
        continue;
      g_test_message ("%s", requests[i].request);
      fake_fail (requests[i].request, MTV_ERROR_PERMISSION_DENIED, 1);
      if (job == NULL)
        {
          migration = engine_begin (f, 1);
          job = engine_get_job (migration, 1);
        }
      else
        g_assert_true (mtv_migration_retry (migration, 1000, NULL));
      engine_wait_for (mtv_job_has_ended (job));
      const MtvJobRecord *record = mtv_job_get_record (job);
      g_autofree char *text = g_strdup_printf ("%s of web-0 failed", requests[i].request);
      g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
      g_assert_cmpstr (record->error_name, ==, "org.mtv.Error.PermissionDenied");
      g_assert_nonnull (strstr (record->error_text, text));
      g_assert_cmpstr (mtv_job_get_phase (job), ==, requests[i].phase);
      engine_assert_clean (f);
      engine_assert_vms (f, 0);
    }
  g_assert_true (mtv_migration_retry (migration, 1000, NULL));
  g_assert_cmpstr (mtv_migration_get_state (migration), ==, "running");
  engine_wait_for_state (job, "succeeded");
  g_assert_null (mtv_job_get_record (job)->error_text);
  engine_assert_arrived (f, 0, "web-0");
  engine_settle (f);
}

static void
test_cancel (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_world.checks_disks = TRUE;
  MtvMigration *migration = NULL;
  MtvJob *job = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", requests[i].request);
      fake_block (requests[i].request);
      if (job == NULL)
        {
          migration = engine_begin (f, 1);
          job = engine_get_job (migration, 1);
        }
      else
        g_assert_true (mtv_job_retry (job, 1000, NULL));
      engine_wait_for (fake_is_blocked (requests[i].request));
      engine_wait_for (g_str_equal (mtv_job_get_phase (job), requests[i].phase));
      g_assert_cmpstr (mtv_job_get_state (job), ==, "running");
      g_assert_true (mtv_job_cancel (job, 1000, &error));
      g_assert_cmpstr (mtv_job_get_state (job), ==, "cleaning-up");
      g_assert_false (mtv_job_cancel (job, 1000, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
      g_assert_cmpstr (error->message, ==, "The migration of 'web-0' is being cancelled already");
      release_stubborn (requests[i].request);
      engine_wait_for (mtv_job_has_ended (job));
      g_assert_cmpstr (mtv_job_get_state (job), ==, "cancelled");
      g_assert_cmpstr (mtv_job_get_phase (job), ==, requests[i].phase);
      g_assert_null (mtv_job_get_record (job)->error_text);
      g_assert_cmpstr (mtv_migration_get_state (migration), ==, "cancelled");
      engine_assert_clean (f);
      engine_assert_vms (f, 0);
      fake_release (requests[i].request);
    }
  g_autoptr (GError) error = NULL;
  g_assert_false (mtv_job_cancel (job, 1000, &error));
  g_assert_cmpstr (error->message, ==, "The migration of 'web-0' has ended");
  g_clear_error (&error);
  g_assert_false (mtv_migration_cancel (migration, 1000, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_nonnull (strstr (error->message, "plan 'p'"));
  engine_settle (f);
}

/* stop_async in the middle of each request; the next process goes on. */
static void
test_stop (EngineFixture *f, gconstpointer data)
{
  MtvJob *job = NULL;

  (void) data;
  fake_world.checks_disks = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_test_message ("%s", requests[i].request);
      fake_block (requests[i].request);
      if (job == NULL)
        job = engine_get_job (engine_begin (f, 1), 1);
      engine_wait_for (fake_is_blocked (requests[i].request));
      if (i > 0)
        fake_release (requests[i - 1].request);
      release_stubborn (requests[i].request);
      engine_stop (f);
      fake_release (requests[i].request);
      if (i + 1 < G_N_ELEMENTS (requests))
        fake_block (requests[i + 1].request);
      engine_load (f);
      mtv_engine_run (f->engine);
      job = engine_get_job (g_ptr_array_index (mtv_engine_get_migrations (f->engine), 0), 1);
    }
  engine_wait_for_state (job, "succeeded");
  g_assert_null (mtv_job_get_record (job)->error_text);
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
}

static void
test_cancel_queued (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  guint64 since;

  (void) data;
  mtv_engine_set_defaults_async (f->engine,
                                 g_variant_new_parsed ("{'max-vms-in-flight': <uint32 1>}"),
                                 engine_take_result, &result);
  g_assert_true (engine_finish (mtv_engine_set_defaults_finish, f->engine, &error));
  fake_block ("identity");
  MtvMigration *migration = engine_begin (f, 3);
  engine_wait_for (fake_is_blocked ("identity"));
  MtvJob *job = engine_get_job (migration, 3);
  engine_wait_for (mtv_job_get_queue_place (job) == 2);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "queued");
  g_assert_cmpstr (mtv_job_get_waiting (job, &since), ==,
                   "waiting for a slot on provider 'vsphere', place 2 in its queue");
  g_assert_cmpuint (since, ==, mtv_clock_now (MTV_CLOCK (f->clock)));
  guint running, queued, suspended;
  mtv_engine_get_counts (f->engine, &running, &queued, &suspended);
  g_assert_cmpuint (running * 100 + queued * 10 + suspended, ==, 120);
  g_autoptr (GVariant) counts = g_variant_ref_sink (mtv_migration_get_counts (migration));
  g_autofree char *text = g_variant_print (counts, FALSE);
  g_assert_cmpstr (text, ==, "{'queued': 2, 'running': 1}");

  g_assert_true (mtv_job_cancel (engine_get_job (migration, 2), 1000, NULL));
  engine_wait_for_state (engine_get_job (migration, 2), "cancelled");
  engine_wait_for (mtv_job_get_queue_place (job) == 1);
  fake_release ("identity");
  engine_wait_for_state (job, "succeeded");
  engine_wait_for_state (engine_get_job (migration, 1), "succeeded");
  g_assert_null (mtv_job_get_waiting (job, &since));
  g_assert_cmpstr (mtv_migration_get_state (migration), ==, "succeeded");

  g_assert_true (mtv_migration_retry (migration, 1000, NULL)); /* what arrived stays */
  engine_wait_for_state (engine_get_job (migration, 2), "succeeded");
  g_assert_cmpuint (fake_count ("define"), ==, 3);
  engine_assert_arrived (f, 1, "web-1");
  g_assert_false (mtv_migration_retry (migration, 1000, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  engine_settle (f);
}

static void
test_target_name (EngineFixture *f, gconstpointer data)
{
  gboolean given = GPOINTER_TO_INT (data);

  engine_add_source (f, NULL);
  MtvPlan *plans[2] = { engine_make_plan (f, "a", 0, 1), engine_make_plan (f, "b", 1, 1) };
  MtvJob *jobs[2];

  fake_block ("create");
  for (guint i = 0; i < 2; i++) /* both want the one name, the second while the first works */
    {
      MtvPlanVm *vm = g_ptr_array_index (plans[i]->vms, 0);

      vm->target_name = i == 0 || given ? g_strdup ("web-1") : NULL;
      MtvPlanEntry *entry = engine_create_plan (f, plans[i], NULL);
      jobs[i] = engine_get_job (engine_start_plan (f, entry, NULL), 1);
      engine_wait_for (g_str_equal (mtv_job_get_phase (jobs[i]), "allocating")
                       || mtv_job_has_ended (jobs[i]));
    }
  fake_release ("create");
  engine_wait_for (mtv_job_has_ended (jobs[0]) && mtv_job_has_ended (jobs[1]));
  const MtvJobRecord *second = mtv_job_get_record (jobs[1]);
  engine_assert_arrived (f, 0, "web-1");
  engine_assert_clean (f);
  if (given)
    {
      g_assert_cmpstr (second->error_name, ==, "org.mtv.Error.Exists");
      g_assert_nonnull (strstr (second->error_text, "'web-1'"));
      g_assert_true (mtv_job_retry (jobs[1], 1000, NULL)); /* now the name is taken over there */
      engine_wait_for (mtv_job_has_ended (jobs[1]));
      g_assert_cmpstr (second->error_text, ==,
                       "There is a virtual machine 'web-1' at the destination already");
      return;
    }
  g_assert_cmpstr (second->target_name, !=, "web-1");
  g_assert_true (g_str_has_prefix (second->target_name, "web-1-"));
  engine_assert_arrived (f, 1, second->target_name);
}

static void
count_up (guint *n)
{
  (*n)++;
}

static void
test_progress (EngineFixture *f, gconstpointer data)
{
  guint64 last = 0, changed = 0;

  (void) data;
  fake_block ("write");
  MtvMigration *migration = engine_begin (f, 1);
  MtvJob *job = engine_get_job (migration, 1);
  guint n = 0, n_migration = 0;
  engine_wait_for (fake_is_blocked ("write"));
  engine_wait_for (g_str_equal (mtv_job_get_phase (job), "copying"));
  engine_wait_for (mtv_job_get_rate (job) == 0 && mtv_job_get_bytes_total (job) > 0);
  g_assert_cmpuint (mtv_job_get_expected_end (job), ==, 0);

  /* Two seconds in which nothing but time passes: four ticks, and as many changes. */
  g_signal_connect_swapped (job, "changed", G_CALLBACK (count_up), &n);
  g_signal_connect_swapped (migration, "changed", G_CALLBACK (count_up), &n_migration);
  gint64 begin = g_get_monotonic_time ();
  engine_wait_for (n >= 3);
  changed = (guint64) (g_get_monotonic_time () - begin);
  g_assert_cmpuint (changed, >, 900 * 1000);
  g_assert_cmpuint (n_migration, <=, n);
  g_signal_handlers_disconnect_by_data (job, &n);
  g_signal_handlers_disconnect_by_data (migration, &n_migration);

  fake_fail ("write", MTV_ERROR_NO_SPACE, 1);
  fake_release ("write");
  while (!mtv_job_has_ended (job))
    {
      guint64 done = mtv_job_get_bytes_done (job);

      g_assert_cmpuint (done, >=, last);
      last = done;
      if (g_str_equal (mtv_job_get_state (job), "suspended"))
        fake_clock_advance (f->clock, ENGINE_RETRY);
      g_main_context_iteration (NULL, TRUE);
    }
  g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
  g_assert_cmpuint (mtv_job_get_bytes_done (job), ==, mtv_job_get_bytes_total (job));
  engine_assert_arrived (f, 0, "web-0");
}

static void
test_many (EngineFixture *f, gconstpointer data)
{
  guint running, queued, suspended;

  (void) data;
  fake_world.n_vms = 102; /* the last two share a name */
  fake_world.disk_size = 8192;
  MtvMigration *migration = engine_begin (f, 100);

  mtv_engine_get_counts (f->engine, &running, &queued, &suspended);
  g_assert_cmpuint (running + queued + suspended, ==, 100);
  engine_wait_for (!g_str_equal (mtv_migration_get_state (migration), "running"));
  g_assert_cmpstr (mtv_migration_get_state (migration), ==, "succeeded");
  g_autoptr (GVariant) counts = g_variant_ref_sink (mtv_migration_get_counts (migration));
  g_autofree char *text = g_variant_print (counts, FALSE);
  g_assert_cmpstr (text, ==, "{'succeeded': 100}");
  engine_assert_vms (f, 100);
  engine_assert_arrived (f, 99, "web-99");
  engine_assert_clean (f);
  engine_settle (f);
}

int
main (int argc, char *argv[])
{
  static const char *const verify[] = { "off", "written", "full" };

  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, func) \
  g_test_add ("/cold-job/" name, EngineFixture, data, engine_set_up, func, engine_tear_down)
  ADD ("success", NULL, test_success);
  ADD ("verify/off", verify[0], test_verify);
  ADD ("verify/written", verify[1], test_verify);
  ADD ("verify/full", verify[2], test_verify);
  for (guint i = 0; i < MTV_N_HASHES; i++)
    {
      g_autofree char *path = g_strconcat ("/cold-job/hash/", mtv_hash_to_string (i), NULL);

      g_test_add (path, EngineFixture, mtv_hash_to_string (i), engine_set_up, test_hash,
                  engine_tear_down);
    }
  ADD ("corrupt", NULL, test_corrupt);
  ADD ("failures", NULL, test_failures);
  ADD ("cancel", NULL, test_cancel);
  ADD ("cancel-queued", NULL, test_cancel_queued);
  ADD ("stop", NULL, test_stop);
  ADD ("target-name/derived", NULL, test_target_name);
  ADD ("target-name/given", GINT_TO_POINTER (TRUE), test_target_name);
  ADD ("progress", NULL, test_progress);
  ADD ("many", NULL, test_many);
  return g_test_run ();
}
