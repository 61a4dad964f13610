/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-throttles.h"

#include "base/mtv-time.h"

/* The clock and the time zone of the machine may be set: so often it is looked at, if there are
 * windows at all. */
#define LOOK_AGAIN (3600 * (guint64) G_USEC_PER_SEC)

typedef struct
{
  MtvThrottle *throttle; /* (owned) */
  MtvThrottleRule *rule; /* (owned) (nullable) */
} Entry;

struct _MtvThrottles
{
  MtvClock *clock;     /* (owned) */
  GHashTable *entries; /* (owned) target to Entry */
  guint alarm;         /* 0: no rule has windows */
};

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_clear_pointer (&entry->rule, mtv_throttle_rule_free);
  mtv_throttle_unref (entry->throttle);
  g_free (entry);
}

static Entry *
get_entry (MtvThrottles *self, const char *target)
{
  Entry *entry = g_hash_table_lookup (self->entries, target);

  if (entry == NULL)
    {
      entry = g_new0 (Entry, 1);
      entry->throttle = mtv_throttle_new (0);
      g_hash_table_insert (self->entries, g_strdup (target), entry);
    }
  return entry;
}

MtvThrottles *
mtv_throttles_new (MtvClock *clock)
{
  MtvThrottles *self = g_new0 (MtvThrottles, 1);

  self->clock = g_object_ref (clock);
  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  return self;
}

void
mtv_throttles_free (MtvThrottles *self)
{
  if (self->alarm != 0)
    mtv_clock_remove_alarm (self->clock, self->alarm);
  g_hash_table_unref (self->entries);
  g_object_unref (self->clock);
  g_free (self);
}

static void alarm_cb (gpointer user_data);

static void
update (MtvThrottles *self)
{
  guint64 now = mtv_clock_now (self->clock), next = G_MAXUINT64;
  guint64 of_day = mtv_time_of_day (now, NULL);
  GHashTableIter iter;
  gpointer value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, NULL, &value))
    {
      Entry *entry = value;

      if (entry->rule == NULL)
        continue;
      mtv_throttle_set_rate (entry->throttle, mtv_throttle_rule_get_rate (entry->rule, of_day));
      guint64 edge = mtv_throttle_rule_get_next_change (entry->rule, of_day);
      if (edge != G_MAXUINT64)
        next = MIN (next, mtv_time_next_of_day (now, edge, NULL));
    }
  if (self->alarm != 0)
    mtv_clock_remove_alarm (self->clock, self->alarm);
  self->alarm = 0;
  if (next != G_MAXUINT64)
    self->alarm
        = mtv_clock_add_alarm (self->clock, MIN (next, now + LOOK_AGAIN), alarm_cb, self, NULL);
}

static void
alarm_cb (gpointer user_data)
{
  MtvThrottles *self = user_data;

  self->alarm = 0;
  update (self);
}

void
mtv_throttles_set (MtvThrottles *self, const char *target, MtvThrottleRule *rule)
{
  g_return_if_fail (self != NULL && target != NULL && rule != NULL);

  Entry *entry = get_entry (self, target);

  g_clear_pointer (&entry->rule, mtv_throttle_rule_free);
  entry->rule = rule;
  update (self);
}

GVariant *
mtv_throttles_to_variant (MtvThrottles *self)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  GHashTableIter iter;
  gpointer target, value;

  g_hash_table_iter_init (&iter, self->entries);
  while (g_hash_table_iter_next (&iter, &target, &value))
    {
      Entry *entry = value;

      if (entry->rule != NULL && !mtv_throttle_rule_is_off (entry->rule))
        g_variant_builder_add (
            &builder, "{sv}", target,
            g_variant_new_take_string (mtv_throttle_rule_to_string (entry->rule)));
    }
  return g_variant_builder_end (&builder);
}

guint64
mtv_throttles_get_rate (MtvThrottles *self, const char *target)
{
  return mtv_throttle_get_rate (get_entry (self, target)->throttle);
}

MtvThrottle *
mtv_throttles_make (MtvThrottles *self, guint64 bytes_per_second, const char *source,
                    const char *destination, const char *plan)
{
  const char *const ids[] = { source, destination, plan };
  MtvThrottle *above[1 + G_N_ELEMENTS (ids)] = { get_entry (self, "")->throttle };
  guint n = 1;

  for (guint i = 0; i < G_N_ELEMENTS (ids); i++)
    {
      g_autofree char *target
          = g_strconcat (i < 2 ? "provider/" : "plan/", ids[i] != NULL ? ids[i] : "", NULL);

      /* From one place to the same, its bytes count once. */
      if (ids[i] != NULL && (i != 1 || g_strcmp0 (source, destination) != 0))
        above[n++] = get_entry (self, target)->throttle;
    }
  return mtv_throttle_new_below (bytes_per_second, above, n);
}
