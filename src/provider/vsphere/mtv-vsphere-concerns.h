/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-vm.h"

G_BEGIN_DECLS

/* What vSphere has to say against a migration of @vm: into its own concerns. No I/O. */
void mtv_vsphere_concerns_add (MtvVsphereVm *vm, MtvVspherePlaces *places);

/* What stands against migrating it while it runs, into @concerns. No I/O. */
void mtv_vsphere_concerns_add_warm (const MtvVsphereVm *vm, MtvVspherePlaces *places,
                                    GPtrArray *concerns);

/* The privileges that a migration uses. (array zero-terminated=1) */
extern const char *const mtv_vsphere_privileges[];
/* Those of them that are missing: @missing is "A, B"; of the VM @name or, NULL, of the inventory.
 */
void mtv_vsphere_concerns_add_missing (GPtrArray *concerns, const char *name, const char *missing);

G_END_DECLS
