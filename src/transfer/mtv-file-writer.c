/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-file-writer.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "transfer/mtv-aligned.h"
#include "transfer/mtv-direct-reader.h"
#include "transfer/mtv-file-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define WINDOW 8 /* buffered writes that may be on their way to the disk */
#define PREALLOCATION_STEP (G_GUINT64_CONSTANT (1) << 30)

typedef struct
{
  guint64 offset;
  gsize length; /* 0: none */
} Range;

struct _MtvFileWriter
{
  GObject parent;

  int fd;        /* (owned) */
  int direct_fd; /* (owned) the same file with O_DIRECT, or -1 */
  guint64 size;
  char *label;   /* (owned) */
  int zero_mode; /* of fallocate() */

  GMutex lock; /* for these two */
  Range window[WINDOW];
  guint next; /* of window, the oldest */
};

static void mtv_file_writer_writer_init (MtvWriterInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvFileWriter, mtv_file_writer, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_WRITER, mtv_file_writer_writer_init))

static gboolean
sync_range (MtvFileWriter *self, const Range *range, unsigned int flags, GError **error)
{
  if (sync_file_range (self->fd, range->offset, range->length, flags) == 0
      || !mtv_file_sync_is_error (errno))
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot write %s", self->label);
  return FALSE;
}

/* Starts the write-back of what was just written and, a few writes later, waits for it and drops
 * the pages: else they pile up until the kernel stalls every writer of the machine. */
static gboolean
write_back (MtvFileWriter *self, guint64 offset, gsize length, GError **error)
{
  Range newest = { offset, length };

  g_mutex_lock (&self->lock);
  Range oldest = self->window[self->next];
  self->window[self->next] = newest;
  self->next = (self->next + 1) % WINDOW;
  g_mutex_unlock (&self->lock);

  if (!sync_range (self, &newest, SYNC_FILE_RANGE_WRITE, error))
    return FALSE;
  if (oldest.length == 0)
    return TRUE;
  if (!sync_range (self, &oldest,
                   SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER,
                   error))
    return FALSE;
  (void) posix_fadvise (self->fd, oldest.offset, oldest.length, POSIX_FADV_DONTNEED);
  return TRUE;
}

/* How much of the range went out past the page cache. Whatever did not, for alignment or an error,
 * is left to the other way, which tells an error that lasts. The disk's last, partial 4 KiB never
 * goes this way, so no page is ever written both ways at once: blocks are not shared by threads. */
static gsize
write_direct (MtvFileWriter *self, guint64 offset, const guint8 *buffer, gsize length)
{
  gsize whole = length / MTV_ALIGNMENT * MTV_ALIGNMENT;

  if (self->direct_fd < 0 || whole == 0
      || (offset | GPOINTER_TO_SIZE (buffer)) % MTV_ALIGNMENT != 0)
    return 0;
  gssize n = pwrite (self->direct_fd, buffer, whole, offset);
  return n > 0 ? (gsize) n : 0;
}

static gboolean
file_writer_write (MtvWriter *writer, guint64 offset, gconstpointer buffer, gsize length,
                   GCancellable *cancellable, GError **error)
{
  MtvFileWriter *self = MTV_FILE_WRITER (writer);

  g_return_val_if_fail (length <= self->size && offset <= self->size - length, FALSE);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  gsize done = write_direct (self, offset, buffer, length);
  if (done == length)
    return TRUE;
  return mtv_io_pwrite (self->fd, (const guint8 *) buffer + done, length - done, offset + done,
                        self->label, error)
         && write_back (self, offset + done, length - done, error);
}

static gboolean
file_writer_zero (MtvWriter *writer, guint64 offset, guint64 length, GCancellable *cancellable,
                  GError **error)
{
  MtvFileWriter *self = MTV_FILE_WRITER (writer);
  MtvWriterInterface *by_writing = g_type_default_interface_peek (MTV_TYPE_WRITER);

  g_return_val_if_fail (length <= self->size && offset <= self->size - length, FALSE);

  if (length == 0)
    return TRUE;
  if (fallocate (self->fd, self->zero_mode, offset, length) == 0)
    return TRUE;
  if (errno == EINTR || mtv_file_hole_is_refused (errno))
    return by_writing->zero (writer, offset, length, cancellable, error);
  mtv_error_set_errno (error, errno, "Cannot write zeroes to %s", self->label);
  return FALSE;
}

/* Past the cache or not, fdatasync() is what empties the disk's own cache, and makes the block
 * allocation durable. */
static gboolean
file_writer_flush (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  MtvFileWriter *self = MTV_FILE_WRITER (writer);

  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return FALSE;
  if (fdatasync (self->fd) == 0)
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot flush %s", self->label);
  return FALSE;
}

