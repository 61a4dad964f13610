/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

G_BEGIN_DECLS

/* The KubeVirt definition of @target: a DataVolume for each disk, to upload the image beside it
 * into, and the VirtualMachine. Disk sizes are known. (transfer full) */
char *mtv_local_yaml (const MtvTarget *target);

G_END_DECLS
