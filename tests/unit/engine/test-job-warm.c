/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine-fixture.h"
#include "engine/mtv-job-warm.h"

static void
expect_error (GError **error, int code, const char *text)
{
  g_assert_error (*error, MTV_ERROR, code);
  g_assert_nonnull (strstr ((*error)->message, text));
  g_clear_error (error);
}

/* What a cold job answers. */
static void
test_cold (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fake_block ("write");
  MtvMigration *migration = engine_begin (f, 1);
  MtvJob *job = engine_get_job (migration, 1);
  engine_wait_for (fake_is_blocked ("write"));

  g_assert_false (mtv_job_cutover (job, 0, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is not a warm one");
  g_assert_false (mtv_job_withdraw_cutover (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is not a warm one");
  g_assert_false (mtv_job_pause (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is not a warm one");
  g_assert_false (mtv_job_resume (job, 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' is not a warm one");
  g_assert_cmpuint (mtv_job_get_interval (job), ==, 0);
  g_assert_cmpuint (mtv_job_get_max_downtime (job), ==, 0);
  g_assert_cmpuint (mtv_job_get_prediction (job).high, ==, 0);
  g_assert_false (mtv_job_is_cutover_ready (job));
  g_autoptr (GVariant) rounds = g_variant_ref_sink (mtv_job_get_rounds (job));
  g_assert_cmpuint (g_variant_n_children (rounds), ==, 0);

  g_assert_false (mtv_job_configure (job, g_variant_new_parsed ("{'interval': <uint64 60000000>}"),
                                     1000, &error));
  expect_error (&error, MTV_ERROR_INVALID_ARGUMENT, "'interval' means nothing for a cold");
  g_assert_true (
      mtv_job_configure (job, g_variant_new_parsed ("{'shutdown': <'force'>}"), 1000, &error));
  g_assert_cmpstr (mtv_job_get_schedule (job)->shutdown, ==, "force");
  fake_release ("write");
  engine_wait_for_state (job, "succeeded");
  g_assert_false (
      mtv_job_configure (job, g_variant_new_parsed ("{'shutdown': <'guest'>}"), 1000, &error));
  expect_error (&error, MTV_ERROR_WRONG_STATE, "'web-0' has ended");
  g_autofree char *timeline = engine_get_timeline (migration, 1);
  g_assert_nonnull (strstr (timeline, "copying configure verifying"));
}

/* A source that cannot migrate warm does not get the chance. */
static void
test_unsupported (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  engine_add_source (f, NULL);
  MtvPlan *plan = engine_make_plan (f, "p", 0, 1);
  plan->schedule.warm = TRUE;
  MtvPlanEntry *entry = engine_create_plan (f, plan, &error);
  g_assert_no_error (error);
  g_assert_null (engine_start_plan (f, entry, &error));
  expect_error (&error, MTV_ERROR_CRITICAL_CONCERNS, "[warm.unsupported]");
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add ("/job-warm/cold", EngineFixture, NULL, engine_set_up, test_cold, engine_tear_down);
  g_test_add ("/job-warm/unsupported", EngineFixture, NULL, engine_set_up, test_unsupported,
              engine_tear_down);
  return g_test_run ();
}
