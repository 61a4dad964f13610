/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-folder.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "provider/local/mtv-local-domain.h"
#include "provider/local/mtv-local-manifest.h"
#include "provider/local/mtv-local-qcow2.h"
#include "provider/local/mtv-local-yaml.h"
#include "transfer/mtv-file-writer.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MANIFEST "manifest.json"

char *
mtv_local_work_name (const MtvTarget *target)
{
  return g_strdup_printf (".mtv-%s-%u.partial", target->run_id, target->number);
}

char *
mtv_local_disk_file (const MtvTarget *target, guint index)
{
  return g_strdup_printf ("disk-%u.%s", index, target->format);
}

gboolean
mtv_local_is_work_name (const char *name)
{
  return g_regex_match_simple ("^\\.mtv-[A-Za-z0-9_-]+-[0-9]+\\.partial$", name,
                               G_REGEX_DOLLAR_ENDONLY, 0);
}

gboolean
mtv_local_check_name (const char *name, GError **error)
{
  const char *why = NULL;

  if (*name == '\0' || strlen (name) > NAME_MAX)
    why = "it is empty or too long";
  else if (*name == '.')
    why = "it begins with a dot";
  else if (strchr (name, '/') != NULL)
    why = "it has a slash in it";
  else if (!g_utf8_validate (name, -1, NULL))
    why = "it is not UTF-8";
  for (const char *c = name; why == NULL && *c != '\0'; c = g_utf8_next_char (c))
    if (g_unichar_iscntrl (g_utf8_get_char (c)))
      why = "it has a control character in it";
  if (why == NULL)
    return TRUE;

  g_autofree char *shown = g_strescape (name, NULL);
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "'%s' cannot be the name of a folder: %s", shown, why);
  return FALSE;
}

static int
open_folder (int dirfd, const char *name)
{
  return openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

int
mtv_local_work_open (int dirfd, const MtvTarget *target, GError **error)
{
  g_autofree char *name = mtv_local_work_name (target);
  int fd = open_folder (dirfd, name);

  if (fd < 0)
    mtv_error_set_errno (error, errno, "Cannot open the work folder '%s' of '%s'", name,
                         target->name);
  return fd;
}

static gboolean
create_volume (int fd, const MtvTarget *target, guint index, GCancellable *cancellable,
               GError **error)
{
  const MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  g_autofree char *file = mtv_local_disk_file (target, index);

  if (g_str_equal (target->format, "qcow2"))
    return mtv_local_qcow2_create (fd, file, disk->size, cancellable, error);

  g_autofree char *label = g_strdup_printf ("'%s' of '%s'", file, target->name);
  g_autoptr (MtvFileWriter) writer = mtv_file_writer_new (fd, file, disk->size, label, NULL, error);
  return writer != NULL;
}

gboolean
mtv_local_work_create (int dirfd, const MtvTarget *target, GCancellable *cancellable,
                       GError **error)
{
  g_autofree char *name = mtv_local_work_name (target);

  if (!mtv_local_check_name (target->name, error))
    return FALSE;
  g_return_val_if_fail (mtv_local_is_work_name (name), FALSE);
  if (mkdirat (dirfd, name, 0750) < 0 && errno != EEXIST)
    {
      mtv_error_set_errno (error, errno, "Cannot make the work folder '%s' of '%s'", name,
                           target->name);
      return FALSE;
    }

  int fd = mtv_local_work_open (dirfd, target, error);
  gboolean ok = fd >= 0;
  for (guint i = 0; ok && i < target->disks->len; i++)
    ok = create_volume (fd, target, i, cancellable, error);
  ok = ok && mtv_io_sync_directory (fd, name, error) && mtv_io_sync_directory (dirfd, name, error);
  if (fd >= 0)
    close (fd);
  return ok;
}

static gboolean
sync_disk (int fd, const MtvTarget *target, guint index, GError **error)
{
  g_autofree char *file = mtv_local_disk_file (target, index);
  int disk = openat (fd, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  gboolean ok = disk >= 0 && fsync (disk) == 0;

  if (!ok)
    mtv_error_set_errno (error, errno, "Cannot make '%s' of '%s' durable", file, target->name);
  if (disk >= 0)
    close (disk);
  return ok;
}

static gboolean
write_manifest (int fd, const MtvTarget *target, GError **error)
{
  int file = openat (fd, MANIFEST, O_WRONLY | O_CREAT | O_TRUNC | O_NOFOLLOW | O_CLOEXEC, 0640);

  if (file < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot create '%s' of '%s'", MANIFEST, target->name);
      return FALSE;
    }
  gboolean ok = mtv_local_manifest_write (target, g_get_real_time (), file, error);
  if (ok && fsync (file) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot make '%s' of '%s' durable", MANIFEST,
                           target->name);
      ok = FALSE;
    }
  return g_close (file, ok ? error : NULL) && ok;
}

/* A domain that asks for KVM is refused where there is none, and one that does not is slow where
 * there is: the machine that makes the definition is the likeliest to run it. The service does not
 * see /dev/kvm. */
static gboolean
have_kvm (void)
{
  return access ("/sys/class/misc/kvm", F_OK) == 0;
}

static gboolean
fill (int fd, const char *path, const MtvTarget *target, GError **error)
{
  g_autofree char *folder = g_build_filename (path, target->name, NULL);
  g_autofree char *xml = mtv_local_domain_to_xml (target, folder, have_kvm ());
  g_autofree char *yaml = mtv_local_yaml (target);
  gboolean ok = mtv_io_replace_file (fd, "domain.xml", xml, -1, 0640, error)
                && mtv_io_replace_file (fd, "vm.yaml", yaml, -1, 0640, error)
                && write_manifest (fd, target, error);

  for (guint i = 0; ok && i < target->disks->len; i++)
    ok = sync_disk (fd, target, i, error);
  return ok && mtv_io_sync_directory (fd, folder, error);
}

/* Never over something that is there. Where the file system cannot promise that (EINVAL), plain
 * rename() replaces at most an empty folder. */
static gboolean
rename_to_name (int dirfd, const char *work, const MtvTarget *target, GError **error)
{
  int result = renameat2 (dirfd, work, dirfd, target->name, RENAME_NOREPLACE);

  if (result < 0 && errno == EINVAL)
    result = renameat (dirfd, work, dirfd, target->name);
  if (result == 0)
    return mtv_io_sync_directory (dirfd, target->name, error);
  if (errno == ENOTEMPTY || errno == ENOTDIR)
    errno = EEXIST;
  mtv_error_set_errno (error, errno, "Cannot give '%s' its name", target->name);
  return FALSE;
}

gboolean
mtv_local_work_finish (int dirfd, const char *path, const MtvTarget *target, GError **error)
{
  g_autofree char *work = mtv_local_work_name (target);

  if (!mtv_local_check_name (target->name, error))
    return FALSE;
  int fd = mtv_local_work_open (dirfd, target, error);
  if (fd < 0)
    return FALSE;
  gboolean ok = fill (fd, path, target, error) && rename_to_name (dirfd, work, target, error);
  close (fd);
  return ok;
}

gboolean
mtv_local_is_finished (int dirfd, const MtvTarget *target)
{
  if (!mtv_local_check_name (target->name, NULL))
    return FALSE;

  int fd = open_folder (dirfd, target->name);
  int file = fd < 0 ? -1 : openat (fd, MANIFEST, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  gboolean finished = file >= 0 && mtv_local_manifest_is_of (file, target);

  if (file >= 0)
    close (file);
  if (fd >= 0)
    close (fd);
  return finished;
}
