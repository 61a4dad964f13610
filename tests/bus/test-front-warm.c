/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/front-fixture.h"

#include "fakes/fake-ends.h"
#include "store/mtv-store-objects.h"

#include <string.h>

#define WRONG_STATE "org.mtv.Error.WrongState"
#define INVALID_ARGUMENT "org.mtv.Error.InvalidArgument"
#define MIGRATION ROOT "/migration/run"
#define VM MIGRATION "/vm/1"
#define HOUR (3600 * (guint64) G_TIME_SPAN_SECOND)

/* A run that was left between two rounds, paused: nothing of it happens by itself. */

static void
put_ends (MtvStoreBatch *batch)
{
  MtvProviderConfig *source = mtv_fields_new (&mtv_provider_config_fields);
  g_autoptr (MtvPlan) plan = mtv_plan_new ();
  MtvPlanVm *vm = mtv_plan_add_vm (plan);

  source->id = g_strdup ("lab");
  source->name = g_strdup ("lab");
  source->type = g_strdup ("fake");
  source->url = g_strdup ("fake://somewhere");
  mtv_store_put_provider (batch, source);
  mtv_provider_config_free (source);

  plan->id = g_strdup ("move");
  plan->name = g_strdup ("move");
  plan->source = g_strdup ("lab");
  plan->destination = g_strdup ("local");
  plan->schedule.warm = TRUE;
  vm->id = g_strdup ("vm-1");
  vm->name = g_strdup ("web-3");
  mtv_store_put_plan (batch, plan);
}

static void
add_round (MtvJobRecord *job, guint number, guint64 start)
{
  MtvRoundRecord *round = mtv_fields_new (&mtv_round_record_fields);

  round->number = number;
  round->key = g_strdup_printf ("mtv-run-1-%u", number);
  round->remote_id = g_strdup ("moref-77");
  round->change_ids = g_variant_ref_sink (g_variant_new_parsed ("['52 3c/4']"));
  round->start_time = start;
  round->snapshot_time = start + G_TIME_SPAN_SECOND;
  round->copied_time = start + 3 * G_TIME_SPAN_SECOND;
  round->removed_time = start + 4 * G_TIME_SPAN_SECOND;
  round->bytes_changed = round->bytes_done = 4096;
  round->compared = number == 2;
  g_ptr_array_add (job->rounds, round);
}

static void
fill (MtvStoreBatch *batch)
{
  g_autoptr (MtvMigrationRecord) run = mtv_fields_new (&mtv_migration_record_fields);
  g_autoptr (MtvJobRecord) job = mtv_fields_new (&mtv_job_record_fields);

  put_ends (batch);
  run->id = g_strdup ("run");
  run->plan_id = g_strdup ("move");
  run->plan_name = g_strdup ("move");
  run->start_time = 1700000000000000;
  mtv_store_put_migration (batch, run);

  job->run_id = g_strdup ("run");
  job->number = 1;
  job->vm_id = g_strdup ("vm-1");
  job->name = g_strdup ("web-3");
  job->target_name = g_strdup ("web-3");
  job->source = g_strdup ("lab");
  job->destination = g_strdup ("local");
  job->devices = g_strdup ("auto");
  job->format = g_strdup ("raw");
  job->target_power_state = g_strdup ("off");
  job->hash = g_strdup ("xxh3-128");
  job->verify = g_strdup ("written");
  job->state = g_strdup ("idle");
  job->start_time = run->start_time;
  job->schedule.warm = TRUE;
  job->schedule.shutdown = g_strdup ("guest");
  job->paused = TRUE;
  add_round (job, 1, run->start_time);
  add_round (job, 2, g_get_real_time () - 10 * G_TIME_SPAN_SECOND); /* the next is not due yet */
  mtv_store_put_job (batch, job);
}

static const FrontStart idle = { fill };

static void
wait_for (FrontFixture *f, const char *property, const char *value)
{
  front_wait_for_property (f, VM, "org.mtv.Migration.VM", property, value);
}

static void
call (FrontFixture *f, const char *path, const char *method, const char *options)
{
  bus_call_done (&f->bus, path, method, front_args (options));
}

