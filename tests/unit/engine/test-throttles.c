/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "engine-fixture.h"
#include "engine/mtv-job-private.h"

#include <string.h>

#define HOUR (3600 * ENGINE_SECOND)
#define MIDNIGHT (1795392000 * ENGINE_SECOND) /* Mon 2026-11-23 00:00 UTC */
#define MIB ((guint64) 1 << 20)

static void
set_rule (MtvThrottles *throttles, const char *target, const char *text)
{
  mtv_throttles_set (throttles, target, mtv_throttle_rule_parse (text, NULL));
}

static void
test_windows (void)
{
  g_autoptr (FakeClock) clock = fake_clock_new (MIDNIGHT + 7 * HOUR);
  MtvThrottles *throttles = mtv_throttles_new (MTV_CLOCK (clock));

  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 0);
  set_rule (throttles, "", "100M 08:00-18:00=10M");
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 100 * MIB);
  fake_clock_advance (clock, HOUR - 1);
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 100 * MIB);
  fake_clock_advance (clock, 1);
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 10 * MIB);
  fake_clock_advance (clock, 10 * HOUR);
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 100 * MIB);
  /* A week is more than one day of it. */
  fake_clock_advance (clock, 7 * 24 * HOUR - 2 * HOUR);
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 10 * MIB);

  /* Without windows there is nothing to wake up for. */
  set_rule (throttles, "", "5M");
  g_assert_cmpuint (fake_clock_get_next (clock), ==, G_MAXUINT64);
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 5 * MIB);
  set_rule (throttles, "", "off");
  g_assert_cmpuint (mtv_throttles_get_rate (throttles, ""), ==, 0);

  set_rule (throttles, "", "08:00-18:00=10M");
  mtv_throttles_free (throttles);
  g_assert_cmpuint (fake_clock_get_next (clock), ==, G_MAXUINT64);
}

static gboolean
is_held (MtvThrottle *throttle)
{
  /* The first finds what is there at the beginning, and leaves a debt. */
  mtv_throttle_take (throttle, 1000, 1);
  return mtv_throttle_take (throttle, 1000, 1) > 0;
}

/* A copy is held back by what is above it, and by nothing else. */
static void
test_targets (void)
{
  static const char *const targets[] = { "", "provider/a", "provider/b", "plan/p" };

  for (guint i = 0; i < G_N_ELEMENTS (targets); i++)
    {
      g_autoptr (FakeClock) clock = fake_clock_new (MIDNIGHT);
      MtvThrottles *throttles = mtv_throttles_new (MTV_CLOCK (clock));
      g_autoptr (MtvThrottle) mine = mtv_throttles_make (throttles, 0, "a", "b", "p");
      g_autoptr (MtvThrottle) other = mtv_throttles_make (throttles, 0, "c", "d", "q");
      g_autoptr (MtvThrottle) same = mtv_throttles_make (throttles, 0, "a", "a", NULL);

      g_assert_false (is_held (mine));
      set_rule (throttles, targets[i], "1K"); /* made before, and held all the same */
      g_assert_true (is_held (mine));
      g_assert_cmpint (is_held (other), ==, i == 0);
      g_assert_cmpint (is_held (same), ==, i < 2);
      mtv_throttles_free (throttles);
      g_assert_true (is_held (mine)); /* good for as long as the copy needs it */
    }
}

static void
set_throttle (EngineFixture *f, const char *target, const char *rule, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_set_throttle_async (f->engine, target, rule, engine_take_result, &result);
  engine_finish (mtv_engine_set_throttle_finish, f->engine, error);
}

static void
assert_throttles (EngineFixture *f, const char *expected)
{
  g_autoptr (GVariant) throttles = g_variant_ref_sink (mtv_engine_get_throttles (f->engine));
  g_autofree char *text = g_variant_print (throttles, FALSE);

  g_assert_cmpstr (text, ==, expected);
}

static void
test_engine (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  MtvProviderEntry *source = engine_add_source (f, &error);
  const MtvProviderConfig *config = mtv_provider_entry_get_config (source);

  (void) data;
  assert_throttles (f, "[]");
  set_throttle (f, "", "100M 08:00-18:00=10M", &error);
  g_assert_no_error (error);
  assert_throttles (f, "[('', '100M 08:00-18:00=10M')]");
  set_throttle (f, "", "off", &error);
  set_throttle (f, config->name, "1.5G", &error);
  g_assert_no_error (error);
  g_autofree char *shown = g_strdup_printf ("[('%s', '1536M')]", config->name);
  assert_throttles (f, shown);

  /* They are there after a restart, and hold. */
  engine_restart (f);
  assert_throttles (f, shown);
  source = engine_find_source (f);
  config = mtv_provider_entry_get_config (source);

  /* A plan of the same name. */
  MtvPlan *plan = engine_make_plan (f, config->name, 1, 1);
  MtvPlanEntry *entry = engine_create_plan (f, plan, &error);
  g_assert_no_error (error);
  set_throttle (f, config->name, "2M", &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, config->id));
  g_clear_error (&error);
  g_autofree char *target = g_strconcat ("plan/", mtv_plan_entry_get_plan (entry)->id, NULL);
  set_throttle (f, target, "2M", &error);
  g_assert_no_error (error);
  g_autofree char *provider = g_strconcat ("provider/", config->id, NULL);
  set_throttle (f, provider, "off", &error);
  g_assert_no_error (error);
  g_autofree char *only = g_strdup_printf ("[('%s', '2M')]", target);
  assert_throttles (f, only);

  /* With what it was for, it goes. */
  g_autoptr (GAsyncResult) result = NULL;
  mtv_engine_remove_plan_async (f->engine, entry, engine_take_result, &result);
  g_assert_true (engine_finish (mtv_engine_remove_plan_finish, f->engine, &error));
  assert_throttles (f, "[]");
  set_throttle (f, "", "3M", &error);
  engine_restart (f);
  assert_throttles (f, "[('', '3M')]");
}

static void
test_refused (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  set_throttle (f, "nobody", "1M", &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "'nobody'"));
  g_clear_error (&error);
  set_throttle (f, "plan/x", "1M", &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_clear_error (&error);
  set_throttle (f, "", "-1M", &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "'-1M'"));
  g_clear_error (&error);

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_batch_add (batch,
                       "CREATE TRIGGER t BEFORE INSERT ON setting BEGIN"
                       "  SELECT RAISE (ABORT, 'no'); END",
                       NULL);
  g_assert_true (mtv_store_commit (f->store, batch, NULL));
  set_throttle (f, "", "1M", &error);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  assert_throttles (f, "[]");
}

/* A migration with a rate at which it would take days, until it is raised. */
static void
test_job (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  set_throttle (f, "", "1", &error);
  g_assert_no_error (error);
  MtvJob *job = engine_get_job (engine_begin (f, 1), 1);
  /* It has read something, and has to wait now. */
  engine_wait_for (job->throttle != NULL && mtv_throttle_take (job->throttle, 0, 1) > 0);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "running");
  set_throttle (f, "", "off", &error);
  g_assert_no_error (error);
  engine_wait_for_state (job, "succeeded");
}

int
main (int argc, char *argv[])
{
  g_setenv ("TZ", "UTC", TRUE);
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/throttles/windows", test_windows);
  g_test_add_func ("/throttles/targets", test_targets);
#define ADD(name, func) \
  g_test_add ("/throttles/" name, EngineFixture, NULL, engine_set_up, func, engine_tear_down)
  ADD ("engine", test_engine);
  ADD ("refused", test_refused);
  ADD ("job", test_job);
  return g_test_run ();
}
