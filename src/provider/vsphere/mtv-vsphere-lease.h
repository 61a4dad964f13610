/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk.h"

G_BEGIN_DECLS

/* A lease that is kept alive, by a thread of its own, as long as somebody uses it. */
typedef struct _MtvVsphereLeaseUse MtvVsphereLeaseUse;

/* The lease of what @request would export: one that is open in @request->exports, or a new one.
 * Blocking. (transfer full) */
MtvVsphereLeaseUse *mtv_vsphere_lease_use (const MtvVsphereDiskRequest *request,
                                           GCancellable *cancellable, GError **error);
/* The last one ends the lease; it was aborted unless all who used it had got to the end. */
void mtv_vsphere_lease_release (MtvVsphereLeaseUse *use, gboolean complete);

/* (transfer none) */
const MtvVsphereLease *mtv_vsphere_lease_get (MtvVsphereLeaseUse *use);

/* How far reading has come: what the server shows to its users. */
void mtv_vsphere_lease_set_percent (MtvVsphereLeaseUse *use, guint percent);

G_END_DECLS
