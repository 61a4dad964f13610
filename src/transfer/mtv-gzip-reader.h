/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Random access to what a gzip file holds, without unpacking it: one pass over the file notes a
 * point to start from every few MiB (RFC 1951 window and bit position), a read inflates from the
 * nearest one. Sequential reads go on where the last one stopped. */
#define MTV_TYPE_GZIP_READER (mtv_gzip_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvGzipReader, mtv_gzip_reader, MTV, GZIP_READER, GObject)

/* @max_size: an error (MTV_ERROR_BAD_DATA) when the contents are larger. Blocking: makes the pass,
 * which also checks the CRC of every member. @label is what errors call it. */
MtvGzipReader *mtv_gzip_reader_new (MtvReader *file, guint64 max_size, const char *label,
                                    GCancellable *cancellable, GError **error);

G_END_DECLS
