/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A disk behind an NBD server: an MtvReader (extents by base:allocation), and an MtvWriter when it
 * was opened writable. A pool of connections serves several threads. */
#define MTV_TYPE_NBD_DISK (mtv_nbd_disk_get_type ())
G_DECLARE_FINAL_TYPE (MtvNbdDisk, mtv_nbd_disk, MTV, NBD_DISK, GObject)

/* @owner (nullable): kept alive as long as the disk, such as the MtvNbdServer behind @socket_path.
 * @label is what errors call the disk. Blocking. */
MtvNbdDisk *mtv_nbd_disk_new (const char *socket_path, gboolean writable, GObject *owner,
                              const char *label, GError **error);

G_END_DECLS
