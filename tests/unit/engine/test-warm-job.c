/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "warm-fixture.h"

/* Some bytes here and there: within a block, over the end of one, in one that was zero. */
static void
write_some (guint seed)
{
  fake_live_write ("vm-0", 0, 5000 + seed * 4096, 300, seed);
  fake_live_write ("vm-0", 0, 1024 * 1024 - 100, 5000, seed + 1);
  fake_live_write ("vm-0", 1, 1024 * 1024 + 70000, 4096, seed % 3 == 0 ? 0 : seed);
  fake_live_write ("vm-0", 1, fake_world.disk_size - 10, 10, seed);
}

/* Between rounds the source has a mark of ours and nothing else. */
static void
assert_idle (MtvJob *job)
{
  g_assert_cmpstr (mtv_job_get_phase (job), ==, "idle");
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_SNAPSHOT), ==, 0);
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_MARK), ==, fake_world.n_disks);
  g_assert_cmpint (fake_live_get_power ("vm-0"), ==, MTV_POWER_ON);
}

static void
test_success (EngineFixture *f, gconstpointer data)
{
  const char *verify = data;
  g_autoptr (GError) error = NULL;

  fake_world.reads_back = verify != NULL;
  fake_world.tracking_off = TRUE;
  MtvMigration *migration = warm_begin (f, 1, "guest");
  MtvJob *job = engine_get_job (migration, 1);
  const MtvJobRecord *record = mtv_job_get_record (job);
  warm_wait_idle (job);
  assert_idle (job);
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_TRACKING), ==, 1);
  guint64 now = mtv_clock_now (MTV_CLOCK (f->clock));
  g_assert_cmpuint (record->next_round, ==, now + WARM_INTERVAL);
  g_assert_cmpuint (warm_get_round (job, 1)->bytes_done, ==,
                    warm_get_round (job, 1)->bytes_changed);
  g_assert_cmpuint (warm_get_round (job, 1)->bytes_changed, >, 0);

  for (guint i = 0; i < 2; i++)
    {
      guint reads = fake_count ("read");

      write_some (i + 1);
      warm_next_round (f, job);
      assert_idle (job);
      /* 300 within a granule or two, 5000 over two or three, 4096 over two, 10 in one: of 4 KiB. */
      g_assert_cmpuint (warm_get_round (job, i + 2)->bytes_changed, <=, 9 * 4096);
      g_assert_cmpuint (warm_get_round (job, i + 2)->bytes_changed, >, 0);
      g_assert_false (warm_get_round (job, i + 2)->compared);
      if (verify != NULL) /* else whole blocks, for their hashes */
        g_assert_cmpuint (fake_count ("read") - reads, <=, 9);
    }
  write_some (3);
  g_assert_true (mtv_job_cutover (job, 0, 1000, &error));
  g_assert_no_error (error);
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
  g_assert_cmpuint (record->rounds->len, ==, 4);
  g_assert_true (warm_get_round (job, 4)->final);
  g_assert_cmpstr (record->power_state, ==, "on");
  g_assert_cmpuint (record->off_time, !=, 0);
  g_assert_cmpuint (mtv_job_get_bytes_done (job), ==, mtv_job_get_bytes_total (job));
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
  g_assert_cmpuint (fake_count ("start"), ==, 0);
  g_autofree char *timeline = engine_get_timeline (migration, 1);
  g_assert_cmpstr (timeline, ==,
                   "preparing allocating snapshotting precopying removing-snapshot idle "
                   "snapshotting precopying removing-snapshot idle "
                   "snapshotting precopying removing-snapshot idle cutover powering-off "
                   "final-snapshotting final-copying verifying defining final-removing succeeded");
  g_autoptr (GVariant) rounds = g_variant_ref_sink (mtv_job_get_rounds (job));
  g_autofree char *text = g_variant_print (rounds, FALSE);
  g_assert_nonnull (strstr (text, "'final': <true>"));
  g_assert_null (strstr (text, "change-ids"));
}

