/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-schedule.h"

void
mtv_schedule_assign (MtvSchedule *self, const MtvSchedule *other)
{
  g_return_if_fail (self != other);

  g_free (self->shutdown);
  *self = *other;
  self->shutdown = g_strdup (other->shutdown);
}
