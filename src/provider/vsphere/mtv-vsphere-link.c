/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-link.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-se-sparse.h"

#define MAX_DIRECTORY (64 * 1024 * 1024) /* bytes */
#define MAX_TABLES (16 * 1024 * 1024)    /* bytes of tables that are kept */

struct _MtvVsphereLink
{
  MtvReader *file;               /* (owned) */
  const MtvSparseFormat *format; /* (unowned) */
  char *label;                   /* (owned) */
  MtvSparseLayout layout;
  guint8 *directory; /* (owned) */

  GMutex lock;        /* for these two */
  GHashTable *tables; /* (owned) (element-type guint64 GBytes) number to entries */
  GQueue order;       /* (element-type guint64) of the keys of tables, the oldest first */
};

static gboolean
check_inside (const MtvVsphereLink *self, guint64 position, guint64 length, const char *what,
              GError **error)
{
  guint64 size = mtv_reader_get_size (self->file);

  if (length <= size && position <= size - length)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s has a %s at byte %" G_GUINT64_FORMAT ", outside of the file", self->label, what,
               position);
  return FALSE;
}

static gboolean
load (MtvVsphereLink *self, GCancellable *cancellable, GError **error)
{
  g_autofree guint8 *header = g_malloc (self->format->header);
  guint64 length;

  if (!check_inside (self, 0, self->format->header, "header", error)
      || !mtv_reader_read (self->file, 0, header, self->format->header, cancellable, error)
      || !self->format->parse (header, self->label, &self->layout, error))
    return FALSE;
  if (self->layout.state > 0
      && (!check_inside (self, self->layout.state, MTV_VMDK_SECTOR, "volatile header", error)
          || !mtv_reader_read (self->file, self->layout.state, header, MTV_VMDK_SECTOR, cancellable,
                               error)
          || !mtv_se_sparse_check_state (header, self->label, error)))
    return FALSE;

  length = self->layout.n_tables * self->format->entry;
  if (length > MAX_DIRECTORY)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s has a grain directory of %" G_GUINT64_FORMAT " bytes", self->label, length);
      return FALSE;
    }
  if (!check_inside (self, self->layout.directory, length, "grain directory", error))
    return FALSE;
  self->directory = g_malloc (length);
  return mtv_reader_read (self->file, self->layout.directory, self->directory, length, cancellable,
                          error);
}

