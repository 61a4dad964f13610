/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-job-states.h"

#include "base/mtv-enum.h"

static const char *const names[] = {
  [MTV_JOB_QUEUED] = "queued",
  [MTV_JOB_PREPARING] = "preparing",
  [MTV_JOB_ALLOCATING] = "allocating",
  [MTV_JOB_SNAPSHOTTING] = "snapshotting",
  [MTV_JOB_PRECOPYING] = "precopying",
  [MTV_JOB_REMOVING_SNAPSHOT] = "removing-snapshot",
  [MTV_JOB_IDLE] = "idle",
  [MTV_JOB_POWERING_OFF] = "powering-off",
  [MTV_JOB_FINAL_SNAPSHOTTING] = "final-snapshotting",
  [MTV_JOB_FINAL_COPYING] = "final-copying",
  [MTV_JOB_COPYING] = "copying",
  [MTV_JOB_VERIFYING] = "verifying",
  [MTV_JOB_DEFINING] = "defining",
  [MTV_JOB_FINAL_REMOVING] = "final-removing",
  [MTV_JOB_CLEANING_UP] = "cleaning-up",
  [MTV_JOB_SUCCEEDED] = "succeeded",
  [MTV_JOB_FAILED] = "failed",
  [MTV_JOB_CANCELLED] = "cancelled",
};
G_STATIC_ASSERT (G_N_ELEMENTS (names) == MTV_JOB_N_STATES);

/* No event leads back to the beginning but a retry, so 0 can stand for nowhere elsewhere. */
#define NOWHERE 0
#define CLEAN MTV_JOB_CLEANING_UP
#define REMOVE MTV_JOB_REMOVING_SNAPSHOT

/* clang-format off */
static const guint8 cold[MTV_JOB_N_STATES][MTV_JOB_N_EVENTS] = {
/*                         OK                  FAIL            CANCEL             RETRY    TICK     CUTOVER */
  [MTV_JOB_QUEUED]       = { MTV_JOB_PREPARING,  CLEAN,          CLEAN },
  [MTV_JOB_PREPARING]    = { MTV_JOB_ALLOCATING, CLEAN,          CLEAN },
  [MTV_JOB_ALLOCATING]   = { MTV_JOB_COPYING,    CLEAN,          CLEAN,             NOWHERE, NOWHERE, MTV_JOB_POWERING_OFF },
  [MTV_JOB_POWERING_OFF] = { MTV_JOB_COPYING,    CLEAN,          CLEAN },
  [MTV_JOB_COPYING]      = { MTV_JOB_VERIFYING,  CLEAN,          CLEAN },
  [MTV_JOB_VERIFYING]    = { MTV_JOB_DEFINING,   CLEAN,          CLEAN },
  [MTV_JOB_DEFINING]     = { MTV_JOB_SUCCEEDED,  CLEAN,          CLEAN },
  [MTV_JOB_CLEANING_UP]  = { NOWHERE,            MTV_JOB_FAILED, MTV_JOB_CANCELLED },
};

static const guint8 warm[MTV_JOB_N_STATES][MTV_JOB_N_EVENTS] = {
/*                               OK                          FAIL            CANCEL             RETRY    TICK                  CUTOVER               STAY */
  [MTV_JOB_QUEUED]             = { MTV_JOB_PREPARING,          CLEAN,          CLEAN },
  [MTV_JOB_PREPARING]          = { MTV_JOB_ALLOCATING,         CLEAN,          CLEAN },
  [MTV_JOB_ALLOCATING]         = { MTV_JOB_SNAPSHOTTING,       CLEAN,          CLEAN },
  [MTV_JOB_SNAPSHOTTING]       = { MTV_JOB_PRECOPYING,         CLEAN,          CLEAN,             NOWHERE, NOWHERE,              NOWHERE,              REMOVE },
  [MTV_JOB_PRECOPYING]         = { REMOVE,                     CLEAN,          CLEAN,             NOWHERE, NOWHERE,              NOWHERE,              REMOVE },
  [MTV_JOB_REMOVING_SNAPSHOT]  = { MTV_JOB_IDLE,               CLEAN,          CLEAN },
  [MTV_JOB_IDLE]               = { NOWHERE,                    CLEAN,          CLEAN,             NOWHERE, MTV_JOB_SNAPSHOTTING, MTV_JOB_POWERING_OFF, NOWHERE },
  [MTV_JOB_POWERING_OFF]       = { MTV_JOB_FINAL_SNAPSHOTTING, CLEAN,          CLEAN,             NOWHERE, NOWHERE,              NOWHERE,              MTV_JOB_IDLE },
  [MTV_JOB_FINAL_SNAPSHOTTING] = { MTV_JOB_FINAL_COPYING,      CLEAN,          CLEAN },
  [MTV_JOB_FINAL_COPYING]      = { MTV_JOB_VERIFYING,          CLEAN,          CLEAN },
  [MTV_JOB_VERIFYING]          = { MTV_JOB_DEFINING,           CLEAN,          CLEAN },
  [MTV_JOB_DEFINING]           = { MTV_JOB_FINAL_REMOVING,     CLEAN,          CLEAN },
  [MTV_JOB_FINAL_REMOVING]     = { MTV_JOB_SUCCEEDED },
  [MTV_JOB_CLEANING_UP]        = { NOWHERE,                    MTV_JOB_FAILED, MTV_JOB_CANCELLED },
};
/* clang-format on */

gboolean
mtv_job_state_next (gboolean is_warm, MtvJobState state, MtvJobEvent event, MtvJobState *next)
{
  g_return_val_if_fail (state < MTV_JOB_N_STATES && event < MTV_JOB_N_EVENTS, FALSE);
  g_return_val_if_fail (next != NULL, FALSE);

  guint8 to = is_warm ? warm[state][event] : cold[state][event];

  if (event == MTV_JOB_RETRY && (state == MTV_JOB_FAILED || state == MTV_JOB_CANCELLED))
    {
      *next = MTV_JOB_QUEUED;
      return TRUE;
    }
  if (to == NOWHERE)
    return FALSE;
  *next = to;
  return TRUE;
}

gboolean
mtv_job_state_is_final (MtvJobState state)
{
  return state >= MTV_JOB_SUCCEEDED;
}

const char *
mtv_job_state_to_string (MtvJobState state)
{
  g_return_val_if_fail (state < MTV_JOB_N_STATES, NULL);

  return names[state];
}

gboolean
mtv_job_state_from_string (const char *string, MtvJobState *state)
{
  guint value;

  if (!mtv_enum_from_string (names, G_N_ELEMENTS (names), string, &value))
    return FALSE;
  *state = value;
  return TRUE;
}