static void
fails (FrontFixture *f, const char *path, const char *method, const char *options, const char *name,
       const char *text)
{
  bus_call_fails (&f->bus, path, method, front_args (options), name, text);
}

static GVariant *
change_args (const char *changes, const char *options)
{
  return g_variant_new ("(@a{sv}@a{sv})", bus_options (changes), bus_options (options));
}

static void
test_properties (FrontFixture *f, gconstpointer data)
{
  (void) data;
  wait_for (f, "Type", "'warm'");
  wait_for (f, "Phase", "'idle'");
  wait_for (f, "Round", "2");
  wait_for (f, "Snapshots", "0");
  wait_for (f, "CutoverTime", "0");
  wait_for (f, "CutoverReady", "false");
  wait_for (f, "Interval", "3600000000");
  wait_for (f, "IntervalAuto", "false");
  wait_for (f, "MaxDowntime", "60000000");
  wait_for (f, "Shutdown", "'guest'");
  wait_for (f, "Paused", "true");
  wait_for (f, "NextRound", "0");
  wait_for (f, "Downtime", "0");
  wait_for (f, "PredictedDowntime", "0");
}

static void
test_rounds (FrontFixture *f, gconstpointer data)
{
  const char *method = "org.mtv.Migration.VM.GetRounds";

  (void) data;
  g_autoptr (GVariant) rounds = bus_call_ok (&f->bus, VM, method, front_args ("{}"));
  g_autofree char *text = g_variant_print (rounds, TRUE);

  g_assert_cmpuint (front_count (rounds), ==, 2);
  front_assert_text (rounds, "'key': <'mtv-run-1-1'>");
  front_assert_text (rounds, "'compared': <true>");
  front_assert_text (rounds, "'rate': <uint64 2048>");
  front_assert_text (rounds, "'removed-time': <uint64 1700000004000000>");
  /* What the source calls things is of no use to anybody else. */
  g_assert_null (strstr (text, "moref-77"));
  g_assert_null (strstr (text, "52 3c/4"));
  fails (f, VM, method, "{'limit': <uint32 1>}", INVALID_ARGUMENT, "'limit'");
}

static void
test_cutover (FrontFixture *f, gconstpointer data)
{
  guint64 at = g_get_real_time () + HOUR;
  g_autofree char *options = g_strdup_printf ("{'time': <uint64 %" G_GUINT64_FORMAT ">}", at);
  g_autofree char *later = g_strdup_printf ("{'time': <uint64 %" G_GUINT64_FORMAT ">}", at + HOUR);
  g_autofree char *far
      = g_strdup_printf ("{'time': <uint64 %" G_GUINT64_FORMAT ">}", at + 10000 * HOUR);
  g_autofree char *value = g_strdup_printf ("%" G_GUINT64_FORMAT, at);
  g_autofree char *moved = g_strdup_printf ("%" G_GUINT64_FORMAT, at + HOUR);
  const char *const paths[] = { VM, MIGRATION };
  const char *const names[] = { "org.mtv.Migration.VM", "org.mtv.Migration" };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *cutover = g_strconcat (names[i], ".Cutover", NULL);
      g_autofree char *withdraw = g_strconcat (names[i], ".WithdrawCutover", NULL);

      fails (f, paths[i], withdraw, "{}", WRONG_STATE, "'web-3' has no cutover");
      fails (f, paths[i], cutover, "{'time': <uint64 0>}", INVALID_ARGUMENT, "'time' cannot be 0");
      fails (f, paths[i], cutover, "{'time': <uint64 1>}", INVALID_ARGUMENT, "in the past");
      fails (f, paths[i], cutover, far, INVALID_ARGUMENT, "more than a year");
      fails (f, paths[i], cutover, "{'time': <'now'>}", INVALID_ARGUMENT, "'time'");
      fails (f, paths[i], cutover, "{'at': <uint64 1>}", INVALID_ARGUMENT, "'at'");
      fails (f, paths[i], withdraw, "{'time': <uint64 1>}", INVALID_ARGUMENT, "'time'");
      call (f, paths[i], cutover, options);
      wait_for (f, "CutoverTime", value);
      call (f, paths[i], cutover, later);
      wait_for (f, "CutoverTime", moved);
      call (f, paths[i], withdraw, "{}");
      wait_for (f, "CutoverTime", "0");
    }
  wait_for (f, "Phase", "'idle'");

  g_autoptr (GVariant) timeline
      = bus_call_ok (&f->bus, MIGRATION, "org.mtv.Migration.GetTimeline", front_args ("{}"));
  front_assert_text (timeline, "'cutover'");
  front_assert_text (timeline, "'withdraw-cutover'");
}

