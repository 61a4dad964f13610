/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-rate.h"

#define SEC ((guint64) G_USEC_PER_SEC)
#define START (1000 * SEC)
#define MIB ((guint64) 1 << 20)

static void
test_steady (void)
{
  MtvRate rate = { 0 };

  g_assert_cmpuint (mtv_rate_get (&rate, START), ==, 0);
  mtv_rate_add (&rate, START, 7 * MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, START), ==, 0);
  /* A thousand calls a second, one minute: 100 MiB/s. */
  for (guint i = 1; i <= 60000; i++)
    mtv_rate_add (&rate, START + i * SEC / 1000, 7 * MIB + i * 100 * MIB / 1000);
  g_assert_cmpuint (mtv_rate_get (&rate, START + 60 * SEC), >=, 99 * MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, START + 60 * SEC), <=, 101 * MIB);
  g_assert_cmpuint (rate.n_samples, <=, MTV_RATE_N_SAMPLES);

  guint64 eta = mtv_rate_get_eta (&rate, START + 60 * SEC, 1000 * MIB);
  g_assert_cmpuint (eta, >=, START + 69 * SEC);
  g_assert_cmpuint (eta, <=, START + 71 * SEC);
}

/* What was ten seconds ago does not count. */
static void
test_window (void)
{
  MtvRate rate = { 0 };
  guint64 now = START, bytes = 0;

  for (guint i = 0; i < 40; i++)
    mtv_rate_add (&rate, now += SEC / 2, bytes += 500 * MIB);
  for (guint i = 0; i < 21; i++)
    mtv_rate_add (&rate, now += SEC / 2, bytes += 5 * MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, now), ==, 10 * MIB);
}

static void
test_stall (void)
{
  MtvRate rate = { 0 };
  guint64 now = START;

  for (guint i = 0; i <= 10; i++)
    mtv_rate_add (&rate, now += SEC, i * MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, now), ==, MIB);
  /* It falls while nothing comes, and is nothing after 5 s, told or not. */
  g_assert_cmpuint (mtv_rate_get (&rate, now + 4 * SEC), <, MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, now + 5 * SEC), >, 0);
  g_assert_cmpuint (mtv_rate_get (&rate, now + 5 * SEC + 1), ==, 0);
  for (guint i = 1; i <= 6; i++)
    mtv_rate_add (&rate, now + i * SEC, 10 * MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, now + 6 * SEC), ==, 0);
  g_assert_cmpuint (mtv_rate_get_eta (&rate, now + 6 * SEC, MIB), ==, 0);
}

static void
test_eta (void)
{
  MtvRate rate = { 0 };

  for (guint i = 0; i < 4; i++)
    mtv_rate_add (&rate, START + i * SEC, i * MIB);
  g_assert_cmpuint (mtv_rate_get_eta (&rate, START + 3 * SEC, MIB), ==, 0); /* four samples */
  mtv_rate_add (&rate, START + 4 * SEC, 4 * MIB);
  g_assert_cmpuint (mtv_rate_get_eta (&rate, START + 4 * SEC, 8 * MIB), ==, START + 12 * SEC);
  g_assert_cmpuint (mtv_rate_get_eta (&rate, START + 4 * SEC, 0), ==, START + 4 * SEC);

  mtv_rate_reset (&rate);
  for (guint i = 0; i <= 5; i++)
    mtv_rate_add (&rate, START + i * SEC * 35 / 100, i * MIB);
  g_assert_cmpuint (rate.n_samples, >=, 5);
  g_assert_cmpuint (mtv_rate_get_eta (&rate, START + SEC * 175 / 100, MIB), ==, 0); /* under 2 s */

  /* One byte a second and all there can be left: no answer rather than a wrong one. */
  mtv_rate_reset (&rate);
  for (guint i = 0; i <= 8; i++)
    mtv_rate_add (&rate, START + i * SEC, i);
  g_assert_cmpuint (mtv_rate_get_eta (&rate, START + 8 * SEC, G_MAXUINT64), ==, 0);
}

static void
test_back (void)
{
  MtvRate rate = { 0 };

  for (guint i = 0; i <= 8; i++)
    mtv_rate_add (&rate, START + i * SEC, i * MIB);
  mtv_rate_add (&rate, START + 9 * SEC, MIB); /* fewer bytes than before */
  g_assert_cmpuint (rate.n_samples, ==, 1);
  mtv_rate_add (&rate, START + 10 * SEC, 3 * MIB);
  g_assert_cmpuint (mtv_rate_get (&rate, START + 10 * SEC), ==, 2 * MIB);

  mtv_rate_add (&rate, START, 4 * MIB); /* the clock was set back */
  g_assert_cmpuint (rate.n_samples, ==, 1);
  g_assert_cmpuint (mtv_rate_get (&rate, START), ==, 0);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/rate/steady", test_steady);
  g_test_add_func ("/rate/window", test_window);
  g_test_add_func ("/rate/stall", test_stall);
  g_test_add_func ("/rate/eta", test_eta);
  g_test_add_func ("/rate/back", test_back);
  return g_test_run ();
}
