/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-image.h"

#include "base/mtv-error.h"
#include "base/mtv-text.h"
#include "transfer/mtv-file-reader.h"
#include "transfer/mtv-image.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-nbd-server.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Bytes of an image that QEMU locks (block/file-posix.c): one for each thing it does to the image,
 * and from the second base on one for each that it does not want others to do. */
#define DOES_BASE 100
#define DENIES_BASE 200
#define READ 0
#define WRITE 1
#define RESIZE 3

/* One file of a chain. */
typedef struct
{
  char *path;
  char *format;
  char *label;
  MtvReader *file;
  MtvLibvirtQcow2 *header; /* (nullable) */
  struct stat status;
} Layer;

static void
layer_free (gpointer data)
{
  Layer *self = data;

  g_free (self->path);
  g_free (self->format);
  g_free (self->label);
  g_clear_object (&self->file);
  g_clear_pointer (&self->header, mtv_libvirt_qcow2_free);
  g_free (self);
}

static gboolean
lock_byte (int fd, int byte)
{
  struct flock lock = { .l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

  return fcntl (fd, F_OFD_SETLK, &lock) == 0;
}

static gboolean
is_locked (int fd, int byte)
{
  struct flock lock = { .l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = byte, .l_len = 1 };

  return fcntl (fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
}

/* Where the file system has no locks, QEMU goes without, too. The lock goes with the last
 * descriptor. */
static gboolean
lock (int fd, const char *label, GError **error)
{
  if (!lock_byte (fd, DOES_BASE + READ) || !lock_byte (fd, DENIES_BASE + WRITE)
      || !lock_byte (fd, DENIES_BASE + RESIZE))
    g_debug ("%s cannot be locked, ignoring: %s", label, g_strerror (errno));
  if (!is_locked (fd, DOES_BASE + WRITE) && !is_locked (fd, DOES_BASE + RESIZE)
      && !is_locked (fd, DENIES_BASE + READ))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE, "%s is being written to by a QEMU process",
               label);
  return FALSE;
}

/* A block device has no size of its own in its status. */
static gboolean
open_layer_fd (Layer *self, int fd, gboolean locked, GError **error)
{
  off_t size;

  if (fstat (fd, &self->status) != 0 || (size = lseek (fd, 0, SEEK_END)) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", self->label);
      return FALSE;
    }
  if (!S_ISREG (self->status.st_mode) && !S_ISBLK (self->status.st_mode))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is neither a file nor a block device", self->label);
      return FALSE;
    }
  if (locked && !lock (fd, self->label, error))
    return FALSE;
  self->file = (MtvReader *) mtv_file_reader_new (fd, 0, (guint64) size, self->label, error);
  return self->file != NULL;
}

static Layer *
open_layer (const char *vm, const char *path, const char *format, gboolean locked,
            GCancellable *cancellable, GError **error)
{
  Layer *self = g_new0 (Layer, 1);
  int fd = open (path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  int errnum = errno;
  gboolean ok = fd >= 0;

  self->path = g_strdup (path);
  self->format = g_strdup (format);
  self->label = g_strdup_printf ("'%s' of '%s'", path, vm);
  if (!ok)
    mtv_error_set_errno (error, errnum, "Cannot open %s on this host", self->label);
  ok = ok && open_layer_fd (self, fd, locked, error);
  if (fd >= 0)
    close (fd);
  if (ok && strcmp (format, "qcow2") == 0)
    {
      self->header = mtv_libvirt_qcow2_read (self->file, self->label, cancellable, error);
      ok = self->header != NULL;
    }
  if (!ok)
    g_clear_pointer (&self, layer_free);
  return self;
}

static gboolean
refuse (const Layer *layer, GError **error, const char *why)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s %s", layer->label, why);
  return FALSE;
}

/* The path of what is behind @layer, (nullable): nothing. */
static gboolean
find_backing (const Layer *layer, char **path, GError **error)
{
  const char *backing = layer->header != NULL ? layer->header->backing : NULL;

  *path = NULL;
  if (layer->header == NULL)
    return TRUE;
  if (layer->header->encrypted)
    return refuse (layer, error, "is an encrypted qcow2 image: decrypt it first");
  if (layer->header->has_data_file)
    return refuse (layer, error,
                   "is a qcow2 image whose data are in another file: convert it first");
  if (backing == NULL)
    return TRUE;
  if (g_str_has_prefix (backing, "file:"))
    backing += strlen ("file:");
  /* As QEMU tells a protocol from a path. */
  if (strcspn (backing, ":") < strcspn (backing, "/") && strchr (backing, ':') != NULL)
    return refuse (layer, error, "has a backing file that is not a local one: flatten it first");
  if (g_strcmp0 (layer->header->backing_format, "raw") != 0
      && g_strcmp0 (layer->header->backing_format, "qcow2") != 0)
    return refuse (layer, error,
                   "does not say that its backing file is raw or qcow2: tell it by 'qemu-img "
                   "rebase -u -F', or flatten it");
  g_autofree char *folder = g_path_get_dirname (layer->path);
  *path = g_path_is_absolute (backing) ? g_strdup (backing)
                                       : g_build_filename (folder, backing, NULL);
  return TRUE;
}