static void
test_pause (FrontFixture *f, gconstpointer data)
{
  const char *const paths[] = { VM, MIGRATION };
  const char *const names[] = { "org.mtv.Migration.VM", "org.mtv.Migration" };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      g_autofree char *pause = g_strconcat (names[i], ".Pause", NULL);
      g_autofree char *resume = g_strconcat (names[i], ".Resume", NULL);

      fails (f, paths[i], pause, "{}", WRONG_STATE, "'web-3' is paused already");
      fails (f, paths[i], pause, "{'hard': <true>}", INVALID_ARGUMENT, "'hard'");
      fails (f, paths[i], resume, "{'hard': <true>}", INVALID_ARGUMENT, "'hard'");
      call (f, paths[i], resume, "{}");
      wait_for (f, "Paused", "false");
      wait_for (f, "Waiting", "'waiting for the next round'");
      g_autoptr (GVariant) next = bus_get (&f->bus, VM, "org.mtv.Migration.VM", "NextRound");
      g_assert_cmpuint (g_variant_get_uint64 (next), >, g_get_real_time () + HOUR / 2);
      fails (f, paths[i], resume, "{}", WRONG_STATE, "'web-3' is not paused");
      call (f, paths[i], pause, "{}");
      wait_for (f, "Paused", "true");
      wait_for (f, "NextRound", "0");
      wait_for (f, "Waiting", "'paused'");
    }
}

static void
test_configure (FrontFixture *f, gconstpointer data)
{
  const char *const paths[] = { VM, MIGRATION };
  const char *const methods[] = { "org.mtv.Migration.VM.Configure", "org.mtv.Migration.Configure" };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (paths); i++)
    {
      Bus *bus = &f->bus;

      bus_call_done (bus, paths[i], methods[i],
                     change_args ("{'interval-auto': <true>, 'max-downtime': <uint64 5000000>, "
                                  "'shutdown': <'force'>, 'shutdown-timeout': <uint64 7000000>, "
                                  "'throttle': <uint64 1048576>}",
                                  "{}"));
      wait_for (f, "IntervalAuto", "true");
      wait_for (f, "MaxDowntime", "5000000");
      wait_for (f, "Shutdown", "'force'");
      wait_for (f, "ShutdownTimeout", "7000000");
      wait_for (f, "Throttle", "1048576");
      bus_call_done (bus, paths[i], methods[i],
                     change_args ("{'interval': <uint64 60000000>}", "{}"));
      wait_for (f, "Interval", "60000000");
      wait_for (f, "IntervalAuto", "false");

      bus_call_fails (
          bus, paths[i], methods[i],
          change_args ("{'max-downtime': <uint64 9000000>, 'interval': <uint64 1>}", "{}"),
          INVALID_ARGUMENT, "'interval'");
      bus_call_fails (bus, paths[i], methods[i], change_args ("{'warm': <false>}", "{}"),
                      INVALID_ARGUMENT, "'warm'");
      bus_call_fails (bus, paths[i], methods[i], change_args ("{'shutdown': <true>}", "{}"),
                      INVALID_ARGUMENT, "'shutdown'");
      bus_call_fails (bus, paths[i], methods[i], change_args ("{}", "{'force': <true>}"),
                      INVALID_ARGUMENT, "'force'");
      wait_for (f, "MaxDowntime", "5000000"); /* nothing of it was taken */
    }
}

/* Whoever hears of it finds the properties as they are. */
static void
test_ready (FrontFixture *f, gconstpointer data)
{
  GPtrArray *migrations = mtv_engine_get_migrations (f->engine);
  GPtrArray *jobs = mtv_migration_get_jobs (g_ptr_array_index (migrations, 0));

  (void) data;
  g_signal_emit_by_name (g_ptr_array_index (jobs, 0), "cutover-ready", TRUE);
  guint ready = front_wait_for_signal (f, VM, "CutoverReady", "(true,)");
  g_signal_emit_by_name (g_ptr_array_index (jobs, 0), "cutover-ready", FALSE);
  g_assert_cmpuint (front_wait_for_signal (f, VM, "CutoverReady", "(false,)"), >, ready);
}

