/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ova-disk.h"

#include "base/mtv-error.h"
#include "transfer/mtv-concat-reader.h"
#include "transfer/mtv-file-reader.h"
#include "transfer/mtv-gzip-reader.h"
#include "transfer/mtv-image.h"
#include "transfer/mtv-vmdk-header.h"
#include "transfer/mtv-vmdk-reader.h"

#define SECTOR 512

/* Of a VMDK up to this size the grain tables (8 MiB of them at most) are read to tell how much data
 * it holds; larger ones would keep a refresh waiting. */
#define MAX_COUNTED (G_GUINT64_CONSTANT (128) << 30)
#define ROUND_UP(n) (((n) + SECTOR - 1) / SECTOR * SECTOR)

/* One disk on its way from stored files to what the guest sees. */
typedef struct
{
  MtvOvaPackage *package; /* (unowned) */
  const MtvOvfDisk *source;
  GPtrArray *names; /* of the stored files, chunks in order */
  char *label;
  MtvReader *stored; /* their bytes as one */
  MtvImage image;    /* what they are */
  GCancellable *cancellable;
} Disk;

static void
disk_clear (Disk *disk)
{
  g_clear_pointer (&disk->names, g_ptr_array_unref);
  g_clear_pointer (&disk->label, g_free);
  g_clear_object (&disk->stored);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Disk, disk_clear)

static MtvReader *
concatenate (GPtrArray *parts, guint64 size)
{
  return MTV_READER (mtv_concat_reader_new (parts, size));
}

static MtvReader *
open_files (MtvOvaPackage *package, GPtrArray *names, GError **error)
{
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_object_unref);

  if (names->len == 1)
    return mtv_ova_package_open_file (package, names->pdata[0], error);
  for (guint i = 0; i < names->len; i++)
    {
      MtvReader *part = mtv_ova_package_open_file (package, names->pdata[i], error);
      if (part == NULL)
        return NULL;
      g_ptr_array_add (parts, part);
    }
  return concatenate (parts, 0);
}

/* @disk is cleared by the caller, also when this fails. */
static gboolean
disk_find (Disk *disk, GError **error)
{
  disk->names = mtv_ova_package_list_files (disk->package, disk->source, error);
  if (disk->names == NULL)
    return FALSE;
  if (disk->names->len == 0)
    return TRUE;

  disk->label = mtv_ova_package_describe (
      disk->package, disk->names->len == 1 ? disk->names->pdata[0] : disk->source->href);
  disk->stored = open_files (disk->package, disk->names, error);
  if (disk->stored == NULL
      || !mtv_image_probe (disk->stored, disk->label, &disk->image, disk->cancellable, error))
    return FALSE;
  if (!mtv_image_is_packed (&disk->image) || disk->image.format == MTV_IMAGE_GZIP)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s is packed with %s: unpack it first",
               disk->label, mtv_image_format_to_string (disk->image.format));
  return FALSE;
}

static MtvVmdkDescriptor *
load_descriptor (Disk *disk, GError **error)
{
  guint64 size = mtv_reader_get_size (disk->stored);

  if (size > MTV_VMDK_MAX_DESCRIPTOR)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s is a VMDK descriptor of %" G_GUINT64_FORMAT " bytes, more than %d",
                   disk->label, size, MTV_VMDK_MAX_DESCRIPTOR);
      return NULL;
    }
  g_autofree char *text = g_malloc (size);
  if (!mtv_reader_read (disk->stored, 0, text, size, disk->cancellable, error))
    return NULL;
  return mtv_vmdk_descriptor_parse (text, size, disk->label, error);
}

/* Extents lie beside their descriptor. */
static char *
extent_name (Disk *disk, const MtvVmdkExtent *extent)
{
  g_autofree char *folder = g_path_get_dirname (disk->names->pdata[0]);

  return g_strcmp0 (folder, ".") == 0 ? g_strdup (extent->file)
                                      : g_strconcat (folder, "/", extent->file, NULL);
}

static gboolean
check_extent_size (guint64 has, guint64 needs, const char *what, GError **error)
{
  if (has >= needs)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s has %" G_GUINT64_FORMAT " bytes of the %" G_GUINT64_FORMAT
               " that its VMDK descriptor tells",
               what, has, needs);
  return FALSE;
}

