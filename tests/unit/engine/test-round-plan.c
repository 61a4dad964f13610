/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-round-plan.h"

#include "rounds-fixture.h"

static const RoundPace pace = { 2 * SEC, 3 * SEC, 100 * MIB };

static MtvRoundSettings
hourly (void)
{
  return (
      MtvRoundSettings){ .interval = HOUR, .max_downtime = MINUTE, .run_id = "run", .number = 1 };
}

static GPtrArray *
history (guint n, guint64 interval, guint64 rate)
{
  GPtrArray *rounds = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < n; i++)
    add_round (rounds, rounds->len == 0 ? NOW : last_round (rounds)->copied_time + interval,
               i == 0 ? 40 * GIB : rate * interval / SEC, &pace);
  return rounds;
}

static void
test_interval (void)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GPtrArray) rounds = history (3, HOUR, MIB);
  MtvRoundSettings settings = hourly ();
  guint64 end = last_round (rounds)->copied_time;
  MtvRoundPlan plan = mtv_round_plan (none, NOW, &settings);

  g_assert_cmpuint (plan.due, ==, NOW);
  g_assert_cmpuint (plan.left, ==, 27);

  plan = mtv_round_plan (rounds, end + SEC, &settings);
  g_assert_cmpuint (plan.due, ==, end + HOUR);
  g_assert_cmpuint (plan.interval, ==, HOUR);
  g_assert_cmpuint (plan.left, ==, 24);
  plan = mtv_round_plan (rounds, end + DAY, &settings);
  g_assert_cmpuint (plan.due, ==, end + HOUR); /* once, and at once */

  settings.interval = 1;
  plan = mtv_round_plan (rounds, end, &settings);
  g_assert_cmpuint (plan.due, ==, end + MINUTE);
  settings.interval = G_MAXUINT64;
  plan = mtv_round_plan (rounds, end, &settings);
  g_assert_cmpuint (plan.due, >, end + 365 * DAY);

  settings.paused = TRUE;
  plan = mtv_round_plan (rounds, end + DAY, &settings);
  g_assert_cmpuint (plan.due, ==, 0);
  g_assert_cmpuint (plan.left, ==, 24);
}

/* The first copy that did not come to its end is not followed by an hour of nothing. */
static void
test_no_copy_yet (void)
{
  g_autoptr (GPtrArray) rounds = history (1, HOUR, MIB);
  MtvRoundSettings settings = hourly ();
  MtvRoundRecord *first = last_round (rounds);

  first->copied_time = first->removed_time = 0;
  MtvRoundPlan plan = mtv_round_plan (rounds, NOW + MINUTE / 2, &settings);
  g_assert_cmpuint (plan.due, ==, first->snapshot_time + MINUTE);
}

static void
test_budget (void)
{
  MtvRoundSettings settings = hourly ();
  guint64 last_interval = HOUR;

  for (guint n = 1; n < MTV_ROUND_MAX_POINTS; n++)
    {
      g_autoptr (GPtrArray) rounds = history (n, HOUR, MIB);
      MtvRoundPlan plan = mtv_round_plan (rounds, last_round (rounds)->copied_time, &settings);

      g_assert_cmpuint (plan.left, ==, 27 - n);
      if (n < 19)
        g_assert_cmpuint (plan.interval, ==, HOUR);
      else if (n < 27)
        g_assert_cmpuint (plan.interval, >, last_interval);
      else
        g_assert_cmpuint (plan.due, ==, 0);
      last_interval = plan.interval;
    }
  g_autoptr (GPtrArray) all = history (40, HOUR, MIB);
  MtvRoundPlan plan = mtv_round_plan (all, NOW + 99 * DAY, &settings);
  g_assert_cmpuint (plan.due + plan.left, ==, 0);

  /* Fewer may be allowed, but not more. */
  g_autoptr (GPtrArray) some = history (5, HOUR, MIB);
  static const guint allowed[][2] = { { 1, 0 }, { 6, 0 }, { 7, 1 }, { 28, 22 }, { 100, 22 } };
  for (guint i = 0; i < G_N_ELEMENTS (allowed); i++)
    {
      settings.max_points = allowed[i][0];
      plan = mtv_round_plan (some, last_round (some)->copied_time, &settings);
      g_assert_cmpuint (plan.left, ==, allowed[i][1]);
      g_assert_cmpint (plan.due == 0, ==, allowed[i][1] == 0);
    }
}

