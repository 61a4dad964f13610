/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A range of a file: a whole raw image, or one member of a tar archive where it lies. */
#define MTV_TYPE_FILE_READER (mtv_file_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvFileReader, mtv_file_reader, MTV, FILE_READER, GObject)

/* Duplicates @fd. @name is what errors call it: "'disk1.vmdk' of 'web.ova'". Bytes that the file
 * does not have although the range promises them are MTV_ERROR_BAD_DATA when read.
 * Holes of the file (SEEK_HOLE) are its zero extents. */
MtvFileReader *mtv_file_reader_new (int fd, guint64 offset, guint64 length, const char *name,
                                    GError **error);

/* For handing the range to a child process, which gets a duplicate. */
int mtv_file_reader_get_fd (MtvFileReader *self);
guint64 mtv_file_reader_get_offset (MtvFileReader *self);

G_END_DECLS
