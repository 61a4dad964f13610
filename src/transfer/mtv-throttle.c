/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-throttle.h"

struct _MtvThrottle
{
  gatomicrefcount refs;

  GMutex lock;   /* for all below */
  guint64 rate;  /* bytes per second, 0: no limit */
  double tokens; /* bytes; below 0 while something large is being paid for */
  gint64 filled_usec;
};

MtvThrottle *
mtv_throttle_new (guint64 bytes_per_second)
{
  MtvThrottle *self = g_new0 (MtvThrottle, 1);

  g_atomic_ref_count_init (&self->refs);
  g_mutex_init (&self->lock);
  self->rate = bytes_per_second;
  self->filled_usec = G_MININT64;
  return self;
}

MtvThrottle *
mtv_throttle_ref (MtvThrottle *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
mtv_throttle_unref (MtvThrottle *self)
{
  g_return_if_fail (self != NULL);

  if (!g_atomic_ref_count_dec (&self->refs))
    return;
  g_mutex_clear (&self->lock);
  g_free (self);
}

void
mtv_throttle_set_rate (MtvThrottle *self, guint64 bytes_per_second)
{
  g_return_if_fail (self != NULL);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  self->rate = bytes_per_second;
}

guint64
mtv_throttle_get_rate (MtvThrottle *self)
{
  g_return_val_if_fail (self != NULL, 0);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  return self->rate;
}

/* The bucket holds a tenth of a second, so that the rate is also that of every short while. */
static void
fill (MtvThrottle *self, gint64 now_usec)
{
  double most = self->rate / 10.0;

  if (self->filled_usec == G_MININT64)
    self->tokens = most;
  else if (now_usec > self->filled_usec)
    self->tokens += (double) (now_usec - self->filled_usec) * self->rate / G_USEC_PER_SEC;
  self->tokens = MIN (self->tokens, most);
  self->filled_usec = MAX (now_usec, self->filled_usec);
}

guint64
mtv_throttle_take (MtvThrottle *self, guint64 bytes, gint64 now_usec)
{
  g_return_val_if_fail (self != NULL, 0);

  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);
  if (self->rate == 0)
    return 0;
  fill (self, now_usec);
  if (self->tokens <= 0)
    return (guint64) (-self->tokens * G_USEC_PER_SEC / self->rate) + 1;
  self->tokens -= bytes;
  return 0;
}
