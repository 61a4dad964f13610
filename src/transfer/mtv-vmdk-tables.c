/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-tables.h"

#include "base/mtv-error.h"

#define CACHE_SIZE (4 * 1024 * 1024) /* bytes of grain tables in memory */

typedef struct
{
  guint64 table;
  guint32 *entries; /* (owned) (nullable) */
} Slot;

struct _MtvVmdkTables
{
  MtvReader *file;   /* (unowned) */
  const char *label; /* (unowned) */
  MtvVmdkHeader header;
  guint64 n_grains;
  guint64 n_tables;
  guint64 file_sectors; /* the last one may be short */

  guint32 *directory; /* (owned) (nullable) n_tables sectors */
  guint32 *redundant; /* (owned) (nullable) the same for the second set of tables */
  GArray *stream;     /* (owned) (nullable) of MtvVmdkStreamGrain, instead of directories */

  GMutex lock;
  Slot *slots; /* (owned) table t is in slot t % n_slots */
  guint64 n_slots;
  /* Uncompressed grains do not say whose they are; one bit for each place in the file that one
   * can have tells when a second one claims it. Counted once a table. */
  guint8 *claimed; /* (owned) (nullable) */
  guint8 *counted; /* (owned) (nullable) */
};

static guint64
directory_sectors (const MtvVmdkTables *self)
{
  return (self->n_tables * 4 + MTV_VMDK_SECTOR - 1) / MTV_VMDK_SECTOR;
}

static guint64
table_sectors (const MtvVmdkTables *self)
{
  return (guint64) self->header.table_entries * 4 / MTV_VMDK_SECTOR;
}

/* @count 32-bit numbers from @sector on. */
static guint32 *
read_numbers (MtvVmdkTables *self, guint64 sector, guint64 count, const char *what,
              GCancellable *cancellable, GError **error)
{
  guint64 size = mtv_reader_get_size (self->file);

  if (sector == 0 || sector > self->file_sectors
      || count * 4 > size - MIN (size, sector * MTV_VMDK_SECTOR))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s has its %s at sector %" G_GUINT64_FORMAT ", outside of the file",
                   self->label, what, sector);
      return NULL;
    }

  g_autofree guint32 *numbers = g_new (guint32, MAX (count, 1));
  if (!mtv_reader_read (self->file, sector * MTV_VMDK_SECTOR, numbers, count * 4, cancellable,
                        error))
    return NULL;
  for (guint64 i = 0; i < count; i++)
    numbers[i] = GUINT32_FROM_LE (numbers[i]);
  return g_steal_pointer (&numbers);
}

static guint32 *
read_directory (MtvVmdkTables *self, guint64 sector, GCancellable *cancellable, GError **error)
{
  g_autofree guint32 *tables
      = read_numbers (self, sector, self->n_tables, "grain directory", cancellable, error);

  for (guint64 i = 0; tables && i < self->n_tables; i++)
    if (tables[i] != 0 && tables[i] + table_sectors (self) > self->file_sectors)
      {
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                     "%s has grain table %" G_GUINT64_FORMAT " at sector %u, outside of the file",
                     self->label, i, tables[i]);
        return NULL;
      }
  return g_steal_pointer (&tables);
}

/* Bytes of the disk in @grain; only the last one can be short. */
static guint64
grain_length (const MtvVmdkTables *self, guint64 grain)
{
  guint64 start = grain * self->header.grain_size;

  return MIN (self->header.grain_size, self->header.capacity - start) * MTV_VMDK_SECTOR;
}

static gboolean
overlaps (guint64 a, guint64 a_length, guint64 b, guint64 b_length)
{
  return a < b + b_length && b < a + a_length;
}

