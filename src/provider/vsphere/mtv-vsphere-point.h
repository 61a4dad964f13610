/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"
#include "provider/vsphere/mtv-vsphere-open.h"

G_BEGIN_DECLS

/* What a warm migration needs: the vfuncs of MtvSource. A point is a snapshot; what the next round
 * is reckoned from are the change ids of its disks, which outlive it. */
MtvPoint *mtv_vsphere_point_create (MtvVsphereSession *session, MtvVm *vm, const char *key,
                                    GCancellable *cancellable, GError **error);
MtvReader *mtv_vsphere_point_open (MtvVsphereSession *session, const MtvVsphereReading *reading,
                                   MtvVm *vm, guint disk, const MtvPoint *point,
                                   const MtvPoint *since, GArray **changes,
                                   GCancellable *cancellable, GError **error);

/* Changed-block tracking on or off. @changed: (out) was it otherwise? */
gboolean mtv_vsphere_point_set_tracking (MtvVsphereSession *session, const char *vm, gboolean on,
                                         gboolean *changed, GCancellable *cancellable,
                                         GError **error);

G_END_DECLS
