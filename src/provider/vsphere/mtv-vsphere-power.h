/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"
#include "provider/vsphere/mtv-vsphere-task.h"

G_BEGIN_DECLS

/* The vfuncs of MtvSource, of the VM @id. */
gboolean mtv_vsphere_power_get (MtvVsphereSession *session, const char *id, MtvPower *power,
                                GCancellable *cancellable, GError **error);
gboolean mtv_vsphere_power_shut_down (MtvVsphereSession *session, const char *id, gboolean force,
                                      GCancellable *cancellable, GError **error);
gboolean mtv_vsphere_power_start (MtvVsphereSession *session, const char *id,
                                  GCancellable *cancellable, GError **error);

G_END_DECLS
