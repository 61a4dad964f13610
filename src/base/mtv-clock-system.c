/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-clock-system.h"

#include "base/mtv-alarms.h"

#include <errno.h>
#include <glib-unix.h>
#include <sys/timerfd.h>
#include <unistd.h>

struct _MtvClockSystem
{
  GObject parent;

  MtvAlarms *alarms; /* (owned) */
  int fd;            /* (owned) armed for the first alarm */
  guint source;
  guint64 floor; /* no new alarm is before it */
};

static void clock_iface_init (MtvClockInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (MtvClockSystem, mtv_clock_system, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_CLOCK, clock_iface_init))

/* ECANCELED says that the clock was set meanwhile: the timer is armed all the same, but this news
 * is used up by being told, so that it is armed once more (timerfd_create(2)). */
static void
arm (MtvClockSystem *self)
{
  guint64 next = mtv_alarms_get_next (self->alarms);
  struct itimerspec spec = { 0 };
  int flags = 0;

  if (next != G_MAXUINT64)
    {
      flags = TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET;
      spec.it_value.tv_sec = MIN (next / G_USEC_PER_SEC, (guint64) G_MAXINT32);
      spec.it_value.tv_nsec = MAX (next % G_USEC_PER_SEC * 1000, 1); /* all zero would disarm */
    }
  while (timerfd_settime (self->fd, flags, &spec, NULL) < 0)
    if (errno != ECANCELED)
      g_error ("Cannot set a timer: %s", g_strerror (errno));
}

static guint64
clock_now (MtvClock *clock G_GNUC_UNUSED)
{
  return g_get_real_time ();
}

/* The time has come, or the clock was set: either way it is looked at again. Alarms that are set
 * meanwhile wait for the next turn, so that one that sets itself anew cannot hold the loop. */
static gboolean
timer_cb (int fd, GIOCondition condition G_GNUC_UNUSED, gpointer data)
{
  g_autoptr (MtvClockSystem) self = g_object_ref (data);
  guint64 now = g_get_real_time (), expirations;

  if (read (fd, &expirations, sizeof expirations) < 0 && errno != EAGAIN && errno != ECANCELED)
    g_error ("Cannot read a timer: %s", g_strerror (errno));
  self->floor = now + 1;
  while (mtv_alarms_call_next (self->alarms, now))
    ;
  self->floor = 0;
  arm (self);
  return G_SOURCE_CONTINUE;
}

static guint
clock_add_alarm (MtvClock *clock, guint64 at_usec, GSourceOnceFunc callback, gpointer user_data,
                 GDestroyNotify notify)
{
  MtvClockSystem *self = MTV_CLOCK_SYSTEM (clock);
  guint id = mtv_alarms_add (self->alarms, MAX (at_usec, self->floor), callback, user_data, notify);

  arm (self);
  return id;
}

static void
clock_remove_alarm (MtvClock *clock, guint id)
{
  MtvClockSystem *self = MTV_CLOCK_SYSTEM (clock);

  mtv_alarms_remove (self->alarms, id);
  arm (self);
}

static void
mtv_clock_system_finalize (GObject *object)
{
  MtvClockSystem *self = MTV_CLOCK_SYSTEM (object);

  g_source_remove (self->source);
  close (self->fd);
  mtv_alarms_free (self->alarms);

  G_OBJECT_CLASS (mtv_clock_system_parent_class)->finalize (object);
}

static void
mtv_clock_system_class_init (MtvClockSystemClass *class)
{
  G_OBJECT_CLASS (class)->finalize = mtv_clock_system_finalize;
}

static void
clock_iface_init (MtvClockInterface *iface)
{
  iface->now = clock_now;
  iface->add_alarm = clock_add_alarm;
  iface->remove_alarm = clock_remove_alarm;
}

static void
mtv_clock_system_init (MtvClockSystem *self)
{
  self->alarms = mtv_alarms_new ();
  self->fd = timerfd_create (CLOCK_REALTIME, TFD_CLOEXEC | TFD_NONBLOCK);
  if (self->fd < 0)
    g_error ("Cannot make a timer: %s", g_strerror (errno));
  self->source = g_unix_fd_add (self->fd, G_IO_IN, timer_cb, self);
}

MtvClock *
mtv_clock_system_new (void)
{
  return g_object_new (MTV_TYPE_CLOCK_SYSTEM, NULL);
}
