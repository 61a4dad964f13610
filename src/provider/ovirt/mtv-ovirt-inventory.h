/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"
#include "provider/ovirt/mtv-ovirt-client.h"

G_BEGIN_DECLS

/* What VMs refer to by id, as the engine's API lists it. */
typedef struct
{
  GHashTable *clusters; /* (owned) id to JsonNode, as the following */
  GHashTable *hosts;
  GHashTable *disks;
  GHashTable *networks;
  GHashTable *profiles; /* of vNICs */
  GHashTable *domains;  /* of storage */
} MtvOvirtWorld;

MtvOvirtWorld *mtv_ovirt_world_new (void);
void mtv_ovirt_world_free (MtvOvirtWorld *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvOvirtWorld, mtv_ovirt_world_free)

/* Takes the objects of @items (element-type JsonNode) up into @table of a world. */
void mtv_ovirt_world_add (GHashTable *table, GPtrArray *items);

/* Blocking. (transfer full) */
MtvOvirtWorld *mtv_ovirt_world_load (MtvOvirtClient *client, GCancellable *cancellable,
                                     GError **error);

/* What /vms?follow=MTV_OVIRT_FOLLOW says of one VM, with what stands against it in its concerns.
 * Pure. NULL: it has no id or no name. (transfer full) */
#define MTV_OVIRT_FOLLOW "disk_attachments,nics.reported_devices,snapshots,host_devices,watchdogs"
MtvVm *mtv_ovirt_vm_parse (JsonObject *vm, const MtvOvirtWorld *world);

/* Blocking. (element-type MtvVm) (transfer full) */
GPtrArray *mtv_ovirt_inventory_list (MtvOvirtClient *client, GCancellable *cancellable,
                                     GError **error);

/* Adds what stands against a warm migration of the VM that @vm tells of; its disks of now come in
 * @world. Pure. */
void mtv_ovirt_check_warm (JsonObject *vm, const MtvOvirtWorld *world, GPtrArray *concerns);

G_END_DECLS
