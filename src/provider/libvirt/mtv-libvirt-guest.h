/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/libvirt/mtv-libvirt-link.h"
#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* A domain as it is now. Blocking. */

/* All of it, with power and capacities; what is wrong with a disk stands in its problem. (transfer
 * full) */
MtvVm *mtv_libvirt_guest_describe (virDomain *domain, GError **error);

gboolean mtv_libvirt_guest_get_power (virDomain *domain, MtvPower *power, GError **error);
gboolean mtv_libvirt_guest_shut_down (virDomain *domain, gboolean force, GError **error);
gboolean mtv_libvirt_guest_start (virDomain *domain, GError **error);

/* Is there a QEMU process for it? Paused or not. */
gboolean mtv_libvirt_guest_is_active (virDomain *domain);

/* MTV_ERROR_SOURCE_CHANGED, naming the first disk that was added, removed, moved or resized. */
gboolean mtv_libvirt_guest_check_disks (const MtvVm *planned, const MtvVm *now, GError **error);

G_END_DECLS
