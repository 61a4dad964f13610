/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"

G_BEGIN_DECLS

/* The XML of a pull-mode backup (https://libvirt.org/formatbackup.html) and of the checkpoint that
 * goes with it (https://libvirt.org/formatcheckpoint.html). */

/* What a backup job is to be, or is. */
typedef struct
{
  char *socket; /* (owned) (nullable) where QEMU serves the disks; NULL: not on a Unix socket */
  char *since;  /* (owned) (nullable) the checkpoint that it is reckoned from */
  GHashTable *disks; /* (owned) id of a disk to the path of its scratch file (nullable) */
} MtvLibvirtBackup;

MtvLibvirtBackup *mtv_libvirt_backup_new (const char *socket, const char *since);
void mtv_libvirt_backup_free (MtvLibvirtBackup *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvLibvirtBackup, mtv_libvirt_backup_free)

void mtv_libvirt_backup_add_disk (MtvLibvirtBackup *self, const char *id, const char *scratch);

/* What libvirt says of a job that runs. MTV_ERROR_BAD_DATA. (transfer full) */
MtvLibvirtBackup *mtv_libvirt_backup_parse (const char *xml, gsize length, GError **error);

/* (transfer full) */
char *mtv_libvirt_backup_to_xml (const MtvLibvirtBackup *self);
char *mtv_libvirt_backup_checkpoint_to_xml (const MtvLibvirtBackup *self, const char *name);

/* The bitmap that is exported with disk @id, and what a client opens. (transfer full) */
char *mtv_libvirt_backup_bitmap (const char *id);
char *mtv_libvirt_backup_uri (const MtvLibvirtBackup *self, const char *id);

/* What libvirt wrote of the checkpoint @xml, but of the one disk @only. NULL if that is not in it.
 * (transfer full) */
char *mtv_libvirt_backup_reduce_checkpoint (const char *xml, const char *only);

G_END_DECLS
