/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-copy-run.h"

#include "base/mtv-error.h"
#include "store/mtv-store-transfers.h"
#include "transfer/mtv-manifest.h"

#include <errno.h>
#include <unistd.h>

MtvCopyRun *
mtv_copy_run_new (MtvCopyRequest *request, MtvStore *store)
{
  MtvCopyRun *self = g_new0 (MtvCopyRun, 1);

  self->request = request;
  self->store = g_object_ref (store);
  return self;
}

void
mtv_copy_run_free (MtvCopyRun *self)
{
  g_clear_pointer (&self->map, mtv_block_map_unref);
  g_clear_object (&self->store);
  mtv_copy_request_free (self->request);
  g_free (self->key);
  g_free (self);
}

/* A hash, for a URI may hold what nobody else should read. */
static char *
make_key (const MtvTransferEnds *ends, MtvHash hash)
{
  g_autofree char *text = g_strdup_printf (
      "%s\n%s\n%" G_GUINT64_FORMAT "\n%s\n%s", ends->source_key, ends->destination_key,
      mtv_reader_get_size (ends->reader), mtv_hash_to_string (hash), ends->format);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

/* The same for the destination alone. */
static char *
make_destination_key (const MtvTransferEnds *ends)
{
  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, ends->destination_key, -1);
}

/* Of a comparison, whatever its source is. */
static char *
make_compare_key (const MtvTransferEnds *ends)
{
  g_autofree char *text = g_strconcat ("compare\n", ends->destination_key, NULL);

  return g_compute_checksum_for_string (G_CHECKSUM_SHA256, text, -1);
}

gboolean
mtv_copy_run_find (MtvCopyRun *self, GCancellable *cancellable, GError **error)
{
  return mtv_transfer_ends_open_source (self->request->ends, cancellable, error)
         && mtv_transfer_ends_find_destination (self->request->ends, error);
}

/* Of several disks the one that is called as the destination. */
static const MtvManifestDisk *
find_disk (const MtvManifest *manifest, const char *destination)
{
  g_autofree char *name = g_path_get_basename (destination);

  for (guint i = 0; i < manifest->disks->len; i++)
    {
      const MtvManifestDisk *disk = g_ptr_array_index (manifest->disks, i);

      if (manifest->disks->len == 1 || g_str_equal (disk->file, name))
        return disk;
    }
  return NULL;
}

static gboolean
load_manifest (MtvCopyRun *self, GError **error)
{
  const MtvTransferEnds *ends = self->request->ends;
  g_autofree char *name = mtv_transfer_ends_describe (ends->destination);
  g_autofree char *what = g_strdup_printf ("the manifest of '%s'", name);
  g_autoptr (MtvManifest) manifest = mtv_manifest_read (self->request->manifest_in_fd, what, error);

  if (manifest == NULL)
    return FALSE;
  const MtvManifestDisk *disk = find_disk (manifest, ends->destination);
  if (disk == NULL || disk->size != mtv_reader_get_size (ends->reader))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   disk == NULL ? "%s has several disks, none of which is called as that is"
                                : "%s is of a disk of another size than the source is now",
                   what);
      return FALSE;
    }
  self->map = mtv_block_map_ref (disk->map);
  for (guint i = 0; ends->changes != NULL && i < ends->changes->len; i++)
    {
      const MtvExtent *change = &g_array_index (ends->changes, MtvExtent, i);

      mtv_block_map_forget (self->map, change->offset, change->length);
    }
  return TRUE;
}

/* What the store knows of this copy becomes the map; @known: that it was begun, if what it wrote to
 * is still there. */
static gboolean
load_progress (MtvCopyRun *self, const char *destination, gboolean *known, GError **error)
{
  MtvTransferEnds *ends = self->request->ends;
  guint64 size = mtv_reader_get_size (ends->reader);

  self->map = mtv_block_map_new (size, self->request->hash);
  self->key = make_key (ends, self->request->hash);
  g_autoptr (GPtrArray) pieces
      = mtv_store_transfer_load (self->store, self->key, destination, known, error);
  if (pieces == NULL)
    return FALSE;
  if (ends->is_file && ends->file_size != size)
    *known = FALSE;
  for (guint i = 0; *known && i < pieces->len; i++)
    if (!mtv_block_map_unpack (self->map, g_ptr_array_index (pieces, i), error))
      return FALSE;
  self->resumed = mtv_block_map_get_data_bytes (self->map);
  return TRUE;
}

