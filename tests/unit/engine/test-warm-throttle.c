/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-private.h"
#include "warm-fixture.h"

static void
set_throttle (EngineFixture *f, const char *rule)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GAsyncResult) result = NULL;

  mtv_engine_set_throttle_async (f->engine, "", rule, engine_take_result, &result);
  g_assert_true (engine_finish (mtv_engine_set_throttle_finish, f->engine, &error));
  g_assert_no_error (error);
}

/* So much is owed by all copies that the next one would have to wait for years. */
static void
owe (EngineFixture *f, MtvJob *job)
{
  gint64 now_usec = g_get_monotonic_time ();

  set_throttle (f, "1");
  g_autoptr (MtvThrottle) throttle
      = mtv_throttles_make (job->context->throttles, 0, NULL, NULL, NULL);
  mtv_throttle_take (throttle, (guint64) 1 << 45, now_usec);
  g_assert_cmpuint (mtv_throttle_take (throttle, 0, now_usec), >, 0);
}

/* While its VM is shut down, a job waits for no throttle. */
static void
test_final (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);

  (void) data;
  warm_wait_idle (job);
  fake_live_write ("vm-0", 0, 10, 10, 3);
  owe (f, job);
  g_assert_true (mtv_job_cutover (job, 0, 1000, &error));
  warm_wait_end (f, job);
  g_assert_cmpstr (mtv_job_get_state (job), ==, "succeeded");
  engine_assert_arrived (f, 0, "web-0");
}

/* A round does, until there is none. */
static void
test_round (EngineFixture *f, gconstpointer data)
{
  MtvJob *job = engine_get_job (warm_begin (f, 1, "guest"), 1);

  (void) data;
  warm_wait_idle (job);
  fake_live_write ("vm-0", 0, 10, 10, 3);
  owe (f, job);
  warm_next_alarm (f);
  engine_wait_for (g_str_equal (mtv_job_get_phase (job), "precopying") && job->disks != NULL
                   && mtv_disk_set_get_state (job->disks, 0) == MTV_DISK_ACTIVE);
  g_assert_cmpuint (warm_get_round (job, 2)->copied_time, ==, 0);
  set_throttle (f, "off");
  warm_wait_idle (job);
  g_assert_cmpuint (warm_get_round (job, 2)->copied_time, >, 0);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

#define ADD(name, func) \
  g_test_add ("/warm-throttle/" name, EngineFixture, NULL, warm_set_up, func, warm_tear_down)
  ADD ("final", test_final);
  ADD ("round", test_round);
  return g_test_run ();
}
