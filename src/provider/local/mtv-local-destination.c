/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-destination.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "provider/local/mtv-local-check.h"
#include "provider/local/mtv-local-folder.h"
#include "transfer/mtv-file-writer.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-nbd-server.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIND_FOLDER "folder"

struct _MtvLocalDestination
{
  GObject parent;

  char *path;     /* (owned) absolute */
  char *identity; /* (owned) (nullable) what the folder at path must be */
  int fd;         /* (owned) of the folder, when it was handed over; else -1 */
};

static void mtv_local_destination_provider_init (MtvProviderInterface *iface);
static void mtv_local_destination_destination_init (MtvDestinationInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvLocalDestination, mtv_local_destination, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_PROVIDER,
                                                      mtv_local_destination_provider_init)
                                   G_IMPLEMENT_INTERFACE (MTV_TYPE_DESTINATION,
                                                          mtv_local_destination_destination_init))

/* A device's number may change with every boot; an inode's does not. */
static char *
identity_of (int fd)
{
  struct stat st;

  return fstat (fd, &st) == 0 ? g_strdup_printf ("inode %" G_GUINT64_FORMAT, (guint64) st.st_ino)
                              : NULL;
}

static gboolean
check_identity (MtvLocalDestination *self, int fd, GError **error)
{
  g_autofree char *identity = identity_of (fd);
  struct stat st;

  if (fstat (fd, &st) == 0 && st.st_nlink == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "The directory '%s' that was handed over was removed", self->path);
      return FALSE;
    }
  if (self->identity == NULL || g_strcmp0 (identity, self->identity) == 0)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "'%s' is not the directory any more that was handed over", self->path);
  return FALSE;
}

/* The directory, opened for one call; -1 with @error. */
static int
open_directory (MtvLocalDestination *self, GError **error)
{
  int fd = self->fd >= 0 ? fcntl (self->fd, F_DUPFD_CLOEXEC, 3)
                         : open (self->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open the directory '%s'", self->path);
      return -1;
    }
  if (check_identity (self, fd, error))
    return fd;
  close (fd);
  return -1;
}

static gboolean
local_destination_test (MtvProvider *provider, GCancellable *cancellable, GError **error)
{
  MtvLocalDestination *self = MTV_LOCAL_DESTINATION (provider);

  (void) cancellable;
  int fd = open_directory (self, error);
  if (fd < 0)
    return FALSE;
  gboolean ok = mtv_local_check_writable (fd, self->path, error);
  close (fd);
  return ok;
}

static int
local_destination_get_fd (MtvProvider *provider)
{
  return MTV_LOCAL_DESTINATION (provider)->fd;
}

static void
mtv_local_destination_provider_init (MtvProviderInterface *iface)
{
  iface->test = local_destination_test;
  iface->get_fd = local_destination_get_fd;
}

static void
local_destination_check (MtvDestination *destination, const MtvTarget *target, GPtrArray *concerns,
                         GCancellable *cancellable)
{
  MtvLocalDestination *self = MTV_LOCAL_DESTINATION (destination);
  g_autoptr (GError) error = NULL;

  (void) cancellable;
  int fd = open_directory (self, &error);
  if (fd < 0)
    {
      mtv_concerns_add (concerns, "destination.not.writable", MTV_CONCERN_CRITICAL,
                        target->vm->name, "The destination cannot be used", "%s.", error->message);
      return;
    }
  mtv_local_check (fd, self->path, target, concerns);
  close (fd);
}

static gboolean
local_destination_has_vm (MtvDestination *destination, const char *name, GCancellable *cancellable)
{
  int fd = open_directory (MTV_LOCAL_DESTINATION (destination), NULL);
  gboolean taken = fd >= 0 && mtv_local_is_taken (fd, name);

  (void) cancellable;
  if (fd >= 0)
    close (fd);
  return taken;
}

static guint64
local_destination_get_free_space (MtvDestination *destination, GCancellable *cancellable)
{
  int fd = open_directory (MTV_LOCAL_DESTINATION (destination), NULL);
  guint64 bytes = fd >= 0 ? mtv_local_free_space (fd) : G_MAXUINT64;

  (void) cancellable;
  if (fd >= 0)
    close (fd);
  return bytes;
}

