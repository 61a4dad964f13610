/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk.h"

G_BEGIN_DECLS

/* Is all there that reading by VMware's library takes: nbdkit, its plugin and the library? @why:
 * (out) (transfer full) where it is, or what is missing. */
gboolean mtv_vsphere_vddk_find (const MtvVsphereDiskRequest *request, char **why);

/* A child nbdkit that reads the disk, and ends with the reader. Blocking. (transfer full) */
MtvReader *mtv_vsphere_vddk_open (const MtvVsphereDiskRequest *request, GCancellable *cancellable,
                                  GError **error);

G_END_DECLS
