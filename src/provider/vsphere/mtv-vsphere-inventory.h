/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-vm.h"

G_BEGIN_DECLS

/* All VMs, with their concerns. (element-type MtvVm) (transfer full) */
GPtrArray *mtv_vsphere_inventory_list (MtvVsphereSession *session, GCancellable *cancellable,
                                       GError **error);

/* One VM as it is now; @places: (out) (optional) (transfer full) what it is in and on, its host and
 * its datastores included. MTV_ERROR_NOT_FOUND when it is gone. (transfer full) */
MtvVsphereVm *mtv_vsphere_inventory_look_up (MtvVsphereSession *session, const char *id,
                                             MtvVspherePlaces **places, GCancellable *cancellable,
                                             GError **error);

G_END_DECLS