/* What changes much has short rounds; what does not change has few. */
static void
test_auto (void)
{
  MtvRoundSettings settings = hourly ();
  guint64 last = G_MAXUINT64;

  settings.interval_auto = TRUE;
  g_autoptr (GPtrArray) first = history (1, HOUR, 0);
  MtvRoundPlan plan = mtv_round_plan (first, last_round (first)->copied_time, &settings);
  g_assert_cmpuint (plan.interval, ==, 5 * MINUTE);

  g_autoptr (GPtrArray) idle = history (6, HOUR, 0);
  plan = mtv_round_plan (idle, last_round (idle)->copied_time, &settings);
  g_assert_cmpuint (plan.interval, ==, DAY);

  for (guint64 rate = MIB / 4; rate <= 8 * MIB; rate *= 2)
    {
      g_autoptr (GPtrArray) rounds = history (8, 10 * MINUTE, rate);
      guint64 end = last_round (rounds)->copied_time;

      plan = mtv_round_plan (rounds, end, &settings);
      g_assert_cmpuint (plan.due, ==, end + plan.interval);
      g_assert_cmpuint (plan.interval, <=, last);
      g_assert_cmpuint (plan.interval, >=, MINUTE);
      MtvPrediction prediction = mtv_readiness_predict (rounds, plan.due, &settings.costs);
      g_assert_cmpuint (prediction.high, <=, settings.max_downtime);
      last = plan.interval;
    }
  g_assert_cmpuint (last, <, 10 * MINUTE);

  /* Where no round is short enough, it is at least one that is worth its snapshot. */
  settings.max_downtime = SEC;
  g_autoptr (GPtrArray) slow = history (8, HOUR, MIB / 4);
  plan = mtv_round_plan (slow, last_round (slow)->copied_time, &settings);
  g_assert_cmpuint (plan.interval, >, 20 * MINUTE);
  g_assert_cmpuint (plan.interval, <, 2 * HOUR);
}

/* The rounds until the cutover at @cutover, each as the plan says. */
static void
run_until (GPtrArray *rounds, guint64 cutover, guint64 rate, MtvRoundSettings *settings)
{
  guint64 now = last_round (rounds)->removed_time;

  settings->cutover_time = cutover;
  settings->costs.size = 40 * GIB;
  for (guint steps = 0; steps < 100; steps++)
    {
      MtvRoundPlan plan = mtv_round_plan (rounds, now, settings);

      if (plan.due == 0 || plan.due >= cutover)
        return;
      g_assert_cmpuint (plan.due, >=, last_round (rounds)->copied_time + MINUTE);
      guint64 start = MAX (plan.due, now) + 1000; /* as late as an alarm is */
      guint64 bytes = (start - last_round (rounds)->snapshot_time) / SEC * rate;
      bytes = MIN (bytes, settings->costs.size);
      now = add_round (rounds, start, bytes, &pace)->removed_time;
    }
  g_assert_not_reached ();
}

