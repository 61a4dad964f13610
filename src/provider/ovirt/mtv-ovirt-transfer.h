/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/ovirt/mtv-ovirt-client.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* An image transfer of the engine: what a disk is downloaded by. The disk is locked at the source
 * as long as one exists, so it is closed when the reader is freed; one that a crash left behind is
 * ended by the engine a few minutes later, by its timeout. */
typedef struct
{
  MtvOvirtClient *client; /* (unowned) */
  const char *ca;         /* (nullable) PEM: the engine's own authority signs the hosts */
  gboolean insecure;
} MtvOvirtDoor;

/* @backup: (nullable) the id of the backup that the disk is read in. @size: bytes. @label: what
 * errors call the disk. @changes: (out) (optional) (nullable) (transfer full): what the backup
 * tells to have changed; NULL if it does not. Blocking, for minutes while the engine prepares.
 * (transfer full) */
MtvReader *mtv_ovirt_transfer_open (const MtvOvirtDoor *door, const char *disk, const char *backup,
                                    guint64 size, const char *label, GArray **changes,
                                    GCancellable *cancellable, GError **error);

/* Ends all transfers of @backup, whoever began them, and waits for it. Blocking. */
gboolean mtv_ovirt_transfer_close_all (MtvOvirtClient *client, const char *backup,
                                       GCancellable *cancellable, GError **error);

G_END_DECLS
