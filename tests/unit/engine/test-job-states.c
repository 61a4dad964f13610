/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-states.h"

static void
test_names (void)
{
  MtvJobState back = MTV_JOB_N_STATES;

  for (guint i = 0; i < MTV_JOB_N_STATES; i++)
    {
      g_assert_true (mtv_job_state_from_string (mtv_job_state_to_string (i), &back));
      g_assert_cmpuint (back, ==, i);
    }
  g_assert_false (mtv_job_state_from_string ("Copying", &back));
  g_assert_false (mtv_job_state_from_string ("", &back));
  g_assert_cmpuint (back, ==, MTV_JOB_N_STATES - 1);
}

/* Follows @event from @state until it means nothing more, or says the same again. */
static MtvJobState
follow (gboolean warm, MtvJobState state, MtvJobEvent event)
{
  for (guint i = 0; i < MTV_JOB_N_STATES && mtv_job_state_next (warm, state, event, &state); i++)
    ;
  return state;
}

/* Has the way of this kind such a state? */
static gboolean
is_on_way (gboolean warm, MtvJobState state)
{
  return warm ? state != MTV_JOB_COPYING
              : state < MTV_JOB_SNAPSHOTTING || state == MTV_JOB_POWERING_OFF
                    || (state > MTV_JOB_FINAL_COPYING && state != MTV_JOB_FINAL_REMOVING);
}

/* Every state of both ways: it can be stopped, but for the one whose VM is at its target; what is
 * not of its way has no events at all. */
static void
test_stops (void)
{
  MtvJobState next;

  for (guint i = 0; i < 2 * MTV_JOB_SUCCEEDED; i++)
    {
      gboolean warm = i % 2;
      MtvJobState state = i / 2;

      g_assert_false (mtv_job_state_is_final (state));
      g_assert_false (mtv_job_state_next (warm, state, MTV_JOB_RETRY, &next));
      if (is_on_way (warm, state) && state != MTV_JOB_FINAL_REMOVING)
        {
          g_assert_cmpuint (follow (warm, state, MTV_JOB_CANCEL), ==, MTV_JOB_CANCELLED);
          g_assert_cmpuint (follow (warm, state, MTV_JOB_FAIL), ==, MTV_JOB_FAILED);
        }
      else
        for (MtvJobEvent event = 0; event < MTV_JOB_N_EVENTS; event++)
          g_assert_true (!mtv_job_state_next (warm, state, event, &next)
                         || (state == MTV_JOB_FINAL_REMOVING && event == MTV_JOB_OK));
    }
}

static void
test_ways (void)
{
  static const MtvJobState way[]
      = { MTV_JOB_POWERING_OFF, MTV_JOB_FINAL_SNAPSHOTTING, MTV_JOB_FINAL_COPYING,
          MTV_JOB_VERIFYING,    MTV_JOB_DEFINING,           MTV_JOB_FINAL_REMOVING,
          MTV_JOB_SUCCEEDED };
  MtvJobState state = MTV_JOB_IDLE;

  g_assert_cmpuint (follow (FALSE, MTV_JOB_QUEUED, MTV_JOB_OK), ==, MTV_JOB_SUCCEEDED);
  g_assert_true (mtv_job_state_next (FALSE, MTV_JOB_ALLOCATING, MTV_JOB_CUTOVER, &state));
  g_assert_cmpuint (follow (FALSE, state, MTV_JOB_OK), ==, MTV_JOB_SUCCEEDED);

  g_assert_cmpuint (follow (TRUE, MTV_JOB_QUEUED, MTV_JOB_OK), ==, MTV_JOB_IDLE);
  g_assert_true (mtv_job_state_next (TRUE, MTV_JOB_IDLE, MTV_JOB_TICK, &state));
  g_assert_cmpuint (state, ==, MTV_JOB_SNAPSHOTTING);
  g_assert_cmpuint (follow (TRUE, state, MTV_JOB_OK), ==, MTV_JOB_IDLE);
  state = MTV_JOB_IDLE;
  for (guint i = 0; i < G_N_ELEMENTS (way); i++)
    {
      g_assert_true (
          mtv_job_state_next (TRUE, state, i == 0 ? MTV_JOB_CUTOVER : MTV_JOB_OK, &state));
      g_assert_cmpuint (state, ==, way[i]);
    }
}

/* While the source is the live side, what cannot be done this time leads back to waiting, by way of
 * the removal of a snapshot that may be there; once it is shut down, there is no way back. */
static void
test_stay (void)
{
  for (MtvJobState i = 0; i < MTV_JOB_N_STATES; i++)
    {
      gboolean round = i == MTV_JOB_SNAPSHOTTING || i == MTV_JOB_PRECOPYING;
      MtvJobState next = i;

      g_assert_false (mtv_job_state_next (FALSE, i, MTV_JOB_STAY, &next));
      g_assert_true (mtv_job_state_next (TRUE, i, MTV_JOB_STAY, &next)
                     == (round || i == MTV_JOB_POWERING_OFF));
      g_assert_cmpuint (next, ==,
                        round                       ? MTV_JOB_REMOVING_SNAPSHOT
                        : i == MTV_JOB_POWERING_OFF ? MTV_JOB_IDLE
                                                    : i);
      g_assert_true (mtv_job_state_next (TRUE, i, MTV_JOB_TICK, &next) == (i == MTV_JOB_IDLE));
      g_assert_true (mtv_job_state_next (TRUE, i, MTV_JOB_CUTOVER, &next) == (i == MTV_JOB_IDLE));
    }
}

static void
test_final (void)
{
  MtvJobState next = MTV_JOB_N_STATES;

  for (guint i = 2 * MTV_JOB_SUCCEEDED; i < 2 * MTV_JOB_N_STATES; i++)
    {
      g_assert_true (mtv_job_state_is_final (i / 2));
      for (guint event = 0; event < MTV_JOB_N_EVENTS; event++)
        g_assert_true (event == MTV_JOB_RETRY || !mtv_job_state_next (i % 2, i / 2, event, &next));
    }
  g_assert_cmpuint (next, ==, MTV_JOB_N_STATES);
  for (guint warm = 0; warm < 2; warm++)
    {
      g_assert_false (mtv_job_state_next (warm, MTV_JOB_SUCCEEDED, MTV_JOB_RETRY, &next));
      g_assert_cmpuint (follow (warm, MTV_JOB_FAILED, MTV_JOB_RETRY), ==, MTV_JOB_QUEUED);
      g_assert_cmpuint (follow (warm, MTV_JOB_CANCELLED, MTV_JOB_RETRY), ==, MTV_JOB_QUEUED);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/job-states/names", test_names);
  g_test_add_func ("/job-states/stops", test_stops);
  g_test_add_func ("/job-states/ways", test_ways);
  g_test_add_func ("/job-states/stay", test_stay);
  g_test_add_func ("/job-states/final", test_final);
  return g_test_run ();
}
