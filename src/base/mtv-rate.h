/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MTV_RATE_N_SAMPLES 32

/* How fast bytes go, averaged over about ten seconds. All zero is a fresh one; one thread. */
typedef struct
{
  struct
  {
    guint64 time;
    guint64 bytes;
  } samples[MTV_RATE_N_SAMPLES]; /* oldest first */
  guint n_samples;
  guint64 changed; /* when bytes went last */
} MtvRate;

void mtv_rate_reset (MtvRate *self);

/* @bytes_done: all that are done by now. A sum or a time that goes back starts afresh. */
void mtv_rate_add (MtvRate *self, guint64 now_usec, guint64 bytes_done);

/* Bytes a second; 0 when nothing has gone for 5 s. */
guint64 mtv_rate_get (const MtvRate *self, guint64 now_usec);

/* When @bytes_left will be done, µs since the epoch; 0 until there is enough to tell by. */
guint64 mtv_rate_get_eta (const MtvRate *self, guint64 now_usec, guint64 bytes_left);

G_END_DECLS
