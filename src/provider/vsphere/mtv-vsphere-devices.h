/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-vm.h"

G_BEGIN_DECLS

/* Fills in disks, NICs and what else is in @devices, the <val> of "config.hardware.device".
 * @places: (nullable) */
void mtv_vsphere_devices_add (MtvVsphereVm *self, const xmlNode *devices, MtvVspherePlaces *places);

/* Puts the disks into the order that @boot_options (nullable) has them boot in. */
void mtv_vsphere_devices_order (MtvVsphereVm *self, const xmlNode *boot_options);

G_END_DECLS
