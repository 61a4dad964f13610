/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  MTV_COLD_QUEUED,
  MTV_COLD_PREPARING,  /* sizes, identity of the source, name and space at the destination */
  MTV_COLD_ALLOCATING, /* intents into the ledger, volumes made */
  MTV_COLD_COPYING,
  MTV_COLD_VERIFYING,
  MTV_COLD_DEFINING,
  MTV_COLD_CLEANING_UP, /* everything that is in the ledger removed */
  MTV_COLD_SUCCEEDED,
  MTV_COLD_FAILED,
  MTV_COLD_CANCELLED,
  MTV_COLD_N_STATES
} MtvColdState;

typedef enum
{
  MTV_COLD_OK,     /* the state's work is done */
  MTV_COLD_FAIL,   /* … cannot be done; also the end of cleaning up after a failure */
  MTV_COLD_CANCEL, /* somebody asked; also the end of cleaning up after that */
  MTV_COLD_RETRY,
  MTV_COLD_N_EVENTS
} MtvColdEvent;

/* FALSE: @event means nothing in @state, and @next is untouched. */
gboolean mtv_cold_next (MtvColdState state, MtvColdEvent event, MtvColdState *next);

gboolean mtv_cold_state_is_final (MtvColdState state);

const char *mtv_cold_state_to_string (MtvColdState state);
gboolean mtv_cold_state_from_string (const char *string, MtvColdState *state);

G_END_DECLS
