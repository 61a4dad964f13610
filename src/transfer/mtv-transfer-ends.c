/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-transfer-ends.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer/mtv-file-reader.h"
#include "transfer/mtv-file-writer.h"
#include "transfer/mtv-http-reader.h"
#include "transfer/mtv-image.h"
#include "transfer/mtv-nbd-disk.h"
#include "transfer/mtv-stream-reader.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define BITMAP_PREFIX "qemu:dirty-bitmap:"

typedef enum
{
  END_FILE,
  END_NBD,
  END_HTTP,
  END_UNKNOWN, /* a URI of another scheme */
} EndKind;

static void
clear_fd (int *fd)
{
  if (*fd >= 0)
    close (*fd);
  *fd = -1;
}

MtvTransferEnds *
mtv_transfer_ends_new (const char *source, const char *destination)
{
  MtvTransferEnds *self = g_new0 (MtvTransferEnds, 1);

  self->source = g_strdup (source);
  self->destination = g_strdup (destination);
  self->source_fd = self->destination_fd = self->destination_direct_fd = -1;
  return self;
}

void
mtv_transfer_ends_free (MtvTransferEnds *self)
{
  g_clear_object (&self->reader);
  g_clear_object (&self->writer);
  g_clear_object (&self->written);
  g_clear_pointer (&self->changes, g_array_unref);
  clear_fd (&self->source_fd);
  clear_fd (&self->destination_fd);
  clear_fd (&self->destination_direct_fd);
  g_free (self->source);
  g_free (self->source_format);
  g_free (self->bitmap);
  g_free (self->ca);
  g_free (self->destination);
  g_free (self->source_key);
  g_free (self->destination_key);
  g_free (self);
}

/* The schemes of NBD are those of its URI specification that name a socket. */
static EndKind
get_kind (const char *name)
{
  static const char *const nbd[]
      = { "nbd", "nbds", "nbd+unix", "nbds+unix", "nbd+vsock", "nbds+vsock", NULL };
  static const char *const http[] = { "http", "https", NULL };
  const char *end = strstr (name, "://");

  if (*name == '/' || end == NULL)
    return END_FILE;
  g_autofree char *written = g_strndup (name, end - name);
  g_autofree char *scheme = g_ascii_strdown (written, -1);
  if (g_strv_contains (nbd, scheme))
    return END_NBD;
  return g_strv_contains (http, scheme) ? END_HTTP : END_UNKNOWN;
}

char *
mtv_transfer_ends_describe (const char *name)
{
  EndKind kind = get_kind (name);

  if (kind == END_FILE)
    return g_strdup (name);
  g_autoptr (GUri) uri = g_uri_parse (
      name, G_URI_FLAGS_ENCODED | G_URI_FLAGS_PARSE_RELAXED | G_URI_FLAGS_HAS_PASSWORD, NULL);
  if (uri == NULL)
    return g_strdup_printf ("%.*s://…", (int) strcspn (name, ":"), name);
  /* A URL may be signed in its query; the query of NBD's names a socket. */
  return g_uri_to_string_partial (uri, kind == END_NBD ? G_URI_HIDE_USERINFO
                                                       : G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY
                                                             | G_URI_HIDE_FRAGMENT);
}

static char *
make_label (const char *name)
{
  g_autofree char *shown = mtv_transfer_ends_describe (name);

  return g_strdup_printf ("'%s'", shown);
}

static gboolean
check_name (const char *what, const char *name, int fd, GError **error)
{
  g_autofree char *label = make_label (name);

  if (*name == '\0' || (fd < 0 && get_kind (name) == END_FILE && *name != '/'))
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "The %s must be a URI or an absolute path, not %s", what, label);
  else if (get_kind (name) == END_UNKNOWN)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "The %s %s is of no kind that can be opened: NBD URIs, http and https are", what,
                 label);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_format (const char *format, GError **error)
{
  static const char *const formats[] = { "raw", "vmdk", "qcow2", "vpc", "vhdx", NULL };

  if (format == NULL || g_strv_contains (formats, format))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "'source-format' may be auto, raw, vmdk, qcow2, vpc or vhdx, not '%s'", format);
  return FALSE;
}

