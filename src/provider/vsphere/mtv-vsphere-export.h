/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk.h"

G_BEGIN_DECLS

/* A disk as the stream of an export tells it: a streamOptimized VMDK that has no size, knows no
 * ranges, and is read once, forwards (hint: in_order). To go back is to ask for the stream anew. */
#define MTV_TYPE_VSPHERE_EXPORT (mtv_vsphere_export_get_type ())
G_DECLARE_FINAL_TYPE (MtvVsphereExport, mtv_vsphere_export, MTV, VSPHERE_EXPORT, GObject)

/* Blocking. */
MtvVsphereExport *mtv_vsphere_export_open (const MtvVsphereDiskRequest *request,
                                           GCancellable *cancellable, GError **error);

G_END_DECLS
