/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-queue.h"
#include "transfer-fixture.h"
#include "transfer/mtv-crew.h"

#include <string.h>

#define SECOND G_USEC_PER_SEC
#define START (1000 * SECOND)

static void
test_no_limit (void)
{
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new (0);

  for (guint i = 0; i < 3; i++)
    g_assert_cmpuint (mtv_throttle_take (throttle, 1000 * MIB, START), ==, 0);
}

static void
test_debt (void)
{
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new (1000);

  /* 100 bytes are there at first; 600 go through at once, and half a second is owed. */
  g_assert_cmpuint (mtv_throttle_take (throttle, 600, START), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START), ==, SECOND / 2 + 1);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START + SECOND / 4), ==, SECOND / 4 + 1);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START + SECOND / 2), ==, 1);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START + SECOND / 2 + 1), ==, 0);
}

/* What was not used is not saved up: never more than a tenth of a second. */
static void
test_idle (void)
{
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new (1000);

  g_assert_cmpuint (mtv_throttle_take (throttle, 100, START), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (throttle, 200, START + 3600 * (gint64) SECOND), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START + 3600 * (gint64) SECOND), ==,
                    SECOND / 10 + 1);
}

static void
test_clock_of_another_thread (void)
{
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new (1000);

  g_assert_cmpuint (mtv_throttle_take (throttle, 200, START), ==, 0);
  /* One that looked at the clock earlier neither fills nor empties it. */
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START - SECOND), ==, SECOND / 10 + 1);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START + SECOND / 10 + 1), ==, 0);
}

static void
test_set_rate (void)
{
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new (1000);

  g_assert_cmpuint (mtv_throttle_take (throttle, 1100, START), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START), ==, SECOND + 1);
  mtv_throttle_set_rate (throttle, 10000);
  g_assert_cmpuint (mtv_throttle_get_rate (throttle), ==, 10000);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START), ==, SECOND / 10 + 1);
  mtv_throttle_set_rate (throttle, 0);
  g_assert_cmpuint (mtv_throttle_take (throttle, 1, START), ==, 0);
}

/* Whoever asks as he is told gets the rate, over any while. */
static void
test_rate_is_kept (void)
{
  const guint64 rate = 10 * MIB;
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new (rate);
  guint64 taken = 0;

  for (gint64 now = START, wait; now < START + 10 * (gint64) SECOND; now += wait)
    {
      wait = (gint64) mtv_throttle_take (throttle, 256 * KIB, now);
      taken += wait == 0 ? 256 * KIB : 0;
      g_assert_cmpfloat ((double) taken, <=,
                         rate * ((double) (now - START) / SECOND + 0.1) + 256 * KIB);
    }
  g_assert_cmpuint (taken, >=, 10 * rate - 256 * KIB);
}

/* The tightest of all counts, and what it does not let through is nowhere paid for. */
static void
test_below (void)
{
  g_autoptr (MtvThrottle) all = mtv_throttle_new (1000);
  g_autoptr (MtvThrottle) few = mtv_throttle_new (0);
  MtvThrottle *const above[] = { all, few };
  g_autoptr (MtvThrottle) one = mtv_throttle_new_below (2000, above, 2);
  g_autoptr (MtvThrottle) other = mtv_throttle_new_below (0, above, 1);

  g_assert_cmpuint (mtv_throttle_take (one, 600, START), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (one, 1, START), ==, SECOND / 2 + 1);
  g_assert_cmpuint (mtv_throttle_take (other, 1, START), ==, SECOND / 2 + 1);
  g_assert_cmpuint (mtv_throttle_take (few, 1 * MIB, START), ==, 0);
  mtv_throttle_set_rate (all, 0);
  g_assert_cmpuint (mtv_throttle_take (other, 1 * MIB, START), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (one, 1, START), ==, SECOND / 5 + 1); /* its own 400 */
  mtv_throttle_set_rate (few, 100);
  g_assert_cmpuint (mtv_throttle_take (one, 110, START + SECOND), ==, 0);
  g_assert_cmpuint (mtv_throttle_take (one, 1, START + SECOND), ==, SECOND + 1);
  g_assert_cmpuint (mtv_throttle_take (other, 1 * MIB, START + SECOND), ==, 0);
}

static void
test_budget_shares (void)
{
  g_autoptr (MtvBudget) budget = mtv_budget_new (60);

  g_assert_cmpuint (mtv_budget_get_share (budget), ==, 60);
  mtv_budget_join (budget);
  g_assert_cmpuint (mtv_budget_get_share (budget), ==, 60);
  mtv_budget_join (budget);
  mtv_budget_join (budget);
  g_assert_cmpuint (mtv_budget_get_share (budget), ==, 20);
  mtv_budget_leave (budget);
  g_assert_cmpuint (mtv_budget_get_share (budget), ==, 30);
}

#define N_COPIES 50
#define COPY_SIZE (6 * MIB)

static void
copied_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_copier_copy_finish (MTV_COPIER (source), result, &error));
  g_assert_no_error (error);
  --*(guint *) data;
}