/* A day and more: as many rounds as there are snapshots but one, the last for the cutover. */
static void
test_28_rounds (EngineFixture *f, gconstpointer data)
{
  guint64 begin = mtv_clock_now (MTV_CLOCK (f->clock)), since;

  (void) data;
  MtvMigration *migration = warm_begin (f, 1, "guest");
  MtvJob *job = engine_get_job (migration, 1);
  warm_wait_idle (job);
  for (guint i = 2; i < 28; i++)
    {
      write_some (i);
      warm_next_round (f, job);
      assert_idle (job);
      g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, i);
      if (i <= 19) /* then they get rarer */
        g_assert_cmpuint (warm_get_round (job, i)->start_time, ==, begin + (i - 1) * WARM_INTERVAL);
    }
  g_assert_cmpuint (mtv_job_get_record (job)->next_round, ==, 0);
  g_assert_cmpstr (mtv_job_get_waiting (job, &since), ==,
                   "all snapshots but the last are used: waiting for the cutover");
  fake_clock_advance (f->clock, 48 * WARM_INTERVAL);
  engine_settle (f);
  g_assert_cmpstr (mtv_job_get_phase (job), ==, "idle");
  write_some (28);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
  g_assert_cmpuint (fake_count ("create-point"), ==, 28);
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
}

static void
test_nothing_changed (EngineFixture *f, gconstpointer data)
{
  (void) data;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  guint writers = fake_count ("open-writer"), reads = fake_count ("read");
  warm_next_round (f, job);
  g_assert_cmpuint (fake_count ("open-writer"), ==, writers);
  g_assert_cmpuint (fake_count ("read"), ==, reads);
  g_assert_cmpuint (warm_get_round (job, 2)->bytes_changed, ==, 0);
  g_assert_cmpuint (warm_get_round (job, 2)->copied_time, !=, 0);
  assert_idle (job);
}

/* The source cannot tell what has changed: all is read, and only what differs is written. */
static void
test_lost_track (EngineFixture *f, gconstpointer data)
{
  (void) data;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  guint writes = fake_count ("write");
  fake_world.loses_track = TRUE;
  fake_live_write ("vm-0", 0, 100, 100, 7);
  warm_next_round (f, job);
  g_assert_true (warm_get_round (job, 2)->compared);
  g_assert_cmpuint (fake_count ("write") - writes, <=, 4); /* one block */
  fake_world.loses_track = FALSE;
  write_some (1);
  warm_next_round (f, job);
  g_assert_false (warm_get_round (job, 3)->compared);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  warm_wait_end (f, job);
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
}

/* A disk came, or the VM went: no round can follow. */
static void
test_vm_changed (EngineFixture *f, gconstpointer data)
{
  (void) data;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  fake_world.vm_changed = TRUE;
  warm_next_round (f, job);
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
  g_assert_cmpstr (mtv_job_get_record (job)->error_name, ==, "org.mtv.Error.SourceChanged");
  g_assert_cmpstr (mtv_job_get_record (job)->error_text, ==, "A disk of 'web-0' was added");
  warm_assert_left (f, MTV_POWER_ON);
  engine_assert_vms (f, 0);

  fake_world.vm_changed = FALSE; /* another try begins at the beginning */
  g_assert_true (mtv_job_retry (job, 1000, NULL));
  engine_wait_for (!mtv_job_has_ended (job));
  warm_wait_idle (job);
  g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 1);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  warm_wait_end (f, job);
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
}

