/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "warm-fixture.h"

#include <stdlib.h>

/* A guest that writes at random, ends that fail at random, a daemon that is stopped and started in
 * the middle of anything, tracking that is lost and snapshots that others remove. Whatever happens,
 * in the end the destination has what the source had when it was shut down, and the source has
 * nothing of ours. That there is one snapshot at most is asserted in the fake, at every request. */

#define STEPS 150

typedef struct
{
  EngineFixture *f;
  GRand *random;
  MtvMigration *migration;
  MtvJob *job;
} Play;

static gint
pick (Play *self, gint n)
{
  return g_rand_int_range (self->random, 0, n);
}

static void
find_job (Play *self)
{
  self->migration = g_ptr_array_index (mtv_engine_get_migrations (self->f->engine), 0);
  self->job = engine_get_job (self->migration, 1);
}

/* Only while nobody may be shutting it down. */
static void
write_something (Play *self)
{
  static const char *const before[] = { "queued",       "preparing",  "allocating",        "idle",
                                        "snapshotting", "precopying", "removing-snapshot", NULL };
  const char *state = mtv_job_get_record (self->job)->state;

  if (!g_strv_contains (before, state) || fake_live_get_power ("vm-0") != MTV_POWER_ON)
    return;
  guint64 length = (guint64) pick (self, pick (self, 4) == 0 ? 300000 : 3000);
  guint64 offset = (guint64) pick (self, (gint) (fake_world.disk_size - length));
  fake_live_write ("vm-0", (guint) pick (self, 2), offset, length, (guint) pick (self, 5));
}

static void
fail_something (Play *self)
{
  static const char *const requests[]
      = { "create-point", "open-point", "read",      "write",     "flush",  "remove-point",
          "open-writer",  "read-back",  "get-power", "shut-down", "define", "create" };
  static const int codes[] = { MTV_ERROR_UNREACHABLE, MTV_ERROR_PERMISSION_DENIED,
                               MTV_ERROR_NO_SPACE, MTV_ERROR_FAILED };

  fake_fail (requests[pick (self, G_N_ELEMENTS (requests))],
             codes[pick (self, G_N_ELEMENTS (codes))], 1);
}

static void
restart (Play *self)
{
  engine_restart (self->f);
  find_job (self);
}

static void
go_on (Play *self)
{
  for (gint i = pick (self, 40); i > 0; i--)
    g_main_context_iteration (NULL, FALSE);
  if (pick (self, 3) > 0 && fake_clock_get_next (self->f->clock) != G_MAXUINT64)
    warm_next_alarm (self->f);
  gboolean something = fake_clock_get_next (self->f->clock) == G_MAXUINT64
                       && !mtv_job_has_ended (self->job)
                       && !g_str_equal (mtv_job_get_phase (self->job), "idle");
  if (pick (self, 3) == 0)
    g_main_context_iteration (NULL, something);
}

static void
ask_something (Play *self)
{
  switch (pick (self, 6))
    {
    case 0:
      mtv_job_pause (self->job, 1000, NULL);
      break;
    case 1:
    case 2:
      mtv_job_resume (self->job, 1000, NULL);
      break;
    case 3:
      mtv_job_cutover (self->job, mtv_clock_now (MTV_CLOCK (self->f->clock)) + WARM_INTERVAL, 1000,
                       NULL);
      break;
    case 4:
      mtv_job_withdraw_cutover (self->job, 1000, NULL);
      break;
    default:
      mtv_job_configure (self->job, g_variant_new_parsed ("{'interval-auto': <true>}"), 1000, NULL);
    }
}

static void
step (Play *self)
{
  gint what = pick (self, 100);

  if (what < 35)
    write_something (self);
  else if (what < 45)
    fail_something (self);
  else if (what < 50)
    restart (self);
  else if (what < 53)
    fake_world.loses_track = !fake_world.loses_track;
  else if (what < 55)
    fake_live_remove (pick (self, 2) == 0 ? MTV_SOURCE_SNAPSHOT : MTV_SOURCE_MARK);
  else if (what < 60)
    ask_something (self);
  else
    go_on (self);
  if (g_str_equal (mtv_job_get_phase (self->job), "idle"))
    g_assert_cmpuint (fake_live_count (MTV_SOURCE_SNAPSHOT), ==, 0);
  if (mtv_job_has_ended (self->job) && !g_str_equal (mtv_job_get_state (self->job), "succeeded"))
    {
      warm_assert_left (self->f, MTV_POWER_ON);
      g_assert_true (mtv_job_retry (self->job, 1000, NULL));
    }
}

/* It has ended, or its guest was not shut down. */
static gboolean
is_over (Play *self)
{
  return mtv_job_has_ended (self->job)
         || (mtv_job_get_schedule (self->job)->cutover_time == 0
             && g_str_equal (mtv_job_get_phase (self->job), "idle"));
}

static void
cut_over (Play *self)
{
  mtv_job_resume (self->job, 1000, NULL);
  mtv_job_cutover (self->job, 0, 1000, NULL);
  warm_wait_asked (self->job);
  while (!is_over (self))
    {
      engine_wait_for (is_over (self) || fake_clock_get_next (self->f->clock) != G_MAXUINT64);
      if (!is_over (self))
        warm_next_alarm (self->f);
    }
}

static void
test_play (EngineFixture *f, gconstpointer data)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (GPOINTER_TO_UINT (data));
  Play play = { f, random, NULL, NULL };

  fake_world.reads_back = GPOINTER_TO_UINT (data) % 2;
  play.migration = warm_begin (f, 1, "guest-then-force");
  play.job = engine_get_job (play.migration, 1);
  for (guint i = 0; i < STEPS && !g_str_equal (mtv_job_get_state (play.job), "succeeded"); i++)
    step (&play);
  while (!g_str_equal (mtv_job_get_state (play.job), "succeeded"))
    {
      if (mtv_job_has_ended (play.job))
        {
          warm_assert_left (f, MTV_POWER_ON);
          g_assert_true (mtv_job_retry (play.job, 1000, NULL));
          engine_wait_for (!mtv_job_has_ended (play.job));
        }
      cut_over (&play);
    }
  engine_assert_arrived (f, 0, "web-0");
  warm_assert_left (f, MTV_POWER_OFF);
}

int
main (int argc, char *argv[])
{
  const char *more = g_getenv ("MTV_TEST_SEEDS"); /* for those who have the time */
  guint n = more == NULL ? 12 : (guint) atoi (more);

  g_test_init (&argc, &argv, NULL);
  for (guint i = 1; i <= n; i++)
    {
      g_autofree char *name = g_strdup_printf ("/warm-property/%u", i);

      g_test_add (name, EngineFixture, GUINT_TO_POINTER (i), warm_set_up, test_play,
                  warm_tear_down);
    }
  return g_test_run ();
}
