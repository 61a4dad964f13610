/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

G_BEGIN_DECLS

/* What a VM gets here, decided once for all the definitions that are written of it. */
typedef struct
{
  guint cpus; /* the product of the next three, at least 1 */
  guint sockets;
  guint cores;   /* of each socket */
  guint threads; /* of each core */
  guint64 memory_mib;
  gboolean virtio;
  gboolean efi;
  gboolean secure_boot; /* only with efi */
  gboolean windows;
  const char *disk_bus;  /* static: "sata" or "virtio" */
  const char *nic_model; /* static: "e1000e" or "virtio" */
} MtvHardware;

void mtv_hardware_init (MtvHardware *self, const MtvTarget *target);

/* What the guest shall see as the disk's serial number, in the characters that both hypervisor
 * definitions take; NULL when nothing is left. (transfer full) */
char *mtv_hardware_disk_serial (const MtvVmDisk *disk);

/* Lower-case; NULL when the VM has none that is one. (transfer full) */
char *mtv_hardware_uuid (const MtvVm *vm);

/* NULL when @nic has no address, or none that a network card can have. (transfer none) */
const char *mtv_hardware_mac (const MtvVmNic *nic);

G_END_DECLS
