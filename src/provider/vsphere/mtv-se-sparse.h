/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-sparse-format.h"

G_BEGIN_DECLS

/* "-sesparse.vmdk": the changes since a snapshot on VMFS 6, and of disks of 2 TiB and more. */
extern const MtvSparseFormat mtv_se_sparse;

/* @bytes: MTV_VMDK_SECTOR of them, the volatile header (at layout.state). A link with a journal
 * that was not replayed is MTV_ERROR_UNSUPPORTED: what its tables say is not true yet. */
gboolean mtv_se_sparse_check_state (const guint8 *bytes, const char *label, GError **error);

G_END_DECLS
