/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ova-package.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "provider/ova/mtv-ova-manifest.h"
#include "provider/ova/mtv-ovf-xml.h"
#include "provider/ova/mtv-tar.h"
#include "transfer/mtv-digest.h"
#include "transfer/mtv-file-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAX_MANIFEST (4 * 1024 * 1024)
#define MAX_CHUNKS 1000 /* each needs a descriptor while it is read */

struct _MtvOvaPackage
{
  int fd;      /* (owned): the archive, or the OVF's folder */
  char *label; /* (owned): the archive's name, or the OVF's path */
  MtvTar *tar; /* (owned) (nullable): of an archive */
  char *below; /* (owned): "folder/" of the OVF in the archive, or "" */
  char *ovf_name;
  MtvOvf *ovf;              /* (owned) */
  MtvOvaManifest *manifest; /* (owned) (nullable) */
};

void
mtv_ova_package_free (MtvOvaPackage *self)
{
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->label);
  g_clear_pointer (&self->tar, mtv_tar_free);
  g_free (self->below);
  g_free (self->ovf_name);
  g_clear_pointer (&self->ovf, mtv_ovf_free);
  g_clear_pointer (&self->manifest, mtv_ova_manifest_free);
  g_free (self);
}

MtvOvf *
mtv_ova_package_get_ovf (MtvOvaPackage *self)
{
  return self->ovf;
}

const char *
mtv_ova_package_get_ovf_name (MtvOvaPackage *self)
{
  return self->ovf_name;
}

gboolean
mtv_ova_package_is_archive (MtvOvaPackage *self)
{
  return self->tar != NULL;
}

char *
mtv_ova_package_describe (MtvOvaPackage *self, const char *name)
{
  if (self->tar == NULL && strcmp (name, self->ovf_name) == 0)
    return g_strdup_printf ("'%s'", self->label);
  return g_strdup_printf ("'%s' of '%s'", name, self->label);
}

gboolean
mtv_ova_package_is_ovf_name (const char *name)
{
  gsize length = strlen (name);

  return length > 4 && g_ascii_strcasecmp (name + length - 4, ".ovf") == 0;
}

/* O_NONBLOCK: a FIFO of that name must not hold us up. */
static int
open_step (int dirfd, const char *name, gboolean folder, const char *path, GError **error)
{
  int flags = O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | (folder ? O_DIRECTORY : 0);
  int fd = openat (dirfd, name, flags);
  struct stat status;

  if (fd < 0
      && (errno == ELOOP
          || (errno == ENOTDIR && fstatat (dirfd, name, &status, AT_SYMLINK_NOFOLLOW) == 0
              && S_ISLNK (status.st_mode))))
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "Cannot open '%s': '%s' is a symbolic link", path, name);
  else if (fd < 0)
    mtv_error_set_errno (error, errno, "Cannot open '%s'", path);
  return fd;
}

int
mtv_ova_package_open_below (int dirfd, const char *path, gboolean folder, GError **error)
{
  g_auto (GStrv) parts = g_strsplit (path, "/", -1);
  guint n_parts = g_strv_length (parts);
  struct stat status;
  int at = dirfd;

  for (guint i = 0; i < n_parts; i++)
    {
      int next = open_step (at, parts[i], folder || i + 1 < n_parts, path, error);

      if (at != dirfd)
        close (at);
      if (next < 0)
        return -1;
      at = next;
    }
  if (!folder && (fstat (at, &status) != 0 || !S_ISREG (status.st_mode)))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "'%s' is not a file", path);
      close (at);
      return -1;
    }
  return at;
}

char *
mtv_ova_package_identify (int fd, const char *label, GError **error)
{
  struct stat status;

  if (fstat (fd, &status) != 0)
    {
      mtv_error_set_errno (error, errno, "Cannot look at '%s'", label);
      return NULL;
    }
  return g_strdup_printf (
      "%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT,
      (guint64) status.st_dev, (guint64) status.st_ino, (guint64) status.st_size,
      (guint64) status.st_mtim.tv_sec * G_GUINT64_CONSTANT (1000000000)
          + (guint64) status.st_mtim.tv_nsec);
}

