/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "warm-fixture.h"

static void
expect_error (GError **error, int code, const char *text)
{
  g_assert_error (*error, MTV_ERROR, code);
  g_assert_nonnull (strstr ((*error)->message, text));
  g_clear_error (error);
}

static guint64
get_now (EngineFixture *f)
{
  return mtv_clock_now (MTV_CLOCK (f->clock));
}

static MtvJob *
come_to_idle (EngineFixture *f, const char *shutdown)
{
  MtvJob *job = engine_get_job (warm_begin (f, 1, shutdown), 1);

  warm_wait_idle (job);
  return job;
}

static MtvJob *
restart (EngineFixture *f, guint64 down)
{
  engine_stop (f);
  fake_clock_advance (f->clock, down);
  engine_load (f);
  mtv_engine_run (f->engine);
  return engine_get_job (g_ptr_array_index (mtv_engine_get_migrations (f->engine), 0), 1);
}

/* Until what was asked for is committed, and acted on. */
static void
wait_for_alarm (EngineFixture *f, guint64 at)
{
  engine_wait_for (fake_clock_get_next (f->clock) == at);
}

static void
assert_arrived (EngineFixture *f, MtvJob *job)
{
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
}

static void
test_at_a_time (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  MtvJob *job = come_to_idle (f, "guest");
  guint64 start = get_now (f);
  g_assert_false (mtv_job_cutover (job, start - 1, 1000, &error));
  expect_error (&error, MTV_ERROR_INVALID_ARGUMENT, "lies in the past");
  g_assert_false (mtv_job_cutover (job, start + 367 * 24 * WARM_INTERVAL, 1000, &error));
  expect_error (&error, MTV_ERROR_INVALID_ARGUMENT, "more than a year ahead");
  g_assert_false (mtv_job_withdraw_cutover (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' has no cutover that could be withdrawn");

  g_assert_true (mtv_job_cutover (job, start + 50 * 60 * ENGINE_SECOND, 1000, &error));
  g_assert_true (mtv_job_cutover (job, start + 100 * 60 * ENGINE_SECOND, 1000, &error)); /* moved */
  warm_wait_asked (job);
  while (get_now (f) < start + 60 * 60 * ENGINE_SECOND) /* rounds go on until then */
    warm_next_round (f, job);
  g_assert_cmpint (fake_live_get_power ("vm-0"), ==, MTV_POWER_ON);
  g_assert_true (mtv_job_withdraw_cutover (job, 1000, &error));
  warm_wait_asked (job);
  while (get_now (f) < start + 110 * 60 * ENGINE_SECOND)
    warm_next_round (f, job);
  g_assert_cmpint (fake_live_get_power ("vm-0"), ==, MTV_POWER_ON);
  start = get_now (f);
  g_assert_true (mtv_job_cutover (job, start + 130 * 60 * ENGINE_SECOND, 1000, &error));
  warm_wait_asked (job);
  assert_arrived (f, job);
  g_assert_cmpuint (mtv_job_get_record (job)->off_time, >=, start + 130 * 60 * ENGINE_SECOND);
  g_assert_cmpuint (mtv_job_get_record (job)->off_time, <, start + 131 * 60 * ENGINE_SECOND);
  g_assert_false (mtv_job_cutover (job, 0, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' has ended");
}

/* Asked for in the middle of the first copy, it comes when that has ended. */
static void
test_while_copying (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fake_block ("write");
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);
  engine_wait_for (fake_is_blocked ("write"));
  g_assert_true (mtv_job_cutover (job, 0, 1000, &error));
  g_assert_no_error (error);
  fake_live_write ("vm-0", 0, 10, 10, 3);
  fake_release ("write");
  fake_block ("define");
  engine_wait_for (fake_is_blocked ("define") || fake_clock_get_next (f->clock) != G_MAXUINT64);
  while (!fake_is_blocked ("define"))
    {
      warm_next_alarm (f);
      engine_wait_for (fake_is_blocked ("define") || fake_clock_get_next (f->clock) != G_MAXUINT64);
    }
  g_assert_false (mtv_job_cutover (job, 0, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is at its cutover already");
  g_assert_false (mtv_job_withdraw_cutover (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "is at its cutover already");
  g_assert_false (mtv_job_pause (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "is at its cutover already");
  fake_release ("define");
  assert_arrived (f, job);
  g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 2);
}

/* Its time fell into a time when nobody was there: within the grace it comes at once. */
static void
test_missed (EngineFixture *f, gconstpointer data)
{
  gboolean too_late = GPOINTER_TO_INT (data);
  guint64 since;

  MtvJob *job = come_to_idle (f, "guest");
  g_assert_true (mtv_job_cutover (job, get_now (f) + 600 * ENGINE_SECOND, 1000, NULL));
  warm_wait_asked (job);
  job = restart (f, (600 + 3600 + (too_late ? 1 : 0)) * ENGINE_SECOND);
  if (too_late)
    {
      engine_settle (f);
      g_assert_cmpstr (mtv_job_get_phase (job), ==, "idle");
      g_assert_cmpstr (
          mtv_job_get_waiting (job, &since), ==,
          "the time of its cutover passed while mtvd was not running; ask for it again");
      warm_next_round (f, job);
      g_assert_cmpint (fake_live_get_power ("vm-0"), ==, MTV_POWER_ON);
      g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
    }
  assert_arrived (f, job);
  if (!too_late)
    g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 2);
}

/* A round that fell due meanwhile runs once, at once. */
static void
test_overdue (EngineFixture *f, gconstpointer data)
{
  (void) data;
  MtvJob *job = come_to_idle (f, "guest");
  job = restart (f, 5 * WARM_INTERVAL);
  engine_wait_for (mtv_job_get_record (job)->rounds->len == 2);
  warm_wait_idle (job);
  g_assert_cmpuint (mtv_job_get_record (job)->next_round, ==, get_now (f) + WARM_INTERVAL);
  engine_settle (f);
  g_assert_cmpuint (mtv_job_get_record (job)->rounds->len, ==, 2);
}

/* Those of several VMs do not begin together. */
static void
test_herd (EngineFixture *f, gconstpointer data)
{
  enum
  {
    N = 5
  };
  g_autoptr (GHashTable) starts = g_hash_table_new_full (g_int64_hash, g_int64_equal, NULL, NULL);

  (void) data;
  fake_world.n_vms = N;
  fake_world.n_disks = 1;
  MtvMigration *migration = warm_begin (f, N, "guest");
  for (guint i = 1; i <= N; i++)
    warm_wait_idle (engine_get_job (migration, i));
  restart (f, 5 * WARM_INTERVAL);
  migration = g_ptr_array_index (mtv_engine_get_migrations (f->engine), 0);
  guint64 now = get_now (f);
  for (guint i = 1; i <= N; i++)
    {
      const MtvJobRecord *record = mtv_job_get_record (engine_get_job (migration, i));

      g_assert_cmpuint (record->next_round, <, now + 600 * ENGINE_SECOND);
      g_hash_table_add (starts, (gpointer) &record->next_round);
    }
  g_assert_cmpuint (g_hash_table_size (starts), ==, N);
  fake_clock_advance (f->clock, 600 * ENGINE_SECOND);
  for (guint i = 1; i <= N; i++)
    {
      engine_wait_for (mtv_job_get_record (engine_get_job (migration, i))->rounds->len == 2);
      warm_wait_idle (engine_get_job (migration, i));
    }
}

static void
test_pause (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  guint64 since;

  (void) data;
  MtvJob *job = come_to_idle (f, "guest");
  g_assert_false (mtv_job_resume (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is not paused");
  g_assert_true (mtv_job_cutover (job, get_now (f) + 600 * ENGINE_SECOND, 1000, &error));
  g_assert_true (mtv_job_pause (job, 1000, &error));
  g_assert_false (mtv_job_pause (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is paused already");
  wait_for_alarm (f, G_MAXUINT64);
  g_assert_cmpstr (mtv_job_get_waiting (job, &since), ==, "paused");
  job = restart (f, 700 * ENGINE_SECOND);
  engine_settle (f);
  g_assert_cmpuint (fake_clock_get_next (f->clock), ==, G_MAXUINT64);
  g_assert_cmpstr (mtv_job_get_waiting (job, &since), ==, "paused");
  g_assert_true (mtv_job_resume (job, 1000, &error)); /* the cutover is within its grace */
  assert_arrived (f, job);
}

static void
test_configure (EngineFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *options;
    const char *error;
  } bad[] = {
    { "{'interval': <uint64 0>}", "'interval' cannot be 0" },
    { "{'interval': <uint64 59999999>}", "'interval' must lie between 60 s and a year" },
    { "{'interval': <60>}", "'interval' must be of type 't', not 'i'" },
    { "{'max-downtime': <uint64 0>}", "'max-downtime' cannot be 0" },
    { "{'shutdown': <'kick'>}", "'shutdown' cannot be 'kick'" },
    { "{'shutdown-timeout': <uint64 1>}", "'shutdown-timeout' must lie" },
    { "{'speed': <uint64 1>}", "There is no option 'speed'" },
    { "{'throttle': <uint64 5>, 'interval': <uint64 1>}", "'interval' must lie" },
  };
  g_autoptr (GError) error = NULL;

  (void) data;
  MtvJob *job = come_to_idle (f, "guest");
  guint64 start = get_now (f);
  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_false (mtv_job_configure (job, g_variant_new_parsed (bad[i].options), 1000, &error));
      expect_error (&error, MTV_ERROR_INVALID_ARGUMENT, bad[i].error);
    }
  g_assert_cmpuint (mtv_job_get_schedule (job)->throttle, ==, 0);
  g_assert_cmpuint (mtv_job_get_interval (job), ==, WARM_INTERVAL);
  g_assert_cmpuint (mtv_job_get_max_downtime (job), ==, 60 * ENGINE_SECOND);

  g_assert_true (mtv_job_configure (job, g_variant_new_parsed ("{'interval': <uint64 120000000>}"),
                                    1000, &error));
  engine_settle (f);
  g_assert_cmpuint (mtv_job_get_record (job)->next_round, ==, start + 120 * ENGINE_SECOND);
  warm_next_round (f, job);
  g_assert_cmpuint (get_now (f), ==, start + 120 * ENGINE_SECOND);
  job = restart (f, 0);
  g_assert_cmpuint (mtv_job_get_interval (job), ==, 120 * ENGINE_SECOND);
}

/* Policies of shutting down: what the guest does, and what comes of it. */
static const struct
{
  const char *shutdown;
  gboolean deaf;
  gboolean no_agent;
  gboolean by_hand; /* somebody does it */
  const char *why;  /* NULL: it goes down */
  guint64 seconds;  /* that it takes at least */
} policies[] = {
  { "guest", FALSE, FALSE, FALSE, NULL, 0 },
  { "guest", TRUE, FALSE, FALSE, "'web-0' was not shut down within 600 s", 600 },
  { "guest", FALSE, TRUE, FALSE, "'web-0' has no agent", 0 },
  { "guest-then-force", FALSE, FALSE, FALSE, NULL, 0 },
  { "guest-then-force", TRUE, FALSE, FALSE, NULL, 600 },
  { "guest-then-force", FALSE, TRUE, FALSE, NULL, 0 },
  { "force", TRUE, TRUE, FALSE, NULL, 0 },
  { "manual", TRUE, TRUE, TRUE, NULL, 0 },
  { "manual", FALSE, FALSE, FALSE, "'web-0' was not shut down within 600 s", 600 },
};

static void
wait_for_policy (EngineFixture *f, MtvJob *job, guint i)
{
  engine_wait_for (g_str_equal (mtv_job_get_phase (job), "powering-off"));
  while (g_str_equal (mtv_job_get_phase (job), "powering-off"))
    {
      engine_wait_for (!g_str_equal (mtv_job_get_phase (job), "powering-off")
                       || fake_clock_get_next (f->clock) != G_MAXUINT64);
      if (policies[i].by_hand)
        fake_live_set_power ("vm-0", MTV_POWER_OFF);
      if (g_str_equal (mtv_job_get_phase (job), "powering-off"))
        warm_next_alarm (f);
    }
}

static void
test_policy (EngineFixture *f, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  guint64 since;

  fake_world.deaf = policies[i].deaf;
  fake_world.unreachable_guest = policies[i].no_agent;
  fake_world.slow_looks = 3;
  MtvJob *job = come_to_idle (f, policies[i].shutdown);
  guint64 start = get_now (f);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  wait_for_policy (f, job, i);
  g_assert_cmpuint (get_now (f), >=, start + policies[i].seconds * ENGINE_SECOND);
  g_assert_cmpuint (get_now (f), <=, start + (policies[i].seconds + 10) * ENGINE_SECOND);
  if (g_str_equal (policies[i].shutdown, "manual"))
    g_assert_cmpuint (fake_count ("shut-down"), ==, 0);
  if (policies[i].why == NULL)
    {
      assert_arrived (f, job);
      return;
    }

  warm_wait_idle (job);
  g_autofree char *why = g_strdup_printf ("the cutover did not happen: %s", policies[i].why);
  g_assert_cmpstr (mtv_job_get_waiting (job, &since), ==, why);
  g_assert_cmpint (fake_live_get_power ("vm-0"), ==, MTV_POWER_ON);
  g_assert_cmpuint (mtv_job_get_schedule (job)->cutover_time, ==, 0);
  g_assert_cmpstr (mtv_job_get_record (job)->power_state, ==, policies[i].no_agent ? NULL : "on");
  g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM ledger WHERE kind = 'power'"), ==,
                   0);
  fake_live_write ("vm-0", 1, 0, 4096, 5);
  warm_next_round (f, job); /* it is on its way as before */
  g_assert_true (
      mtv_job_configure (job, g_variant_new_parsed ("{'shutdown': <'force'>}"), 1000, NULL));
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  assert_arrived (f, job);
}

/* One that is off already needs no shutting down, and stays off. */
static void
test_off (EngineFixture *f, gconstpointer data)
{
  (void) data;
  MtvJob *job = come_to_idle (f, "guest");
  fake_live_set_power ("vm-0", MTV_POWER_OFF);
  fake_fail ("define", MTV_ERROR_PERMISSION_DENIED, 1);
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
  g_assert_cmpstr (mtv_job_get_record (job)->power_state, ==, "off");
  warm_assert_left (f, MTV_POWER_OFF);
  g_assert_cmpuint (fake_count ("shut-down") + fake_count ("start"), ==, 0);
}

/* Shut down by the same rules before its one copy. */
static void
test_cold (EngineFixture *f, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);

  fake_world.warm = FALSE;
  fake_world.deaf = policies[i].deaf;
  fake_world.unreachable_guest = policies[i].no_agent;
  fake_world.slow_looks = 3;
  engine_add_source (f, NULL);
  MtvPlan *plan = engine_make_plan (f, "p", 0, 1);
  g_free (plan->schedule.shutdown);
  plan->schedule.shutdown = g_strdup (policies[i].shutdown);
  MtvMigration *migration = engine_start_plan (f, engine_create_plan (f, plan, NULL), NULL);
  MtvJob *job = engine_get_job (migration, 1);
  wait_for_policy (f, job, i);
  if (policies[i].why == NULL)
    {
      assert_arrived (f, job);
      g_autofree char *timeline = engine_get_timeline (migration, 1);
      g_assert_cmpstr (timeline, ==,
                       "preparing allocating powering-off copying verifying defining succeeded");
      g_assert_cmpuint (mtv_job_get_record (job)->downtime, ==, 0); /* the clock stands still */
      return;
    }
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
  g_assert_cmpstr (mtv_job_get_record (job)->error_text, ==, policies[i].why);
  warm_assert_left (f, MTV_POWER_ON);
}

/* What fails after that brings it up again. */
static void
test_cold_fails (EngineFixture *f, gconstpointer data)
{
  const char *request = data;

  fake_world.warm = FALSE;
  fake_fail (request, MTV_ERROR_PERMISSION_DENIED, 1);
  MtvMigration *migration = engine_begin (f, 1);
  MtvJob *job = engine_get_job (migration, 1);
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
  warm_assert_left (f, MTV_POWER_ON);
  g_assert_cmpuint (fake_count ("start"), ==, 1);
  g_assert_true (mtv_job_retry (job, 1000, NULL));
  engine_wait_for (!mtv_job_has_ended (job));
  assert_arrived (f, job);
}

/* Never two of them: a VM that is there, whatever was answered, keeps the source down. */
static void
test_never_both (EngineFixture *f, gconstpointer data)
{
  g_autofree char *there = g_build_filename (f->directory, "vms", "web-0", NULL);

  (void) data;
  MtvJob *job = come_to_idle (f, "guest");
  fake_block ("define");
  g_assert_true (mtv_job_cutover (job, 0, 1000, NULL));
  while (!fake_is_blocked ("define"))
    {
      engine_wait_for (fake_is_blocked ("define") || fake_clock_get_next (f->clock) != G_MAXUINT64);
      if (!fake_is_blocked ("define"))
        warm_next_alarm (f);
    }
  g_assert_true (g_mkdir_with_parents (there, 0700) == 0);
  fake_fail ("define", MTV_ERROR_PERMISSION_DENIED, 1);
  fake_release ("define");
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "failed");
  warm_assert_left (f, MTV_POWER_OFF);
  g_assert_cmpuint (fake_count ("start"), ==, 0);
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
  add ("/warm-cutover/at-a-time", NULL, test_at_a_time);
  add ("/warm-cutover/while-copying", NULL, test_while_copying);
  add ("/warm-cutover/late", GINT_TO_POINTER (FALSE), test_missed);
  add ("/warm-cutover/missed", GINT_TO_POINTER (TRUE), test_missed);
  add ("/warm-cutover/overdue", NULL, test_overdue);
  add ("/warm-cutover/herd", NULL, test_herd);
  add ("/warm-cutover/pause", NULL, test_pause);
  add ("/warm-cutover/configure", NULL, test_configure);
  for (guint i = 0; i < G_N_ELEMENTS (policies); i++)
    {
      g_autofree char *warm = g_strdup_printf ("/warm-cutover/policy/%u", i);
      g_autofree char *cold = g_strdup_printf ("/warm-cutover/cold/%u", i);

      add (warm, GUINT_TO_POINTER (i), test_policy);
      add (cold, GUINT_TO_POINTER (i), test_cold);
    }
  add ("/warm-cutover/off", NULL, test_off);
  add ("/warm-cutover/cold-fails/read", "read", test_cold_fails);
  add ("/warm-cutover/cold-fails/define", "define", test_cold_fails);
  add ("/warm-cutover/never-both", NULL, test_never_both);
  return g_test_run ();
}
