/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-destination.h"

G_BEGIN_DECLS

/* A directory. Each VM becomes a folder in it: the disk images, domain.xml for libvirt, vm.yaml for
 * KubeVirt, manifest.json with the hashes. The directory exists already; its URL is its absolute
 * path. One that was handed over as a descriptor is found by its path again after a restart, if it
 * is still the same. */
#define MTV_TYPE_LOCAL_DESTINATION (mtv_local_destination_get_type ())
G_DECLARE_FINAL_TYPE (MtvLocalDestination, mtv_local_destination, MTV, LOCAL_DESTINATION, GObject)

extern const MtvProviderType mtv_local_destination_type;

G_END_DECLS
