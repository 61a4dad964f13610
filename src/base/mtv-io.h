/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Blocking file helpers; errors are MTV_ERROR and name @what ("disk 'a.vmdk' of 'x.ova'"). */

/* Reads exactly @length bytes; a short file is MTV_ERROR_BAD_DATA. */
gboolean mtv_io_pread (int fd, gpointer buffer, gsize length, guint64 offset, const char *what,
                       GError **error);
gboolean mtv_io_pwrite (int fd, gconstpointer buffer, gsize length, guint64 offset,
                        const char *what, GError **error);

/* Writes a small file in directory @dirfd so that after a power cut there is either the whole new
 * file or what was there before: temporary name, fdatasync, rename, fsync of the directory. */
gboolean mtv_io_replace_file (int dirfd, const char *name, const char *contents, gssize length,
                              int mode, GError **error);

gboolean mtv_io_sync_directory (int dirfd, const char *what, GError **error);

/* Removes @name below @dirfd, a file or a whole tree, never following a symbolic link out of it.
 * What is already gone is no error. */
gboolean mtv_io_remove_tree (int dirfd, const char *name, GError **error);

G_END_DECLS
