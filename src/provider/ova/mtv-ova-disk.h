/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/ova/mtv-ova-package.h"

G_BEGIN_DECLS

/* What a disk's files are is told by their contents: the OVF's format URI is often wrong. */

/* The disk as the guest sees it: what its format says, or the OVF if that says more (then zeroes
 * follow). (transfer full) */
MtvReader *mtv_ova_disk_open (MtvOvaPackage *package, const MtvOvfDisk *source,
                              GCancellable *cancellable, GError **error);

/* Fills format, capacity, allocated and problem of @disk from the headers; reads no data, and
 * nothing of what is compressed as a whole. FALSE only when cancelled. */
gboolean mtv_ova_disk_probe (MtvOvaPackage *package, const MtvOvfDisk *source, MtvVmDisk *disk,
                             GCancellable *cancellable, GError **error);

/* All files that the disk is stored in, those that a VMDK descriptor names included.
 * (element-type char *) (transfer full) */
GPtrArray *mtv_ova_disk_list_files (MtvOvaPackage *package, const MtvOvfDisk *source,
                                    GCancellable *cancellable, GError **error);

G_END_DECLS