/* (element-type Layer) from the disk's image down to its base. */
static GPtrArray *
open_chain (MtvVm *vm, const MtvVmDisk *disk, gboolean locked, GCancellable *cancellable,
            GError **error)
{
  g_autoptr (GPtrArray) chain = g_ptr_array_new_with_free_func (layer_free);
  g_autofree char *path = g_strdup (disk->backing);
  const char *format = disk->format;

  while (path != NULL)
    {
      Layer *layer = open_layer (vm->name, path, format, locked, cancellable, error);
      if (layer == NULL)
        return NULL;
      g_ptr_array_add (chain, layer);
      if (chain->len == MTV_NBD_MAX_LAYERS)
        {
          refuse (layer, error, "is behind too many other images: flatten them");
          return NULL;
        }
      g_free (g_steal_pointer (&path));
      if (!find_backing (layer, &path, error))
        return NULL;
      format = layer->header != NULL ? layer->header->backing_format : NULL;
    }
  return g_steal_pointer (&chain);
}

static gboolean
check_disk (MtvVm *vm, const MtvVmDisk *disk, GError **error)
{
  if (disk->problem == NULL && disk->backing != NULL && g_path_is_absolute (disk->backing))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "Cannot read disk '%s' of '%s': %s",
               disk->id, vm->name, disk->problem != NULL ? disk->problem : "it has no path.");
  return FALSE;
}

/* Formats that libvirt has, but that are rare. What the file is has to be what libvirt says. */
static MtvReader *
open_other (const Layer *layer, GCancellable *cancellable, GError **error)
{
  MtvImage image;

  if (!mtv_image_probe (layer->file, layer->label, &image, cancellable, error))
    return NULL;
  if (strcmp (mtv_image_format_to_string (image.format), layer->format) == 0
      && image.format != MTV_IMAGE_VMDK_DESCRIPTOR && !mtv_image_is_packed (&image))
    return mtv_image_open (layer->file, &image, layer->label, cancellable, error);
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "%s cannot be read: libvirt calls it '%s', and it looks like '%s'", layer->label,
               layer->format, mtv_image_format_to_string (image.format));
  return NULL;
}

static MtvReader *
open_qcow2 (GPtrArray *chain, const char *bitmap, GArray **changes, GCancellable *cancellable,
            GError **error)
{
  MtvNbdLayer layers[MTV_NBD_MAX_LAYERS];
  const Layer *first = chain->pdata[0];

  for (guint i = 0; i < chain->len; i++)
    {
      const Layer *layer = chain->pdata[i];
      layers[i]
          = (MtvNbdLayer){ mtv_file_reader_get_fd (MTV_FILE_READER (layer->file)), layer->format };
    }
  g_autoptr (MtvNbdServer) server
      = mtv_nbd_server_new_for_chain (layers, chain->len, bitmap, first->label, cancellable, error);
  if (server == NULL)
    return NULL;
  const char *socket = mtv_nbd_server_get_socket (server);
  g_autoptr (MtvNbdDisk) reader
      = bitmap == NULL
            ? mtv_nbd_disk_new (socket, FALSE, G_OBJECT (server), first->label, error)
            : mtv_nbd_disk_new_with_bitmap (socket, bitmap, G_OBJECT (server), first->label, error);
  if (reader == NULL || bitmap == NULL)
    return (MtvReader *) g_steal_pointer (&reader);

  g_autoptr (GArray) dirty = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  if (!mtv_nbd_disk_get_changes (reader, 0, mtv_reader_get_size (MTV_READER (reader)), dirty,
                                 cancellable, error))
    return NULL;
  *changes = g_steal_pointer (&dirty);
  return (MtvReader *) g_steal_pointer (&reader);
}

/* A bitmap that was in use when QEMU ended in whatever way is incomplete; one that does not record
 * knows nothing of what came after it was stopped. */
static const char *
trusted_bitmap (const Layer *layer, const char *name)
{
  const MtvLibvirtBitmap *bitmap
      = name != NULL ? mtv_libvirt_qcow2_find_bitmap (layer->header, name) : NULL;

  return bitmap != NULL && bitmap->recording && !bitmap->in_use ? name : NULL;
}

