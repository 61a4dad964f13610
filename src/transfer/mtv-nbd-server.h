/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A child qemu-nbd that serves one image on a socket of its own, in a private temporary folder.
 * It dies with this object, and with this process however that ends. Blocking; for worker threads.
 */
#define MTV_TYPE_NBD_SERVER (mtv_nbd_server_get_type ())
G_DECLARE_FINAL_TYPE (MtvNbdServer, mtv_nbd_server, MTV, NBD_SERVER, GObject)

/* Serves the whole of @fd as an image of @format ("qcow2", "vpc", "vhdx", "raw") and returns when
 * it can be connected to. The child opens the file again, so this process must be allowed to: it is
 * for files of our own. No other file is ever opened: the caller has refused images that name
 * others, and backing files are switched off here as well.
 * A format error is MTV_ERROR_BAD_DATA with what qemu-nbd said. */
MtvNbdServer *mtv_nbd_server_new (int fd, const char *format, gboolean writable, const char *label,
                                  GCancellable *cancellable, GError **error);

/* The same, read-only, for an image wherever its bytes come from: the child asks this process for
 * them and opens nothing at all. While it opens the image, an error of @file is handed on. */
MtvNbdServer *mtv_nbd_server_new_for_reader (MtvReader *file, const char *format, const char *label,
                                             GCancellable *cancellable, GError **error);

/* Another program that serves what it likes on the socket that it inherits, by systemd's protocol,
 * such as nbdkit. @argv: with the path of the program. @secret: (nullable) what it can read from
 * descriptor 4 (MTV_NBD_SERVER_SECRET_FD) up to its end, and nobody sees. One that ends instead of
 * serving is MTV_ERROR_FAILED with what it said. */
#define MTV_NBD_SERVER_SECRET_FD 4
MtvNbdServer *mtv_nbd_server_new_for_program (const char *const *argv, const char *secret,
                                              const char *label, GCancellable *cancellable,
                                              GError **error);

/* What the child wrote to its standard error so far, the first of it. (transfer full) */
char *mtv_nbd_server_get_said (MtvNbdServer *self);
/* One image of a chain of them. */
typedef struct
{
  int fd;             /* a file or a block device, as mtv_nbd_server_new() takes it */
  const char *format; /* "qcow2" or "raw" */
} MtvNbdLayer;

#define MTV_NBD_MAX_LAYERS 32

/* Read-only, a disk in several images: the first is the disk's, each of the others the backing file
 * of the one before it, whatever the headers name; 1 to MTV_NBD_MAX_LAYERS. @bitmap (nullable) is
 * kept in the first, and served for mtv_nbd_disk_new_with_bitmap(). */
MtvNbdServer *mtv_nbd_server_new_for_chain (const MtvNbdLayer *layers, guint n_layers,
                                            const char *bitmap, const char *label,
                                            GCancellable *cancellable, GError **error);

/* A Unix socket's path; the export's name is empty. */
const char *mtv_nbd_server_get_socket (MtvNbdServer *self);

/* Ends the server and waits for it: what was flushed is in the image afterwards. */
gboolean mtv_nbd_server_stop (MtvNbdServer *self, GError **error);

G_END_DECLS