gboolean
mtv_transfer_ends_check (const MtvTransferEnds *self, GError **error)
{
  if (!check_name ("source", self->source, self->source_fd, error)
      || !check_name ("destination", self->destination, self->destination_fd, error)
      || !check_format (self->source_format, error))
    return FALSE;
  if (self->destination_fd < 0 && get_kind (self->destination) == END_HTTP)
    {
      g_autofree char *label = make_label (self->destination);
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "Nothing can be written to %s: only to files and NBD servers", label);
      return FALSE;
    }
  if (self->bitmap != NULL && (self->source_fd >= 0 || get_kind (self->source) != END_NBD))
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "Only a source that is an NBD URI has a 'bitmap'");
      return FALSE;
    }
  if ((self->ca != NULL || self->insecure) && get_kind (self->source) != END_HTTP)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "'ca' and 'insecure' are for sources of https");
      return FALSE;
    }
  return TRUE;
}

/* ---- The source ---- */

static gboolean
stat_file (int fd, const char *label, struct stat *st, guint64 *size, GError **error)
{
  off_t end;

  if (fstat (fd, st) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return FALSE;
    }
  if (!S_ISREG (st->st_mode) && !S_ISBLK (st->st_mode))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "Cannot open %s: it is neither a regular file nor a block device", label);
      return FALSE;
    }
  end = S_ISREG (st->st_mode) ? st->st_size : lseek (fd, 0, SEEK_END);
  if (end < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot get the size of %s", label);
      return FALSE;
    }
  *size = end;
  return TRUE;
}

static MtvReader *
open_file (MtvTransferEnds *self, const char *label, GError **error)
{
  struct stat st;
  guint64 size;

  if (self->source_fd < 0)
    self->source_fd = open (self->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (self->source_fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return NULL;
    }
  if (!stat_file (self->source_fd, label, &st, &size, error))
    return NULL;
  self->source_key = g_strdup_printf ("file:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT
                                      ":%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT ".%09ld",
                                      (guint64) (S_ISBLK (st.st_mode) ? st.st_rdev : st.st_dev),
                                      (guint64) st.st_ino, size,
                                      /* A device has no time at which its contents changed. */
                                      (gint64) (S_ISBLK (st.st_mode) ? 0 : st.st_mtim.tv_sec),
                                      S_ISBLK (st.st_mode) ? 0L : (long) st.st_mtim.tv_nsec);
  return (MtvReader *) mtv_file_reader_new (self->source_fd, 0, size, label, error);
}

/* What is packed is unpacked first; then it may be of any format, too. */
static MtvReader *
open_packed (MtvReader *file, const MtvImage *packed, const char *label, GCancellable *cancellable,
             GError **error)
{
  g_autoptr (MtvReader) content = mtv_stream_reader_open (file, 0, label, cancellable, error);

  return content != NULL ? mtv_image_open_content (content, packed, label, cancellable, error)
                         : NULL;
}

MtvReader *
mtv_transfer_open_disk (MtvReader *file, const char *format, const char *label, const char **found,
                        GCancellable *cancellable, GError **error)
{
  MtvImage image;

  *found = "raw";
  if (g_strcmp0 (format, "raw") == 0)
    return g_object_ref (file);
  if (!mtv_image_probe (file, label, &image, cancellable, error))
    return NULL;
  *found = mtv_image_format_to_string (image.format);
  if (format != NULL && !g_str_equal (format, *found))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is not of the format '%s', but '%s'",
                   label, format, *found);
      return NULL;
    }
  if (image.format == MTV_IMAGE_VMDK_DESCRIPTOR)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is a VMDK descriptor, whose data lies in other files: name such a file "
                   "itself",
                   label);
      return NULL;
    }
  if (mtv_image_is_packed (&image))
    return open_packed (file, &image, label, cancellable, error);
  return mtv_image_open (file, &image, label, cancellable, error);
}

