/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-provider.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_SOURCE_CAN_CHECK_DISKS
  = 1 << 0, /* check_disk is there: the source has checksums of its own */
} MtvSourceCaps;

/* A provider that virtual machines come from; the rules of MtvProvider hold. */
#define MTV_TYPE_SOURCE (mtv_source_get_type ())
G_DECLARE_INTERFACE (MtvSource, mtv_source, MTV, SOURCE, MtvProvider)

struct _MtvSourceInterface
{
  GTypeInterface parent;

  MtvSourceCaps (*get_caps) (MtvSource *self);
  GPtrArray *(*list) (MtvSource *self, GCancellable *cancellable, GError **error);
  char *(*get_identity) (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error);
  MtvReader *(*open_disk) (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                           GCancellable *cancellable, GError **error);
  gboolean (*check_disk) (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                          GCancellable *cancellable, GError **error);
};

MtvSourceCaps mtv_source_get_caps (MtvSource *self);

/* The whole inventory: (element-type MtvVm), with mtv_vm_unref as free function. What is wrong with
 * one VM stands in its problem, and does not hide the others. (transfer full) */
GPtrArray *mtv_source_list (MtvSource *self, GCancellable *cancellable, GError **error);

/* A string that stays the same as long as the disks of @vm hold the same bytes, as far as can be
 * told quickly (size, times, version). A copy goes on after a restart only when it did. (transfer
 * full) */
char *mtv_source_get_identity (MtvSource *self, MtvVm *vm, GCancellable *cancellable,
                               GError **error);

/* The disk as the guest sees it; its size is the true capacity. (transfer full) */
MtvReader *mtv_source_open_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                                 GCancellable *cancellable, GError **error);

/* Compares what the disk is stored in with the checksums that the source keeps of it; reads all of
 * it. Runs beside the copy. A difference is MTV_ERROR_CHECKSUM_MISMATCH naming the file; no
 * checksum for this disk is success. Only with MTV_SOURCE_CAN_CHECK_DISKS. */
gboolean mtv_source_check_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                                GCancellable *cancellable, GError **error);

G_END_DECLS
