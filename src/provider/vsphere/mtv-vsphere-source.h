/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* VMware vSphere as a source: a vCenter or a single ESXi, cold and warm. */
#define MTV_TYPE_VSPHERE_SOURCE (mtv_vsphere_source_get_type ())
G_DECLARE_FINAL_TYPE (MtvVsphereSource, mtv_vsphere_source, MTV, VSPHERE_SOURCE, GObject)

extern const MtvProviderType mtv_vsphere_source_type;

G_END_DECLS