MtvReader *
mtv_libvirt_image_open (MtvVm *vm, const MtvVmDisk *disk, const char *since, GArray **changes,
                        GCancellable *cancellable, GError **error)
{
  if (!check_disk (vm, disk, error))
    return NULL;
  g_autoptr (GPtrArray) chain = open_chain (vm, disk, TRUE, cancellable, error);
  if (chain == NULL)
    return NULL;
  const Layer *first = chain->pdata[0];
  if (strcmp (first->format, "raw") == 0)
    return g_object_ref (first->file);
  return first->header == NULL
             ? open_other (first, cancellable, error)
             : open_qcow2 (chain, trusted_bitmap (first, since), changes, cancellable, error);
}

gboolean
mtv_libvirt_image_identify (MtvVm *vm, const MtvVmDisk *disk, GString *identity,
                            GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) chain
      = check_disk (vm, disk, error) ? open_chain (vm, disk, FALSE, cancellable, error) : NULL;

  for (guint i = 0; chain != NULL && i < chain->len; i++)
    {
      const Layer *layer = chain->pdata[i];
      g_string_append_printf (identity,
                              "%s %s %" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT " %" G_GINT64_FORMAT
                              ".%09ld\n",
                              layer->path, layer->format, (guint64) layer->status.st_ino,
                              mtv_reader_get_size (layer->file),
                              (gint64) layer->status.st_mtim.tv_sec, layer->status.st_mtim.tv_nsec);
    }
  return chain != NULL;
}

MtvLibvirtQcow2 *
mtv_libvirt_image_look (MtvVm *vm, const MtvVmDisk *disk, GCancellable *cancellable, GError **error)
{
  if (!check_disk (vm, disk, error))
    return NULL;
  Layer *layer = open_layer (vm->name, disk->backing, disk->format, FALSE, cancellable, error);
  if (layer == NULL)
    return NULL;
  MtvLibvirtQcow2 *header = g_steal_pointer (&layer->header);
  layer_free (layer);
  return header;
}

/* QEMU locks the image while it writes to it: a VM that is started meanwhile has its way, or
 * fails to start. */
static gboolean
run_qemu_img (const char *path, const char *bitmap, const char *label, GCancellable *cancellable,
              GError **error)
{
  g_autofree char *quoted = mtv_text_quote (path);
  g_autofree char *image = g_strdup_printf (
      "json:{\"driver\":\"qcow2\",\"backing\":null,\"file\":{\"driver\":\"file\",\"filename\":%s}}",
      quoted);
  const char *const argv[] = { "qemu-img", "bitmap", "--remove", image, bitmap, NULL };
  g_autoptr (GError) local = NULL;
  g_autoptr (GSubprocess) child = g_subprocess_newv (
      argv, G_SUBPROCESS_FLAGS_STDERR_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE, &local);
  g_autofree char *said = NULL;

  if (child != NULL && g_subprocess_communicate_utf8 (child, NULL, cancellable, NULL, &said, &local)
      && g_subprocess_get_successful (child))
    return TRUE;
  gboolean denied = said != NULL && strstr (said, "Permission denied") != NULL;
  g_set_error (error, MTV_ERROR,
               g_cancellable_is_cancelled (cancellable) ? MTV_ERROR_CANCELLED
               : denied                                 ? MTV_ERROR_PERMISSION_DENIED
                                                        : MTV_ERROR_FAILED,
               "Cannot remove the bitmap '%s' from %s: %s", bitmap, label,
               local != NULL  ? local->message
               : said != NULL ? g_strstrip (said)
                              : "qemu-img failed");
  return FALSE;
}

gboolean
mtv_libvirt_image_remove_bitmap (MtvVm *vm, const MtvVmDisk *disk, const char *name,
                                 GCancellable *cancellable, GError **error)
{
  g_autofree char *label = g_strdup_printf ("'%s' of '%s'", disk->backing, vm->name);
  g_autoptr (GError) local = NULL;
  g_autoptr (MtvLibvirtQcow2) header = mtv_libvirt_image_look (vm, disk, cancellable, &local);

  if (g_error_matches (local, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    return TRUE; /* the bitmap is gone with its image */
  if (local != NULL)
    {
      g_propagate_prefixed_error (error, g_steal_pointer (&local),
                                  "Cannot remove the bitmap '%s': ", name);
      return FALSE;
    }
  if (header == NULL || mtv_libvirt_qcow2_find_bitmap (header, name) == NULL)
    return TRUE;
  return run_qemu_img (disk->backing, name, label, cancellable, error);
}
