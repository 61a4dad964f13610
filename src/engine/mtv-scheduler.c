/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-scheduler.h"

#define NEAR 20 /* places that are told exactly */

typedef struct
{
  gpointer owner; /* (unowned) */
  char *key;      /* (owned) */
  MtvScheduleClass klass;
  MtvSchedulerFunc granted;
  MtvSchedulerFunc moved;
  gpointer user_data;
  gboolean running; /* has a slot */
  gboolean told;    /* … and knows of it */
  guint overtaken;
  guint place;
  guint told_place;
} Entry;

struct _MtvScheduler
{
  GObject parent;

  guint slots;
  GPtrArray *entries; /* (element-type Entry) in the order of the queue */
  guint idle;         /* source id of the round that is due, or 0 */
};

G_DEFINE_FINAL_TYPE (MtvScheduler, mtv_scheduler, G_TYPE_OBJECT)

static void
entry_free (gpointer data)
{
  Entry *entry = data;

  g_free (entry->key);
  g_free (entry);
}

static Entry *
find (MtvScheduler *self, gpointer owner, guint *index)
{
  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = g_ptr_array_index (self->entries, i);

      if (entry->owner == owner)
        {
          if (index != NULL)
            *index = i;
          return entry;
        }
    }
  return NULL;
}

/* Slots in use and places given out, per key, as counters in one pass over the queue. */
static guint
count_up (GHashTable *counters, const char *key)
{
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (counters, key)) + 1;

  g_hash_table_insert (counters, (gpointer) key, GUINT_TO_POINTER (n));
  return n;
}

static void
assign (MtvScheduler *self)
{
  g_autoptr (GHashTable) used = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) places = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = g_ptr_array_index (self->entries, i);

      if (entry->running)
        count_up (used, entry->key);
    }
  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = g_ptr_array_index (self->entries, i);

      if (entry->running)
        continue;
      if (GPOINTER_TO_UINT (g_hash_table_lookup (used, entry->key)) < self->slots)
        {
          entry->running = TRUE;
          entry->place = 0;
          count_up (used, entry->key);
        }
      else
        entry->place = count_up (places, entry->key);
    }
}

/* With thousands in the queue, each end moves them all: those far behind are told of a tenth. */
static gboolean
is_news (const Entry *entry)
{
  return entry->place != entry->told_place
         && (entry->place <= NEAR || entry->place > entry->told_place
             || entry->place <= entry->told_place - entry->told_place / 10);
}

/* Tells one entry what it does not know yet; FALSE when all know everything. A callback may change
 * the queue, so each search begins anew. */
static gboolean
tell_one (MtvScheduler *self)
{
  for (guint i = 0; i < self->entries->len; i++)
    {
      Entry *entry = g_ptr_array_index (self->entries, i);

      if (entry->running ? entry->told : !is_news (entry))
        continue;
      entry->told = entry->running;
      entry->told_place = entry->place;
      (entry->running ? entry->granted : entry->moved) (entry->user_data);
      return TRUE;
    }
  return FALSE;
}

static gboolean
round_cb (gpointer user_data)
{
  MtvScheduler *self = user_data;

  self->idle = 0;
  assign (self);
  while (tell_one (self))
    ;
  return G_SOURCE_REMOVE;
}

static void
schedule_round (MtvScheduler *self)
{
  if (self->idle == 0)
    self->idle = g_idle_add_full (G_PRIORITY_DEFAULT, round_cb, self, NULL);
}

static void
mtv_scheduler_dispose (GObject *object)
{
  MtvScheduler *self = MTV_SCHEDULER (object);

  g_clear_handle_id (&self->idle, g_source_remove);
  g_clear_pointer (&self->entries, g_ptr_array_unref);

  G_OBJECT_CLASS (mtv_scheduler_parent_class)->dispose (object);
}

static void
mtv_scheduler_class_init (MtvSchedulerClass *klass)
{
  G_OBJECT_CLASS (klass)->dispose = mtv_scheduler_dispose;
}

static void
mtv_scheduler_init (MtvScheduler *self)
{
  self->entries = g_ptr_array_new_with_free_func (entry_free);
}

MtvScheduler *
mtv_scheduler_new (guint slots)
{
  MtvScheduler *self = g_object_new (MTV_TYPE_SCHEDULER, NULL);

  self->slots = slots;
  return self;
}

void
mtv_scheduler_set_slots (MtvScheduler *self, guint slots)
{
  g_return_if_fail (MTV_IS_SCHEDULER (self));

  self->slots = slots;
  schedule_round (self);
}

/* Behind the last of those that wait for the same that @entry may not overtake; the others have
 * been overtaken once more. */
static guint
find_place (MtvScheduler *self, const Entry *entry)
{
  guint at = self->entries->len;

  for (guint i = self->entries->len; i > 0; i--)
    {
      Entry *other = g_ptr_array_index (self->entries, i - 1);

      if (other->running || !g_str_equal (other->key, entry->key))
        continue;
      if (other->klass <= entry->klass || other->overtaken >= MTV_SCHEDULE_PATIENCE)
        break;
      other->overtaken++;
      at = i - 1;
    }
  return at;
}

void
mtv_scheduler_enter (MtvScheduler *self, gpointer owner, const char *key, MtvScheduleClass klass,
                     MtvSchedulerFunc granted, MtvSchedulerFunc moved, gpointer user_data)
{
  g_return_if_fail (MTV_IS_SCHEDULER (self));
  g_return_if_fail (find (self, owner, NULL) == NULL);

  Entry *entry = g_new0 (Entry, 1);

  entry->owner = owner;
  entry->key = g_strdup (key);
  entry->klass = klass;
  entry->granted = granted;
  entry->moved = moved;
  entry->user_data = user_data;
  g_ptr_array_insert (self->entries, (gint) find_place (self, entry), entry);
  schedule_round (self);
}

void
mtv_scheduler_leave (MtvScheduler *self, gpointer owner)
{
  g_return_if_fail (MTV_IS_SCHEDULER (self));

  guint index;

  if (find (self, owner, &index) == NULL)
    return;
  g_ptr_array_remove_index (self->entries, index);
  schedule_round (self);
}

guint
mtv_scheduler_get_place (MtvScheduler *self, gpointer owner)
{
  g_return_val_if_fail (MTV_IS_SCHEDULER (self), 0);

  Entry *entry = find (self, owner, NULL);
  return entry == NULL || entry->running ? 0 : entry->place;
}

gboolean
mtv_scheduler_has (MtvScheduler *self, gpointer owner)
{
  g_return_val_if_fail (MTV_IS_SCHEDULER (self), FALSE);

  return find (self, owner, NULL) != NULL;
}

gboolean
mtv_scheduler_has_slot (MtvScheduler *self, gpointer owner)
{
  g_return_val_if_fail (MTV_IS_SCHEDULER (self), FALSE);

  Entry *entry = find (self, owner, NULL);
  return entry != NULL && entry->told;
}
