/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A sparse raw image in a directory. Aligned writes go past the page cache (O_DIRECT) where the
 * file system can; elsewhere they are written back as they come, so that a flush is short and the
 * machine's memory is not filled with our pages. */
#define MTV_TYPE_FILE_WRITER (mtv_file_writer_get_type ())
G_DECLARE_FINAL_TYPE (MtvFileWriter, mtv_file_writer, MTV, FILE_WRITER, GObject)

/* Opens or creates @name below @dirfd (never through a symbolic link) with @size bytes.
 * @is_new (out) (optional): TRUE when it was created now, and so reads as zeroes.
 * @label is what errors call it. */
MtvFileWriter *mtv_file_writer_new (int dirfd, const char *name, guint64 size, const char *label,
                                    gboolean *is_new, GError **error);

/* A reader of the same file that asks the disk, not the page cache. (transfer full) */
MtvReader *mtv_file_writer_open_reader (int dirfd, const char *name, const char *label,
                                        GError **error);

G_END_DECLS
