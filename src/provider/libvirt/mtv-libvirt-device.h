/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"

#include <libxml/tree.h>

G_BEGIN_DECLS

/* Adds the disks and network cards below <devices> to @vm, and to its concerns what it has that
 * cannot go with it. @devices: (nullable) */
void mtv_libvirt_device_read_all (MtvVm *vm, const xmlNode *devices);

G_END_DECLS