/* NULL, or what is wrong with a grain of @table being at @sector. */
static const char *
check_place (const MtvVmdkTables *self, guint64 grain, guint64 sector, guint64 table_sector)
{
  guint64 length = self->header.compressed ? MTV_VMDK_SECTOR : grain_length (self, grain);
  guint64 sectors = length / MTV_VMDK_SECTOR;

  if (sector * MTV_VMDK_SECTOR + length > mtv_reader_get_size (self->file))
    return "past the end of the file";
  if (sector < MAX (self->header.overhead, 1)
      || overlaps (sector, sectors, table_sector, table_sectors (self))
      || overlaps (sector, sectors, self->header.gd_offset, directory_sectors (self)))
    return "inside the header or the tables";
  return NULL;
}

static gboolean
check_table (MtvVmdkTables *self, guint64 table, guint64 table_sector, const guint32 *entries,
             GError **error)
{
  guint64 first = table * self->header.table_entries;

  for (guint64 i = 0; i < self->header.table_entries && first + i < self->n_grains; i++)
    {
      if (entries[i] == MTV_VMDK_GRAIN_NONE
          || (entries[i] == MTV_VMDK_GRAIN_ZERO && self->header.zeroed_grains))
        continue;

      const char *wrong = check_place (self, first + i, entries[i], table_sector);
      if (!wrong)
        continue;
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s has grain %" G_GUINT64_FORMAT " at byte %" G_GUINT64_FORMAT ", %s",
                   self->label, first + i, (guint64) entries[i] * MTV_VMDK_SECTOR, wrong);
      return FALSE;
    }
  return TRUE;
}

static guint32 *
read_table_at (MtvVmdkTables *self, guint64 table, guint32 sector, GCancellable *cancellable,
               GError **error)
{
  if (sector == 0)
    return g_new0 (guint32, self->header.table_entries);

  g_autofree guint32 *entries
      = read_numbers (self, sector, self->header.table_entries, "grain table", cancellable, error);
  if (!entries || !check_table (self, table, sector, entries, error))
    return NULL;
  /* What the last table has past the end of the disk means nothing. */
  for (guint64 i = self->n_grains - table * self->header.table_entries;
       i < self->header.table_entries; i++)
    entries[i] = MTV_VMDK_GRAIN_NONE;
  return g_steal_pointer (&entries);
}

static guint32 *
read_table (MtvVmdkTables *self, guint64 table, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) own_error = NULL;
  guint32 *entries = read_table_at (self, table, self->directory[table], cancellable, &own_error);

  if (own_error != NULL && self->redundant && !g_cancellable_is_cancelled (cancellable))
    {
      g_debug ("%s, trying the redundant one", own_error->message);
      entries = read_table_at (self, table, self->redundant[table], cancellable, NULL);
    }
  if (!entries)
    g_propagate_error (error, g_steal_pointer (&own_error));
  return entries;
}

static gboolean
test_and_set (guint8 *bits, guint64 bit)
{
  gboolean was = bits[bit / 8] >> bit % 8 & 1;

  bits[bit / 8] |= 1 << bit % 8;
  return was;
}

/* Called with the lock held. Two grains that do not overlap never begin in the same grain-sized
 * stretch of the file. */
static gboolean
claim_places (MtvVmdkTables *self, guint64 table, const guint32 *entries, GError **error)
{
  if (!self->claimed || test_and_set (self->counted, table))
    return TRUE;
  for (guint i = 0; i < self->header.table_entries; i++)
    if (entries[i] > MTV_VMDK_GRAIN_ZERO
        && test_and_set (self->claimed, entries[i] / self->header.grain_size))
      {
        self->counted[table / 8] &= ~(1 << table % 8); /* the next reader is told, too */
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                     "%s has more than one grain at byte %" G_GUINT64_FORMAT, self->label,
                     (guint64) entries[i] * MTV_VMDK_SECTOR);
        return FALSE;
      }
  return TRUE;
}

/* Copies @n entries of @table from its @from-th on. Reads without the lock: a second thread that
 * misses the same table reads it as well, which is rare and harmless. */
