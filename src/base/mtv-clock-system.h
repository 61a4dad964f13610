/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-clock.h"

G_BEGIN_DECLS

/* The real time. Alarms follow the time of day through clock jumps and suspend; while there is none
 * nothing wakes up. */
#define MTV_TYPE_CLOCK_SYSTEM (mtv_clock_system_get_type ())
G_DECLARE_FINAL_TYPE (MtvClockSystem, mtv_clock_system, MTV, CLOCK_SYSTEM, GObject)

MtvClock *mtv_clock_system_new (void);

G_END_DECLS