/* The context of a bitmap, as QEMU's docs/interop/nbd.txt has it, is its name as well. */
static const char *
get_bitmap (const MtvTransferEnds *self)
{
  gboolean whole = self->bitmap != NULL && g_str_has_prefix (self->bitmap, BITMAP_PREFIX);

  return whole ? self->bitmap + strlen (BITMAP_PREFIX) : self->bitmap;
}

static MtvReader *
open_nbd (MtvTransferEnds *self, const char *label, GCancellable *cancellable, GError **error)
{
  MtvNbdDisk *disk = mtv_nbd_disk_new_for_uri (self->source, FALSE, get_bitmap (self), label,
                                               cancellable, error);

  if (disk != NULL)
    self->source_key = g_strdup_printf ("nbd:%s:%" G_GUINT64_FORMAT, self->source,
                                        mtv_reader_get_size (MTV_READER (disk)));
  return (MtvReader *) disk;
}

/* The bytes at an http or https URL. */
static MtvReader *
open_http (MtvTransferEnds *self, const char *label, GCancellable *cancellable, GError **error)
{
  MtvHttpOptions options = { .ca = self->ca, .insecure = self->insecure };
  MtvHttpReader *file = mtv_http_reader_new (self->source, &options, label, cancellable, error);
  if (file != NULL)
    {
      g_autofree char *version = mtv_http_reader_get_version (file);

      self->source_key = g_strdup_printf ("http:%s:%s", self->source, version);
    }
  return (MtvReader *) file;
}

gboolean
mtv_transfer_ends_open_source (MtvTransferEnds *self, GCancellable *cancellable, GError **error)
{
  EndKind kind = self->source_fd >= 0 ? END_FILE : get_kind (self->source);
  g_autofree char *label = make_label (self->source);
  g_autoptr (MtvReader) file = NULL;

  if (kind == END_NBD)
    file = open_nbd (self, label, cancellable, error);
  else if (kind == END_HTTP)
    file = open_http (self, label, cancellable, error);
  else
    file = open_file (self, label, error);
  if (file == NULL)
    return FALSE;

  /* A disk behind NBD is what it is, whatever a guest has written to its beginning. */
  const char *format = self->source_format == NULL && kind == END_NBD ? "raw" : self->source_format;
  self->reader = mtv_transfer_open_disk (file, format, label, &self->format, cancellable, error);
  if (self->reader == NULL)
    return FALSE;
  if (mtv_reader_get_size (self->reader) == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is empty", label);
      return FALSE;
    }
  if (self->bitmap == NULL)
    return TRUE;
  self->changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  return mtv_nbd_disk_get_changes (MTV_NBD_DISK (file), 0, mtv_reader_get_size (file),
                                   self->changes, cancellable, error);
}

/* ---- The destination ---- */

static gboolean
open_destination_file (MtvTransferEnds *self, const char *label, GError **error)
{
  int flags = O_RDWR | O_CLOEXEC | O_NONBLOCK;

  if (self->destination_fd >= 0)
    return TRUE;
  self->destination_fd = open (self->destination, flags | O_CREAT | O_EXCL, 0640);
  if (self->destination_fd < 0 && errno == EEXIST)
    self->destination_fd = open (self->destination, flags);
  if (self->destination_fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return FALSE;
    }
  self->destination_direct_fd = open (self->destination, flags | O_DIRECT);
  return TRUE;
}

static gboolean
check_access (MtvTransferEnds *self, const char *label, GError **error)
{
  int flags = fcntl (self->destination_fd, F_GETFL);

  if (flags >= 0 && (flags & O_ACCMODE) == O_RDWR)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "%s must be open for reading and writing", label);
  return FALSE;
}