/* The most data that was under way at once, of all together. */
static guint64
copy_together (guint64 bytes)
{
  g_autoptr (MtvBudget) budget = mtv_budget_new (bytes);
  /* All begin together, when each has its share: the first end that they open waits for all. */
  FakeQueue queue = { .seed = 1, .n_awaited = N_COPIES };
  g_autoptr (FakeMemoryDisk) source = fake_memory_disk_new (COPY_SIZE);
  g_autoptr (GPtrArray) targets = g_ptr_array_new_with_free_func (g_object_unref);
  g_autoptr (GPtrArray) copiers = g_ptr_array_new_with_free_func (g_object_unref);
  guint n_left = N_COPIES;

  memset (fake_memory_disk_get_data (source), 'x', COPY_SIZE);
  fake_memory_disk_set_channels (source, fake_queue_open, &queue);
  for (guint i = 0; i < N_COPIES; i++)
    {
      g_autoptr (MtvBlockMap) map = mtv_block_map_new (COPY_SIZE, MTV_HASH_XXH3_128);
      FakeMemoryDisk *target = fake_memory_disk_new (COPY_SIZE);

      fake_memory_disk_set_channels (target, fake_queue_open, &queue);
      g_ptr_array_add (targets, target);
      MtvCopier *copier = mtv_copier_new (MTV_READER (source), MTV_WRITER (target), map, TRUE);
      mtv_copier_set_threads (copier, 1);
      mtv_copier_set_budget (copier, budget);
      g_ptr_array_add (copiers, copier);
      mtv_copier_copy_async (copier, NULL, copied_cb, &n_left);
    }
  while (n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  for (guint i = 0; i < N_COPIES; i++)
    g_assert_cmpmem (fake_memory_disk_get_data (targets->pdata[i]), COPY_SIZE,
                     fake_memory_disk_get_data (source), COPY_SIZE);
  g_assert_cmpuint (queue.bytes, ==, 0);
  g_assert_cmpuint (mtv_budget_get_share (budget), ==, bytes); /* all have left */
  return queue.peak;
}

static void
test_fifty_copies (void)
{
  g_assert_cmpuint (copy_together (150 * MIB), <=, 150 * MIB);

  /* Each keeps what it cannot do without: two blocks of 1 MiB. */
  g_assert_cmpuint (copy_together (1), <=, N_COPIES * 2 * MIB);
}

/* The first piece goes through, for the next the copy would have to wait for days. */
static void
test_live (void)
{
  g_autoptr (FakeMemoryDisk) source = fake_memory_disk_new (COPY_SIZE);
  g_autoptr (FakeMemoryDisk) target = fake_memory_disk_new (COPY_SIZE);
  g_autoptr (MtvBlockMap) map = mtv_block_map_new (COPY_SIZE, MTV_HASH_XXH3_128);
  g_autoptr (MtvThrottle) all = mtv_throttle_new (1);
  MtvThrottle *const above[] = { all };
  g_autoptr (MtvThrottle) throttle = mtv_throttle_new_below (0, above, 1);
  g_autoptr (MtvCopier) copier
      = mtv_copier_new (MTV_READER (source), MTV_WRITER (target), map, TRUE);
  guint n_left = 1;

  memset (fake_memory_disk_get_data (source), 'x', COPY_SIZE);
  mtv_copier_set_threads (copier, 1);
  mtv_copier_set_throttle (copier, throttle);
  mtv_copier_copy_async (copier, NULL, copied_cb, &n_left);
  while (mtv_copier_get_bytes_total (copier) == 0 || mtv_throttle_take (all, 0, 1) == 0)
    g_thread_yield ();
  g_assert_cmpuint (mtv_copier_get_bytes_done (copier), <, COPY_SIZE);
  mtv_throttle_set_rate (all, 0);
  while (n_left > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (mtv_copier_get_bytes_done (copier), ==, COPY_SIZE);
}

/* Who comes when there is little memory left for each does with one thread. */
static void
test_crowd (void)
{
  g_autoptr (MtvBudget) budget = mtv_budget_new (64 * MIB);
  MtvCrewWork work = { .budget = budget };
  guint n_alone = mtv_crew_get_n_lanes (&work);

  g_assert_cmpuint (n_alone, ==, MIN (g_get_num_processors (), MTV_CREW_MAX_LANES));
  for (guint i = 0; i < 32; i++)
    mtv_budget_join (budget);
  g_assert_cmpuint (mtv_crew_get_n_lanes (&work), ==, n_alone);
  mtv_budget_join (budget);
  g_assert_cmpuint (mtv_crew_get_n_lanes (&work), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/throttle/no-limit", test_no_limit);
  g_test_add_func ("/throttle/debt", test_debt);
  g_test_add_func ("/throttle/idle", test_idle);
  g_test_add_func ("/throttle/clock-of-another-thread", test_clock_of_another_thread);
  g_test_add_func ("/throttle/set-rate", test_set_rate);
  g_test_add_func ("/throttle/rate-is-kept", test_rate_is_kept);
  g_test_add_func ("/throttle/below", test_below);
  g_test_add_func ("/throttle/live", test_live);
  g_test_add_func ("/budget/shares", test_budget_shares);
  g_test_add_func ("/budget/fifty-copies", test_fifty_copies);
  g_test_add_func ("/budget/crowd", test_crowd);
  return g_test_run ();
}