/* A comparison that did not come to its end has written what the manifest does not know of: what is
 * equal to the manifest now may be other than what lies there. Then nothing of it is trusted, and
 * all is written. */
static gboolean
look_for_comparison (MtvCopyRun *self, const char *destination, GError **error)
{
  g_autofree char *key = make_compare_key (self->request->ends);
  gboolean known;
  g_autoptr (GPtrArray) pieces
      = mtv_store_transfer_load (self->store, key, destination, &known, error);

  if (pieces == NULL)
    return FALSE;
  if (known && !self->request->compare)
    {
      g_autofree char *name = mtv_transfer_ends_describe (self->request->ends->destination);
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                   "'%s' was changed by a comparison that did not end: compare it again", name);
      return FALSE;
    }
  if (known)
    mtv_block_map_forget (self->map, 0, mtv_block_map_get_disk_size (self->map));
  if (self->request->compare)
    self->key = g_steal_pointer (&key);
  return TRUE;
}

static gboolean
begin (MtvCopyRun *self, const char *destination, guint64 now, gboolean keep, GError **error)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  if (self->key != NULL)
    mtv_store_transfer_begin (batch, self->key, destination, now, keep);
  else
    mtv_store_transfer_void (batch, destination);
  return mtv_store_commit (self->store, batch, error);
}

gboolean
mtv_copy_run_prepare (MtvCopyRun *self, guint64 now, GCancellable *cancellable, GError **error)
{
  MtvTransferEnds *ends = self->request->ends;
  g_autofree char *destination = make_destination_key (ends);
  gboolean updates = self->request->compare || ends->bitmap != NULL;
  gboolean known = FALSE;

  if (self->request->manifest_in_fd >= 0)
    {
      if (!load_manifest (self, error))
        return FALSE;
    }
  else if (updates)
    self->map = mtv_block_map_new (mtv_reader_get_size (ends->reader), self->request->hash);
  else if (!load_progress (self, destination, &known, error))
    return FALSE;

  if (updates && !look_for_comparison (self, destination, error))
    return FALSE;
  if (ends->is_full && !known && !updates && !self->request->force)
    {
      g_autofree char *name = mtv_transfer_ends_describe (ends->destination);
      g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS,
                   "'%s' exists already and holds no part of this copy: it is only written over "
                   "by force",
                   name);
      return FALSE;
    }
  if (!begin (self, destination, now, known, error)
      || !mtv_transfer_ends_open_destination (ends, !known && !updates, cancellable, error))
    return FALSE;
  self->is_zero = !known && !updates && (ends->fresh || ends->is_file);
  return TRUE;
}

gboolean
mtv_copy_run_save (GBytes *blocks, gpointer user_data, GError **error)
{
  MtvCopyRun *self = user_data;
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_transfer_add (batch, self->key, blocks);
  return mtv_store_commit (self->store, batch, error);
}

static gboolean
write_manifest (MtvCopyRun *self, guint64 now, GError **error)
{
  const MtvTransferEnds *ends = self->request->ends;
  int fd = self->request->manifest_fd;
  g_autoptr (MtvManifest) manifest = mtv_manifest_new (mtv_block_map_get_hash (self->map));
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (now / G_USEC_PER_SEC);
  g_autofree char *shown = mtv_transfer_ends_describe (ends->destination);
  g_autofree char *file = g_path_get_basename (shown);

  manifest->created = g_date_time_format_iso8601 (utc);
  manifest->source = mtv_transfer_ends_describe (ends->source);
  mtv_manifest_add_disk (manifest, file, "raw", self->map);
  if (ftruncate (fd, 0) < 0)
    mtv_error_set_errno (error, errno, "Cannot write the manifest of '%s'", shown);
  else if (mtv_manifest_write (manifest, fd, error))
    {
      if (fsync (fd) == 0)
        return TRUE;
      mtv_error_set_errno (error, errno, "Cannot write the manifest of '%s'", shown);
    }
  return FALSE;
}

gboolean
mtv_copy_run_conclude (MtvCopyRun *self, guint64 now, GError **error)
{
  if (self->request->manifest_fd >= 0 && !write_manifest (self, now, error))
    return FALSE;
  if (self->key == NULL)
    return TRUE;

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_transfer_remove (batch, self->key);
  return mtv_store_commit (self->store, batch, error);
}

gboolean
mtv_copy_run_forget (MtvCopyRun *self, guint64 now, GError **error)
{
  g_autofree char *destination = make_destination_key (self->request->ends);

  return begin (self, destination, now, FALSE, error);
}
