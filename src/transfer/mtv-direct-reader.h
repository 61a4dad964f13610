/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A whole file, read past the page cache: what the disk has, not what we have just written. Where
 * the file system has no O_DIRECT, the cached pages are dropped before they are read. Private to
 * transfer/. */
#define MTV_TYPE_DIRECT_READER (mtv_direct_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvDirectReader, mtv_direct_reader, MTV, DIRECT_READER, GObject)

/* Takes @fd and, unless it is -1, @direct_fd: the same file, with O_DIRECT. */
MtvReader *mtv_direct_reader_new (int fd, int direct_fd, guint64 size, const char *label,
                                  GError **error);

G_END_DECLS
