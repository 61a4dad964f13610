/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A disk behind an NBD server: an MtvReader (extents by base:allocation), and an MtvWriter when it
 * was opened writable. The blocking calls share a connection, or two where the server promises that
 * they agree (NBD_FLAG_CAN_MULTI_CONN), and every channel has its own: the first takes over one
 * that idles. Whoever reads by a channel and asks for extents needs a server that admits two.
 *
 * A connection that breaks is opened again, and what was under way goes on: see
 * mtv_nbd_disk_set_patience(). A flush after that fails with MTV_ERROR_UNREACHABLE, for good, if
 * anything was written since the last one: open the disk again and go on from what that covered. A
 * disk that comes back with another size is MTV_ERROR_SOURCE_CHANGED.
 *
 * Where the server takes whole blocks only, parts of them are read and written through a copy of
 * the block; such writes wait for all others of the channel, and there must be one channel. */
#define MTV_TYPE_NBD_DISK (mtv_nbd_disk_get_type ())
G_DECLARE_FINAL_TYPE (MtvNbdDisk, mtv_nbd_disk, MTV, NBD_DISK, GObject)

/* @owner (nullable): kept alive as long as the disk, such as the MtvNbdServer behind @socket_path.
 * Nobody starts such a server again, so the patience is 0, and 5 minutes for an answer. @label is
 * what errors call the disk. Blocking, for up to 30 s. */
MtvNbdDisk *mtv_nbd_disk_new (const char *socket_path, gboolean writable, GObject *owner,
                              const char *label, GError **error);

/* The same, read-only, with a @bitmap of QEMU's server for mtv_nbd_disk_get_changes(). */
MtvNbdDisk *mtv_nbd_disk_new_with_bitmap (const char *socket_path, const char *bitmap,
                                          GObject *owner, const char *label, GError **error);

/* @uri: nbd://, nbds://, nbd+unix:// or nbds+unix:// (the NBD project's doc/uri.md). With TLS the
 * server's certificate is verified. As libnbd takes them, tls-psk-file=FILE and
 * tls-certificates=DIRECTORY, and socket=PATH, name local files, which this process opens: who may
 * hand in URIs may have it use those. What stands before the host, the user's name, is in no error.
 * @bitmap (nullable): of QEMU's server, what mtv_nbd_disk_get_changes() asks for;
 * MTV_ERROR_NOT_FOUND if it is not offered. Blocking, for up to 30 s and for the look-up of the
 * host's name. */
MtvNbdDisk *mtv_nbd_disk_new_for_uri (const char *uri, gboolean writable, const char *bitmap,
                                      const char *label, GCancellable *cancellable, GError **error);

/* How long a server that was lost is looked for (0: one attempt), and how long it may take over an
 * answer (five times as long over a flush) until it counts as lost. Both are a minute unless set.
 * Before the disk is used. */
void mtv_nbd_disk_set_patience (MtvNbdDisk *self, guint lost_msec, guint silent_msec);

/* Appends to @changes (of MtvExtent) those parts of [@offset, @offset + @length) that are dirty in
 * the bitmap that the disk was opened with, in order, neighbours merged. Blocking. */
gboolean mtv_nbd_disk_get_changes (MtvNbdDisk *self, guint64 offset, guint64 length,
                                   GArray *changes, GCancellable *cancellable, GError **error);

G_END_DECLS