MtvVsphereLink *
mtv_vsphere_link_new (MtvReader *file, const MtvSparseFormat *format, const char *label,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvVsphereLink) self = g_new0 (MtvVsphereLink, 1);

  self->file = g_object_ref (file);
  self->format = format;
  self->label = g_strdup (label);
  g_mutex_init (&self->lock);
  self->tables
      = g_hash_table_new_full (g_int64_hash, g_int64_equal, g_free, (GDestroyNotify) g_bytes_unref);
  g_queue_init (&self->order);
  return load (self, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

void
mtv_vsphere_link_free (MtvVsphereLink *self)
{
  g_object_unref (self->file);
  g_free (self->label);
  g_free (self->directory);
  g_queue_clear (&self->order); /* the keys are the table's */
  g_hash_table_unref (self->tables);
  g_mutex_clear (&self->lock);
  g_free (self);
}

guint64
mtv_vsphere_link_get_capacity (MtvVsphereLink *self)
{
  return self->layout.capacity;
}

MtvReader *
mtv_vsphere_link_get_file (MtvVsphereLink *self)
{
  return self->file;
}

static GBytes *
find_table (MtvVsphereLink *self, guint64 number)
{
  GBytes *table;

  g_mutex_lock (&self->lock);
  table = g_hash_table_lookup (self->tables, &number);
  if (table)
    g_bytes_ref (table);
  g_mutex_unlock (&self->lock);
  return table;
}

static void
keep_table (MtvVsphereLink *self, guint64 number, GBytes *table)
{
  guint max = MAX_TABLES / (self->format->entry * self->format->entries);

  g_mutex_lock (&self->lock);
  if (!g_hash_table_contains (self->tables, &number))
    {
      guint64 *key = g_memdup2 (&number, sizeof number);

      g_queue_push_tail (&self->order, key);
      g_hash_table_insert (self->tables, key, g_bytes_ref (table));
    }
  while (g_queue_get_length (&self->order) > max)
    g_hash_table_remove (self->tables, g_queue_pop_head (&self->order));
  g_mutex_unlock (&self->lock);
}

/* (transfer full) */
static GBytes *
get_table (MtvVsphereLink *self, guint64 number, guint64 position, GCancellable *cancellable,
           GError **error)
{
  gsize length = (gsize) self->format->entry * self->format->entries;
  GBytes *table = find_table (self, number);

  if (table)
    return table;
  if (!check_inside (self, position, length, "grain table", error))
    return NULL;
  g_autofree guint8 *entries = g_malloc (length);
  if (!mtv_reader_read (self->file, position, entries, length, cancellable, error))
    return NULL;
  table = g_bytes_new_take (g_steal_pointer (&entries), length);
  keep_table (self, number, table);
  return table;
}

/* Where tables of which there is nothing end, from table @number on: at most at byte @end. */
static gboolean
skip_empty_tables (MtvVsphereLink *self, guint64 number, guint64 end, guint64 *to, GError **error)
{
  guint64 bytes = self->layout.grain * self->format->entries; /* of the disk in a table */
  guint64 position = 0;

  while (position == 0 && number < self->layout.n_tables && number * bytes < end)
    {
      if (!self->format->table_at (&self->layout, self->directory + number * self->format->entry,
                                   self->label, &position, error))
        return FALSE;
      if (position == 0)
        number++;
    }
  *to = MIN (end, number * bytes);
  return TRUE;
}

typedef struct
{
  MtvGrainKind kind;
  guint64 position;
} Grain;

/* From grain @i of @table on, those that are of a piece. */
static gboolean
count_grains (MtvVsphereLink *self, GBytes *table, guint i, guint64 max, Grain *first, guint64 *n,
              GError **error)
{
  const guint8 *entries = g_bytes_get_data (table, NULL);

  for (*n = 0; *n < max && i + *n < self->format->entries; (*n)++)
    {
      Grain grain;

      if (!self->format->grain_at (&self->layout, entries + (i + *n) * self->format->entry,
                                   self->label, &grain.kind, &grain.position, error)
          || (grain.kind == MTV_GRAIN_DATA
              && !check_inside (self, grain.position, MTV_VMDK_SECTOR, "grain", error)))
        return FALSE;
      if (*n == 0)
        *first = grain;
      else if (grain.kind != first->kind
               || (grain.kind == MTV_GRAIN_DATA
                   && grain.position != first->position + *n * self->layout.grain))
        break;
    }
  return TRUE;
}

gboolean
mtv_vsphere_link_look_up (MtvVsphereLink *self, guint64 offset, guint64 length, MtvGrainKind *kind,
                          guint64 *position, guint64 *run, GCancellable *cancellable,
                          GError **error)
{
  guint64 grain_bytes = self->layout.grain;
  guint64 number = offset / (grain_bytes * self->format->entries);
  guint64 end = offset + length;
  guint64 table_position;
  Grain first = { 0 };
  guint64 n;

  g_return_val_if_fail (length > 0 && offset < self->layout.capacity, FALSE);

  *kind = MTV_GRAIN_PARENT;
  if (!skip_empty_tables (self, number, end, &end, error))
    return FALSE;
  *run = end - MIN (offset, end);
  if (end > offset)
    return TRUE;
  if (!self->format->table_at (&self->layout, self->directory + number * self->format->entry,
                               self->label, &table_position, error))
    return FALSE;

  g_autoptr (GBytes) table = get_table (self, number, table_position, cancellable, error);
  guint64 within = offset % grain_bytes;
  if (!table
      || !count_grains (self, table, offset / grain_bytes % self->format->entries,
                        (within + length + grain_bytes - 1) / grain_bytes, &first, &n, error))
    return FALSE;
  *kind = first.kind;
  *position = first.position + within;
  *run = MIN (length, n * grain_bytes - within);
  return *kind != MTV_GRAIN_DATA || check_inside (self, *position, *run, "grain", error);
}
