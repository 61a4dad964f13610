/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-cold-states.h"

#include "base/mtv-enum.h"

static const char *const names[] = {
  [MTV_COLD_QUEUED] = "queued",           [MTV_COLD_PREPARING] = "preparing",
  [MTV_COLD_ALLOCATING] = "allocating",   [MTV_COLD_COPYING] = "copying",
  [MTV_COLD_VERIFYING] = "verifying",     [MTV_COLD_DEFINING] = "defining",
  [MTV_COLD_CLEANING_UP] = "cleaning-up", [MTV_COLD_SUCCEEDED] = "succeeded",
  [MTV_COLD_FAILED] = "failed",           [MTV_COLD_CANCELLED] = "cancelled",
};
G_STATIC_ASSERT (G_N_ELEMENTS (names) == MTV_COLD_N_STATES);

#define NOWHERE G_MAXUINT8

/* clang-format off */
static const guint8 table[MTV_COLD_N_STATES][MTV_COLD_N_EVENTS] = {
/*                           OK                   FAIL                  CANCEL                RETRY */
  [MTV_COLD_QUEUED]      = { MTV_COLD_PREPARING,  MTV_COLD_CLEANING_UP, MTV_COLD_CLEANING_UP, NOWHERE },
  [MTV_COLD_PREPARING]   = { MTV_COLD_ALLOCATING, MTV_COLD_CLEANING_UP, MTV_COLD_CLEANING_UP, NOWHERE },
  [MTV_COLD_ALLOCATING]  = { MTV_COLD_COPYING,    MTV_COLD_CLEANING_UP, MTV_COLD_CLEANING_UP, NOWHERE },
  [MTV_COLD_COPYING]     = { MTV_COLD_VERIFYING,  MTV_COLD_CLEANING_UP, MTV_COLD_CLEANING_UP, NOWHERE },
  [MTV_COLD_VERIFYING]   = { MTV_COLD_DEFINING,   MTV_COLD_CLEANING_UP, MTV_COLD_CLEANING_UP, NOWHERE },
  [MTV_COLD_DEFINING]    = { MTV_COLD_SUCCEEDED,  MTV_COLD_CLEANING_UP, MTV_COLD_CLEANING_UP, NOWHERE },
  [MTV_COLD_CLEANING_UP] = { NOWHERE,             MTV_COLD_FAILED,      MTV_COLD_CANCELLED,   NOWHERE },
  [MTV_COLD_SUCCEEDED]   = { NOWHERE,             NOWHERE,              NOWHERE,              NOWHERE },
  [MTV_COLD_FAILED]      = { NOWHERE,             NOWHERE,              NOWHERE,              MTV_COLD_QUEUED },
  [MTV_COLD_CANCELLED]   = { NOWHERE,             NOWHERE,              NOWHERE,              MTV_COLD_QUEUED },
};
/* clang-format on */

gboolean
mtv_cold_next (MtvColdState state, MtvColdEvent event, MtvColdState *next)
{
  g_return_val_if_fail (state < MTV_COLD_N_STATES && event < MTV_COLD_N_EVENTS, FALSE);
  g_return_val_if_fail (next != NULL, FALSE);

  if (table[state][event] == NOWHERE)
    return FALSE;

  *next = table[state][event];
  return TRUE;
}

gboolean
mtv_cold_state_is_final (MtvColdState state)
{
  return state >= MTV_COLD_SUCCEEDED;
}

const char *
mtv_cold_state_to_string (MtvColdState state)
{
  g_return_val_if_fail (state < MTV_COLD_N_STATES, NULL);

  return names[state];
}

gboolean
mtv_cold_state_from_string (const char *string, MtvColdState *state)
{
  guint value;

  if (!mtv_enum_from_string (names, G_N_ELEMENTS (names), string, &value))
    return FALSE;
  *state = value;
  return TRUE;
}
