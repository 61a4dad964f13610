/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-clock.h"

G_DEFINE_INTERFACE (MtvClock, mtv_clock, G_TYPE_OBJECT)

static void
mtv_clock_default_init (MtvClockInterface *iface G_GNUC_UNUSED)
{
}

guint64
mtv_clock_now (MtvClock *self)
{
  g_return_val_if_fail (MTV_IS_CLOCK (self), 0);

  return MTV_CLOCK_GET_IFACE (self)->now (self);
}

guint
mtv_clock_add_alarm (MtvClock *self, guint64 at_usec, GSourceOnceFunc callback, gpointer user_data,
                     GDestroyNotify notify)
{
  g_return_val_if_fail (MTV_IS_CLOCK (self), 0);
  g_return_val_if_fail (callback != NULL, 0);

  return MTV_CLOCK_GET_IFACE (self)->add_alarm (self, at_usec, callback, user_data, notify);
}

void
mtv_clock_remove_alarm (MtvClock *self, guint id)
{
  g_return_if_fail (MTV_IS_CLOCK (self));
  g_return_if_fail (id != 0);

  MTV_CLOCK_GET_IFACE (self)->remove_alarm (self, id);
}