char *
mtv_ova_package_identify_file (MtvOvaPackage *self, const char *name, GError **error)
{
  if (self->tar != NULL)
    return mtv_ova_package_identify (self->fd, self->label, error);

  int fd = mtv_ova_package_open_below (self->fd, name, FALSE, error);
  if (fd < 0)
    return NULL;
  char *identity = mtv_ova_package_identify (fd, name, error);
  close (fd);
  return identity;
}

static MtvReader *
open_member (MtvOvaPackage *self, const char *name, GError **error)
{
  g_autofree char *full = g_strconcat (self->below, name, NULL);
  g_autofree char *what = mtv_ova_package_describe (self, name);
  const MtvTarMember *member = mtv_tar_find (self->tar, full, error);

  if (member == NULL)
    return NULL;
  return (MtvReader *) mtv_file_reader_new (self->fd, member->offset, member->size, what, error);
}

MtvReader *
mtv_ova_package_open_file (MtvOvaPackage *self, const char *name, GError **error)
{
  if (self->tar != NULL)
    return open_member (self, name, error);

  int fd = mtv_ova_package_open_below (self->fd, name, FALSE, error);
  if (fd < 0)
    return NULL;

  struct stat status;
  g_autofree char *what = mtv_ova_package_describe (self, name);
  MtvFileReader *reader = NULL;
  if (fstat (fd, &status) != 0)
    mtv_error_set_errno (error, errno, "Cannot look at %s", what);
  else
    reader = mtv_file_reader_new (fd, 0, status.st_size, what, error);
  close (fd);
  return (MtvReader *) reader;
}

/* RFC 3986, and what the daemon would rather not be talked into. */
static char *
name_from_href (MtvOvaPackage *self, const char *href, gboolean decode, GError **error)
{
  const char *scheme = g_uri_peek_scheme (href);
  g_autofree char *decoded = decode ? g_uri_unescape_string (href, NULL) : g_strdup (href);

  if (scheme != NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "'%s' names '%s': only files beside the OVF are read, nothing is fetched from "
                   "elsewhere",
                   self->ovf_name, href);
      return NULL;
    }

  g_autofree char *name = decoded != NULL && g_utf8_validate (decoded, -1, NULL)
                              ? mtv_tar_normalize_name (decoded)
                              : NULL;
  if (name == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                 "'%s' names '%s', which is not below the OVF's own folder", self->ovf_name, href);
  return g_steal_pointer (&name);
}

/* Decoded as the standard wants it; or as it stands, since not all producers encode. */
static char *
find_file (MtvOvaPackage *self, const char *href, const char *suffix, GError **error)
{
  g_autofree char *whole = g_strconcat (href, suffix, NULL);
  g_autoptr (GError) local_error = NULL;
  g_autofree char *raw = name_from_href (self, whole, FALSE, NULL);
  g_autofree char *name = name_from_href (self, whole, TRUE, raw == NULL ? error : NULL);

  if (name == NULL && raw == NULL)
    return NULL;
  if (name == NULL)
    name = g_strdup (raw);

  g_autoptr (MtvReader) reader = mtv_ova_package_open_file (self, name, &local_error);
  if (reader != NULL)
    return g_steal_pointer (&name);
  if (raw != NULL && strcmp (raw, name) != 0)
    {
      reader = mtv_ova_package_open_file (self, raw, NULL);
      if (reader != NULL)
        return g_steal_pointer (&raw);
    }
  if (g_error_matches (local_error, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "'%s' names '%s', which is not %s'%s'",
                 self->ovf_name, whole, self->tar != NULL ? "in " : "beside ", self->label);
  else
    g_propagate_error (error, g_steal_pointer (&local_error));
  return NULL;
}

/* DSP0243 7.1: chunks end in nine digits and have all the same size but for the last. */
static gboolean
list_chunks (MtvOvaPackage *self, const MtvOvfDisk *disk, GPtrArray *names, GError **error)
{
  guint64 n_chunks = disk->file_size / disk->chunk_size + (disk->file_size % disk->chunk_size != 0);

  for (guint64 i = 0; i < n_chunks || disk->file_size == 0; i++)
    {
      g_autofree char *suffix = g_strdup_printf (".%09" G_GUINT64_FORMAT, i);
      g_autoptr (GError) local_error = NULL;
      char *name = find_file (self, disk->href, suffix, &local_error);

      if (name == NULL && disk->file_size == 0 && i > 0
          && g_error_matches (local_error, MTV_ERROR, MTV_ERROR_NOT_FOUND))
        return TRUE; /* the size was not told: they end where they end */
      if (name == NULL)
        {
          g_propagate_error (error, g_steal_pointer (&local_error));
          return FALSE;
        }
      g_ptr_array_add (names, name);
      if (names->len > MAX_CHUNKS)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
                       "'%s' is in more than %d pieces: join them", disk->href, MAX_CHUNKS);
          return FALSE;
        }
    }
  return TRUE;
}