/* What one round may fail of, and how often. */
static void
test_round_fails (EngineFixture *f, gconstpointer data)
{
  const char *request = data;
  guint64 since;

  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  write_some (1);
  fake_fail (request, MTV_ERROR_PERMISSION_DENIED, 1);
  warm_next_round (f, job);
  assert_idle (job); /* the mark is that of the round before */
  g_assert_cmpuint (warm_get_round (job, 2)->copied_time, ==, 0);
  g_assert_cmpuint (warm_get_round (job, 2)->removed_time, !=, 0);
  g_assert_true (g_str_has_prefix (mtv_job_get_waiting (job, &since), "a round was given up: "));
  write_some (2);
  warm_next_round (f, job);
  g_assert_cmpuint (warm_get_round (job, 3)->copied_time, !=, 0);
  g_assert_false (warm_get_round (job, 3)->compared);

  fake_fail (request, MTV_ERROR_PERMISSION_DENIED, 2); /* twice more, then it works */
  write_some (3);
  warm_next_round (f, job);
  warm_next_round (f, job);
  g_assert_cmpstr (mtv_job_get_phase (job), ==, "idle");
  warm_next_round (f, job);
  g_assert_cmpuint (warm_get_round (job, 6)->copied_time, !=, 0);

  fake_fail (request, MTV_ERROR_PERMISSION_DENIED, G_MAXUINT);
  write_some (4);
  warm_next_round (f, job);
  warm_next_round (f, job);
  warm_next_alarm (f);
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
  g_assert_nonnull (strstr (mtv_job_get_record (job)->error_text, request));
  warm_assert_left (f, MTV_POWER_ON);
  g_assert_cmpuint (fake_count ("start"), ==, 0);
}

/* Also when there is nothing yet that the next one could be reckoned from. */
static void
test_first_round_fails (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_fail ("flush", MTV_ERROR_PERMISSION_DENIED, 1);
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_MARK), ==, 0);
  write_some (1);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL)); /* first there has to be a copy */
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
  g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 3);
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
}

/* Sources come back: the job waits, with what it has. */
static void
test_unreachable (EngineFixture *f, gconstpointer data)
{
  (void) data;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  write_some (1);
  fake_fail ("open-point", MTV_ERROR_UNREACHABLE, 3);
  warm_next_alarm (f);
  for (guint i = 0; i < 2; i++)
    {
      engine_wait_for_state (job, "suspended");
      g_assert_cmpstr (mtv_job_get_phase (job), ==, "precopying");
      engine_settle (f);
      warm_next_alarm (f);
      engine_settle (f);
    }
  warm_wait_idle (job);
  g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 2);
  g_assert_cmpuint (warm_get_round (job, 2)->copied_time, !=, 0);
  assert_idle (job);
}

/* Every request of the way, and its state; from "get-power" on it is that of the cutover. */
static const struct
{
  const char *request;
  const char *phase;
  gboolean cutover;
} requests[] = {
  { "create", "allocating", FALSE },
  { "enable-tracking", "allocating", FALSE },
  { "create-point", "snapshotting", FALSE },
  { "open-point", "precopying", FALSE },
  { "open-writer", "precopying", FALSE },
  { "read", "precopying", FALSE },
  { "write", "precopying", FALSE },
  { "flush", "precopying", FALSE },
  { "remove-point", "removing-snapshot", FALSE },
  { "get-power", "powering-off", TRUE },
  { "shut-down", "powering-off", TRUE },
  { "create-point", "final-snapshotting", TRUE },
  { "open-point", "final-copying", TRUE },
  { "write", "final-copying", TRUE },
  { "read-back", "verifying", TRUE },
  { "define", "defining", TRUE },
};

/* Begins, or begins again, and comes to where request @i is in there. */
static MtvJob *
come_to (EngineFixture *f, MtvJob *job, guint i)
{
  if (!requests[i].cutover)
    fake_block (requests[i].request);
  if (job == NULL)
    job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  else
    g_assert_true (mtv_job_retry (job, 1000, NULL));
  engine_wait_for (!mtv_job_has_ended (job));
  if (requests[i].cutover)
    {
      warm_wait_idle (job);
      write_some (10 + i);
      fake_block (requests[i].request);
      g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
      engine_wait_for (!g_str_equal (mtv_job_get_phase (job), "idle"));
    }
  while (!fake_is_blocked (requests[i].request))
    {
      engine_wait_for (fake_is_blocked (requests[i].request)
                       || fake_clock_get_next (f->clock) != G_MAXUINT64);
      if (!fake_is_blocked (requests[i].request))
        warm_next_alarm (f);
    }
  g_assert_cmpstr (mtv_job_get_phase (job), ==, requests[i].phase);
  return job;
}

