/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "warm-fixture.h"

/* A daemon that is killed by SIGKILL in the middle of a request of a warm migration, then others
 * that go on from what is in the store. Each is a process of its own, with a clock that begins at
 * the same time again: the clock was set back. The source's files are what it has. */

typedef enum
{
  ARRIVES,
  FAILS,   /* the destination reads back other bytes, with the VM shut down */
  CANCELS, /* somebody asks for it in the third round */
} Ending;

/* What the subprocess shall do, in its environment: DIRECTORY, ENDING, where to die, and whether
 * the destination can be read back while it is written to. */
#define VARIABLE "MTV_TEST_WARM_CRASH"

static void
come_up (EngineFixture *f, const char *directory)
{
  fake_reset ();
  fake_world.n_vms = 1;
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  f->directory = g_strdup (directory);
  f->clock = fake_clock_new (1700000000 * ENGINE_SECOND);
  warm_come_up (f);
  fake_world.tracking_off = TRUE;
  engine_load (f);
}

static void
go_down (EngineFixture *f)
{
  engine_stop (f);
  g_object_unref (f->clock);
  g_free (f->directory);
}

/* What the guest does, and what the user asks for, in a job that has come so far. */
static void
act (EngineFixture *f, MtvJob *job, Ending ending)
{
  guint n = mtv_job_get_record (job)->rounds->len;

  if (g_str_equal (mtv_job_get_phase (job), "idle"))
    {
      fake_live_write ("vm-0", 0, n * 100000, 5000, n);
      fake_live_write ("vm-0", 1, fake_world.disk_size - 5000, 5000, n + 1);
      fake_live_write ("vm-0", 1, 1024 * 1024 + n, 100, n % 2);
    }
  if (n >= 3 && ending == CANCELS)
    mtv_job_cancel (job, 1000, NULL);
  else if (n >= 3 && mtv_job_get_schedule (job)->cutover_time == 0)
    mtv_job_cutover (job, 0, 1000, NULL);
  (void) f;
}

/* To the end of the run, or of this process. */
static void
live (EngineFixture *f, Ending ending)
{
  GPtrArray *migrations = mtv_engine_get_migrations (f->engine);

  fake_world.corrupt = ending == FAILS;
  mtv_engine_run (f->engine);
  MtvMigration *migration
      = migrations->len > 0 ? g_ptr_array_index (migrations, 0) : warm_begin (f, 1, "guest");
  MtvJob *job = engine_get_job (migration, 1);
  while (!mtv_job_has_ended (job))
    {
      engine_wait_for (mtv_job_has_ended (job) || fake_clock_get_next (f->clock) != G_MAXUINT64);
      if (mtv_job_has_ended (job))
        break;
      act (f, job, ending);
      if (fake_clock_get_next (f->clock) != G_MAXUINT64)
        warm_next_alarm (f);
    }
}

static void
test_subprocess (void)
{
  g_auto (GStrv) what = g_strsplit (g_getenv (VARIABLE), ":", -1);
  EngineFixture f = { 0 };

  come_up (&f, what[0]);
  fake_world.reads_back = *what[5] == 'r';
  fake_kill_at (what[2], (guint) g_ascii_strtoull (what[3], NULL, 10), *what[4] == 'a');
  live (&f, (Ending) *what[1] - '0');
  go_down (&f);
}

/* FALSE: the process was killed. */
static gboolean
run_process (const char *directory, Ending ending, const char *request, guint nth, gboolean after)
{
  gboolean reads_back = ending != FAILS && nth % 2 == 0;
  g_autofree char *what = g_strdup_printf ("%s:%d:%s:%u:%c:%c", directory, ending, request, nth,
                                           after ? 'a' : 'b', reads_back ? 'r' : 'n');

  g_setenv (VARIABLE, what, TRUE);
  g_test_trap_subprocess ("/warm-crash/subprocess", 0, 0);
  return g_test_trap_has_passed ();
}

static void
check_end (const char *directory, Ending ending)
{
  EngineFixture f = { 0 };

  come_up (&f, directory);
  MtvMigration *migration = g_ptr_array_index (mtv_engine_get_migrations (f.engine), 0);
  g_assert_cmpstr (mtv_migration_get_state (migration), ==,
                   ending == ARRIVES ? "succeeded"
                   : ending == FAILS ? "failed"
                                     : "cancelled");
  engine_assert_vms (&f, ending == ARRIVES ? 1 : 0);
  if (ending == ARRIVES)
    engine_assert_arrived (&f, 0, "web-0");
  warm_assert_left (&f, ending == ARRIVES ? MTV_POWER_OFF : MTV_POWER_ON);
  go_down (&f);
}

