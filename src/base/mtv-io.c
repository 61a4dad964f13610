/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-io.h"

#include "base/mtv-error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

gboolean
mtv_io_pread (int fd, gpointer buffer, gsize length, guint64 offset, const char *what,
              GError **error)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = pread (fd, (guint8 *) buffer + done, length - done, offset + done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          mtv_error_set_errno (error, errno, "Cannot read %s", what);
          return FALSE;
        }
      if (n == 0)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "Cannot read %s: it ends at byte %" G_GUINT64_FORMAT, what, offset + done);
          return FALSE;
        }
      done += n;
    }
  return TRUE;
}

gboolean
mtv_io_pwrite (int fd, gconstpointer buffer, gsize length, guint64 offset, const char *what,
               GError **error)
{
  for (gsize done = 0; done < length;)
    {
      gssize n = pwrite (fd, (const guint8 *) buffer + done, length - done, offset + done);

      if (n < 0 && errno == EINTR)
        continue;
      if (n < 0)
        {
          mtv_error_set_errno (error, errno, "Cannot write %s", what);
          return FALSE;
        }
      done += n;
    }
  return TRUE;
}

gboolean
mtv_io_sync_directory (int dirfd, const char *what, GError **error)
{
  if (fsync (dirfd) == 0)
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot make %s durable", what);
  return FALSE;
}

static gboolean
write_temporary (int dirfd, const char *temporary, const char *contents, gsize length, int mode,
                 GError **error)
{
  int fd = openat (dirfd, temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, mode);
  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot create '%s'", temporary);
      return FALSE;
    }

  gboolean ok = mtv_io_pwrite (fd, contents, length, 0, temporary, error);
  if (ok && fdatasync (fd) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot make '%s' durable", temporary);
      ok = FALSE;
    }
  return g_close (fd, ok ? error : NULL) && ok;
}

gboolean
mtv_io_replace_file (int dirfd, const char *name, const char *contents, gssize length, int mode,
                     GError **error)
{
  g_autofree char *temporary = g_strdup_printf (".%s.new", name);
  gsize size = length < 0 ? strlen (contents) : (gsize) length;

  if (!write_temporary (dirfd, temporary, contents, size, mode, error))
    {
      unlinkat (dirfd, temporary, 0);
      return FALSE;
    }
  if (renameat (dirfd, temporary, dirfd, name) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot replace '%s'", name);
      unlinkat (dirfd, temporary, 0);
      return FALSE;
    }
  return mtv_io_sync_directory (dirfd, name, error);
}

static gboolean
remove_children (int fd, GError **error)
{
  DIR *dir = fdopendir (fd);
  gboolean ok = TRUE;

  if (dir == NULL)
    {
      mtv_error_set_errno (error, errno, "Cannot read a directory");
      close (fd);
      return FALSE;
    }
  for (struct dirent *entry = readdir (dir); ok && entry != NULL; entry = readdir (dir))
    if (strcmp (entry->d_name, ".") != 0 && strcmp (entry->d_name, "..") != 0)
      ok = mtv_io_remove_tree (dirfd (dir), entry->d_name, error);
  closedir (dir);
  return ok;
}

gboolean
mtv_io_remove_tree (int dirfd, const char *name, GError **error)
{
  int fd = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0 && !remove_children (fd, error))
    return FALSE;
  if (unlinkat (dirfd, name, fd >= 0 ? AT_REMOVEDIR : 0) == 0 || errno == ENOENT)
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot remove '%s'", name);
  return FALSE;
}
