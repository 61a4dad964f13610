/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-clock.h"

G_BEGIN_DECLS

/* A clock that stands still until it is moved. */
#define FAKE_TYPE_CLOCK (fake_clock_get_type ())
G_DECLARE_FINAL_TYPE (FakeClock, fake_clock, FAKE, CLOCK, GObject)

FakeClock *fake_clock_new (guint64 now_usec);

/* Moves on, from alarm to alarm: each is called at its own time, those that callbacks add as well.
 * To be called where the main loop could call them. */
void fake_clock_advance (FakeClock *self, guint64 usec);

/* When the next alarm is due; G_MAXUINT64: there is none. */
guint64 fake_clock_get_next (FakeClock *self);

G_END_DECLS
