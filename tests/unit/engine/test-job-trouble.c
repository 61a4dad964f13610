/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine-fixture.h"

#include <string.h>

static MtvJob *
first_job (EngineFixture *f)
{
  return engine_get_job (g_ptr_array_index (mtv_engine_get_migrations (f->engine), 0), 1);
}

static void
assert_waits_for (MtvJob *job, const char *text)
{
  guint64 since;

  g_assert_cmpstr (mtv_job_get_waiting (job, &since), ==, text);
  g_assert_cmpuint (since, !=, 0);
}

/* The destination or the source is not there for a while, or full. */
static void
test_suspend (EngineFixture *f, gconstpointer data)
{
  static const struct
  {
    const char *request;
    int code;
    const char *phase;
  } cases[] = {
    { "identity", MTV_ERROR_UNREACHABLE, "preparing" },
    { "open-disk", MTV_ERROR_UNREACHABLE, "preparing" },
    { "create", MTV_ERROR_NO_SPACE, "allocating" },
    { "open-writer", MTV_ERROR_UNREACHABLE, "copying" },
    { "read", MTV_ERROR_UNREACHABLE, "copying" },
    { "write", MTV_ERROR_NO_SPACE, "copying" },
    { "flush", MTV_ERROR_NO_SPACE, "copying" },
    /* The last one here: the copy beside it may come to its end. */
    { "check-disk", MTV_ERROR_UNREACHABLE, "copying" },
    { "read-back", MTV_ERROR_UNREACHABLE, "verifying" },
    { "define", MTV_ERROR_NO_SPACE, "defining" },
  };
  guint running, queued, suspended;
  guint64 since, first, retry_again;

  (void) data;
  fake_world.checks_disks = TRUE;
  fake_fail (cases[0].request, cases[0].code, G_MAXUINT);
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *text
          = g_strdup_printf ("waiting to try again: %s of web-0 failed", cases[i].request);

      g_test_message ("%s", cases[i].request);
      engine_wait_for_state (job, "suspended");
      g_assert_cmpstr (mtv_job_get_phase (job), ==, cases[i].phase);
      assert_waits_for (job, text);
      mtv_job_get_waiting (job, &first);
      mtv_engine_get_counts (f->engine, &running, &queued, &suspended);
      g_assert_cmpuint (running * 100 + queued * 10 + suspended, ==, 1);
      g_assert_null (mtv_job_get_record (job)->error_text);
      engine_settle (f); /* nothing wakes up before the alarm */
      retry_again = fake_clock_get_next (f->clock);
      g_assert_cmpuint (retry_again, ==, mtv_clock_now (MTV_CLOCK (f->clock)) + ENGINE_RETRY);

      guint count
          = fake_count (cases[i].request); /* once more the same: it waits since the first */
      fake_clock_advance (f->clock, ENGINE_RETRY);
      engine_wait_for (fake_clock_get_next (f->clock) != G_MAXUINT64);
      g_assert_cmpuint (fake_count (cases[i].request), >, count);
      assert_waits_for (job, text);
      mtv_job_get_waiting (job, &since);
      if (i == 0)
        g_assert_cmpuint (since, ==, first);

      fake_fail (cases[i].request, 0, 0);
      if (i + 1 < G_N_ELEMENTS (cases))
        fake_fail (cases[i + 1].request, cases[i + 1].code, G_MAXUINT);
      fake_clock_advance (f->clock, ENGINE_RETRY);
      g_assert_cmpstr (mtv_job_get_state (job), !=, "succeeded");
      engine_wait_for (!g_str_equal (mtv_job_get_state (job), "suspended"));
    }
  engine_wait_for_state (job, "succeeded");
  g_assert_null (mtv_job_get_waiting (job, &since));
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
  engine_settle (f);
}