static MtvChannel *
file_writer_open_channel (MtvWriter *writer, GCancellable *cancellable, GError **error)
{
  MtvFileWriter *self = MTV_FILE_WRITER (writer);
  MtvWriterInterface *blocking = g_type_default_interface_peek (MTV_TYPE_WRITER);
  MtvFileEnd end = {
    .fd = self->fd, .direct_fd = self->direct_fd, .zero_mode = self->zero_mode, .label = self->label
  };
  MtvChannel *channel = mtv_file_channel_new (&end);

  return channel != NULL ? channel : blocking->open_channel (writer, cancellable, error);
}

static void
mtv_file_writer_writer_init (MtvWriterInterface *iface)
{
  iface->write = file_writer_write;
  iface->zero = file_writer_zero;
  iface->flush = file_writer_flush;
  iface->open_channel = file_writer_open_channel;
}

static void
mtv_file_writer_finalize (GObject *object)
{
  MtvFileWriter *self = MTV_FILE_WRITER (object);

  if (self->fd >= 0)
    close (self->fd);
  if (self->direct_fd >= 0)
    close (self->direct_fd);
  g_mutex_clear (&self->lock);
  g_free (self->label);

  G_OBJECT_CLASS (mtv_file_writer_parent_class)->finalize (object);
}

static void
mtv_file_writer_class_init (MtvFileWriterClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_file_writer_finalize;
}

static void
mtv_file_writer_init (MtvFileWriter *self)
{
  self->fd = -1;
  self->direct_fd = -1;
  self->zero_mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
  g_mutex_init (&self->lock);
}

static gboolean
name_is_plain (const char *name, const char *label, GError **error)
{
  if (*name != '\0' && strchr (name, '/') == NULL)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "Cannot open %s: '%s' is not a file name", label, name);
  return FALSE;
}

/* A regular file, and nothing that only looks like one. */
static gboolean
stat_regular (int fd, struct stat *st, const char *label, GError **error)
{
  if (fstat (fd, st) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return FALSE;
    }
  if (S_ISREG (st->st_mode))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
               "Cannot open %s: it is not a regular file", label);
  return FALSE;
}

/* Takes @fd if it is the file of @st once more; else -1. */
static int
take_same_file (int fd, const struct stat *st)
{
  struct stat other;

  if (fd >= 0 && fstat (fd, &other) == 0 && other.st_dev == st->st_dev
      && other.st_ino == st->st_ino)
    return fd;
  if (fd >= 0)
    close (fd);
  return -1;
}

/* The file of @st past the page cache; -1 where that is not to be had. */
static int
open_direct (int dirfd, const char *name, int flags, const struct stat *st)
{
  return take_same_file (openat (dirfd, name, flags | O_DIRECT | O_NOFOLLOW | O_CLOEXEC), st);
}

/* Whether @flags, of a descriptor that was given to us, are fit for positioned I/O of this kind:
 * O_APPEND would write everything at the end. */
static gboolean
flags_fit (int flags, int access)
{
  int has = flags & O_ACCMODE;

  return flags >= 0 && (has == O_RDWR || has == access) && (flags & (O_APPEND | O_PATH)) == 0;
}

static int
duplicate_direct (int direct_fd, int access, const struct stat *st)
{
  int flags = direct_fd < 0 ? -1 : fcntl (direct_fd, F_GETFL);

  return flags_fit (flags, access) && (flags & O_DIRECT) != 0
             ? take_same_file (fcntl (direct_fd, F_DUPFD_CLOEXEC, 3), st)
             : -1;
}

static gboolean
set_size (int fd, const struct stat *st, guint64 size, const char *label, GError **error)
{
  if ((guint64) st->st_size == size || ftruncate (fd, size) == 0)
    return TRUE;
  mtv_error_set_errno (error, errno, "Cannot make %s %" G_GUINT64_FORMAT " bytes large", label,
                       size);
  return FALSE;
}

static int
open_or_create (int dirfd, const char *name, gboolean *is_new)
{
  int fd = openat (dirfd, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0640);

  *is_new = fd >= 0;
  return fd >= 0 || errno != EEXIST
             ? fd
             : openat (dirfd, name, O_RDWR | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
}

static MtvFileWriter *
file_writer_alloc (guint64 size, const char *label)
{
  MtvFileWriter *self = g_object_new (MTV_TYPE_FILE_WRITER, NULL);

  self->size = size;
  self->label = g_strdup (label);
  return self;
}

MtvFileWriter *
mtv_file_writer_new (int dirfd, const char *name, guint64 size, const char *label, gboolean *is_new,
                     GError **error)
{
  struct stat st;
  gboolean created;

  g_return_val_if_fail (name != NULL, NULL);
  g_return_val_if_fail (size <= G_MAXINT64, NULL);

  if (!name_is_plain (name, label, error))
    return NULL;
  g_autoptr (MtvFileWriter) self = file_writer_alloc (size, label);
  self->fd = open_or_create (dirfd, name, &created);
  if (self->fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return NULL;
    }
  if (!stat_regular (self->fd, &st, label, error) || !set_size (self->fd, &st, size, label, error))
    return NULL;
  self->direct_fd = open_direct (dirfd, name, O_RDWR, &st);
  if (is_new != NULL)
    *is_new = created;
  return g_steal_pointer (&self);
}

static gboolean
device_is_large_enough (int fd, guint64 size, const char *label, GError **error)
{
  guint64 has = 0;

  if (ioctl (fd, BLKGETSIZE64, &has) < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return FALSE;
    }
  if (has >= size)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE,
               "Cannot use %s: it has %" G_GUINT64_FORMAT " bytes, but %" G_GUINT64_FORMAT
               " are needed",
               label, has, size);
  return FALSE;
}