static void
test_cancel (EngineFixture *f, gconstpointer data)
{
  MtvJob *job = NULL;

  (void) data;
  fake_world.tracking_off = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      g_test_message ("%s in %s", requests[i].request, requests[i].phase);
      job = come_to (f, job, i);
      g_assert_true (mtv_job_cancel (job, 1000, NULL));
      if (g_str_equal (requests[i].request, "flush"))
        fake_release ("flush");
      if (g_str_equal (requests[i].request, "remove-point")
          || g_str_equal (requests[i].request, "get-power"))
        {
          engine_wait_for (g_str_equal (mtv_job_get_phase (job), "cleaning-up"));
          fake_release (requests[i].request);
        }
      warm_wait_end (f, job);
      g_assert_cmpstr (mtv_job_get_state (job), ==, "cancelled");
      fake_release (requests[i].request);
      warm_assert_left (f, MTV_POWER_ON);
      engine_assert_vms (f, 0);
    }
}

/* Once the source is not the live side any more, what fails brings it back. */
static void
test_failures (EngineFixture *f, gconstpointer data)
{
  MtvJob *job = NULL;

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++)
    {
      guint starts = fake_live_count_starts ();

      if (!requests[i].cutover || g_str_equal (requests[i].phase, "powering-off"))
        continue;
      g_test_message ("%s in %s", requests[i].request, requests[i].phase);
      job = come_to (f, job, i);
      fake_fail (requests[i].request, MTV_ERROR_PERMISSION_DENIED, 1);
      fake_release (requests[i].request);
      warm_wait_end (f, job);
      g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
      g_assert_cmpstr (mtv_job_get_phase (job), ==, requests[i].phase);
      warm_assert_left (f, MTV_POWER_ON);
      g_assert_cmpuint (fake_live_count_starts (), ==, starts + 1);
      engine_assert_vms (f, 0);
    }
}

/* stop_async in the middle of each request; the next process goes on. */
static void
test_stop (EngineFixture *f, gconstpointer data)
{
  (void) data;
  for (guint i = 1; i < G_N_ELEMENTS (requests); i++)
    {
      MtvJob *job;

      g_test_message ("%s in %s", requests[i].request, requests[i].phase);
      job = come_to (f, NULL, i);
      if (g_str_equal (requests[i].request, "flush"))
        fake_release ("flush");
      engine_stop (f);
      fake_release (requests[i].request);
      engine_load (f);
      mtv_engine_run (f->engine);
      job = engine_get_job (g_ptr_array_index (mtv_engine_get_migrations (f->engine), 0), 1);
      if (!requests[i].cutover)
        {
          warm_wait_idle (job);
          write_some (2);
          g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
        }
      warm_wait_end (f, job);
      g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
      g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 2);
      engine_assert_arrived (f, 0, "web-0");
      warm_assert_left (f, MTV_POWER_OFF);

      warm_tear_down (f, NULL);
      warm_set_up (f, NULL);
    }
}

static void
note_ready (GString *log, gboolean ready)
{
  g_string_append (log, ready ? "+" : "-");
}

/* It is told when a cutover would be short, taken back when too much may have changed, and what was
 * expected stands beside what was. */