static GPtrArray *
local_destination_list_objects (MtvDestination *destination, const MtvTarget *target)
{
  GPtrArray *objects = g_ptr_array_new_with_free_func (mtv_destination_object_free);
  MtvDestinationObject *folder = g_new0 (MtvDestinationObject, 1);

  (void) destination;
  folder->kind = KIND_FOLDER;
  folder->key = mtv_local_work_name (target);
  g_ptr_array_add (objects, folder);
  return objects;
}

static gboolean
local_destination_create_volumes (MtvDestination *destination, const MtvTarget *target,
                                  GCancellable *cancellable, GError **error)
{
  int fd = open_directory (MTV_LOCAL_DESTINATION (destination), error);

  if (fd < 0)
    return FALSE;
  gboolean ok = mtv_local_work_create (fd, target, cancellable, error);
  close (fd);
  return ok;
}

static int
open_work (MtvLocalDestination *self, const MtvTarget *target, GError **error)
{
  int dirfd = open_directory (self, error);

  if (dirfd < 0)
    return -1;
  int fd = mtv_local_work_open (dirfd, target, error);
  close (dirfd);
  return fd;
}

static MtvNbdServer *
serve_image (int folder, const char *file, gboolean writable, const char *label,
             GCancellable *cancellable, GError **error)
{
  MtvNbdServer *server = NULL;
  int fd
      = openat (folder, file, (writable ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);

  if (fd < 0)
    mtv_error_set_errno (error, errno, "Cannot open %s", label);
  else
    server = mtv_nbd_server_new (fd, "qcow2", writable, label, cancellable, error);
  if (fd >= 0)
    close (fd);
  return server;
}

/* qcow2 is the business of qemu-nbd, which makes it an MtvReader and, if @writable, MtvWriter. */
static MtvNbdDisk *
open_qcow2 (int folder, const char *file, guint64 size, gboolean writable, const char *label,
            GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvNbdServer) server = serve_image (folder, file, writable, label, cancellable, error);

  if (server == NULL)
    return NULL;
  g_autoptr (MtvNbdDisk) disk = mtv_nbd_disk_new (mtv_nbd_server_get_socket (server), writable,
                                                  G_OBJECT (server), label, error);
  if (disk == NULL || mtv_reader_get_size (MTV_READER (disk)) >= size)
    return g_steal_pointer (&disk);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s has %" G_GUINT64_FORMAT " bytes, not %" G_GUINT64_FORMAT, label,
               mtv_reader_get_size (MTV_READER (disk)), size);
  return NULL;
}

/* The volume of disk @index: an MtvWriter, or else an MtvReader of what is on the disk. */
static gpointer
open_volume (MtvDestination *destination, const MtvTarget *target, guint index, gboolean writable,
             GCancellable *cancellable, GError **error)
{
  const MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  g_autofree char *file = mtv_local_disk_file (target, index);
  g_autofree char *label = g_strdup_printf ("'%s' of '%s'", file, target->name);
  int fd = open_work (MTV_LOCAL_DESTINATION (destination), target, error);
  gpointer volume;

  if (fd < 0)
    return NULL;
  if (g_str_equal (target->format, "qcow2"))
    volume = open_qcow2 (fd, file, disk->size, writable, label, cancellable, error);
  else if (writable)
    volume = mtv_file_writer_new (fd, file, disk->size, label, NULL, error);
  else
    volume = mtv_file_writer_open_reader (fd, file, label, error);
  close (fd);
  return volume;
}

static MtvWriter *
local_destination_open_writer (MtvDestination *destination, const MtvTarget *target, guint disk,
                               GCancellable *cancellable, GError **error)
{
  return open_volume (destination, target, disk, TRUE, cancellable, error);
}

static MtvReader *
local_destination_open_reader (MtvDestination *destination, const MtvTarget *target, guint disk,
                               GCancellable *cancellable, GError **error)
{
  return open_volume (destination, target, disk, FALSE, cancellable, error);
}

/* A qcow2 file is locked by the qemu-nbd that writes it. */
static gboolean
local_destination_can_read_back (MtvDestination *destination, const MtvTarget *target)
{
  (void) destination;
  return g_str_equal (target->format, "raw");
}

