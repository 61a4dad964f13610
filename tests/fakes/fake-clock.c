/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-clock.h"

#include "base/mtv-alarms.h"

struct _FakeClock
{
  GObject parent;

  MtvAlarms *alarms; /* (owned) */
  guint64 now;
};

static void clock_iface_init (MtvClockInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (FakeClock, fake_clock, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_CLOCK, clock_iface_init))

static guint64
clock_now (MtvClock *clock)
{
  return FAKE_CLOCK (clock)->now;
}

static guint
clock_add_alarm (MtvClock *clock, guint64 at_usec, GSourceOnceFunc callback, gpointer user_data,
                 GDestroyNotify notify)
{
  return mtv_alarms_add (FAKE_CLOCK (clock)->alarms, at_usec, callback, user_data, notify);
}

static void
clock_remove_alarm (MtvClock *clock, guint id)
{
  mtv_alarms_remove (FAKE_CLOCK (clock)->alarms, id);
}

void
fake_clock_advance (FakeClock *self, guint64 usec)
{
  guint64 end = self->now + usec;

  while (mtv_alarms_get_next (self->alarms) <= end)
    {
      self->now = MAX (self->now, mtv_alarms_get_next (self->alarms));
      mtv_alarms_call_next (self->alarms, self->now);
    }
  self->now = end;
}

guint64
fake_clock_get_next (FakeClock *self)
{
  return mtv_alarms_get_next (self->alarms);
}

static void
fake_clock_finalize (GObject *object)
{
  mtv_alarms_free (FAKE_CLOCK (object)->alarms);

  G_OBJECT_CLASS (fake_clock_parent_class)->finalize (object);
}

static void
fake_clock_class_init (FakeClockClass *class)
{
  G_OBJECT_CLASS (class)->finalize = fake_clock_finalize;
}

static void
clock_iface_init (MtvClockInterface *iface)
{
  iface->now = clock_now;
  iface->add_alarm = clock_add_alarm;
  iface->remove_alarm = clock_remove_alarm;
}

static void
fake_clock_init (FakeClock *self)
{
  self->alarms = mtv_alarms_new ();
}

FakeClock *
fake_clock_new (guint64 now_usec)
{
  FakeClock *self = g_object_new (FAKE_TYPE_CLOCK, NULL);

  self->now = now_usec;
  return self;
}