/* A duplicate of a descriptor that was given to us, which must be for a whole disk. */
static int
duplicate_disk (int fd, int access, guint64 size, struct stat *st, const char *label,
                GError **error)
{
  int flags = fcntl (fd, F_GETFL);
  int own = flags < 0 ? -1 : fcntl (fd, F_DUPFD_CLOEXEC, 3);

  if (own < 0 || fstat (own, st) < 0)
    mtv_error_set_errno (error, errno, "Cannot open %s", label);
  else if (!flags_fit (flags, access) || (flags & O_DIRECT) != 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "Cannot use %s: its descriptor must be open for %s, without O_APPEND and O_DIRECT",
                 label, access == O_RDWR ? "reading and writing" : "reading");
  else if (!S_ISREG (st->st_mode) && !S_ISBLK (st->st_mode))
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "Cannot use %s: it is neither a regular file nor a block device", label);
  else if (S_ISREG (st->st_mode) || device_is_large_enough (own, size, label, error))
    return own;
  if (own >= 0)
    close (own);
  return -1;
}

MtvFileWriter *
mtv_file_writer_new_for_fd (int fd, int direct_fd, guint64 size, const char *label, GError **error)
{
  struct stat st;

  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (size <= G_MAXINT64, NULL);

  g_autoptr (MtvFileWriter) self = file_writer_alloc (size, label);
  self->fd = duplicate_disk (fd, O_RDWR, size, &st, label, error);
  if (self->fd < 0 || (S_ISREG (st.st_mode) && !set_size (self->fd, &st, size, label, error)))
    return NULL;
  self->direct_fd = duplicate_direct (direct_fd, O_RDWR, &st);
  return g_steal_pointer (&self);
}

gboolean
mtv_file_writer_preallocate (MtvFileWriter *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_FILE_WRITER (self), FALSE);

  for (guint64 at = 0; at < self->size;)
    {
      guint64 step = MIN (self->size - at, PREALLOCATION_STEP);

      if (g_cancellable_set_error_if_cancelled (cancellable, error))
        return FALSE;
      if (fallocate (self->fd, FALLOC_FL_KEEP_SIZE, at, step) == 0)
        at += step;
      else if (errno == EOPNOTSUPP || errno == ENOSYS || errno == ENODEV)
        return TRUE;
      else if (errno != EINTR)
        {
          mtv_error_set_errno (error, errno, "Cannot allocate the space of %s", self->label);
          return FALSE;
        }
    }
  self->zero_mode = FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE;
  return TRUE;
}

/* Takes @fd and @direct_fd. */
static MtvReader *
open_disk_reader (int fd, int direct_fd, guint64 size, const char *label, GError **error)
{
  /* Only clean pages can be dropped from the cache. */
  if (fdatasync (fd) == 0)
    return mtv_direct_reader_new (fd, direct_fd, size, label, error);
  mtv_error_set_errno (error, errno, "Cannot flush %s", label);
  close (fd);
  if (direct_fd >= 0)
    close (direct_fd);
  return NULL;
}

MtvReader *
mtv_file_writer_open_reader_for_fd (int fd, int direct_fd, guint64 size, const char *label,
                                    GError **error)
{
  struct stat st;

  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (size <= G_MAXINT64, NULL);

  int own = duplicate_disk (fd, O_RDONLY, size, &st, label, error);
  return own < 0 ? NULL
                 : open_disk_reader (own, duplicate_direct (direct_fd, O_RDONLY, &st), size, label,
                                     error);
}

MtvReader *
mtv_file_writer_open_reader (int dirfd, const char *name, const char *label, GError **error)
{
  struct stat st;

  g_return_val_if_fail (name != NULL, NULL);

  if (!name_is_plain (name, label, error))
    return NULL;
  int fd = openat (dirfd, name, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC);
  if (fd < 0)
    {
      mtv_error_set_errno (error, errno, "Cannot open %s", label);
      return NULL;
    }
  if (!stat_regular (fd, &st, label, error))
    {
      close (fd);
      return NULL;
    }
  return open_disk_reader (fd, open_direct (dirfd, name, O_RDONLY, &st), st.st_size, label, error);
}
