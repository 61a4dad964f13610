/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ova-scan.h"

#include "base/mtv-error.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_ENTRIES 100000
#define MAX_DEPTH 2

typedef struct
{
  GPtrArray *entries;
  const char *label;
  guint n_seen;
  GCancellable *cancellable;
} Scan;

static void
entry_free (gpointer data)
{
  MtvOvaEntry *entry = data;

  g_free (entry->path);
  g_free (entry->problem);
  g_free (entry);
}

static void
add_entry (Scan *scan, const char *path, const char *problem)
{
  MtvOvaEntry *entry = g_new0 (MtvOvaEntry, 1);

  entry->path = g_utf8_make_valid (path, -1);
  entry->problem = g_strdup (problem);
  if (problem == NULL && !g_utf8_validate (path, -1, NULL))
    entry->problem = g_strdup_printf ("The name of '%s' is not valid UTF-8", entry->path);
  g_ptr_array_add (scan->entries, entry);
}

static gboolean
is_package (const char *name)
{
  gsize length = strlen (name);

  return length > 4
         && (g_ascii_strcasecmp (name + length - 4, ".ova") == 0
             || g_ascii_strcasecmp (name + length - 4, ".ovf") == 0);
}

static gboolean scan_folder (Scan *scan, int fd, const char *path, guint depth, GError **error);

/* What cannot be read must not hide the rest: only a cancelled or endless scan fails. */
static gboolean
scan_subfolder (Scan *scan, int dirfd, const char *name, const char *path, guint depth,
                GError **error)
{
  int fd = openat (dirfd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

  if (fd >= 0)
    return scan_folder (scan, fd, path, depth, error);
  if (errno == ENOENT || errno == ENOTDIR || strcmp (name, "lost+found") == 0)
    return TRUE;
  g_autofree char *problem
      = g_strdup_printf ("Cannot look into folder '%s': %s", path, g_strerror (errno));
  add_entry (scan, path, problem);
  return TRUE;
}

static gboolean
scan_entry (Scan *scan, int dirfd, const char *name, const char *below, guint depth, GError **error)
{
  g_autofree char *path = *below != '\0' ? g_strconcat (below, "/", name, NULL) : g_strdup (name);
  struct stat status;

  if (g_cancellable_set_error_if_cancelled (scan->cancellable, error))
    return FALSE;
  if (++scan->n_seen > MAX_ENTRIES)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
                   "Folder '%s' has more than %d files: choose one further down", scan->label,
                   MAX_ENTRIES);
      return FALSE;
    }
  if (fstatat (dirfd, name, &status, AT_SYMLINK_NOFOLLOW) != 0)
    return TRUE; /* gone already */
  if (S_ISDIR (status.st_mode))
    return depth >= MAX_DEPTH || scan_subfolder (scan, dirfd, name, path, depth + 1, error);
  if (S_ISREG (status.st_mode) && is_package (name))
    add_entry (scan, path, NULL);
  return TRUE;
}

/* Consumes @fd. */
static gboolean
scan_folder (Scan *scan, int fd, const char *path, guint depth, GError **error)
{
  DIR *folder = fdopendir (fd);
  gboolean ok = TRUE;

  if (folder == NULL)
    {
      mtv_error_set_errno (error, errno, "Cannot look into folder '%s'", scan->label);
      close (fd);
      return FALSE;
    }
  for (struct dirent *entry = readdir (folder); ok && entry != NULL; entry = readdir (folder))
    if (entry->d_name[0] != '.')
      ok = scan_entry (scan, fd, entry->d_name, path, depth, error);
  closedir (folder);
  return ok;
}

static int
compare_entries (gconstpointer a, gconstpointer b)
{
  const MtvOvaEntry *const *one = a;
  const MtvOvaEntry *const *two = b;

  return strcmp ((*one)->path, (*two)->path);
}

GPtrArray *
mtv_ova_scan (int dirfd, const char *label, GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) entries = g_ptr_array_new_with_free_func (entry_free);
  Scan scan = { entries, label, 0, cancellable };
  /* A description of its own: the place in the folder is not shared with other scans. */
  int fd = openat (dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot look into folder '%s'", label);
      return NULL;
    }
  if (!scan_folder (&scan, fd, "", 0, error))
    return NULL;
  g_ptr_array_sort (entries, compare_entries);
  return g_steal_pointer (&entries);
}
