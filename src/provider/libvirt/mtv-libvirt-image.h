/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"
#include "provider/libvirt/mtv-libvirt-qcow2.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* The images of a disk of a VM that is off, read where they lie on this host. While they are open
 * they are locked as QEMU locks them: no QEMU that would write to them starts, and one that does is
 * MTV_ERROR_IN_USE. */

/* @changes: (out) (nullable) (transfer full) what the bitmap @since (nullable) says; NULL when it
 * is not there, or not to be trusted. (transfer full) */
MtvReader *mtv_libvirt_image_open (MtvVm *vm, const MtvVmDisk *disk, const char *since,
                                   GArray **changes, GCancellable *cancellable, GError **error);

/* Appends what tells whether any of the images of @disk was written to. */
gboolean mtv_libvirt_image_identify (MtvVm *vm, const MtvVmDisk *disk, GString *identity,
                                     GCancellable *cancellable, GError **error);

/* What the header of the disk's first image says; NULL without @error if it is not qcow2. */
MtvLibvirtQcow2 *mtv_libvirt_image_look (MtvVm *vm, const MtvVmDisk *disk,
                                         GCancellable *cancellable, GError **error);

/* Takes the bitmap @name out of the disk's image, if it is in there. */
gboolean mtv_libvirt_image_remove_bitmap (MtvVm *vm, const MtvVmDisk *disk, const char *name,
                                          GCancellable *cancellable, GError **error);

G_END_DECLS