static char *
local_destination_define (MtvDestination *destination, const MtvTarget *target,
                          GCancellable *cancellable, GError **error)
{
  MtvLocalDestination *self = MTV_LOCAL_DESTINATION (destination);
  int fd = open_directory (self, error);
  gboolean ok;

  (void) cancellable;
  if (fd < 0)
    return NULL;
  if (mtv_local_is_finished (fd, target))
    ok = mtv_io_sync_directory (fd, self->path, error);
  else
    ok = mtv_local_work_finish (fd, self->path, target, error);
  close (fd);
  return ok ? g_build_filename (self->path, target->name, NULL) : NULL;
}

static gboolean
local_destination_remove (MtvDestination *destination, const char *kind, const char *key,
                          GCancellable *cancellable, GError **error)
{
  (void) cancellable;
  if (g_strcmp0 (kind, KIND_FOLDER) != 0 || !mtv_local_is_work_name (key))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "'%s' (%s) is not something that was made on the way, and stays", key, kind);
      return FALSE;
    }

  int fd = open_directory (MTV_LOCAL_DESTINATION (destination), error);
  if (fd < 0)
    return FALSE;
  gboolean ok = mtv_io_remove_tree (fd, key, error) && mtv_io_sync_directory (fd, key, error);
  close (fd);
  return ok;
}

static void
mtv_local_destination_destination_init (MtvDestinationInterface *iface)
{
  iface->check = local_destination_check;
  iface->has_vm = local_destination_has_vm;
  iface->get_free_space = local_destination_get_free_space;
  iface->list_objects = local_destination_list_objects;
  iface->create_volumes = local_destination_create_volumes;
  iface->open_writer = local_destination_open_writer;
  iface->open_reader = local_destination_open_reader;
  iface->can_read_back = local_destination_can_read_back;
  iface->define = local_destination_define;
  iface->remove = local_destination_remove;
}

static void
mtv_local_destination_finalize (GObject *object)
{
  MtvLocalDestination *self = MTV_LOCAL_DESTINATION (object);

  if (self->fd >= 0)
    close (self->fd);
  g_free (self->path);
  g_free (self->identity);

  G_OBJECT_CLASS (mtv_local_destination_parent_class)->finalize (object);
}

static void
mtv_local_destination_class_init (MtvLocalDestinationClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_local_destination_finalize;
}

static void
mtv_local_destination_init (MtvLocalDestination *self)
{
  self->fd = -1;
}

static gboolean
check_path (const char *path, GError **error)
{
  gboolean good = path != NULL && g_path_is_absolute (path) && g_utf8_validate (path, -1, NULL);

  for (const char *c = path; good && *c != '\0'; c = g_utf8_next_char (c))
    good = !g_unichar_iscntrl (g_utf8_get_char (c));
  if (!good)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "A local destination needs the absolute path of a directory, not '%s'",
                 path != NULL ? path : "");
  return good;
}

/* Takes the folder @fd over, and notes in @config where it is. */
static gboolean
adopt_fd (MtvLocalDestination *self, MtvProviderConfig *config, int fd, GError **error)
{
  g_autofree char *link = g_strdup_printf ("/proc/self/fd/%d", fd);
  struct stat st;

  if (fstat (fd, &st) < 0 || !S_ISDIR (st.st_mode))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "The descriptor handed over for '%s' is not a directory", config->name);
      return FALSE;
    }
  /* A descriptor may have been opened with O_PATH, which is no good for fsync(). */
  self->fd = openat (fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (self->fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open the directory handed over for '%s'",
                           config->name);
      return FALSE;
    }
  if (config->url == NULL)
    config->url = g_file_read_link (link, NULL);
  if (config->identity == NULL)
    config->identity = identity_of (self->fd);
  return TRUE;
}

static MtvProvider *
local_destination_create (MtvProviderConfig *config, GVariant *secrets, int fd, GError **error)
{
  g_autoptr (MtvLocalDestination) self = g_object_new (MTV_TYPE_LOCAL_DESTINATION, NULL);

  (void) secrets;
  if (fd >= 0 && !adopt_fd (self, config, fd, error))
    return NULL;
  if (!check_path (config->url, error))
    return NULL;
  self->path = g_canonicalize_filename (config->url, "/");
  self->identity = g_strdup (config->identity);
  return MTV_PROVIDER (g_steal_pointer (&self));
}

const MtvProviderType mtv_local_destination_type = {
  .type = "local",
  .is_destination = TRUE,
  .create = local_destination_create,
};
