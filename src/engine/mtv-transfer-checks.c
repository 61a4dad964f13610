/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "engine/mtv-transfer-checks.h"

#include "base/mtv-error.h"
#include "transfer/mtv-file-writer.h"
#include "transfer/mtv-manifest.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "manifest.json"

MtvTransferCheck *
mtv_transfer_check_new (const char *file, const char *format, MtvReader *reader, MtvBlockMap *map)
{
  MtvTransferCheck *self = g_new0 (MtvTransferCheck, 1);

  self->file = g_strdup (file);
  self->format = g_strdup (format);
  g_set_object (&self->reader, reader);
  self->map = mtv_block_map_ref (map);
  return self;
}

void
mtv_transfer_check_free (MtvTransferCheck *self)
{
  g_clear_object (&self->reader);
  mtv_block_map_unref (self->map);
  g_free (self->file);
  g_free (self->format);
  g_free (self);
}

static int
open_path (int dirfd, const char *path, int flags, const char *name, GError **error)
{
  int fd = openat (dirfd, path, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK);

  if (fd < 0)
    mtv_error_set_errno (error, errno, "Cannot open '%s'", name);
  return fd;
}

/* The folder, or a manifest and the folder that it lies in. */
static gboolean
open_by_name (MtvVerifyRequest *request, GError **error)
{
  struct stat st;

  if (*request->name != '/')
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "'%s' is neither a virtual machine that arrived nor an absolute path",
                   request->name);
      return FALSE;
    }
  int fd = open_path (AT_FDCWD, request->name, 0, request->name, error);
  if (fd < 0)
    return FALSE;
  if (fstat (fd, &st) == 0 && S_ISDIR (st.st_mode))
    {
      request->directory_fd = fd;
      return TRUE;
    }
  g_autofree char *folder = g_path_get_dirname (request->name);
  request->manifest_fd = fd;
  request->directory_fd = open_path (AT_FDCWD, folder, O_DIRECTORY, folder, error);
  return request->directory_fd >= 0;
}

/* A descriptor of its own for the file @name beside the manifest. */
static int
open_file (MtvVerifyRequest *request, const char *name, int flags, GError **error)
{
  gpointer given;

  if (g_hash_table_lookup_extended (request->files, name, NULL, &given))
    {
      g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", GPOINTER_TO_INT (given));

      if (flags != 0)
        return open (path, flags | O_RDONLY | O_CLOEXEC | O_NONBLOCK);
      return fcntl (GPOINTER_TO_INT (given), F_DUPFD_CLOEXEC, 3);
    }
  if (request->directory_fd >= 0)
    return open_path (request->directory_fd, name, flags | O_NOFOLLOW, name, error);
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "'%s' is missing in '%s'", name,
               request->name);
  return -1;
}

GPtrArray *
mtv_transfer_checks_load (MtvVerifyRequest *request, GError **error)
{
  g_autoptr (GPtrArray) checks
      = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_transfer_check_free);

  if (request->manifest_fd < 0 && request->directory_fd < 0
      && g_hash_table_size (request->files) == 0 && !open_by_name (request, error))
    return NULL;
  if (request->manifest_fd < 0)
    request->manifest_fd = open_file (request, MANIFEST, 0, error);
  if (request->manifest_fd < 0)
    return NULL;

  g_autofree char *what = g_strdup_printf ("the manifest of '%s'", request->name);
  g_autoptr (MtvManifest) manifest = mtv_manifest_read (request->manifest_fd, what, error);
  for (guint i = 0; manifest != NULL && i < manifest->disks->len; i++)
    {
      const MtvManifestDisk *disk = g_ptr_array_index (manifest->disks, i);

      g_ptr_array_add (checks, mtv_transfer_check_new (disk->file, disk->format, NULL, disk->map));
    }
  return manifest != NULL ? g_steal_pointer (&checks) : NULL;
}

gboolean
mtv_transfer_check_open (MtvTransferCheck *check, MtvVerifyRequest *request,
                         GCancellable *cancellable, GError **error)
{
  const char *found;
  struct stat st;

  if (check->reader != NULL)
    return TRUE;
  g_autofree char *label = g_strdup_printf ("'%s' of '%s'", check->file, request->name);
  int fd = open_file (request, check->file, 0, error);
  if (fd < 0)
    return FALSE;
  int direct_fd = open_file (request, check->file, O_DIRECT, NULL);
  g_autoptr (MtvReader) file = NULL;
  if (fstat (fd, &st) < 0 || !S_ISREG (st.st_mode))
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is not a regular file", label);
  else
    file = mtv_file_writer_open_reader_for_fd (fd, direct_fd, st.st_size, label, error);
  close (fd);
  if (direct_fd >= 0)
    close (direct_fd);
  if (file == NULL)
    return FALSE;
  check->reader = mtv_transfer_open_disk (file, check->format, label, &found, cancellable, error);
  return check->reader != NULL;
}
