/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-cold-states.h"

static void
test_names (void)
{
  MtvColdState back = MTV_COLD_N_STATES;

  for (guint i = 0; i < MTV_COLD_N_STATES; i++)
    {
      g_assert_true (mtv_cold_state_from_string (mtv_cold_state_to_string (i), &back));
      g_assert_cmpuint (back, ==, i);
    }
  g_assert_false (mtv_cold_state_from_string ("Copying", &back));
  g_assert_false (mtv_cold_state_from_string ("", &back));
  g_assert_cmpuint (back, ==, MTV_COLD_N_STATES - 1);
}

/* Follows @event from @state until it means nothing more, or says the same again. */
static MtvColdState
follow (MtvColdState state, MtvColdEvent event)
{
  for (guint i = 0; i < MTV_COLD_N_STATES && mtv_cold_next (state, event, &state); i++)
    ;
  return state;
}

static void
test_ways (void)
{
  g_assert_cmpuint (follow (MTV_COLD_QUEUED, MTV_COLD_OK), ==, MTV_COLD_SUCCEEDED);
  for (MtvColdState i = 0; i < MTV_COLD_SUCCEEDED; i++)
    {
      g_assert_cmpuint (follow (i, MTV_COLD_CANCEL), ==, MTV_COLD_CANCELLED);
      g_assert_cmpuint (follow (i, MTV_COLD_FAIL), ==, MTV_COLD_FAILED);
      g_assert_cmpuint (follow (i, MTV_COLD_RETRY), ==, i);
      g_assert_false (mtv_cold_state_is_final (i));
    }
}

static void
test_final (void)
{
  MtvColdState next = MTV_COLD_N_STATES;

  for (MtvColdState i = MTV_COLD_SUCCEEDED; i < MTV_COLD_N_STATES; i++)
    {
      g_assert_true (mtv_cold_state_is_final (i));
      for (guint event = 0; event < MTV_COLD_RETRY; event++)
        g_assert_false (mtv_cold_next (i, event, &next));
    }
  g_assert_cmpuint (next, ==, MTV_COLD_N_STATES);
  g_assert_false (mtv_cold_next (MTV_COLD_SUCCEEDED, MTV_COLD_RETRY, &next));
  g_assert_cmpuint (follow (MTV_COLD_FAILED, MTV_COLD_RETRY), ==, MTV_COLD_QUEUED);
  g_assert_cmpuint (follow (MTV_COLD_CANCELLED, MTV_COLD_RETRY), ==, MTV_COLD_QUEUED);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/cold-states/names", test_names);
  g_test_add_func ("/cold-states/ways", test_ways);
  g_test_add_func ("/cold-states/final", test_final);
  return g_test_run ();
}