static gboolean
lookup_in_table (MtvVmdkTables *self, guint64 table, gsize from, gsize n, guint32 *values,
                 GCancellable *cancellable, GError **error)
{
  Slot *slot = &self->slots[table % self->n_slots];

  g_mutex_lock (&self->lock);
  gboolean hit = slot->entries && slot->table == table;
  if (hit)
    memcpy (values, slot->entries + from, n * sizeof *values);
  g_mutex_unlock (&self->lock);
  if (hit)
    return TRUE;

  g_autofree guint32 *entries = read_table (self, table, cancellable, error);
  if (!entries)
    return FALSE;
  memcpy (values, entries + from, n * sizeof *values);

  g_mutex_lock (&self->lock);
  gboolean good = claim_places (self, table, entries, error);
  if (good)
    {
      g_free (slot->entries);
      slot->entries = g_steal_pointer (&entries);
      slot->table = table;
    }
  g_mutex_unlock (&self->lock);
  return good;
}

/* Index in the list of the first grain that is not before @grain. */
static guint
stream_find (const MtvVmdkTables *self, guint64 grain)
{
  guint low = 0;

  for (guint high = self->stream->len; low < high;)
    {
      guint middle = low + (high - low) / 2;

      if (g_array_index (self->stream, MtvVmdkStreamGrain, middle).grain < grain)
        low = middle + 1;
      else
        high = middle;
    }
  return low;
}

static void
lookup_in_stream (MtvVmdkTables *self, guint64 first, gsize n, guint32 *values)
{
  memset (values, 0, n * sizeof *values);
  for (guint i = stream_find (self, first); i < self->stream->len; i++)
    {
      const MtvVmdkStreamGrain *grain = &g_array_index (self->stream, MtvVmdkStreamGrain, i);

      if (grain->grain >= first + n)
        return;
      values[grain->grain - first] = grain->sector;
    }
}

gboolean
mtv_vmdk_tables_lookup (MtvVmdkTables *self, guint64 first, gsize n, guint32 *values,
                        GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (n <= self->n_grains && first <= self->n_grains - n, FALSE);

  if (self->stream)
    {
      lookup_in_stream (self, first, n, values);
      return TRUE;
    }
  for (gsize done = 0; done < n;)
    {
      guint64 table = (first + done) / self->header.table_entries;
      gsize from = (first + done) % self->header.table_entries;
      gsize step = MIN (n - done, self->header.table_entries - from);

      if (self->directory[table] == 0)
        memset (values + done, 0, step * sizeof *values);
      else if (!lookup_in_table (self, table, from, step, values + done, cancellable, error))
        return FALSE;
      done += step;
    }
  return TRUE;
}

guint64
mtv_vmdk_tables_skip (MtvVmdkTables *self, guint64 first)
{
  if (self->stream)
    {
      guint i = stream_find (self, first);

      return i < self->stream->len ? g_array_index (self->stream, MtvVmdkStreamGrain, i).grain
                                   : self->n_grains;
    }

  guint64 table = first / self->header.table_entries;
  if (table >= self->n_tables || self->directory[table] != 0)
    return first;
  while (table < self->n_tables && self->directory[table] == 0)
    table++;
  return MIN (table * self->header.table_entries, self->n_grains);
}

/* Replaces gd_offset by that of the footer, the last but one sector of a stream. FALSE: there is no
 * footer that fits the header. */
