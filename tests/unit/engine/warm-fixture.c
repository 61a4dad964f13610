/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "warm-fixture.h"

#include "engine/mtv-job-private.h"

static char *live; /* (owned) */

void
warm_come_up (EngineFixture *f)
{
  g_free (live);
  live = g_build_filename (f->directory, "source", NULL);
  fake_world.live = live;
  fake_world.warm = TRUE;
}

void
warm_set_up (EngineFixture *f, gconstpointer data)
{
  engine_set_up (f, data);
  warm_come_up (f);
}

void
warm_tear_down (EngineFixture *f, gconstpointer data)
{
  engine_tear_down (f, data);
  g_clear_pointer (&live, g_free);
}

MtvMigration *
warm_begin (EngineFixture *f, guint n, const char *shutdown)
{
  g_autoptr (GError) error = NULL;

  engine_add_source (f, &error);
  g_assert_no_error (error);
  MtvPlan *plan = engine_make_plan (f, "p", 0, n);
  plan->schedule.warm = TRUE;
  g_free (plan->schedule.shutdown);
  plan->schedule.shutdown = g_strdup (shutdown);
  MtvPlanEntry *entry = engine_create_plan (f, plan, &error);
  g_assert_no_error (error);
  MtvMigration *migration = engine_start_plan (f, entry, &error);
  g_assert_no_error (error);
  return migration;
}

void
warm_wait_asked (MtvJob *job)
{
  engine_wait_for (job->requests == 0);
}

void
warm_wait_idle (MtvJob *job)
{
  engine_wait_for (mtv_job_has_ended (job) || g_str_equal (mtv_job_get_phase (job), "idle"));
}

void
warm_next_alarm (EngineFixture *f)
{
  guint64 next = fake_clock_get_next (f->clock), now = mtv_clock_now (MTV_CLOCK (f->clock));

  g_assert_cmpuint (next, !=, G_MAXUINT64);
  fake_clock_advance (f->clock, next > now ? next - now : 0);
}

void
warm_next_round (EngineFixture *f, MtvJob *job)
{
  warm_wait_idle (job);
  while (g_str_equal (mtv_job_get_record (job)->state, "idle"))
    {
      engine_wait_for (fake_clock_get_next (f->clock) != G_MAXUINT64
                       || !g_str_equal (mtv_job_get_record (job)->state, "idle"));
      if (g_str_equal (mtv_job_get_record (job)->state, "idle"))
        warm_next_alarm (f);
      while (g_main_context_iteration (NULL, FALSE)) /* a slot is given from there */
        ;
    }
  engine_wait_for (!g_str_equal (mtv_job_get_phase (job), "idle"));
  warm_wait_idle (job);
}

void
warm_wait_end (EngineFixture *f, MtvJob *job)
{
  while (!mtv_job_has_ended (job))
    {
      engine_wait_for (mtv_job_has_ended (job) || fake_clock_get_next (f->clock) != G_MAXUINT64);
      if (!mtv_job_has_ended (job))
        warm_next_alarm (f);
    }
}

MtvRoundRecord *
warm_get_round (MtvJob *job, guint number)
{
  GPtrArray *rounds = mtv_job_get_record (job)->rounds;

  g_assert_cmpuint (number, <=, rounds->len);
  return g_ptr_array_index (rounds, number - 1);
}

void
warm_assert_left (EngineFixture *f, MtvPower power)
{
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_SNAPSHOT), ==, 0);
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_MARK), ==, 0);
  g_assert_cmpuint (fake_live_count (MTV_SOURCE_TRACKING), ==, 0);
  g_assert_cmpint (fake_live_get_power ("vm-0"), ==, power);
  engine_assert_clean (f);
}
