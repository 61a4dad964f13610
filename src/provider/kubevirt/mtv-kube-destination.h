/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-destination.h"

G_BEGIN_DECLS

/* A namespace of a cluster with KubeVirt and CDI. Each disk becomes a DataVolume, which a pod of
 * ours serves by NBD while it is written, through the API server; then the VM is made of them.
 *
 * The cluster is known by a kubeconfig, by its URL and a token, or because we are a pod in it. */
#define MTV_TYPE_KUBE_DESTINATION (mtv_kube_destination_get_type ())
G_DECLARE_FINAL_TYPE (MtvKubeDestination, mtv_kube_destination, MTV, KUBE_DESTINATION, GObject)

extern const MtvProviderType mtv_kube_destination_type;

/* For tests: see mtv_kube_client_set_pace(). */
void mtv_kube_destination_set_pace (MtvKubeDestination *self, guint msec);

G_END_DECLS
