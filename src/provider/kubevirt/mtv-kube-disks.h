/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-site.h"
#include "transfer/mtv-nbd-disk.h"

G_BEGIN_DECLS

#define MTV_KUBE_KIND_VOLUME "datavolume"
#define MTV_KUBE_KIND_POD "pod"

/* Makes the volumes of @target, empty and reading as zeroes, unless they are there. */
gboolean mtv_kube_disks_create (const MtvKubeSite *site, const MtvTarget *target,
                                GCancellable *cancellable, GError **error);

MtvNbdDisk *mtv_kube_disks_open (const MtvKubeSite *site, const MtvTarget *target, guint index,
                                 gboolean writable, GCancellable *cancellable, GError **error);

/* Ends the pods that write, and waits until they are gone. */
gboolean mtv_kube_disks_release (const MtvKubeSite *site, const MtvTarget *target,
                                 GCancellable *cancellable, GError **error);

/* Removes what is at @key if it is of that run, and if it is no part of a VM that was defined. */
gboolean mtv_kube_disks_remove (const MtvKubeSite *site, const char *kind, const char *key,
                                GCancellable *cancellable, GError **error);

G_END_DECLS
