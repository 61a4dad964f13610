/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* KubeVirt's view of a target: the objects that it becomes, as the API takes them. Nothing in here
 * asks anybody. */

#define MTV_KUBE_LABEL_RUN "mtv.org/migration"
#define MTV_KUBE_LABEL_NUMBER "mtv.org/number"

/* The name of the VirtualMachine: DNS-1123. (transfer full) */
char *mtv_kube_vm_name (const MtvTarget *target);

/* The name of the DataVolume, and of the claim that it makes, of disk @index. (transfer full) */
char *mtv_kube_vm_disk_name (const MtvTarget *target, guint index);

/* What the volume of @disk has to hold: whole MiB, which CDI counts in. The inventory
 * tells while the size is not known. */
guint64 mtv_kube_vm_disk_size (const MtvTargetDisk *disk);

/* Labels that tell whose work an object is. (transfer full) */
JsonObject *mtv_kube_vm_labels (const MtvTarget *target);

/* The network that card @index of the VM is put on, for Multus; NULL: the pod network, which a VM
 * has only once. (transfer full) */
char *mtv_kube_vm_network (const MtvTarget *target, guint index);
/* The plan leaves the card out. */
gboolean mtv_kube_vm_is_ignored (const MtvTarget *target, guint index);

/* A DataVolume of any storage class for disk @index, whose data comes from @source: "upload",
 * "blank". (transfer full) */
JsonObject *mtv_kube_vm_data_volume (const MtvTarget *target, guint index, const char *source);

/* The VirtualMachine. @preference: (nullable) a VirtualMachineClusterPreference that fills in what
 * is not said. (transfer full) */
JsonObject *mtv_kube_vm (const MtvTarget *target, const char *preference);

/* The VirtualMachineClusterPreference of KubeVirt's common-instancetypes that the guest's operating
 * system asks for; NULL when none is known. (transfer none) */
const char *mtv_kube_vm_preference (const MtvVm *vm);

/* @object as YAML, which 1.1 and 1.2 read alike. The names of members must be ours. (transfer full)
 */
char *mtv_kube_vm_to_yaml (JsonObject *object);

G_END_DECLS
