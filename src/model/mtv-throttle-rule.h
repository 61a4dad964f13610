/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* How fast copies may read, with daily windows by the clock on the wall:
 *   [RATE] [HH:MM-HH:MM=RATE...]     "100M 08:00-18:00=10M 22:00-06:00=off"
 * A rate is bytes a second, with K, M, G or T for powers of 1024, or "off": no limit, as it is
 * outside of the windows if no rate is given. A window may go over midnight; none overlap. */

typedef struct
{
  guint64 start; /* µs since midnight, as all times here */
  guint64 end;   /* not in it; before @start: of the next day */
  guint64 rate;  /* bytes a second; 0: no limit */
} MtvThrottleWindow;

typedef struct
{
  guint64 rate;    /* outside of the windows */
  GArray *windows; /* (owned) (element-type MtvThrottleWindow) */
} MtvThrottleRule;

/* MTV_ERROR_INVALID_ARGUMENT names what is wrong. */
MtvThrottleRule *mtv_throttle_rule_parse (const char *text, GError **error);
void mtv_throttle_rule_free (MtvThrottleRule *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvThrottleRule, mtv_throttle_rule_free)

/* As mtv_throttle_rule_parse() reads it. (transfer full) */
char *mtv_throttle_rule_to_string (const MtvThrottleRule *self);

/* There is never a limit. */
gboolean mtv_throttle_rule_is_off (const MtvThrottleRule *self);

guint64 mtv_throttle_rule_get_rate (const MtvThrottleRule *self, guint64 of_day);

/* The first time after @of_day, or tomorrow, at which a window begins or ends; G_MAXUINT64: there
 * are none. */
guint64 mtv_throttle_rule_get_next_change (const MtvThrottleRule *self, guint64 of_day);

G_END_DECLS
