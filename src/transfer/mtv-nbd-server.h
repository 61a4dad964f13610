/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A child qemu-nbd that serves one image on a socket of its own, in a private temporary folder.
 * It dies with this object, and with this process however that ends. Blocking; for worker threads.
 */
#define MTV_TYPE_NBD_SERVER (mtv_nbd_server_get_type ())
G_DECLARE_FINAL_TYPE (MtvNbdServer, mtv_nbd_server, MTV, NBD_SERVER, GObject)

/* Serves bytes [@offset, @offset + @length) of @fd as an image of @format ("qcow2", "vpc", "vhdx",
 * "raw") and returns when it can be connected to. No file but @fd is ever opened: the caller has
 * refused images that name others, and backing files are switched off here as well.
 * A format error is MTV_ERROR_BAD_DATA with what qemu-nbd said. */
MtvNbdServer *mtv_nbd_server_new (int fd, guint64 offset, guint64 length, const char *format,
                                  gboolean writable, const char *label, GCancellable *cancellable,
                                  GError **error);

/* A Unix socket's path; the export's name is empty. */
const char *mtv_nbd_server_get_socket (MtvNbdServer *self);

/* Ends the server and waits for it: what was flushed is in the image afterwards. */
gboolean mtv_nbd_server_stop (MtvNbdServer *self, GError **error);

G_END_DECLS