static void
test_cutover (void)
{
  static const guint64 rates[] = { 0, MIB / 4, MIB, 10 * MIB };
  static const guint64 ahead[] = { 3 * MINUTE, 10 * MINUTE, HOUR, 5 * HOUR, 3 * DAY, 300 * DAY };

  for (guint i = 0; i < G_N_ELEMENTS (rates); i++)
    for (guint j = 0; j < G_N_ELEMENTS (ahead); j++)
      {
        g_autoptr (GPtrArray) rounds = history (4, HOUR, rates[i]);
        MtvRoundSettings settings = hourly ();
        guint64 cutover = last_round (rounds)->removed_time + ahead[j];

        run_until (rounds, cutover, rates[i], &settings);
        MtvRoundRecord *last = last_round (rounds);
        g_assert_cmpuint (rounds->len, <, MTV_ROUND_MAX_POINTS);
        g_assert_cmpuint (last->removed_time, <=, cutover);
        /* And so little is left that another round would not have gained much. */
        if (rates[i] >= MIB && ahead[j] > 10 * MINUTE)
          g_assert_cmpuint (cutover - last->snapshot_time, <, 15 * MINUTE);
        if (rates[i] == 0 && ahead[j] <= HOUR)
          g_assert_cmpuint (rounds->len, ==, 4);
      }

  /* Five short rounds at most for the last hour. */
  g_autoptr (GPtrArray) rounds = history (4, HOUR, MIB);
  MtvRoundSettings settings = hourly ();
  run_until (rounds, last_round (rounds)->removed_time + HOUR, MIB, &settings);
  g_assert_cmpuint (rounds->len, >, 5);
  g_assert_cmpuint (rounds->len, <, 10);

  /* The last one that may be is the last before the cutover. */
  g_autoptr (GPtrArray) almost = history (26, HOUR, MIB);
  guint64 cutover = last_round (almost)->removed_time + 10 * DAY;
  run_until (almost, cutover, MIB, &settings);
  g_assert_cmpuint (almost->len, ==, 27);
  g_assert_cmpuint (last_round (almost)->removed_time, <=, cutover);

  /* At and after the time of the cutover, rounds are no more. */
  g_autoptr (GPtrArray) past = history (3, HOUR, MIB);
  settings.cutover_time = last_round (past)->removed_time + MINUTE;
  MtvRoundPlan plan = mtv_round_plan (past, settings.cutover_time, &settings);
  g_assert_cmpuint (plan.due, ==, 0);
}

static void
test_restart (void)
{
  g_autoptr (GPtrArray) rounds = history (3, HOUR, MIB);
  g_autoptr (GHashTable) slots = g_hash_table_new (NULL, NULL);
  MtvRoundSettings settings = hourly ();
  guint64 end = last_round (rounds)->copied_time;

  settings.restarted = end + 5 * HOUR;
  settings.n_overdue = 1;
  MtvRoundPlan plan = mtv_round_plan (rounds, settings.restarted + SEC, &settings);
  g_assert_cmpuint (plan.due, ==, end + HOUR); /* alone: at once */

  settings.n_overdue = 100;
  for (guint i = 1; i <= 100; i++)
    {
      settings.number = i;
      plan = mtv_round_plan (rounds, settings.restarted + SEC, &settings);
      g_assert_cmpuint (plan.due, >=, settings.restarted);
      g_assert_cmpuint (plan.due, <, settings.restarted + 10 * MINUTE);
      g_hash_table_add (slots, GUINT_TO_POINTER ((plan.due - settings.restarted) / MINUTE));
      /* It does not move while it is waited for. */
      g_assert_cmpuint (mtv_round_plan (rounds, plan.due, &settings).due, ==, plan.due);
    }
  g_assert_cmpuint (g_hash_table_size (slots), ==, 10);

  settings.interval = 2 * MINUTE;
  plan = mtv_round_plan (rounds, settings.restarted, &settings);
  g_assert_cmpuint (plan.due, <, settings.restarted + 2 * MINUTE);

  /* Not overdue: as if nothing had been. */
  settings.interval = 6 * HOUR;
  plan = mtv_round_plan (rounds, settings.restarted, &settings);
  g_assert_cmpuint (plan.due, ==, end + 6 * HOUR);
}