static gboolean
read_footer (MtvVmdkTables *self, GCancellable *cancellable, GError **error)
{
  guint64 size = mtv_reader_get_size (self->file);
  guint8 bytes[3 * MTV_VMDK_SECTOR]; /* marker, footer, end-of-stream marker */
  MtvVmdkHeader footer;

  if (size < sizeof bytes + MTV_VMDK_SECTOR)
    return FALSE;
  if (!mtv_reader_read (self->file, size - sizeof bytes, bytes, sizeof bytes, cancellable, error))
    return FALSE;
  if (mtv_vmdk_get32 (bytes + 8) != 0 || mtv_vmdk_get32 (bytes + 12) != 3
      || mtv_vmdk_get32 (bytes + 2 * MTV_VMDK_SECTOR + 8) != 0
      || mtv_vmdk_get32 (bytes + 2 * MTV_VMDK_SECTOR + 12) != 0
      || !mtv_vmdk_header_parse (bytes + MTV_VMDK_SECTOR, self->label, &footer, NULL)
      || footer.capacity != self->header.capacity || footer.grain_size != self->header.grain_size
      || footer.table_entries != self->header.table_entries || !footer.compressed)
    return FALSE;
  self->header.gd_offset = footer.gd_offset;
  self->header.rgd_offset = footer.rgd_offset;
  return TRUE;
}

static gboolean
load_directories (MtvVmdkTables *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) own_error = NULL;

  self->directory = read_directory (self, self->header.gd_offset, cancellable, &own_error);
  if (self->header.rgd_offset != 0)
    self->redundant = read_directory (self, self->header.rgd_offset, cancellable, NULL);
  if (!self->directory && self->redundant)
    {
      g_debug ("%s, using the redundant one", own_error->message);
      self->directory = g_steal_pointer (&self->redundant);
      self->header.gd_offset = self->header.rgd_offset;
      return TRUE;
    }
  if (!self->directory)
    g_propagate_error (error, g_steal_pointer (&own_error));
  return self->directory != NULL;
}

static gboolean
load (MtvVmdkTables *self, GCancellable *cancellable, GError **error)
{
  gboolean at_end = self->header.compressed && self->header.gd_offset == MTV_VMDK_GD_AT_END;
  g_autoptr (GError) own_error = NULL;

  if (!at_end)
    return load_directories (self, cancellable, error);
  if (read_footer (self, cancellable, &own_error)
      && load_directories (self, cancellable, &own_error))
    return TRUE;
  if (own_error && !g_error_matches (own_error, MTV_ERROR, MTV_ERROR_BAD_DATA))
    {
      g_propagate_error (error, g_steal_pointer (&own_error));
      return FALSE;
    }
  g_debug ("%s has no usable grain directory, reading the markers", self->label);
  self->stream = mtv_vmdk_stream_scan (self->file, &self->header, self->label, cancellable, error);
  return self->stream != NULL;
}

MtvVmdkTables *
mtv_vmdk_tables_load (MtvReader *file, const MtvVmdkHeader *header, const char *label,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvVmdkTables) self = g_new0 (MtvVmdkTables, 1);
  guint64 per_table = header->table_entries;

  g_mutex_init (&self->lock);
  self->file = file;
  self->label = label;
  self->header = *header;
  self->n_grains = (header->capacity + header->grain_size - 1) / header->grain_size;
  self->n_tables = (self->n_grains + per_table - 1) / per_table;
  self->file_sectors = (mtv_reader_get_size (file) + MTV_VMDK_SECTOR - 1) / MTV_VMDK_SECTOR;
  if (!load (self, cancellable, error))
    return NULL;
  if (self->stream)
    return g_steal_pointer (&self);

  self->n_slots = MIN (self->n_tables, CACHE_SIZE / (per_table * sizeof (guint32)));
  self->slots = g_new0 (Slot, self->n_slots);
  if (!header->compressed)
    {
      self->claimed = g_malloc0 (self->file_sectors / header->grain_size / 8 + 1);
      self->counted = g_malloc0 (self->n_tables / 8 + 1);
    }
  return g_steal_pointer (&self);
}

void
mtv_vmdk_tables_free (MtvVmdkTables *self)
{
  for (guint64 i = 0; self->slots && i < self->n_slots; i++)
    g_free (self->slots[i].entries);
  g_free (self->slots);
  g_free (self->directory);
  g_free (self->redundant);
  g_clear_pointer (&self->stream, g_array_unref);
  g_free (self->claimed);
  g_free (self->counted);
  g_mutex_clear (&self->lock);
  g_free (self);
}
