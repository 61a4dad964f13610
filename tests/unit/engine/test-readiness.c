/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-readiness.h"

#include "rounds-fixture.h"

static const RoundPace pace = { 2 * SEC, 3 * SEC, 100 * MIB };
static const MtvReadinessCosts no_costs;

/* A first copy and then @n rounds an hour apart, in which @rate bytes a second changed. */
static GPtrArray *
steady (guint n, guint64 rate)
{
  GPtrArray *rounds = g_ptr_array_new_with_free_func (g_free);

  add_round (rounds, NOW, 40 * GIB, &pace);
  for (guint i = 1; i <= n; i++)
    add_round (rounds, NOW + i * HOUR, rate * 3600, &pace);
  return rounds;
}

static void
assert_between (guint64 value, guint64 low, guint64 high)
{
  g_assert_cmpuint (value, >=, low);
  g_assert_cmpuint (value, <=, high);
}

static void
test_unknown (void)
{
  g_autoptr (GPtrArray) none = g_ptr_array_new ();
  g_autoptr (GPtrArray) first = steady (0, 0);
  MtvPrediction prediction = mtv_readiness_predict (none, NOW, &no_costs);

  g_assert_cmpuint (prediction.high + prediction.likely + prediction.low + prediction.bytes, ==, 0);
  g_assert_cmpuint (mtv_readiness_get_base (none), ==, 0);
  prediction = mtv_readiness_predict (first, NOW + HOUR, &no_costs);
  g_assert_cmpuint (prediction.high + prediction.likely + prediction.low + prediction.bytes, ==, 0);
  g_assert_false (mtv_readiness_is_ready (&prediction, HOUR, TRUE));
  g_assert_cmpuint (mtv_readiness_get_base (first), ==, NOW + 2 * SEC);
}

/* 1 MiB a second for half an hour at 100 MiB a second: 18 s, and 5 s for the snapshot. */
static void
test_steady (void)
{
  g_autoptr (GPtrArray) rounds = steady (10, MIB);
  guint64 base = mtv_readiness_get_base (rounds);
  MtvPrediction prediction = mtv_readiness_predict (rounds, base + HOUR / 2, &no_costs);

  g_assert_cmpuint (base, ==, last_round (rounds)->snapshot_time);
  assert_between (prediction.bytes, 1795 * MIB, 1805 * MIB);
  assert_between (prediction.likely, 22 * SEC, 24 * SEC);
  assert_between (prediction.low, 18 * SEC, prediction.likely);
  assert_between (prediction.high, prediction.likely, 45 * SEC);

  /* Twice the time, twice as much. */
  prediction = mtv_readiness_predict (rounds, base + HOUR, &no_costs);
  assert_between (prediction.likely, 40 * SEC, 43 * SEC);
  assert_between (prediction.high, prediction.likely, 60 * SEC);

  /* At once, there is still something. */
  prediction = mtv_readiness_predict (rounds, base, &no_costs);
  assert_between (prediction.bytes, 1, 4 * MIB);
  assert_between (prediction.likely, 4 * SEC, 6 * SEC);
  MtvPrediction before = mtv_readiness_predict (rounds, base - DAY, &no_costs);
  g_assert_cmpuint (before.likely, ==, prediction.likely);
}

static void
test_costs (void)
{
  g_autoptr (GPtrArray) rounds = steady (5, MIB);
  guint64 at = mtv_readiness_get_base (rounds) + HOUR;
  MtvReadinessCosts costs = { .size = 10 * MIB, .fixed = 20 * SEC };
  MtvPrediction small = mtv_readiness_predict (rounds, at, &costs);

  /* No more can change than there is. */
  g_assert_cmpuint (small.bytes, ==, 10 * MIB);
  assert_between (small.likely, 25 * SEC, 26 * SEC);
  costs.without_removal = TRUE;
  MtvPrediction without = mtv_readiness_predict (rounds, at, &costs);
  assert_between (small.likely - without.likely, 3 * SEC - 2, 3 * SEC + 2);
}

/* What one round told is doubted more than what ten did. */
static void
test_spread (void)
{
  guint64 last_spread = G_MAXUINT64;

  for (guint n = 1; n <= 10; n++)
    {
      g_autoptr (GPtrArray) rounds = steady (n, MIB);
      guint64 at = mtv_readiness_get_base (rounds) + HOUR;
      MtvPrediction prediction = mtv_readiness_predict (rounds, at, &no_costs);
      guint64 spread = prediction.high - prediction.low;

      g_assert_cmpuint (prediction.low, <=, prediction.likely);
      g_assert_cmpuint (prediction.likely, <=, prediction.high);
      g_assert_cmpuint (spread, <, last_spread);
      if (n == 1)
        {
          g_assert_cmpuint (prediction.high, >, 2 * prediction.likely);
          g_assert_cmpuint (prediction.low, <, prediction.likely / 2);
        }
      last_spread = spread;
    }
}

