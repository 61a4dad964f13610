/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-site.h"

G_BEGIN_DECLS

/* Adds what stands against @target in the cluster: what is not installed, not allowed, not there,
 * or refused by a server dry run of its objects. Changes nothing. */
void mtv_kube_check (const MtvKubeSite *site, const MtvTarget *target, GPtrArray *concerns,
                     GCancellable *cancellable);

/* Is the API there, with KubeVirt and CDI, and are we somebody that it knows? */
gboolean mtv_kube_check_cluster (const MtvKubeSite *site, GCancellable *cancellable,
                                 GError **error);

G_END_DECLS
