/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"
#include "transfer/mtv-block-map.h"

G_BEGIN_DECLS

/* One disk of a VM on its way. */
typedef struct
{
  const MtvVmDisk *source; /* (unowned) in the VM's array */
  guint64 size;     /* bytes as the guest will see them; 0 until the source disk was opened */
  MtvBlockMap *map; /* (owned) (nullable) until the size is known */
} MtvTargetDisk;

/* What shall be made of one VM at the destination. The engine fills it, a destination reads it; it
 * does not change while a destination works on it. */
typedef struct
{
  char *run_id;        /* (owned) the migration … */
  guint number;        /* … and its VM: together they mark what we make there */
  char *name;          /* (owned) of the VM at the destination; DNS-1123 unless the user gave it */
  gboolean name_given; /* by the user: never another one */
  MtvVm *vm;           /* (owned) */
  char *plan;          /* (owned) the plan's name */
  char *source;        /* (owned) the source provider's name */
  char *source_identity; /* (owned) (nullable) see mtv_source_get_identity() */
  char *devices;         /* (owned) "compatible": devices that every OS knows; or "virtio" */
  char *format;          /* (owned) "raw" or "qcow2" */
  GVariant *networks; /* (owned) a{ss}: source network to destination network; "" is the default */
  MtvHash hash;       /* of the disks' blocks; never changed once a disk has its map */
  gboolean start;     /* the VM is to run once it is defined, where the destination can */
  GPtrArray *disks;   /* (element-type MtvTargetDisk) in the order of vm->disks */
} MtvTarget;

MtvTarget *mtv_target_new (MtvVm *vm);
void mtv_target_free (MtvTarget *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvTarget, mtv_target_free)

/* Sets the size of disk @index and makes its map, unless it has one of this size. */
void mtv_target_set_disk_size (MtvTarget *self, guint index, guint64 size);

/* The destination network for @nic: its own entry in networks, else the one of "", else NULL. */
const char *mtv_target_get_network (const MtvTarget *self, const MtvVmNic *nic);

G_END_DECLS
