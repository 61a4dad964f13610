/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"
#include "provider/vsphere/mtv-vsphere-places.h"

G_BEGIN_DECLS

/* What a disk is stored in. */
typedef enum
{
  MTV_VSPHERE_BACKING_FILE,         /* a VMDK on a datastore */
  MTV_VSPHERE_BACKING_RDM,          /* a LUN, in virtual compatibility mode: has snapshots */
  MTV_VSPHERE_BACKING_PHYSICAL_RDM, /* a LUN, in physical compatibility mode: has none */
  MTV_VSPHERE_BACKING_OTHER,        /* old, or unknown */
} MtvVsphereBacking;

/* What MtvVmDisk has no place for; the same index. */
typedef struct
{
  char *key;       /* (owned) never NULL; of the device, and the id of the MtvVmDisk */
  char *change_id; /* (owned) (nullable) */
  char *datastore; /* (owned) (nullable) id */
  char *address;   /* (owned) (nullable) "ParaVirtualSCSIController0:1", as exports call it */
  MtvVsphereBacking backing;
  guint index; /* among the disks, as vSphere lists them */
  gboolean independent;
  gboolean multi_writer;
  gboolean encrypted;
} MtvVsphereDisk;

typedef struct
{
  char *path; /* (owned) "/boot", "C:\" */
  guint64 capacity;
  guint64 free;
} MtvVsphereGuestDisk;

/* A VM as vSphere tells of it: what a MtvVm holds, and what only this provider asks for. */
typedef struct
{
  MtvVm *vm;              /* (owned) */
  GPtrArray *disks;       /* (owned) (element-type MtvVsphereDisk) */
  GPtrArray *guest_disks; /* (owned) (element-type MtvVsphereGuestDisk) */
  char *parent;           /* (owned) (nullable) id */
  char *host;             /* (owned) (nullable) id */
  char *connection;       /* (owned) (nullable) "connected", "inaccessible" … */
  char *snapshots;        /* (owned) (nullable) names of the first */
  char *version;          /* (owned) (nullable) of the configuration: changes with it */
  gboolean tracking;      /* changed-block tracking is on … */
  gboolean untrackable;   /* … or cannot be */
  gboolean consolidation_needed;
  gboolean fault_tolerant;
  gboolean encrypted;
  gboolean cpu_affinity;
  gboolean numa_affinity;
  gboolean passthrough;
  gboolean sriov;
  gboolean usb;
} MtvVsphereVm;

void mtv_vsphere_vm_free (MtvVsphereVm *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereVm, mtv_vsphere_vm_free)

/* The properties that mtv_vsphere_vm_new() reads. @new_api: of 6.7 and later. (transfer container)
 */
const char **mtv_vsphere_vm_list_paths (gboolean new_api);

/* From an <objects> element. @places: (nullable) to name things by; without, VMs have no path, host
 * or cluster. (transfer full) (nullable): it is not whole. */
MtvVsphereVm *mtv_vsphere_vm_new (const xmlNode *object, MtvVspherePlaces *places);

/* Of the VirtualDisk @key in a <val> of "config.hardware.device": the one element. (nullable) */
xmlNode *mtv_vsphere_vm_find_disk (const xmlNode *devices, const char *key);
/* In bytes. */
guint64 mtv_vsphere_vm_get_disk_capacity (const xmlNode *disk);

G_END_DECLS