static void
test_ended (FrontFixture *f, gconstpointer data)
{
  (void) data;
  call (f, MIGRATION, "org.mtv.Migration.Cancel", "{}");
  wait_for (f, "State", "'cancelled'");
  fails (f, MIGRATION, "org.mtv.Migration.Cutover", "{}", WRONG_STATE, "'move'");
  fails (f, MIGRATION, "org.mtv.Migration.Pause", "{}", WRONG_STATE, "'web-3' has ended");
  fails (f, VM, "org.mtv.Migration.VM.Cutover", "{}", WRONG_STATE, "'web-3' has ended");
  fails (f, VM, "org.mtv.Migration.VM.Resume", "{}", WRONG_STATE, "'web-3' has ended");
  bus_call_fails (&f->bus, VM, "org.mtv.Migration.VM.Configure",
                  change_args ("{'shutdown': <'force'>}", "{}"), WRONG_STATE, "'web-3' has ended");
}

/* Of what a warm migration has beyond a cold one, a cold one has nothing. */
static void
test_cold (FrontFixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *source = front_add_provider (f, "lab");
  g_autofree char *plan = front_create_plan (f, "move", source, "web-3", "{}");
  fake_ends_hold (FAKE_ENDS_OPEN_DISK);
  g_autofree char *migration = front_start (f, plan);
  g_autofree char *vm = g_strconcat (migration, "/vm/1", NULL);
  const char *const zero[]
      = { "Round", "NextRound", "Snapshots", "CutoverTime", "Interval", "MaxDowntime" };

  for (guint i = 0; i < G_N_ELEMENTS (zero); i++)
    front_wait_for_property (f, vm, "org.mtv.Migration.VM", zero[i], "0");
  front_wait_for_property (f, vm, "org.mtv.Migration.VM", "Type", "'cold'");
  fails (f, vm, "org.mtv.Migration.VM.Cutover", "{}", WRONG_STATE, "not a warm one");
  fails (f, vm, "org.mtv.Migration.VM.WithdrawCutover", "{}", WRONG_STATE, "not a warm one");
  fails (f, vm, "org.mtv.Migration.VM.Pause", "{}", WRONG_STATE, "not a warm one");
  fails (f, vm, "org.mtv.Migration.VM.Resume", "{}", WRONG_STATE, "not a warm one");
  fails (f, migration, "org.mtv.Migration.Cutover", "{}", WRONG_STATE, "not a warm one");
  fails (f, migration, "org.mtv.Migration.Pause", "{}", WRONG_STATE, "not a warm one");
  bus_call_fails (&f->bus, migration, "org.mtv.Migration.Configure",
                  change_args ("{'interval': <uint64 60000000>}", "{}"), INVALID_ARGUMENT,
                  "'interval'");
  bus_call_done (&f->bus, migration, "org.mtv.Migration.Configure",
                 change_args ("{'throttle': <uint64 1048576>}", "{}"));
  front_wait_for_property (f, vm, "org.mtv.Migration.VM", "Throttle", "1048576");
  g_autoptr (GVariant) rounds
      = bus_call_ok (&f->bus, vm, "org.mtv.Migration.VM.GetRounds", front_args ("{}"));
  g_assert_cmpuint (front_count (rounds), ==, 0);
}

#define ADD(name, test) \
  g_test_add ("/front-warm/" name, FrontFixture, &idle, front_set_up, test, front_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL);
  ADD ("properties", test_properties);
  ADD ("rounds", test_rounds);
  ADD ("cutover", test_cutover);
  ADD ("pause", test_pause);
  ADD ("configure", test_configure);
  ADD ("ready", test_ready);
  ADD ("ended", test_ended);
  g_test_add ("/front-warm/cold", FrontFixture, NULL, front_set_up, test_cold, front_tear_down);
  return g_test_run ();
}
