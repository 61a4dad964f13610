/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-client.h"
#include "provider/mtv-target.h"
#include "transfer/mtv-nbd-disk.h"

G_BEGIN_DECLS

/* A disk's volume by NBD: a pod of ours serves it, and the API server forwards its port. A pod that
 * is gone is made again when the next connection needs it. */

/* The volume of disk @index in @name_space, for reading or for both. @image: of the pod. Makes the
 * pod, and waits until it runs. */
MtvNbdDisk *mtv_kube_nbd_open (MtvKubeClient *client, const char *name_space,
                               const MtvTarget *target, guint index, const char *image,
                               const char *volume_mode, gboolean writable,
                               GCancellable *cancellable, GError **error);

G_END_DECLS
