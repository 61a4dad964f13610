/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-alarms.h"

typedef struct
{
  guint id;
  guint64 at_usec;
  GSourceOnceFunc callback;
  gpointer user_data;
  GDestroyNotify notify; /* (nullable) */
} Alarm;

struct _MtvAlarms
{
  GSequence *sequence; /* (owned) (element-type Alarm) */
  guint last_id;
};

static void
alarm_free (Alarm *alarm)
{
  if (alarm->notify != NULL)
    alarm->notify (alarm->user_data);
  g_free (alarm);
}

static Alarm *
take (GSequenceIter *iter)
{
  Alarm *alarm = g_sequence_get (iter);

  g_sequence_remove (iter);
  return alarm;
}

MtvAlarms *
mtv_alarms_new (void)
{
  MtvAlarms *self = g_new0 (MtvAlarms, 1);

  self->sequence = g_sequence_new (NULL);
  return self;
}

void
mtv_alarms_free (MtvAlarms *self)
{
  while (!g_sequence_is_empty (self->sequence))
    alarm_free (take (g_sequence_get_begin_iter (self->sequence)));
  g_sequence_free (self->sequence);
  g_free (self);
}

static int
compare (gconstpointer a, gconstpointer b, gpointer user_data G_GNUC_UNUSED)
{
  const Alarm *left = a, *right = b;

  if (left->at_usec != right->at_usec)
    return left->at_usec < right->at_usec ? -1 : 1;
  return left->id < right->id ? -1 : left->id > right->id;
}

guint
mtv_alarms_add (MtvAlarms *self, guint64 at_usec, GSourceOnceFunc callback, gpointer user_data,
                GDestroyNotify notify)
{
  Alarm *alarm = g_new (Alarm, 1);

  *alarm = (Alarm){ ++self->last_id, at_usec, callback, user_data, notify };
  g_sequence_insert_sorted (self->sequence, alarm, compare, NULL);
  return alarm->id;
}

void
mtv_alarms_remove (MtvAlarms *self, guint id)
{
  GSequenceIter *iter = g_sequence_get_begin_iter (self->sequence);

  while (!g_sequence_iter_is_end (iter) && ((Alarm *) g_sequence_get (iter))->id != id)
    iter = g_sequence_iter_next (iter);
  g_return_if_fail (!g_sequence_iter_is_end (iter));

  alarm_free (take (iter));
}

guint64
mtv_alarms_get_next (MtvAlarms *self)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->sequence);

  return g_sequence_iter_is_end (first) ? G_MAXUINT64 : ((Alarm *) g_sequence_get (first))->at_usec;
}

gboolean
mtv_alarms_call_next (MtvAlarms *self, guint64 now_usec)
{
  GSequenceIter *first = g_sequence_get_begin_iter (self->sequence);

  if (g_sequence_iter_is_end (first) || mtv_alarms_get_next (self) > now_usec)
    return FALSE;

  Alarm *alarm = take (first);
  alarm->callback (alarm->user_data);
  alarm_free (alarm);
  return TRUE;
}