/* The newest rounds count most; and bad ones show in the high bound. */
static void
test_change (void)
{
  g_autoptr (GPtrArray) rounds = steady (8, MIB);

  for (guint i = 9; i <= 12; i++)
    add_round (rounds, NOW + i * HOUR, 10 * MIB * 3600, &pace);
  guint64 base = mtv_readiness_get_base (rounds);
  MtvPrediction faster = mtv_readiness_predict (rounds, base + HOUR, &no_costs);
  assert_between (faster.bytes, 7 * GIB * 3600 / 1024, 10 * GIB * 3600 / 1024);

  for (guint i = 13; i <= 16; i++)
    add_round (rounds, NOW + i * HOUR, i % 2 == 0 ? 0 : 10 * MIB * 3600, &pace);
  base = mtv_readiness_get_base (rounds);
  MtvPrediction uneven = mtv_readiness_predict (rounds, base + HOUR, &no_costs);
  g_assert_cmpuint (uneven.bytes, <, faster.bytes);
  g_assert_cmpuint (uneven.high, >, uneven.likely * 3 / 2);
}

static void
test_nothing_changes (void)
{
  g_autoptr (GPtrArray) rounds = steady (6, 0);
  MtvPrediction prediction = mtv_readiness_predict (rounds, NOW + 7 * HOUR, &no_costs);

  assert_between (prediction.bytes, 1, 2 * MIB);
  assert_between (prediction.low, 1, prediction.likely);
  assert_between (prediction.high, prediction.likely, 7 * SEC);
  g_assert_true (mtv_readiness_is_ready (&prediction, 60 * SEC, FALSE));
}

/* Rounds that do not tell how much changes: compared ones, the final one, and those that failed,
 * whose changes are in the next. */
static void
test_left_out (void)
{
  g_autoptr (GPtrArray) rounds = steady (4, MIB);

  add_round (rounds, NOW + 5 * HOUR, 40 * GIB, &pace)->compared = TRUE;
  add_round (rounds, NOW + 6 * HOUR, 40 * GIB, &pace)->final = TRUE;
  MtvRoundRecord *failed = add_round (rounds, NOW + 7 * HOUR, MIB * 3600, &pace);
  failed->copied_time = failed->removed_time = 0;
  g_assert_cmpuint (mtv_readiness_get_base (rounds), ==, failed->snapshot_time); /* under way? */
  MtvRoundRecord *next = add_round (rounds, NOW + 8 * HOUR, 2 * MIB * 3600, &pace);
  g_assert_cmpuint (mtv_readiness_get_base (rounds), ==, next->snapshot_time);

  guint64 at = next->snapshot_time + HOUR;
  MtvPrediction prediction = mtv_readiness_predict (rounds, at, &no_costs);
  assert_between (prediction.bytes, 3590 * MIB, 3610 * MIB);

  /* The clock was set back between two: that pair tells nothing. */
  add_round (rounds, NOW, 40 * GIB, &pace);
  prediction = mtv_readiness_predict (rounds, NOW + 2 * SEC + HOUR, &no_costs);
  assert_between (prediction.bytes, 3590 * MIB, 3610 * MIB);
}

static void
test_ready (void)
{
  MtvPrediction prediction = { .likely = 30 * SEC, .high = 60 * SEC };

  g_assert_true (mtv_readiness_is_ready (&prediction, 60 * SEC, FALSE));
  g_assert_false (mtv_readiness_is_ready (&prediction, 60 * SEC - 1, FALSE));
  prediction.high = 75 * SEC;
  g_assert_false (mtv_readiness_is_ready (&prediction, 60 * SEC, FALSE));
  g_assert_true (mtv_readiness_is_ready (&prediction, 60 * SEC, TRUE));
  prediction.high++;
  g_assert_false (mtv_readiness_is_ready (&prediction, 60 * SEC, TRUE));
}

/* Whatever the rounds were: bounds in order, and more with more time. */
static void
test_random (void)
{
  for (guint run = 0; run < 500; run++)
    {
      g_autoptr (GPtrArray) rounds = g_ptr_array_new_with_free_func (g_free);
      guint n = (guint) g_test_rand_int_range (1, 28);
      guint64 last = 0;

      for (guint i = 0; i < n; i++)
        {
          RoundPace random = { (guint64) g_test_rand_int_range (0, G_MAXINT32),
                               (guint64) g_test_rand_int_range (0, G_MAXINT32),
                               (guint64) g_test_rand_int_range (1, G_MAXINT32) };
          MtvRoundRecord *round
              = add_round (rounds, (guint64) (g_test_rand_double () * 2e15),
                           (guint64) g_test_rand_int_range (0, G_MAXINT32) * 4096, &random);

          round->compared = g_test_rand_int_range (0, 8) == 0;
          round->final = g_test_rand_int_range (0, 8) == 0;
          if (g_test_rand_int_range (0, 8) == 0)
            round->copied_time = round->removed_time = 0;
        }
      for (guint64 span = 0; span < 30 * DAY; span = 2 * span + SEC)
        {
          guint64 at = mtv_readiness_get_base (rounds) + span;
          MtvPrediction prediction = mtv_readiness_predict (rounds, at, &no_costs);

          g_assert_cmpuint (prediction.low, <=, prediction.likely);
          g_assert_cmpuint (prediction.likely, <=, prediction.high);
          g_assert_cmpuint (prediction.high, >=, last);
          last = prediction.high;
        }
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/readiness/unknown", test_unknown);
  g_test_add_func ("/readiness/steady", test_steady);
  g_test_add_func ("/readiness/costs", test_costs);
  g_test_add_func ("/readiness/spread", test_spread);
  g_test_add_func ("/readiness/change", test_change);
  g_test_add_func ("/readiness/nothing-changes", test_nothing_changes);
  g_test_add_func ("/readiness/left-out", test_left_out);
  g_test_add_func ("/readiness/ready", test_ready);
  g_test_add_func ("/readiness/random", test_random);
  return g_test_run ();
}
