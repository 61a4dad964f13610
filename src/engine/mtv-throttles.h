/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-clock.h"
#include "model/mtv-throttle-rule.h"
#include "transfer/mtv-throttle.h"

G_BEGIN_DECLS

/* What copies may read: of all together, of those from or to a provider, and of those of a plan.
 * Keeps the throttles at what their rules say at this time of the day. Main thread; a throttle that
 * it gave is good on any, and may outlive it.
 *
 * A target is "" (all copies), "provider/ID" or "plan/ID"; one that has no rule has no limit. */
typedef struct _MtvThrottles MtvThrottles;

MtvThrottles *mtv_throttles_new (MtvClock *clock);
void mtv_throttles_free (MtvThrottles *self);

/* @rule (transfer full) holds at once, also for copies under way. */
void mtv_throttles_set (MtvThrottles *self, const char *target, MtvThrottleRule *rule);

/* The rules that are not "off", as a{sv} of strings, by target. (transfer floating) */
GVariant *mtv_throttles_to_variant (MtvThrottles *self);

/* What holds now; bytes a second, 0: no limit. */
guint64 mtv_throttles_get_rate (MtvThrottles *self, const char *target);

/* For copies that may read @bytes_per_second by themselves (0: no limit; see
 * mtv_throttle_set_rate()) and that are held back by all that are theirs. @source, @destination,
 * @plan: (nullable) ids. (transfer full) */
MtvThrottle *mtv_throttles_make (MtvThrottles *self, guint64 bytes_per_second, const char *source,
                                 const char *destination, const char *plan);

G_END_DECLS