GPtrArray *
mtv_ova_package_list_files (MtvOvaPackage *self, const MtvOvfDisk *disk, GError **error)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);

  if (disk->href == NULL)
    return g_steal_pointer (&names);
  if (disk->chunk_size > 0)
    return list_chunks (self, disk, names, error) ? g_steal_pointer (&names) : NULL;

  char *name = find_file (self, disk->href, "", error);
  if (name == NULL)
    return NULL;
  g_ptr_array_add (names, name);
  return g_steal_pointer (&names);
}

gboolean
mtv_ova_package_check_file (MtvOvaPackage *self, const char *name, GCancellable *cancellable,
                            GError **error)
{
  const char *algorithm;
  const char *expected
      = self->manifest != NULL ? mtv_ova_manifest_find (self->manifest, name, &algorithm) : NULL;

  if (expected == NULL)
    return TRUE;

  g_autoptr (MtvReader) reader = mtv_ova_package_open_file (self, name, error);
  g_autofree char *found
      = reader != NULL ? mtv_digest_reader (reader, algorithm, cancellable, error) : NULL;
  if (found == NULL)
    return FALSE;
  if (strcmp (found, expected) == 0)
    return TRUE;
  g_autofree char *what = mtv_ova_package_describe (self, name);
  g_set_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH,
               "%s does not match its manifest: its %s is %s, not %s", what, algorithm, found,
               expected);
  return FALSE;
}

/* The whole of a small file. */
static GBytes *
load_file (MtvOvaPackage *self, const char *name, guint64 limit, GCancellable *cancellable,
           GError **error)
{
  g_autoptr (MtvReader) reader = mtv_ova_package_open_file (self, name, error);

  if (reader == NULL)
    return NULL;
  guint64 size = mtv_reader_get_size (reader);
  if (size > limit)
    {
      g_autofree char *what = mtv_ova_package_describe (self, name);
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s is %" G_GUINT64_FORMAT " bytes, more than %" G_GUINT64_FORMAT " MiB", what,
                   size, limit / 1024 / 1024);
      return NULL;
    }

  g_autofree char *contents = g_malloc (size + 1);
  if (!mtv_reader_read (reader, 0, contents, size, cancellable, error))
    return NULL;
  return g_bytes_new_take (g_steal_pointer (&contents), size);
}

static gboolean
load_manifest (MtvOvaPackage *self, GCancellable *cancellable, GError **error)
{
  g_autofree char *base = g_strndup (self->ovf_name, strlen (self->ovf_name) - strlen (".ovf"));
  g_autofree char *name = g_strconcat (base, ".mf", NULL);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GBytes) text = load_file (self, name, MAX_MANIFEST, cancellable, &local_error);

  if (text != NULL)
    self->manifest
        = mtv_ova_manifest_parse (g_bytes_get_data (text, NULL), g_bytes_get_size (text));
  else if (!g_error_matches (local_error, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    {
      g_propagate_error (error, g_steal_pointer (&local_error));
      return FALSE;
    }
  return TRUE;
}

static gboolean
load (MtvOvaPackage *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GBytes) text = load_file (self, self->ovf_name, MTV_OVF_MAX_SIZE, cancellable, error);

  if (text == NULL || !load_manifest (self, cancellable, error))
    return FALSE;
  g_autofree char *what = self->tar != NULL ? g_strdup_printf ("%s/%s", self->label, self->ovf_name)
                                            : g_strdup (self->ovf_name);
  self->ovf = mtv_ovf_parse (g_bytes_get_data (text, NULL), g_bytes_get_size (text), what, error);
  return self->ovf != NULL;
}