static void
test_ready (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GString) log = g_string_new (NULL);

  (void) data;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  g_signal_connect_swapped (job, "cutover-ready", G_CALLBACK (note_ready), log);
  warm_wait_idle (job);
  g_assert_false (mtv_job_is_cutover_ready (job));
  g_assert_cmpuint (mtv_job_get_prediction (job).high, ==, 0);
  for (guint i = 1; i <= 3; i++)
    {
      write_some (i);
      fake_block ("open-writer");
      warm_next_alarm (f);
      engine_wait_for (fake_is_blocked ("open-writer"));
      fake_clock_advance (f->clock, 3 * ENGINE_SECOND);
      fake_release ("open-writer");
      engine_wait_for (!g_str_equal (mtv_job_get_phase (job), "precopying"));
      warm_wait_idle (job);
    }
  g_assert_false (mtv_job_is_cutover_ready (job)); /* three seconds for a few bytes are slow */
  g_assert_true (mtv_job_configure (
      job, g_variant_new_parsed ("{'max-downtime': <uint64 3600000000>}"), 1000, NULL));
  warm_wait_asked (job);
  g_assert_true (mtv_job_is_cutover_ready (job));
  g_assert_cmpstr (log->str, ==, "+");
  MtvPrediction prediction = mtv_job_get_prediction (job);
  g_assert_cmpuint (prediction.low, <=, prediction.likely);
  g_assert_cmpuint (prediction.likely, <=, prediction.high);
  g_assert_cmpuint (prediction.high, <=, mtv_job_get_max_downtime (job));
  g_assert_cmpuint (prediction.high, >, 0);
  g_assert_true (mtv_job_configure (
      job, g_variant_new_parsed ("{'max-downtime': <uint64 1000000>}"), 1000, NULL));
  warm_wait_asked (job);
  g_assert_cmpstr (log->str, ==, "+-");
  g_assert_true (mtv_job_configure (
      job, g_variant_new_parsed ("{'max-downtime': <uint64 3600000000>}"), 1000, NULL));
  warm_wait_asked (job);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  warm_wait_end (f, job);
  g_assert_cmpstr (log->str, ==, "+-+-");
  g_assert_cmpuint (mtv_job_get_record (job)->predicted_downtime, >, 0);
  engine_assert_arrived (f, 0, "web-0");
}

static void
test_two_plans (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  warm_wait_idle (job);
  MtvPlanEntry *other = engine_create_plan (f, engine_make_plan (f, "q", 0, 1), &error);
  g_assert_no_error (error);
  g_assert_null (engine_start_plan (f, other, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "'web-0' is being migrated by plan 'p' already");
  g_clear_error (&error);
  g_assert_true (mtv_job_cancel (job, 1000, NULL));
  warm_wait_end (f, job);
  fake_block ("create");
  g_assert_nonnull (engine_start_plan (f, other, NULL));
  g_assert_false (mtv_job_retry (job, 1000, &error)); /* now it is the other's */
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "'web-0' is being migrated by plan 'q' already");
  fake_release ("create");
}

static void
test_concerns (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  engine_add_source (f, NULL);
  MtvPlan *plan = engine_make_plan (f, "p", 0, 1);
  plan->schedule.warm = TRUE;
  MtvPlanEntry *entry = engine_create_plan (f, plan, NULL);
  fake_world.warm_concern = TRUE;
  g_assert_null (engine_start_plan (f, entry, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CRITICAL_CONCERNS);
  g_assert_nonnull (strstr (error->message, "web-0: [vm.snapshots] The VM has snapshots."));
  fake_world.warm_concern = FALSE;
  g_assert_nonnull (engine_start_plan (f, entry, NULL));
}

static void
add (const char *name, gconstpointer data, void (*test) (EngineFixture *f, gconstpointer data))
{
  g_test_add (name, EngineFixture, data, warm_set_up, test, warm_tear_down);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  add ("/warm-job/success", NULL, test_success);
  add ("/warm-job/success/read-back", "written", test_success);
  add ("/warm-job/28-rounds", NULL, test_28_rounds);
  add ("/warm-job/nothing-changed", NULL, test_nothing_changed);
  add ("/warm-job/lost-track", NULL, test_lost_track);
  add ("/warm-job/vm-changed", NULL, test_vm_changed);
  add ("/warm-job/round-fails/create-point", "create-point", test_round_fails);
  add ("/warm-job/round-fails/open-point", "open-point", test_round_fails);
  add ("/warm-job/round-fails/read", "read", test_round_fails);
  add ("/warm-job/round-fails/write", "write", test_round_fails);
  add ("/warm-job/round-fails/flush", "flush", test_round_fails);
  add ("/warm-job/first-round-fails", NULL, test_first_round_fails);
  add ("/warm-job/unreachable", NULL, test_unreachable);
  add ("/warm-job/cancel", NULL, test_cancel);
  add ("/warm-job/failures", NULL, test_failures);
  add ("/warm-job/stop", NULL, test_stop);
  add ("/warm-job/ready", NULL, test_ready);
  add ("/warm-job/two-plans", NULL, test_two_plans);
  add ("/warm-job/concerns", NULL, test_concerns);
  return g_test_run ();
}
