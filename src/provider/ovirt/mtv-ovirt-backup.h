/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"
#include "provider/ovirt/mtv-ovirt-client.h"

G_BEGIN_DECLS

/* Points of a VM as the engine's backups and their checkpoints: the backup is the snapshot of a
 * point, which data is read from, its checkpoint the mark that the next one is reckoned from. The
 * engine lets us choose a backup's id: made of the point's key, it is found again after a crash.
 * The remote id of a point is "BACKUP CHECKPOINT". All block. */

/* See mtv_source_create_point(). */
MtvPoint *mtv_ovirt_backup_create (MtvOvirtClient *client, MtvVm *vm, const char *key,
                                   const MtvPoint *since, GCancellable *cancellable,
                                   GError **error);

/* The id of the backup in the remote id of a point. (transfer full) */
char *mtv_ovirt_backup_get_id (const MtvPoint *point);

/* See mtv_source_remove(), of MTV_SOURCE_SNAPSHOT and MTV_SOURCE_MARK. */
gboolean mtv_ovirt_backup_finish (MtvOvirtClient *client, const char *vm_id, const char *key,
                                  GCancellable *cancellable, GError **error);
gboolean mtv_ovirt_backup_forget (MtvOvirtClient *client, const char *vm_id, const char *key,
                                  const char *remote_id, GCancellable *cancellable, GError **error);

/* See mtv_source_enable_tracking(); @put_back: the ids of the disks, with blanks. */
gboolean mtv_ovirt_tracking_enable (MtvOvirtClient *client, MtvVm *vm, char **put_back,
                                    GCancellable *cancellable, GError **error);
gboolean mtv_ovirt_tracking_put_back (MtvOvirtClient *client, const char *disks,
                                      GCancellable *cancellable, GError **error);

G_END_DECLS
