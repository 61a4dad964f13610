/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* OVA archives and OVF folders as a source: one file, or all of a folder and of two levels below
 * it, named by a path or handed over as a descriptor. Disks are read where they lie. */
#define MTV_TYPE_OVA_PROVIDER (mtv_ova_provider_get_type ())
G_DECLARE_FINAL_TYPE (MtvOvaProvider, mtv_ova_provider, MTV, OVA_PROVIDER, GObject)

extern const MtvProviderType mtv_ova_provider_type;

G_END_DECLS
