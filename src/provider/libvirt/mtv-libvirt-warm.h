/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/libvirt/mtv-libvirt-backup.h"
#include "provider/libvirt/mtv-libvirt-link.h"
#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* Points of libvirt: of a domain that runs, a checkpoint KEY (the mark) and a pull-mode backup job
 * (the snapshot), whose disks QEMU serves on the socket KEY.sock; of one that is off, nothing: its
 * images are read where they lie, and must not have changed since. */
typedef struct
{
  MtvLibvirtLink *link;       /* (unowned) */
  const char *folder;         /* (unowned) for sockets: QEMU makes them there, we connect */
  const char *scratch_folder; /* (unowned) (nullable) for what the guest overwrites during a round,
                                 else beside each disk */
} MtvLibvirtWarm;

void mtv_libvirt_warm_check (const MtvLibvirtWarm *self, MtvVm *vm, GPtrArray *concerns,
                             GCancellable *cancellable);

MtvPoint *mtv_libvirt_warm_create_point (const MtvLibvirtWarm *self, MtvVm *vm, const char *key,
                                         const MtvPoint *since, GCancellable *cancellable,
                                         GError **error);
MtvReader *mtv_libvirt_warm_open_point (const MtvLibvirtWarm *self, MtvVm *vm,
                                        const MtvVmDisk *disk, const MtvPoint *point,
                                        const MtvPoint *since, GArray **changes,
                                        GCancellable *cancellable, GError **error);

gboolean mtv_libvirt_warm_remove_snapshot (const MtvLibvirtWarm *self, const char *vm_id,
                                           const char *key, GCancellable *cancellable,
                                           GError **error);
gboolean mtv_libvirt_warm_remove_mark (const MtvLibvirtWarm *self, const char *vm_id,
                                       const char *key, GCancellable *cancellable, GError **error);

/* Private to these files. */

/* (transfer full) */
char *mtv_libvirt_warm_socket (const MtvLibvirtWarm *self, const char *key);
/* NULL where there is no place for it. (transfer full) */
char *mtv_libvirt_warm_scratch (const MtvLibvirtWarm *self, const MtvVmDisk *disk, const char *key);

/* The backup job that runs; NULL without @error: none. (transfer full) */
MtvLibvirtBackup *mtv_libvirt_warm_get_job (virDomain *domain, GError **error);
/* Ends it and waits. It is ours. */
gboolean mtv_libvirt_warm_abort_job (virDomain *domain, GCancellable *cancellable, GError **error);
/* Removes a checkpoint and its bitmaps; one that is not there is success. */
gboolean mtv_libvirt_warm_remove_checkpoint (virDomain *domain, const char *name, gboolean is_local,
                                             GCancellable *cancellable, GError **error);

G_END_DECLS
