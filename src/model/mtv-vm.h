/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-concern.h"

G_BEGIN_DECLS

/* A virtual machine as its source's inventory tells it. Passive, immutable once a provider has
 * returned it, shared by reference between threads. Strings are (nullable) unless said otherwise.
 */
typedef struct
{
  char *id;          /* never NULL; unique in its VM and stable: ovf:diskId, device key */
  char *name;        /* never NULL; for people: the file's name, the label */
  guint64 capacity;  /* bytes; 0: not known or not valid, see problem */
  guint64 allocated; /* bytes of data, 0: not known */
  char *format; /* as stored at the source: "vmdk", "vmdk-flat", "raw", "qcow2", "vpc", "vhdx" */
  char *bus;    /* "ide", "sata", "scsi", "nvme", "virtio", "usb" */
  char *controller; /* the controller's model: "lsilogic", "pvscsi", "ahci" */
  guint bus_number; /* of the controller among those of its bus */
  guint unit;       /* on the controller */
  char *storage;    /* where it lies at the source (datastore …): the key of storage maps */
  char *serial;
  char *backing;   /* how the source finds it: "[ds1] web/web.vmdk", a path, a volume's id */
  char *mode;      /* how the source writes to it: "independent-persistent", "rdm"; NULL: plainly */
  gboolean shared; /* more than one VM may write to it */
  char *problem;   /* why it cannot be copied, one sentence; NULL when it can */
} MtvVmDisk;

typedef struct
{
  char *id;
  char *name;
  char *mac;     /* lower-case, colons */
  char *network; /* the source's network: the key of network maps */
  char *model;   /* "e1000", "e1000e", "vmxnet3", "virtio", "pcnet32" */
  gboolean disconnected;
} MtvVmNic;

typedef struct
{
  gint ref_count; /* (atomic) */

  char *id;   /* never NULL; unique in its provider and stable over renames */
  char *name; /* never NULL */
  char *path; /* inventory path */
  char *uuid;
  char *power_state; /* never NULL: "on", "off", "suspended", "unknown" */
  char *firmware;    /* never NULL: "bios" or "efi" */
  gboolean secure_boot;
  gboolean tpm;
  guint cpus;             /* all threads of all cores of all sockets */
  guint cores_per_socket; /* 0: not told */
  guint threads_per_core; /* 0: not told */
  gboolean cpu_hot_add;
  gboolean memory_hot_add;
  guint64 memory; /* bytes */
  char *os_id;    /* the source's own id: "rhel8_64Guest", "96" */
  char *os_name;
  char *host; /* what it runs on: slots may be counted by it */
  char *cluster;
  char *hostname; /* of the guest, as its tools tell */
  GVariant *ips;  /* as: of the guest, as its tools tell */
  char *tools;    /* of the guest: "running", "not-running", "not-installed"; NULL: not known */
  char *machine;  /* QEMU's machine type, where the source has one: "q35" */
  char *cpu_model;
  char *timezone;
  guint snapshots;     /* that it has at the source */
  gboolean nested;     /* its guests are virtual machines themselves */
  char *producer;      /* of an OVF: "vmware", "virtualbox", "ovirt", "xen", "unknown" */
  char *problem;       /* why the VM as a whole cannot be migrated, one sentence */
  GPtrArray *disks;    /* (element-type MtvVmDisk) in boot order: the first is the boot disk */
  GPtrArray *nics;     /* (element-type MtvVmNic) */
  GPtrArray *concerns; /* (element-type MtvConcern) what its source has to say against it */
} MtvVm;

extern const MtvFields mtv_vm_disk_fields;
extern const MtvFields mtv_vm_nic_fields;

MtvVm *mtv_vm_new (void);
MtvVmDisk *mtv_vm_add_disk (MtvVm *self); /* (transfer none) */
MtvVmNic *mtv_vm_add_nic (MtvVm *self);   /* (transfer none) */

MtvVm *mtv_vm_ref (MtvVm *self);
void mtv_vm_unref (MtvVm *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVm, mtv_vm_unref)

GVariant *mtv_vm_to_variant (MtvVm *self); /* (transfer floating) a{sv} */
MtvVm *mtv_vm_from_variant (GVariant *variant, GError **error);

/* The sum of the capacities of the disks, in bytes. */
guint64 mtv_vm_get_capacity (MtvVm *self);

G_END_DECLS
