/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* The VMs of a fake source that run and write to their disks: what they are is in files in the
 * folder fake_world.live, so that it outlives a process that is killed. For each VM "vm-N":
 * vm-N.off, vm-N.disk-M, and of every point snapshot.KEY.vm-N.disk-M and mark.KEY.vm-N.disk-M, both
 * copies of the disk as it was. Every request checks that there is one snapshot at most. */

/* Of the VMs that are there for the first time. */
void fake_live_set_up (MtvVm *vm);

MtvPower fake_live_get_power (const char *vm_id);
void fake_live_set_power (const char *vm_id, MtvPower power);
/* How often it was switched on by us. */
guint fake_live_count_starts (void);

/* The disk as it is now, or as it was at a point. (transfer full) */
guint8 *fake_live_read (const char *vm_id, guint disk);
/* The guest writes @length bytes made of @seed. */
void fake_live_write (const char *vm_id, guint disk, guint64 offset, guint64 length, guint seed);
/* Somebody else removes what begins with @prefix: "snapshot", "mark". */
void fake_live_remove (const char *prefix);
/* Objects of @kind at the source, one a point and disk. */
guint fake_live_count (const char *kind);

gboolean fake_live_shut_down (MtvVm *vm, gboolean force, GError **error);
gboolean fake_live_look (MtvVm *vm, MtvPower *power);
void fake_live_start (MtvVm *vm);
MtvPoint *fake_live_create_point (MtvVm *vm, const char *key, const MtvPoint *since,
                                  GError **error);
/* @bytes (out) (transfer full) */
gboolean fake_live_open_point (MtvVm *vm, guint disk, const MtvPoint *point, const MtvPoint *since,
                               guint8 **bytes, GArray **changes, GError **error);
char *fake_live_enable_tracking (MtvVm *vm);
void fake_live_remove_entry (const char *vm_id, const char *kind, const char *key,
                             const char *remote_id);

G_END_DECLS
