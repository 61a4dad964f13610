/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-sparse-format.h"

G_BEGIN_DECLS

/* "-delta.vmdk", signature "COWD": the redo log of disks of less than 2 TiB on VMFS 5 and NFS. */
extern const MtvSparseFormat mtv_vmfs_sparse;

G_END_DECLS
