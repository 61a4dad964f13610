/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-throttle.h"

struct _MtvThrottle
{
  gatomicrefcount refs;
  MtvThrottle **above; /* (owned) the array and what is in it */
  guint n_above;

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
mtv_throttle_new_below (guint64 bytes_per_second, MtvThrottle *const *above, guint n_above)
{
  MtvThrottle *self = mtv_throttle_new (bytes_per_second);

  self->above = g_new (MtvThrottle *, n_above);
  self->n_above = n_above;
  for (guint i = 0; i < n_above; i++)
    {
      g_assert (above[i]->n_above == 0);
      self->above[i] = mtv_throttle_ref (above[i]);
    }
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
  for (guint i = 0; i < self->n_above; i++)
    mtv_throttle_unref (self->above[i]);
  g_free (self->above);
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

static guint64
ask (MtvThrottle *self, gint64 now_usec)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (self->rate == 0)
    return 0;
  fill (self, now_usec);
  return self->tokens > 0 ? 0 : (guint64) (-self->tokens * G_USEC_PER_SEC / self->rate) + 1;
}

static void
pay (MtvThrottle *self, guint64 bytes)
{
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (self->rate > 0)
    self->tokens -= bytes;
}

/* Two that ask at the same time may both be let through: their bytes are paid for all the same. */
guint64
mtv_throttle_take (MtvThrottle *self, guint64 bytes, gint64 now_usec)
{
  g_return_val_if_fail (self != NULL, 0);

  guint64 wait_usec = ask (self, now_usec);
  for (guint i = 0; i < self->n_above; i++)
    wait_usec = MAX (wait_usec, ask (self->above[i], now_usec));
  if (wait_usec > 0)
    return wait_usec;
  pay (self, bytes);
  for (guint i = 0; i < self->n_above; i++)
    pay (self->above[i], bytes);
  return 0;
}
