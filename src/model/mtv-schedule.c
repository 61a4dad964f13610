/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-schedule.h"

#include "base/mtv-error.h"

#define SECOND G_USEC_PER_SEC
#define YEAR (366 * 24 * 3600 * (guint64) G_USEC_PER_SEC)

void
mtv_schedule_assign (MtvSchedule *self, const MtvSchedule *other)
{
  g_return_if_fail (self != other);

  g_free (self->shutdown);
  *self = *other;
  self->shutdown = g_strdup (other->shutdown);
}

static gboolean
in_range (const char *what, guint64 value, guint64 least, GError **error)
{
  if (value == 0 || (value >= least && value <= YEAR))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "'%s' must lie between %u s and a year", what, (guint) (least / SECOND));
  return FALSE;
}

gboolean
mtv_schedule_check (const MtvSchedule *self, guint64 now, GError **error)
{
  static const char *const known[] = { "guest", "guest-then-force", "force", "manual", NULL };

  if (!in_range ("interval", self->interval, 60 * SECOND, error)
      || !in_range ("max-downtime", self->max_downtime, SECOND, error)
      || !in_range ("shutdown-timeout", self->shutdown_timeout, SECOND, error))
    return FALSE;
  if (self->shutdown != NULL && !g_strv_contains (known, self->shutdown))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "'shutdown' cannot be '%s', only 'guest', 'guest-then-force', 'force', 'manual'",
                   self->shutdown);
      return FALSE;
    }
  if (self->cutover_time == 0 || now == 0
      || (self->cutover_time > now && self->cutover_time - now <= YEAR))
    return TRUE;
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       self->cutover_time <= now ? "The time of the cutover lies in the past"
                                                 : "The cutover is more than a year ahead");
  return FALSE;
}
