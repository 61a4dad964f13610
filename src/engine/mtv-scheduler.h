/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-object.h>

G_BEGIN_DECLS

/* Who may run. Each key (a source provider's id) has a number of slots; who finds none waits in a
 * queue of its own, in the order of the classes, within one first come, first served. Nobody
 * starves: who was overtaken often enough is not overtaken any more. Main thread. */
#define MTV_TYPE_SCHEDULER (mtv_scheduler_get_type ())
G_DECLARE_FINAL_TYPE (MtvScheduler, mtv_scheduler, MTV, SCHEDULER, GObject)

typedef enum
{
  MTV_SCHEDULE_CUTOVER, /* its VM is shut down, or about to be */
  MTV_SCHEDULE_PRECOPY, /* a round of one that is copied */
  MTV_SCHEDULE_RESUME,  /* has begun already */
  MTV_SCHEDULE_BEGIN,
} MtvScheduleClass;

/* How often one can be overtaken by others that came later. */
#define MTV_SCHEDULE_PATIENCE 16

typedef void (*MtvSchedulerFunc) (gpointer user_data);

MtvScheduler *mtv_scheduler_new (guint slots);
void mtv_scheduler_set_slots (MtvScheduler *self, guint slots);

/* @owner asks for a slot. @granted is called from the main loop, once, when it has one; @moved
 * when its place in the queue has changed (beyond 20: by a tenth). Neither after
 * mtv_scheduler_leave(). */
void mtv_scheduler_enter (MtvScheduler *self, gpointer owner, const char *key,
                          MtvScheduleClass klass, MtvSchedulerFunc granted, MtvSchedulerFunc moved,
                          gpointer user_data);

/* Gives the slot, or the place in the queue, back; nothing when it has neither. */
void mtv_scheduler_leave (MtvScheduler *self, gpointer owner);

/* From 1; 0: not queued. */
guint mtv_scheduler_get_place (MtvScheduler *self, gpointer owner);
/* Does it have a slot, or is it queued? */
gboolean mtv_scheduler_has (MtvScheduler *self, gpointer owner);

/* Does it have a slot, and was told so? */
gboolean mtv_scheduler_has_slot (MtvScheduler *self, gpointer owner);

G_END_DECLS
