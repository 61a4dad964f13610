/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-check.h"

#include "base/mtv-error.h"
#include "model/mtv-name.h"
#include "provider/local/mtv-local-folder.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

gboolean
mtv_local_check_writable (int dirfd, const char *path, GError **error)
{
  if (faccessat (dirfd, ".", W_OK | X_OK, AT_EACCESS) == 0)
    return TRUE;
  if (errno == EACCES || errno == EROFS)
    g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED,
                 "'%s' is not writable for user '%s': give it to that user; if it is on a disk "
                 "that can be written to and the service may not, add ReadWritePaths= for it to "
                 "the service (systemctl edit mtvd)",
                 path, g_get_user_name ());
  else
    mtv_error_set_errno (error, errno, "Cannot use '%s'", path);
  return FALSE;
}

gboolean
mtv_local_is_taken (int dirfd, const char *name)
{
  struct stat st;

  return mtv_local_check_name (name, NULL) && fstatat (dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

guint64
mtv_local_free_space (int dirfd)
{
  struct statvfs st;

  return fstatvfs (dirfd, &st) == 0 ? (guint64) st.f_bavail * st.f_frsize : G_MAXUINT64;
}

static void
check_name (int dirfd, const char *path, const MtvTarget *target, GPtrArray *concerns)
{
  g_autoptr (GError) error = NULL;

  if (!mtv_local_check_name (target->name, &error))
    mtv_concerns_add (concerns, "target.name.invalid", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The target name cannot be used", "%s.", error->message);
  else if (!mtv_name_is_dns (target->name))
    mtv_concerns_add (concerns, "target.name.invalid", MTV_CONCERN_WARNING, target->vm->name,
                      "The target name is not for Kubernetes",
                      "'%s' is kept as it is, but vm.yaml will have another name, since "
                      "Kubernetes would refuse this one.",
                      target->name);
  if (mtv_local_is_taken (dirfd, target->name) && !target->name_given)
    mtv_concerns_add (concerns, "target.exists", MTV_CONCERN_WARNING, target->vm->name,
                      "The target name is taken",
                      "'%s' is there already in '%s'; the VM will get this name with a dash and "
                      "four more characters.",
                      target->name, path);
  else if (mtv_local_is_taken (dirfd, target->name))
    mtv_concerns_add (concerns, "target.exists", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The target name is taken",
                      "'%s' is there already in '%s'; give the VM another target name, or move "
                      "that away.",
                      target->name, path);
}

static void
check_space (int dirfd, const char *path, const MtvTarget *target, GPtrArray *concerns)
{
  guint64 free_space = mtv_local_free_space (dirfd);
  guint64 least = 0, most = 0;

  for (guint i = 0; i < target->disks->len; i++)
    {
      const MtvTargetDisk *disk = g_ptr_array_index (target->disks, i);

      least += disk->source->allocated;
      most += disk->size != 0 ? disk->size : disk->source->capacity;
    }
  if (least <= free_space && most <= free_space)
    return;

  g_autofree char *needed = g_format_size (least > free_space ? least : most);
  g_autofree char *there = g_format_size (free_space);
  if (least > free_space)
    mtv_concerns_add (concerns, "destination.space", MTV_CONCERN_CRITICAL, target->vm->name,
                      "Not enough space", "'%s' has %s free, the disks hold %s of data; make room.",
                      path, there, needed);
  else
    mtv_concerns_add (concerns, "destination.space", MTV_CONCERN_WARNING, target->vm->name,
                      "Space may not be enough",
                      "'%s' has %s free, the disks can grow to %s: that is enough only while "
                      "they are not full.",
                      path, there, needed);
}

void
mtv_local_check (int dirfd, const char *path, const MtvTarget *target, GPtrArray *concerns)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *qemu_img = g_find_program_in_path ("qemu-img");

  if (!mtv_local_check_writable (dirfd, path, &error))
    mtv_concerns_add (concerns, "destination.not.writable", MTV_CONCERN_CRITICAL, target->vm->name,
                      "The destination cannot be written to", "%s.", error->message);
  if (qemu_img == NULL && g_str_equal (target->format, "qcow2"))
    mtv_concerns_add (concerns, "destination.tool.missing", MTV_CONCERN_CRITICAL, target->vm->name,
                      "qemu-img is missing",
                      "qcow2 images are made by qemu-img, which is not installed (Debian: "
                      "qemu-utils); install it, or choose the format 'raw'.");
  check_name (dirfd, path, target, concerns);
  check_space (dirfd, path, target, concerns);
}
