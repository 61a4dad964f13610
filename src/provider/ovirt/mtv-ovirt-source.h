/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-source.h"

G_BEGIN_DECLS

/* RHV and oVirt as a source, by the REST API of the engine (4.3 and later) and the imageio servers
 * of its hosts; warm by incremental backup, from cluster compatibility level 4.5 on. */
#define MTV_TYPE_OVIRT_SOURCE (mtv_ovirt_source_get_type ())
G_DECLARE_FINAL_TYPE (MtvOvirtSource, mtv_ovirt_source, MTV, OVIRT_SOURCE, GObject)

extern const MtvProviderType mtv_ovirt_source_type;

G_END_DECLS