/* An inode's number may be given to another file; the time of its birth is not. */
static char *
make_file_key (int fd, const struct stat *st)
{
  struct statx more = { 0 };

  if (S_ISBLK (st->st_mode))
    return g_strdup_printf ("device:%u:%u", major (st->st_rdev), minor (st->st_rdev));
  (void) statx (fd, "", AT_EMPTY_PATH, STATX_BTIME, &more);
  return g_strdup_printf ("file:%" G_GUINT64_FORMAT ":%" G_GUINT64_FORMAT ":%" G_GINT64_FORMAT
                          ".%09u",
                          (guint64) st->st_dev, (guint64) st->st_ino,
                          (gint64) more.stx_btime.tv_sec, more.stx_btime.tv_nsec);
}

/* Writing to what is being read would end as neither. */
static gboolean
check_distinct (const MtvTransferEnds *self, const struct stat *st, const char *label,
                GError **error)
{
  struct stat source;

  if (self->source_fd < 0 || fstat (self->source_fd, &source) < 0)
    return TRUE;
  if (S_ISBLK (st->st_mode) ? !S_ISBLK (source.st_mode) || st->st_rdev != source.st_rdev
                            : st->st_dev != source.st_dev || st->st_ino != source.st_ino)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "%s is the source as well as the destination", label);
  return FALSE;
}

gboolean
mtv_transfer_ends_find_destination (MtvTransferEnds *self, GError **error)
{
  g_autofree char *label = make_label (self->destination);
  struct stat st;
  guint64 size;

  if (self->destination_fd < 0 && get_kind (self->destination) == END_NBD)
    {
      self->destination_key = g_strdup_printf ("nbd:%s", self->destination);
      return TRUE;
    }
  if (!open_destination_file (self, label, error)
      || !stat_file (self->destination_fd, label, &st, &size, error)
      || !check_distinct (self, &st, label, error) || !check_access (self, label, error))
    return FALSE;
  self->destination_key = make_file_key (self->destination_fd, &st);
  self->is_file = S_ISREG (st.st_mode);
  self->file_size = self->is_file ? size : 0;
  self->is_full = !self->is_file || size > 0;
  return TRUE;
}

static gboolean
open_nbd_destination (MtvTransferEnds *self, const char *label, guint64 size,
                      GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvNbdDisk) disk
      = mtv_nbd_disk_new_for_uri (self->destination, TRUE, NULL, label, cancellable, error);

  if (disk == NULL)
    return FALSE;
  if (mtv_reader_get_size (MTV_READER (disk)) < size)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE,
                   "%s has %" G_GUINT64_FORMAT " bytes, and the disk %" G_GUINT64_FORMAT, label,
                   mtv_reader_get_size (MTV_READER (disk)), size);
      return FALSE;
    }
  self->written = (MtvReader *) g_object_ref (disk);
  self->writer = (MtvWriter *) g_steal_pointer (&disk);
  return TRUE;
}

/* Everything that a file held becomes a hole. A device keeps what it has. */
static gboolean
make_empty (MtvTransferEnds *self, const char *label, GError **error)
{
  if (self->is_file && ftruncate (self->destination_fd, 0) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot empty %s", label);
      return FALSE;
    }
  return TRUE;
}

gboolean
mtv_transfer_ends_open_destination (MtvTransferEnds *self, gboolean anew, GCancellable *cancellable,
                                    GError **error)
{
  g_autofree char *label = make_label (self->destination);
  guint64 size = mtv_reader_get_size (self->reader);

  if (self->destination_fd < 0)
    return open_nbd_destination (self, label, size, cancellable, error);
  if (anew && !make_empty (self, label, error))
    return FALSE;
  MtvFileWriter *writer = mtv_file_writer_new_for_fd (
      self->destination_fd, self->destination_direct_fd, size, label, error);
  self->writer = (MtvWriter *) writer;
  if (writer == NULL
      || (self->preallocate && !mtv_file_writer_preallocate (writer, cancellable, error)))
    return FALSE;
  self->written = mtv_file_writer_open_reader_for_fd (
      self->destination_fd, self->destination_direct_fd, size, label, error);
  return self->written != NULL;
}
