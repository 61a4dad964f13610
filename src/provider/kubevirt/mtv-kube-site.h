/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-client.h"
#include "provider/kubevirt/mtv-kube-volumes.h"

G_BEGIN_DECLS

#define MTV_KUBE_VM_VERSION "kubevirt.io/v1"
#define MTV_KUBE_VMS "virtualmachines"
#define MTV_KUBE_CDI_VERSION "cdi.kubevirt.io/v1beta1"
#define MTV_KUBE_DATA_VOLUMES "datavolumes"

/* Where in a cluster VMs are to go, as the user says. Strings are (owned) (nullable). */
typedef struct
{
  MtvKubeClient *client;
  char *name_space; /* never NULL */
  char *storage_class;
  char *volume_mode;
  char *access_mode;
  char *image; /* of writer pods */
} MtvKubeSite;

void mtv_kube_site_free (MtvKubeSite *self);

/* What the settings, the classes and their profiles make of it. (transfer full) */
MtvKubePlacement *mtv_kube_site_place (const MtvKubeSite *self, GCancellable *cancellable,
                                       GError **error);

/* The image of writer pods: the user's, or the one that the cluster's CDI uploads with, which has
 * qemu-nbd in it and is there in a cluster without the internet, too. (transfer full) */
char *mtv_kube_site_find_image (const MtvKubeSite *self, GCancellable *cancellable, GError **error);

/* The paths of a collection in the namespace, or of one of it. (transfer full) */
char *mtv_kube_site_vms (const MtvKubeSite *self, const char *name);
char *mtv_kube_site_volumes (const MtvKubeSite *self, const char *name);
char *mtv_kube_site_claims (const MtvKubeSite *self, const char *name);

/* What is at @path; NULL without @error when there is nothing. (transfer full) */
JsonObject *mtv_kube_site_find (const MtvKubeSite *self, const char *path,
                                GCancellable *cancellable, GError **error);

G_END_DECLS
