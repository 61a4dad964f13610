/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-vm.h"

G_BEGIN_DECLS

/* The largest disk that is believed: 64 TiB, what VHDX can hold and a little more than VMFS can. */
#define MTV_OVF_MAX_CAPACITY (G_GUINT64_CONSTANT (64) << 40)

/* Where a disk of an envelope is stored. Strings are (nullable). */
typedef struct
{
  char *id;               /* never NULL: ovf:diskId */
  char *href;             /* NULL: no file, an empty disk */
  char *file_id;          /* the File that has the href */
  gboolean gzip;          /* the file is compressed */
  guint64 chunk_size;     /* > 0: in pieces of this size, "href.000000000" … */
  guint64 file_size;      /* as announced, 0: not told */
  guint64 capacity;       /* as announced, 0: not told or not to be believed */
  guint64 populated;      /* as announced, 0: not told */
  char *interface;        /* oVirt's: "VirtIO_SCSI" … */
  gboolean boot;          /* oVirt's: this is the disk to boot from */
  char *problem;          /* why it cannot be read */
  char *capacity_problem; /* why capacity is 0; its format may tell a better one */
} MtvOvfDisk;

/* An OVF envelope. Immutable. */
typedef struct
{
  GPtrArray *vms;            /* (element-type MtvVm); id is ovf:id, not necessarily unique */
  GPtrArray *disks;          /* (element-type MtvOvfDisk) */
  const char *producer;      /* "vmware", "virtualbox", "ovirt", "xen", "unknown" */
  char *configuration;       /* (nullable) of the deployment options: the default one */
  GHashTable *properties;    /* key → value, for ${key} */
  GHashTable *disks_by_id;   /* diskId → MtvOvfDisk */
  GHashTable *disks_by_file; /* fileRef or href → MtvOvfDisk */
} MtvOvf;

/* Parses what DSP0243 describes (0.9 to 2.1) and what VMware, VirtualBox, oVirt and Xen make of it.
 * Opens nothing. @label is what errors (MTV_ERROR_BAD_DATA) call it. What is wrong with one VM or
 * disk stands in its problem. */
MtvOvf *mtv_ovf_parse (const char *data, gsize length, const char *label, GError **error);
void mtv_ovf_free (MtvOvf *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvOvf, mtv_ovf_free)

/* (nullable) (transfer none) */
const MtvOvfDisk *mtv_ovf_find_disk (MtvOvf *self, const char *id);

/* @value, or what the property says that it names by "${key}". (nullable) (transfer none) */
const char *mtv_ovf_expand (MtvOvf *self, const char *value);

G_END_DECLS