static MtvReader *
open_extent (Disk *disk, const MtvVmdkExtent *extent, GError **error)
{
  guint64 size = extent->sectors * SECTOR;

  if (extent->type == MTV_VMDK_EXTENT_ZERO)
    {
      g_autoptr (GPtrArray) nothing = g_ptr_array_new ();
      return concatenate (nothing, size);
    }

  g_autofree char *name = extent_name (disk, extent);
  g_autofree char *what = mtv_ova_package_describe (disk->package, name);
  g_autoptr (MtvReader) file = mtv_ova_package_open_file (disk->package, name, error);
  if (file == NULL)
    return NULL;
  if (extent->type == MTV_VMDK_EXTENT_SPARSE)
    {
      g_autoptr (MtvVmdkReader) sparse = mtv_vmdk_reader_new (file, what, disk->cancellable, error);
      guint64 has = sparse != NULL ? mtv_reader_get_size (MTV_READER (sparse)) : 0;

      if (sparse == NULL || !check_extent_size (has, size, what, error)
          || !check_extent_size (size, has, what, error))
        return NULL;
      return MTV_READER (g_steal_pointer (&sparse));
    }

  guint64 offset = extent->offset * SECTOR;
  MtvFileReader *flat = MTV_FILE_READER (file);
  if (!check_extent_size (mtv_reader_get_size (file), offset + size, what, error))
    return NULL;
  return (MtvReader *) mtv_file_reader_new (
      mtv_file_reader_get_fd (flat), mtv_file_reader_get_offset (flat) + offset, size, what, error);
}

static MtvReader *
open_descriptor (Disk *disk, GError **error)
{
  g_autoptr (MtvVmdkDescriptor) descriptor = load_descriptor (disk, error);
  g_autoptr (GPtrArray) parts = g_ptr_array_new_with_free_func (g_object_unref);

  for (guint i = 0; descriptor != NULL && i < descriptor->extents->len; i++)
    {
      MtvReader *part = open_extent (disk, descriptor->extents->pdata[i], error);
      if (part == NULL)
        return NULL;
      g_ptr_array_add (parts, part);
    }
  return descriptor != NULL ? concatenate (parts, 0) : NULL;
}

/* The file may be larger than the disk by its tables and by what does not compress. */
static MtvReader *
open_gzip (Disk *disk, GError **error)
{
  guint64 limit = disk->source->capacity + disk->source->capacity / 32 + 64 * 1024 * 1024;

  if (disk->source->capacity == 0)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_BAD_DATA, disk->source->capacity_problem);
      return NULL;
    }
  g_autoptr (MtvReader) content = (MtvReader *) mtv_gzip_reader_new (
      disk->stored, limit, disk->label, disk->cancellable, error);
  if (content == NULL)
    return NULL;
  return mtv_image_open_content (content, &disk->image, disk->label, disk->cancellable, error);
}

static MtvReader *
open_image (Disk *disk, GError **error)
{
  if (disk->image.format == MTV_IMAGE_VMDK_DESCRIPTOR)
    return open_descriptor (disk, error);
  if (disk->image.format == MTV_IMAGE_GZIP)
    return open_gzip (disk, error);
  return mtv_image_open (disk->stored, &disk->image, disk->label, disk->cancellable, error);
}

/* Zeroes follow where the OVF promises more than the format has. */
static MtvReader *
extend (Disk *disk, MtvReader *reader, GError **error)
{
  guint64 size = reader != NULL ? mtv_reader_get_size (reader) : 0;
  guint64 wanted = MAX (ROUND_UP (size), disk->source->capacity);
  g_autoptr (GPtrArray) parts = g_ptr_array_new ();

  if (wanted == 0 || wanted > MTV_OVF_MAX_CAPACITY)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "Disk '%s' has a capacity of %" G_GUINT64_FORMAT " bytes", disk->source->id,
                   wanted);
      return NULL;
    }
  if (wanted == size)
    return g_object_ref (reader);
  if (reader != NULL)
    g_ptr_array_add (parts, reader);
  return concatenate (parts, wanted);
}

MtvReader *
mtv_ova_disk_open (MtvOvaPackage *package, const MtvOvfDisk *source, GCancellable *cancellable,
                   GError **error)
{
  g_auto (Disk) disk = { .package = package, .source = source, .cancellable = cancellable };
  g_autoptr (MtvReader) reader = NULL;

  if (source->problem != NULL)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, source->problem);
      return NULL;
    }
  if (!disk_find (&disk, error))
    return NULL;
  if (disk.stored != NULL)
    {
      reader = open_image (&disk, error);
      if (reader == NULL)
        return NULL;
    }
  return extend (&disk, reader, error);
}