static MtvOvaPackage *
package_new (int fd, const char *label, GError **error)
{
  MtvOvaPackage *self = g_new0 (MtvOvaPackage, 1);

  self->label = g_strdup (label);
  self->fd = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (self->fd >= 0)
    return self;
  mtv_error_set_errno (error, errno, "Cannot open '%s'", label);
  mtv_ova_package_free (self);
  return NULL;
}

static gboolean
refuse_other_containers (MtvReader *file, const char *label, GCancellable *cancellable,
                         GError **error)
{
  static const struct
  {
    const char *magic;
    const char *kind;
  } kinds[] = {
    { "\x1f\x8b", "gzip" },
    { "\xfd"
      "7zXZ",
      "xz" },
    { "PK\x03\x04", "zip" },
    { "BZh", "bzip2" },
    { "7z\xbc\xaf", "7z" },
    { "\x28\xb5\x2f\xfd", "zstd" },
  };
  char head[8] = "";

  if (mtv_reader_get_size (file) < sizeof head)
    return TRUE; /* not a tar archive either, as will be said */
  if (!mtv_reader_read (file, 0, head, sizeof head, cancellable, error))
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++)
    if (memcmp (head, kinds[i].magic, strlen (kinds[i].magic)) == 0)
      {
        g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                     "'%s' is packed with %s: unpack it first", label, kinds[i].kind);
        return FALSE;
      }
  return TRUE;
}

/* The one OVF of an archive. */
static const char *
find_ovf (MtvTar *tar, const char *label, GError **error)
{
  const char *found = NULL;

  for (guint i = 0; i < mtv_tar_get_n_members (tar); i++)
    {
      const MtvTarMember *member = mtv_tar_get_member (tar, i);

      if (!mtv_ova_package_is_ovf_name (member->name))
        continue;
      g_autofree char *normal = mtv_tar_normalize_name (member->name);
      if (normal == NULL || strcmp (normal, member->name) != 0)
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                     "'%s' has the OVF '%s', whose name leads out of the archive", label,
                     member->name);
      else if (found != NULL)
        g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' has two OVFs, '%s' and '%s'",
                     label, found, member->name);
      else
        {
          found = member->name;
          continue;
        }
      return NULL;
    }
  if (found == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' has no .ovf file in it", label);
  return found;
}

MtvOvaPackage *
mtv_ova_package_new_archive (int fd, const char *label, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvOvaPackage) self = package_new (fd, label, error);
  g_autofree char *what = g_strdup_printf ("'%s'", label);
  struct stat status;

  if (self == NULL)
    return NULL;
  if (fstat (self->fd, &status) != 0)
    {
      mtv_error_set_errno (error, errno, "Cannot look at '%s'", label);
      return NULL;
    }

  g_autoptr (MtvFileReader) file = mtv_file_reader_new (self->fd, 0, status.st_size, what, error);
  if (file == NULL || !refuse_other_containers (MTV_READER (file), label, cancellable, error))
    return NULL;
  self->tar = mtv_tar_new (MTV_READER (file), label, cancellable, error);
  const char *ovf = self->tar != NULL ? find_ovf (self->tar, label, error) : NULL;
  if (ovf == NULL)
    return NULL;

  const char *slash = strrchr (ovf, '/');
  self->below = slash != NULL ? g_strndup (ovf, slash + 1 - ovf) : g_strdup ("");
  self->ovf_name = g_strdup (slash != NULL ? slash + 1 : ovf);
  return load (self, cancellable, error) ? g_steal_pointer (&self) : NULL;
}

MtvOvaPackage *
mtv_ova_package_new_folder (int dirfd, const char *path, GCancellable *cancellable, GError **error)
{
  const char *slash = strrchr (path, '/');
  g_autofree char *folder = slash != NULL ? g_strndup (path, slash - path) : NULL;
  g_return_val_if_fail (mtv_ova_package_is_ovf_name (path), NULL);

  int fd = folder != NULL ? mtv_ova_package_open_below (dirfd, folder, TRUE, error) : dirfd;

  if (fd < 0)
    return NULL;
  g_autoptr (MtvOvaPackage) self = package_new (fd, path, error);
  if (fd != dirfd)
    close (fd);
  if (self == NULL)
    return NULL;
  self->ovf_name = g_strdup (slash != NULL ? slash + 1 : path);
  return load (self, cancellable, error) ? g_steal_pointer (&self) : NULL;
}