/* A full destination is asked for its room, and nothing else, until there is enough. */
static void
test_no_room (EngineFixture *f, gconstpointer data)
{
  const char *request = data;

  if (request != NULL)
    fake_fail (request, MTV_ERROR_NO_SPACE, 1);
  if (request == NULL) /* more than what is enough to go on with */
    fake_world.n_disks = 40;
  fake_world.free_space = request == NULL ? 65 * 1024 * 1024 : 1024;
  if (request != NULL)
    fake_block ("has-vm");
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  if (request != NULL) /* the lack comes later */
    {
      engine_wait_for (fake_is_blocked ("has-vm"));
      fake_world.free_space = G_MAXUINT64;
      fake_block (request);
      fake_release ("has-vm");
      engine_wait_for (fake_is_blocked (request));
      fake_world.free_space = 1024;
      fake_release (request);
    }
  engine_wait_for_state (job, "suspended");
  guint creates = fake_count ("create"), opens = fake_count ("open-disk");
  for (guint i = 0; i < 3; i++)
    {
      guint asked = fake_count ("free-space");

      fake_clock_advance (f->clock, ENGINE_RETRY);
      engine_wait_for (fake_count ("free-space") > asked
                       && fake_clock_get_next (f->clock) != G_MAXUINT64);
      g_assert_cmpstr (mtv_job_get_state (job), ==, "suspended");
    }
  g_assert_cmpuint (fake_count ("create"), ==, creates);
  g_assert_cmpuint (fake_count ("open-disk"), ==, opens);
  if (request == NULL)
    assert_waits_for (
        job, "waiting to try again: the destination has 65.0\302\240MiB free, 'web-0' needs "
             "80.2\302\240MiB");
  fake_world.free_space = G_MAXUINT64;
  fake_clock_advance (f->clock, ENGINE_RETRY);
  engine_wait_for_state (job, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
}

static void
test_cancel_suspended (EngineFixture *f, gconstpointer data)
{
  gboolean asking = GPOINTER_TO_INT (data); /* while the destination is asked for its room */

  fake_fail ("write", MTV_ERROR_NO_SPACE, G_MAXUINT);
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  engine_wait_for_state (job, "suspended");
  engine_settle (f);
  if (asking)
    {
      fake_block ("free-space");
      fake_clock_advance (f->clock, ENGINE_RETRY);
      engine_wait_for (fake_is_blocked ("free-space"));
    }
  g_assert_true (mtv_job_cancel (job, 1000, NULL));
  engine_wait_for_state (job, "cancelled");
  engine_assert_clean (f);
  g_assert_cmpuint (fake_clock_get_next (f->clock), ==, G_MAXUINT64);
}

static void
test_cleaning_up (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fake_fail ("define", MTV_ERROR_PERMISSION_DENIED, 1);
  fake_fail ("remove", MTV_ERROR_UNREACHABLE, 2);
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  engine_wait_for_state (job, "suspended");
  g_assert_cmpstr (mtv_job_get_phase (job), ==, "cleaning-up");
  g_assert_cmpuint (mtv_job_get_leftovers (job), ==, 1);
  g_assert_false (mtv_job_cancel (job, 1000, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "The migration of 'web-0' is cleaning up already");
  g_clear_error (&error);
  g_assert_false (mtv_job_retry (job, 1000, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);

  fake_clock_advance (f->clock, ENGINE_RETRY);
  engine_wait_for (fake_count ("remove") == 2
                   && g_str_equal (mtv_job_get_state (job), "suspended"));
  engine_restart (f); /* while it is suspended */
  job = first_job (f);
  g_assert_cmpuint (mtv_job_get_leftovers (job), ==, 1);
  engine_wait_for_state (job, "failed");
  g_assert_cmpstr (mtv_job_get_record (job)->error_text, ==, "define of web-0 failed");
  g_assert_cmpuint (mtv_job_get_leftovers (job), ==, 0);
  engine_assert_clean (f);
}

/* Stopped while it removes what it made, because somebody asked to cancel. */
static void
test_restart_cancelling (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_block ("write");
  fake_block ("remove");
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  engine_wait_for (fake_is_blocked ("write"));
  g_assert_true (mtv_job_cancel (job, 1000, NULL));
  engine_wait_for (fake_is_blocked ("remove"));
  engine_restart (f);
  job = first_job (f);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "cleaning-up");
  fake_release ("remove");
  engine_wait_for_state (job, "cancelled");
  engine_assert_clean (f);
  fake_release ("write");
  g_assert_true (mtv_job_retry (job, 1000, NULL));
  engine_wait_for_state (job, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
}

/* Stopped right after somebody asked: the request stands, whatever had been committed. */
static void
test_restart_asked (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_block ("write");
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  engine_wait_for (fake_is_blocked ("write"));
  g_assert_true (mtv_job_cancel (job, 1000, NULL));
  engine_restart (f);
  engine_wait_for_state (first_job (f), "cancelled");
  engine_assert_clean (f);
}

static void
test_source_changed (EngineFixture *f, gconstpointer data)
{
  const char *request = data;
  gboolean matters = !g_str_equal (request, "create");

  fake_fail (request, MTV_ERROR_UNREACHABLE, 1);
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  engine_wait_for_state (job, "suspended");
  if (matters)
    engine_stop (f);
  fake_world.generation++;
  if (matters)
    {
      engine_load (f);
      mtv_engine_run (f->engine);
      job = first_job (f);
      engine_wait_for_state (job, "failed");
      g_assert_cmpstr (mtv_job_get_record (job)->error_name, ==, "org.mtv.Error.SourceChanged");
      g_assert_nonnull (strstr (mtv_job_get_record (job)->error_text, "'web-0'"));
      engine_assert_clean (f);
      g_assert_true (mtv_job_retry (job, 1000, NULL));
    }
  engine_wait_for_state (job, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
}

/* Nothing was made yet: the source may change as it likes. */
static void
test_source_changed_early (EngineFixture *f, gconstpointer data)
{
  (void) data;
  fake_world.free_space = 4096;
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  engine_wait_for_state (job, "suspended");
  fake_world.generation++;
  fake_world.free_space = G_MAXUINT64;
  fake_clock_advance (f->clock, ENGINE_RETRY);
  engine_wait_for (mtv_job_has_ended (job));
  g_assert_cmpstr (mtv_job_get_record (job)->error_text, ==, NULL);
  engine_assert_arrived (f, 0, "web-0");
}

static void
test_broken_provider (EngineFixture *f, gconstpointer data)
{
  const char *broken = data;

  fake_block ("write");
  engine_begin (f, 1);
  engine_wait_for (fake_is_blocked ("write"));
  engine_stop (f);
  fake_release ("write");
  fake_world.broken = broken;
  engine_load (f);
  mtv_engine_run (f->engine);
  MtvJob *job = first_job (f);
  if (g_str_equal (broken, "fake")) /* the destination can be cleaned */
    {
      engine_wait_for_state (job, "failed");
      g_assert_cmpstr (mtv_job_get_record (job)->error_text, ==,
                       "No source can be made of 'vsphere'");
      engine_assert_clean (f);
      return;
    }
  engine_wait_for_state (job, "suspended"); /* what it made is still over there */
  g_assert_cmpstr (mtv_job_get_record (job)->error_text, ==,
                   "No destination can be made of 'local'");
  guint64 since;
  g_assert_nonnull (strstr (mtv_job_get_waiting (job, &since), "is not usable"));
  g_assert_cmpuint (mtv_job_get_leftovers (job), ==, 1);
  engine_stop (f);
  fake_world.broken = NULL;
  engine_load (f);
  mtv_engine_run (f->engine);
  engine_wait_for_state (first_job (f), "failed");
  engine_assert_clean (f);
}

/* The database takes no more of something for a while. */
static const struct
{
  const char *request; /* in which it begins not to */
  const char *broken;
  const char *mended;
} store_troubles[] = {
  { "identity", "CREATE TRIGGER t BEFORE INSERT ON job BEGIN SELECT RAISE (ABORT, 'worn out'); END",
    "DROP TRIGGER t" },
  { "free-space",
    "CREATE TRIGGER t BEFORE INSERT ON ledger BEGIN SELECT RAISE (ABORT, 'worn out'); END",
    "DROP TRIGGER t" },
  { "write",
    "CREATE TRIGGER t BEFORE INSERT ON progress BEGIN SELECT RAISE (ABORT, 'worn out'); END",
    "DROP TRIGGER t" },
  { "define",
    "CREATE TRIGGER t BEFORE DELETE ON ledger BEGIN SELECT RAISE (ABORT, 'worn out'); END",
    "DROP TRIGGER t" },
};

static void
run_sql (EngineFixture *f, const char *sql)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();
  g_autoptr (GError) error = NULL;

  mtv_store_batch_add (batch, sql, NULL);
  mtv_store_commit (f->store, batch, &error);
  g_assert_no_error (error);
}

static MtvJob *
begin_with_store_trouble (EngineFixture *f, guint i)
{
  guint64 since;

  if (g_str_equal (store_troubles[i].request, "free-space"))
    fake_block ("has-vm");
  else
    fake_block (store_troubles[i].request);
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  if (g_str_equal (store_troubles[i].request, "free-space"))
    {
      engine_wait_for (fake_is_blocked ("has-vm"));
      fake_release ("has-vm");
    }
  else
    engine_wait_for (fake_is_blocked (store_troubles[i].request));
  run_sql (f, store_troubles[i].broken);
  fake_release (store_troubles[i].request);
  engine_wait_for_state (job, "suspended");
  engine_settle (f);
  g_assert_nonnull (strstr (mtv_job_get_waiting (job, &since), "worn out"));
  fake_clock_advance (f->clock, ENGINE_RETRY);
  engine_wait_for (fake_clock_get_next (f->clock) != G_MAXUINT64);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "suspended");
  return job;
}

static void
test_store_trouble (EngineFixture *f, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  MtvJob *job = begin_with_store_trouble (f, i);

  run_sql (f, store_troubles[i].mended);
  fake_block ("open-writer");
  fake_clock_advance (f->clock, ENGINE_RETRY);
  if (!g_str_equal (store_troubles[i].request, "define"))
    {
      engine_wait_for (fake_is_blocked ("open-writer"));
      engine_wait_for_state (job, "running");
      g_assert_cmpint (engine_count_rows (f, "SELECT count(*) FROM ledger"), ==, 1);
    }
  fake_release ("open-writer");
  engine_wait_for_state (job, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
  engine_settle (f);
}

static void
test_store_trouble_cancel (EngineFixture *f, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  gboolean late = g_str_equal (store_troubles[i].request, "define");
  MtvJob *job = begin_with_store_trouble (f, i);

  g_assert_true (mtv_job_cancel (job, 1000, NULL));
  run_sql (f, store_troubles[i].mended);
  fake_clock_advance (f->clock, ENGINE_RETRY);
  engine_wait_for_state (job, late ? "succeeded" : "cancelled");
  engine_assert_clean (f);
  engine_assert_vms (f, late ? 1 : 0);
}

static void
test_store_trouble_stop (EngineFixture *f, gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);

  begin_with_store_trouble (f, i);
  run_sql (f, store_troubles[i].mended);
  engine_restart (f);
  engine_wait_for_state (first_job (f), "succeeded");
  engine_assert_arrived (f, 0, "web-0");
  engine_assert_clean (f);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, data, func) \
  g_test_add ("/job-trouble/" name, EngineFixture, data, engine_set_up, func, engine_tear_down)
  ADD ("suspend", NULL, test_suspend);
  ADD ("no-room/preparing", NULL, test_no_room);
  ADD ("no-room/create", "create", test_no_room);
  ADD ("no-room/write", "write", test_no_room);
  ADD ("cancel-suspended", NULL, test_cancel_suspended);
  ADD ("cancel-asking", GINT_TO_POINTER (TRUE), test_cancel_suspended);
  ADD ("cleaning-up", NULL, test_cleaning_up);
  ADD ("restart-cancelling", NULL, test_restart_cancelling);
  ADD ("restart-asked", NULL, test_restart_asked);
  ADD ("source-changed/allocated", "open-writer", test_source_changed);
  ADD ("source-changed/copying", "write", test_source_changed);
  ADD ("source-changed/early", NULL, test_source_changed_early);
  ADD ("broken-provider/source", "fake", test_broken_provider);
  ADD ("broken-provider/destination", "local", test_broken_provider);
  for (guint i = 0; i < G_N_ELEMENTS (store_troubles); i++)
    {
      static const struct
      {
        const char *name;
        void (*func) (EngineFixture *f, gconstpointer data);
      } ways[] = { { "goes-on", test_store_trouble },
                   { "cancel", test_store_trouble_cancel },
                   { "stop", test_store_trouble_stop } };

      for (guint j = 0; j < G_N_ELEMENTS (ways); j++)
        {
          g_autofree char *name = g_strdup_printf ("/job-trouble/store-%s/%s", ways[j].name,
                                                   store_troubles[i].request);

          g_test_add (name, EngineFixture, GUINT_TO_POINTER (i), engine_set_up, ways[j].func,
                      engine_tear_down);
        }
    }
  return g_test_run ();
}
