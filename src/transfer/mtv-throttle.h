/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A token bucket that any number of copies share. Thread-safe. */
typedef struct _MtvThrottle MtvThrottle;

MtvThrottle *mtv_throttle_new (guint64 bytes_per_second); /* 0: no limit */
/* What it lets through, all of @above (which have none above themselves) must let through, too. */
MtvThrottle *mtv_throttle_new_below (guint64 bytes_per_second, MtvThrottle *const *above,
                                     guint n_above);
MtvThrottle *mtv_throttle_ref (MtvThrottle *self);
void mtv_throttle_unref (MtvThrottle *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvThrottle, mtv_throttle_unref)

/* From now on; those that wait ask again soon enough, see mtv_throttle_take(). */
void mtv_throttle_set_rate (MtvThrottle *self, guint64 bytes_per_second);
guint64 mtv_throttle_get_rate (MtvThrottle *self);

/* Takes @bytes out and returns 0, or takes nothing and returns in how many microseconds it is worth
 * asking again. As long as there is anything in it, any number of bytes is let through at once, and
 * paid for by those who come later. The rate may be raised while somebody waits: nobody waits for
 * longer than MTV_THROTTLE_LOOK_USEC before asking again. @now_usec: of g_get_monotonic_time(). */
#define MTV_THROTTLE_LOOK_USEC (G_USEC_PER_SEC / 4)
guint64 mtv_throttle_take (MtvThrottle *self, guint64 bytes, gint64 now_usec);

G_END_DECLS