/* Set back by a year, the clock does not keep the VM from its rounds. */
static void
test_clock_set_back (void)
{
  g_autoptr (GPtrArray) rounds = history (3, HOUR, MIB);
  MtvRoundSettings settings = hourly ();
  guint64 now = NOW - 365 * DAY;

  settings.planned = last_round (rounds)->copied_time + HOUR;
  MtvRoundPlan plan = mtv_round_plan (rounds, now, &settings);
  g_assert_cmpuint (plan.due, ==, now + HOUR);
  settings.planned = plan.due;
  plan = mtv_round_plan (rounds, now + MINUTE, &settings);
  g_assert_cmpuint (plan.due, ==, now + HOUR);
  plan = mtv_round_plan (rounds, now + HOUR, &settings);
  g_assert_cmpuint (plan.due, ==, now + HOUR);
}

/* Days in the life of a VM: load that changes, failures, settings changed, cutovers set and
 * withdrawn, the clock set. */
static void
test_random (void)
{
  for (guint run = 0; run < 300; run++)
    {
      g_autoptr (GPtrArray) rounds = g_ptr_array_new_with_free_func (g_free);
      MtvRoundSettings settings = hourly ();
      guint64 now = NOW;
      guint64 rate = (guint64) g_test_rand_int_range (0, 40) * MIB / 4;
      guint steps = 0;

      for (; steps < 1000; steps++)
        {
          if (g_test_rand_int_range (0, 5) == 0)
            rate = (guint64) g_test_rand_int_range (0, 40) * MIB / 4;
          if (g_test_rand_int_range (0, 6) == 0)
            {
              settings.interval_auto = g_test_rand_bit ();
              settings.interval = MINUTE * (guint64) g_test_rand_int_range (1, 1000);
              settings.max_downtime = SEC * (guint64) g_test_rand_int_range (1, 1000);
            }
          if (g_test_rand_int_range (0, 6) == 0)
            settings.cutover_time
                = g_test_rand_bit () ? now + MINUTE * (guint64) g_test_rand_int_range (1, 9999) : 0;
          if (g_test_rand_int_range (0, 30) == 0)
            now = MAX (now - DAY, NOW / 2);

          guint64 end = rounds->len == 0 ? 0 : last_round (rounds)->copied_time;
          MtvRoundPlan plan = mtv_round_plan (rounds, now, &settings);
          MtvRoundPlan again = mtv_round_plan (rounds, now, &settings);
          g_assert_cmpuint (plan.due, ==, again.due);
          g_assert_cmpuint (plan.left, ==, 27 - rounds->len);
          if (plan.left == 0)
            break;
          if (plan.due == 0)
            {
              g_assert_cmpuint (settings.cutover_time, !=, 0);
              settings.cutover_time = 0;
              continue;
            }
          if (end > 0 && end <= now)
            g_assert_cmpuint (plan.due, >=, end + MINUTE);
          if (rounds->len > 0)
            g_assert_cmpuint (plan.due, <=, now + plan.interval);

          RoundPace random = { (guint64) g_test_rand_int_range (0, 60) * SEC,
                               (guint64) g_test_rand_int_range (0, 600) * SEC,
                               (guint64) g_test_rand_int_range (1, 500) * MIB };
          guint64 start = MAX (plan.due, now);
          guint64 base = mtv_readiness_get_base (rounds);
          guint64 bytes = start > base && base > 0 ? (start - base) / SEC * rate : 40 * GIB;
          MtvRoundRecord *round = add_round (rounds, start, bytes, &random);
          now = round->removed_time;
          if (g_test_rand_int_range (0, 10) == 0)
            round->copied_time = round->removed_time = 0;
          g_assert_cmpuint (rounds->len, <, MTV_ROUND_MAX_POINTS);
        }
      g_assert_cmpuint (steps, <, 1000);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/round-plan/interval", test_interval);
  g_test_add_func ("/round-plan/no-copy-yet", test_no_copy_yet);
  g_test_add_func ("/round-plan/budget", test_budget);
  g_test_add_func ("/round-plan/auto", test_auto);
  g_test_add_func ("/round-plan/cutover", test_cutover);
  g_test_add_func ("/round-plan/restart", test_restart);
  g_test_add_func ("/round-plan/clock-set-back", test_clock_set_back);
  g_test_add_func ("/round-plan/random", test_random);
  return g_test_run ();
}
