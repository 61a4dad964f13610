/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine-fixture.h"

#include <string.h>

/* A daemon that is killed by SIGKILL in the middle of a request, then others that go on from what
 * is in the store. Each is a process of its own, which this test starts again and again. */

typedef enum
{
  ARRIVES,
  FAILS,   /* the destination reads back other bytes: cleans up */
  CANCELS, /* somebody asks for it while it copies */
} Ending;

/* What the subprocess shall do, in its environment: DIRECTORY, ENDING, and where to die. */
#define VARIABLE "MTV_TEST_CRASH"

static void
come_up (EngineFixture *f, const char *directory)
{
  fake_reset ();
  fake_world.n_vms = 2;
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_FATAL_MASK);
  f->directory = g_strdup (directory);
  f->clock = fake_clock_new (1700000000 * ENGINE_SECOND);
  engine_load (f);
}

static void
go_down (EngineFixture *f)
{
  engine_stop (f);
  g_object_unref (f->clock);
  g_free (f->directory);
}

/* To the end of the run, or of this process. */
static void
live (EngineFixture *f, Ending ending)
{
  GPtrArray *migrations = mtv_engine_get_migrations (f->engine);

  fake_world.corrupt = ending == FAILS;
  if (ending == CANCELS)
    fake_block ("write");
  mtv_engine_run (f->engine);
  MtvMigration *migration
      = migrations->len > 0 ? g_ptr_array_index (migrations, 0) : engine_begin (f, 2);
  if (ending == CANCELS)
    {
      engine_wait_for (fake_is_blocked ("write")
                       || !g_str_equal (mtv_migration_get_state (migration), "running"));
      mtv_migration_cancel (migration, 1000, NULL);
    }
  engine_wait_for (!g_str_equal (mtv_migration_get_state (migration), "running"));
}

static void
test_subprocess (void)
{
  g_auto (GStrv) what = g_strsplit (g_getenv (VARIABLE), ":", -1);
  EngineFixture f = { 0 };

  come_up (&f, what[0]);
  fake_kill_at (what[2], (guint) g_ascii_strtoull (what[3], NULL, 10), *what[4] == 'a');
  live (&f, (Ending) *what[1] - '0');
  go_down (&f);
}

/* FALSE: the process was killed. */
static gboolean
run_process (const char *directory, Ending ending, const char *request, guint nth, gboolean after)
{
  g_autofree char *what
      = g_strdup_printf ("%s:%d:%s:%u:%c", directory, ending, request, nth, after ? 'a' : 'b');

  g_setenv (VARIABLE, what, TRUE);
  g_test_trap_subprocess ("/engine-crash/subprocess", 0, 0);
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
  engine_assert_vms (&f, ending == ARRIVES ? 2 : 0);
  for (guint i = 0; ending == ARRIVES && i < 2; i++)
    {
      g_autofree char *name = g_strdup_printf ("web-%u", i);

      engine_assert_arrived (&f, i, name);
    }
  engine_assert_clean (&f);
  go_down (&f);
}

static const struct
{
  const char *request;
  guint nth;
  gboolean after;
  Ending ending;
} deaths[] = {
  { "identity", 1, FALSE, ARRIVES },    { "open-disk", 1, FALSE, ARRIVES },
  { "free-space", 2, FALSE, ARRIVES },  { "create", 1, FALSE, ARRIVES },
  { "create", 2, TRUE, ARRIVES },       { "identity", 3, FALSE, ARRIVES },
  { "open-writer", 1, FALSE, ARRIVES }, { "write", 1, FALSE, ARRIVES },
  { "write", 2, TRUE, ARRIVES },        { "write", 8, TRUE, ARRIVES },
  { "flush", 1, FALSE, ARRIVES },       { "flush", 2, TRUE, ARRIVES },
  { "open-reader", 1, FALSE, ARRIVES }, { "read-back", 2, TRUE, ARRIVES },
  { "define", 1, FALSE, ARRIVES },      { "define", 1, TRUE, ARRIVES },
  { "define", 2, TRUE, ARRIVES },       { "read-back", 1, FALSE, FAILS },
  { "remove", 1, FALSE, FAILS },        { "remove", 1, TRUE, FAILS },
  { "remove", 2, TRUE, FAILS },         { "write", 1, FALSE, CANCELS },
  { "remove", 1, FALSE, CANCELS },      { "remove", 1, TRUE, CANCELS },
};

static void
test_death (gconstpointer data)
{
  guint i = GPOINTER_TO_UINT (data);
  g_autofree char *directory = g_dir_make_tmp ("mtv-crash-XXXXXX", NULL);

  /* Twice, so that what a restart does is interrupted as well. */
  g_assert_false (
      run_process (directory, deaths[i].ending, deaths[i].request, deaths[i].nth, deaths[i].after));
  run_process (directory, deaths[i].ending, deaths[i].request, 1, deaths[i].after);
  run_process (directory, deaths[i].ending, "none", 1, FALSE);
  g_test_trap_assert_passed ();
  check_end (directory, deaths[i].ending);
  engine_remove_directory (directory);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/engine-crash/subprocess", test_subprocess);
  for (guint i = 0; i < G_N_ELEMENTS (deaths); i++)
    {
      g_autofree char *name = g_strdup_printf ("/engine-crash/%s/%s-%s-%u",
                                               deaths[i].ending == ARRIVES ? "arrives"
                                               : deaths[i].ending == FAILS ? "fails"
                                                                           : "cancels",
                                               deaths[i].after ? "after" : "before",
                                               deaths[i].request, deaths[i].nth);

      g_test_add_data_func (name, GUINT_TO_POINTER (i), test_death);
    }
  return g_test_run ();
}
