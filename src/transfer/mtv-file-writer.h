/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A raw disk, sparse where it can be: a file in a directory, or what a descriptor stands for.
 * Aligned writes go past the page cache (O_DIRECT) where the file system can; elsewhere they are
 * written back as they come, so that a flush is short and the machine's memory is not filled with
 * our pages. */
#define MTV_TYPE_FILE_WRITER (mtv_file_writer_get_type ())
G_DECLARE_FINAL_TYPE (MtvFileWriter, mtv_file_writer, MTV, FILE_WRITER, GObject)

/* Opens or creates @name below @dirfd (never through a symbolic link) with @size bytes.
 * @is_new (out) (optional): TRUE when it was created now, and so reads as zeroes.
 * @label is what errors call it. */
MtvFileWriter *mtv_file_writer_new (int dirfd, const char *name, guint64 size, const char *label,
                                    gboolean *is_new, GError **error);

/* The same for a regular file, which is given @size bytes, or a block device, which must have them
 * (else MTV_ERROR_NO_SPACE): duplicates @fd, open for reading and writing without O_DIRECT, and
 * @direct_fd, the same file with O_DIRECT. That may be -1, and is not used if it is another. */
MtvFileWriter *mtv_file_writer_new_for_fd (int fd, int direct_fd, guint64 size, const char *label,
                                           GError **error);

/* Takes all the space now, so that the copy cannot run out of it; zeroes that are written give none
 * of it back. Where the file system has no means for that, nothing is done. Blocking; before the
 * first request and the first channel. */
gboolean mtv_file_writer_preallocate (MtvFileWriter *self, GCancellable *cancellable,
                                      GError **error);

/* A reader of the same file that asks the disk, not the page cache. (transfer full) */
MtvReader *mtv_file_writer_open_reader (int dirfd, const char *name, const char *label,
                                        GError **error);
/* The descriptors as above, for reading at least; they are duplicated. */
MtvReader *mtv_file_writer_open_reader_for_fd (int fd, int direct_fd, guint64 size,
                                               const char *label, GError **error);

G_END_DECLS
