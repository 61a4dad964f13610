/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The time of day, and being called at one. Main thread only. */
#define MTV_TYPE_CLOCK (mtv_clock_get_type ())
G_DECLARE_INTERFACE (MtvClock, mtv_clock, MTV, CLOCK, GObject)

struct _MtvClockInterface
{
  GTypeInterface parent;

  guint64 (*now) (MtvClock *self);
  guint (*add_alarm) (MtvClock *self, guint64 at_usec, GSourceOnceFunc callback, gpointer user_data,
                      GDestroyNotify notify);
  void (*remove_alarm) (MtvClock *self, guint id);
};

/* µs since the epoch. It may jump, either way. */
guint64 mtv_clock_now (MtvClock *self);

/* Calls @callback once, from the main loop and never from in here, when it is @at_usec or later.
 * Alarms are called in the order of their times, those of the same time in the order in which they
 * were added. Returns an id, never 0, that is good until the alarm is called. */
guint mtv_clock_add_alarm (MtvClock *self, guint64 at_usec, GSourceOnceFunc callback,
                           gpointer user_data, GDestroyNotify notify);
void mtv_clock_remove_alarm (MtvClock *self, guint id);

G_END_DECLS
