/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-rate.h"

#include <string.h>

#define WINDOW (10 * G_USEC_PER_SEC)
#define STALLED (5 * G_USEC_PER_SEC)
#define SPACING (WINDOW / (MTV_RATE_N_SAMPLES - 2))
#define ETA_MIN_SAMPLES 5
#define ETA_MIN_SPAN (2 * G_USEC_PER_SEC)

void
mtv_rate_reset (MtvRate *self)
{
  *self = (MtvRate){ 0 };
}

static void
drop_oldest (MtvRate *self)
{
  self->n_samples--;
  memmove (self->samples, self->samples + 1, self->n_samples * sizeof self->samples[0]);
}

void
mtv_rate_add (MtvRate *self, guint64 now_usec, guint64 bytes_done)
{
  guint n = self->n_samples;

  if (n > 0 && (now_usec < self->samples[n - 1].time || bytes_done < self->samples[n - 1].bytes))
    mtv_rate_reset (self);
  if (self->n_samples == 0 || bytes_done != self->samples[self->n_samples - 1].bytes)
    self->changed = now_usec;

  while (self->n_samples > 0 && now_usec - self->samples[0].time > WINDOW)
    drop_oldest (self);
  /* The newest one moves on until it is far enough from the one before: that bounds their number
   * however often this is called. */
  n = self->n_samples;
  if (n >= 2 && self->samples[n - 1].time - self->samples[n - 2].time < SPACING)
    n--;
  else if (n == MTV_RATE_N_SAMPLES)
    {
      drop_oldest (self);
      n--;
    }
  self->samples[n].time = now_usec;
  self->samples[n].bytes = bytes_done;
  self->n_samples = n + 1;
}

guint64
mtv_rate_get (const MtvRate *self, guint64 now_usec)
{
  guint n = self->n_samples;

  if (n < 2 || now_usec > self->changed + STALLED)
    return 0;

  guint64 span = MAX (now_usec, self->samples[n - 1].time) - self->samples[0].time;
  guint64 bytes = self->samples[n - 1].bytes - self->samples[0].bytes;
  return span == 0 ? 0 : (guint64) ((double) bytes * G_USEC_PER_SEC / span);
}

guint64
mtv_rate_get_eta (const MtvRate *self, guint64 now_usec, guint64 bytes_left)
{
  guint n = self->n_samples;
  guint64 rate = mtv_rate_get (self, now_usec);

  if (rate == 0 || n < ETA_MIN_SAMPLES
      || self->samples[n - 1].time - self->samples[0].time < ETA_MIN_SPAN)
    return 0;

  double left_usec = (double) bytes_left / rate * G_USEC_PER_SEC;
  return left_usec < 1e18 ? now_usec + (guint64) left_usec : 0;
}