static const struct
{
  const char *request;
  guint nth;
  gboolean after;
  Ending ending;
} deaths[] = {
  { "create", 1, TRUE, ARRIVES },        { "enable-tracking", 1, FALSE, ARRIVES },
  { "create-point", 1, FALSE, ARRIVES }, { "create-point", 1, TRUE, ARRIVES },
  { "open-point", 1, FALSE, ARRIVES },   { "write", 1, TRUE, ARRIVES },
  { "write", 8, TRUE, ARRIVES },         { "flush", 1, FALSE, ARRIVES },
  { "flush", 1, TRUE, ARRIVES },         { "remove-point", 1, FALSE, ARRIVES },
  { "remove-point", 1, TRUE, ARRIVES },  { "create-point", 2, FALSE, ARRIVES },
  { "create-point", 2, TRUE, ARRIVES },  { "open-point", 3, FALSE, ARRIVES },
  { "open-writer", 3, FALSE, ARRIVES },  { "flush", 3, FALSE, ARRIVES },
  { "flush", 3, TRUE, ARRIVES },         { "flush", 5, TRUE, ARRIVES },
  { "remove-point", 2, TRUE, ARRIVES },  { "remove-point", 3, TRUE, ARRIVES },
  { "get-power", 1, FALSE, ARRIVES },    { "shut-down", 1, FALSE, ARRIVES },
  { "shut-down", 1, TRUE, ARRIVES },     { "get-power", 2, FALSE, ARRIVES },
  { "create-point", 4, FALSE, ARRIVES }, { "create-point", 4, TRUE, ARRIVES },
  { "open-point", 8, FALSE, ARRIVES },   { "read-back", 3, TRUE, ARRIVES },
  { "define", 1, FALSE, ARRIVES },       { "define", 1, TRUE, ARRIVES },
  { "remove-point", 6, FALSE, ARRIVES }, { "remove-point", 7, TRUE, ARRIVES },
  { "start", 1, FALSE, FAILS },          { "start", 1, TRUE, FAILS },
  { "remove", 1, FALSE, FAILS },         { "remove-point", 7, TRUE, FAILS },
  { "remove-point", 5, FALSE, CANCELS }, { "remove", 1, TRUE, CANCELS },
};

static void
test_death (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree char *directory = g_dir_make_tmp ("mtv-warm-XXXXXX", NULL);

  /* Twice, so that what a restart does is interrupted as well. */
  g_assert_false (
      run_process (directory, deaths[i].ending, deaths[i].request, deaths[i].nth, deaths[i].after));
  run_process (directory, deaths[i].ending, deaths[i].request, 1, deaths[i].after);
  run_process (directory, deaths[i].ending, "none", 1, FALSE);
  g_test_trap_assert_passed ();
  check_end (directory, deaths[i].ending);
  engine_remove_directory (directory);
}

/* Again and again, each one a little later than the last. */
static void
test_many_deaths (void)
{
  static const char *const fatal[]
      = { "write", "remove-point", "create-point", "flush", "open-point" };
  g_autofree char *directory = g_dir_make_tmp ("mtv-warm-XXXXXX", NULL);

  for (guint i = 0; i < 40; i++)
    if (run_process (directory, ARRIVES, fatal[i % G_N_ELEMENTS (fatal)], 1 + i % 3, i % 2))
      break;
  run_process (directory, ARRIVES, "none", 1, FALSE);
  g_test_trap_assert_passed ();
  check_end (directory, ARRIVES);
  engine_remove_directory (directory);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/warm-crash/subprocess", test_subprocess);
  for (guint i = 0; i < G_N_ELEMENTS (deaths); i++)
    {
      g_autofree char *name = g_strdup_printf ("/warm-crash/%s/%s-%s-%u",
                                               deaths[i].ending == ARRIVES ? "arrives"
                                               : deaths[i].ending == FAILS ? "fails"
                                                                           : "cancels",
                                               deaths[i].after ? "after" : "before",
                                               deaths[i].request, deaths[i].nth);

      g_test_add_data_func (name, GUINT_TO_POINTER (i), test_death);
    }
  g_test_add_func ("/warm-crash/many", test_many_deaths);
  return g_test_run ();
}