static guint64
sum_extents (MtvVmdkDescriptor *descriptor)
{
  guint64 sum = 0;

  for (guint i = 0; i < descriptor->extents->len; i++)
    sum += ((MtvVmdkExtent *) descriptor->extents->pdata[i])->sectors * SECTOR;
  return sum;
}

static guint64
sum_data (MtvReader *reader, GCancellable *cancellable)
{
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  guint64 size = mtv_reader_get_size (reader);
  guint64 sum = 0;

  if (!mtv_reader_extents (reader, 0, size, extents, cancellable, NULL))
    return 0; /* not known */
  for (guint i = 0; i < extents->len; i++)
    if (!g_array_index (extents, MtvExtent, i).zero)
      sum += g_array_index (extents, MtvExtent, i).length;
  return sum;
}

/* What the headers of a stored disk tell about the disk in it. */
static gboolean
look_inside (Disk *disk, MtvVmDisk *vm_disk, GError **error)
{
  if (!disk_find (disk, error))
    return FALSE;
  if (disk->stored == NULL || mtv_image_is_packed (&disk->image))
    return TRUE;

  vm_disk->format = g_strdup (mtv_image_format_to_string (disk->image.format));
  if (disk->image.format == MTV_IMAGE_RAW)
    disk->image.allocated = sum_data (disk->stored, disk->cancellable);
  if (disk->image.format == MTV_IMAGE_VMDK && disk->image.capacity <= MAX_COUNTED)
    {
      g_autoptr (MtvReader) reader = open_image (disk, error);

      if (reader == NULL)
        return FALSE;
      disk->image.allocated = sum_data (reader, disk->cancellable);
    }
  if (disk->image.format == MTV_IMAGE_VMDK_DESCRIPTOR)
    {
      g_autoptr (MtvVmdkDescriptor) descriptor = load_descriptor (disk, error);
      g_autoptr (GPtrArray) files = NULL;

      if (descriptor == NULL)
        return FALSE;
      files = mtv_ova_disk_list_files (disk->package, disk->source, disk->cancellable, error);
      if (files == NULL)
        return FALSE;
      disk->image.capacity = sum_extents (descriptor);
    }
  if (disk->image.capacity > MTV_OVF_MAX_CAPACITY)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s holds a disk of %" G_GUINT64_FORMAT " bytes, more than the 64 TiB that a "
                   "disk can have",
                   disk->label, disk->image.capacity);
      return FALSE;
    }
  return TRUE;
}

gboolean
mtv_ova_disk_probe (MtvOvaPackage *package, const MtvOvfDisk *source, MtvVmDisk *disk,
                    GCancellable *cancellable, GError **error)
{
  g_auto (Disk) self = { .package = package, .source = source, .cancellable = cancellable };
  g_autoptr (GError) local_error = NULL;

  if (source->problem != NULL)
    return TRUE;
  if (!look_inside (&self, disk, &local_error))
    {
      if (g_error_matches (local_error, MTV_ERROR, MTV_ERROR_CANCELLED)
          || g_error_matches (local_error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      g_free (disk->problem);
      disk->problem = g_strdup (local_error->message);
      return TRUE;
    }

  if (self.image.capacity > 0)
    {
      g_clear_pointer (&disk->problem, g_free);
      disk->capacity = MAX (ROUND_UP (self.image.capacity), source->capacity);
    }
  if (disk->allocated == 0)
    disk->allocated = MIN (self.image.allocated, disk->capacity);
  return TRUE;
}

GPtrArray *
mtv_ova_disk_list_files (MtvOvaPackage *package, const MtvOvfDisk *source,
                         GCancellable *cancellable, GError **error)
{
  g_auto (Disk) disk = { .package = package, .source = source, .cancellable = cancellable };
  g_autoptr (MtvVmdkDescriptor) descriptor = NULL;

  if (!disk_find (&disk, error))
    return NULL;
  if (disk.stored == NULL || disk.image.format != MTV_IMAGE_VMDK_DESCRIPTOR)
    return g_steal_pointer (&disk.names);

  descriptor = load_descriptor (&disk, error);
  if (descriptor == NULL)
    return NULL;
  for (guint i = 0; i < descriptor->extents->len; i++)
    {
      const MtvVmdkExtent *extent = descriptor->extents->pdata[i];
      if (extent->type == MTV_VMDK_EXTENT_ZERO)
        continue;

      g_autofree char *name = extent_name (&disk, extent);
      g_autoptr (MtvReader) file = mtv_ova_package_open_file (package, name, error);
      if (file == NULL)
        return NULL;
      g_ptr_array_add (disk.names, g_steal_pointer (&name));
    }
  return g_steal_pointer (&disk.names);
}
