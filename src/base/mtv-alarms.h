/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The alarms of a clock, by time: what every MtvClock keeps. */
typedef struct _MtvAlarms MtvAlarms;

MtvAlarms *mtv_alarms_new (void);
void mtv_alarms_free (MtvAlarms *self);

guint mtv_alarms_add (MtvAlarms *self, guint64 at_usec, GSourceOnceFunc callback,
                      gpointer user_data, GDestroyNotify notify);
void mtv_alarms_remove (MtvAlarms *self, guint id);

/* When the first one is due; G_MAXUINT64: there is none. */
guint64 mtv_alarms_get_next (MtvAlarms *self);

/* Takes the first one out and calls it, if it is due at @now_usec. The callback may add and remove
 * others. */
gboolean mtv_alarms_call_next (MtvAlarms *self, guint64 now_usec);

G_END_DECLS
