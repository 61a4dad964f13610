/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/ova/mtv-ovf.h"

#include <libxml/tree.h>

G_BEGIN_DECLS

/* Fills @vm from a VirtualHardwareSection and from what producers put beside it into @system: CPUs,
 * memory, firmware, disks in the order in which firmware tries them, NICs. The envelope's disks are
 * known already. */
void mtv_ovf_hardware_read (MtvOvf *ovf, xmlNode *system, xmlNode *section, MtvVm *vm);

/* A disk that no item links: only what the envelope says of it. (transfer none) */
MtvVmDisk *mtv_ovf_hardware_add_disk (MtvVm *vm, const MtvOvfDisk *disk);

G_END_DECLS
