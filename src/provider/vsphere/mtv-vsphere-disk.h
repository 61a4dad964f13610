/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk-session.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* The ways to get at the bytes of a disk. */
typedef enum
{
  MTV_VSPHERE_WAY_AUTO,   /* "auto": vddk where it is installed, else https, else export */
  MTV_VSPHERE_WAY_HTTPS,  /* "https": ranges of the files of the datastore, by /folder */
  MTV_VSPHERE_WAY_EXPORT, /* "export": the stream of an HttpNfcLease; all of it, in order */
  MTV_VSPHERE_WAY_VDDK,   /* "vddk": a child nbdkit with VMware's library */
} MtvVsphereWay;

const char *mtv_vsphere_way_to_string (MtvVsphereWay way);
gboolean mtv_vsphere_way_from_string (const char *name, MtvVsphereWay *way);

/* A disk to be opened. What is said to be (nullable) may also be 0. All strings are copied. */
typedef struct
{
  const char *label; /* what errors call the disk: "disk 'scsi0:1' of 'web'" */
  MtvVsphereWay way;

  /* The vCenter, or the ESXi. */
  const char *url;        /* "https://vc.example.com", no path */
  gboolean is_host;       /* it is an ESXi itself */
  const char *ca;         /* (nullable) PEM, these three as MtvHttpOptions has them */
  const char *thumbprint; /* (nullable) */
  gboolean insecure;
  gpointer session; /* referenced as long as the reader lives */
  const MtvVsphereSessionFuncs *funcs;
  MtvVsphereExports *exports;  /* (nullable) the provider's */
  const char *user, *password; /* (nullable) vddk wants them once more; never shown */

  /* (nullable) The ESXi that runs the VM, to read from without the vCenter between: with its own
   * credentials if there are any, else by tickets of the session, else not. */
  const char *host_url;        /* "https://esx1.example.com" */
  const char *host_thumbprint; /* (nullable) its summary.config.sslThumbprint */
  const char *host_user, *host_password;

  /* The disk as of the instant that is to be read: frozen, or of a VM that is off. */
  const char *vm;             /* moref "vm-57" */
  const char *snapshot;       /* (nullable) moref; needed for a VM that runs */
  const char *datacenter;     /* (nullable) inventory path "Folder/DC0"; none for an ESXi */
  const char *file;           /* backing.fileName there: "[ds1] web/web-000001.vmdk" */
  const char *datastore_type; /* (nullable) summary.type: "VMFS", "NFS", "vsan", "VVOL", … */
  guint64 capacity;           /* bytes */
  guint disk_index;           /* among the disks of the VM, in device order */
  const char *disk_address; /* (nullable) end of the export's key, "ParaVirtualSCSIController0:1" */
  gboolean parts;           /* only changed areas will be read: not in order, so no export */
  gboolean encrypted;       /* files are of no use without a key, which vddk gets */
  gboolean raw_mapping;     /* an RDM: its data is in no file of the datastore */

  const char *vddk_library; /* (nullable) folder with lib64/ in it */
  const char *vddk_plugin;  /* (nullable) the plugin to load; NULL: "vddk", where nbdkit has it */
  guint connections;        /* 4 to 8 of https; 0: 6 */
} MtvVsphereDiskRequest;

/* Which way @request would be read, and why, as text for people; makes no request of a server.
 * @reason: (out) (transfer full), set also with FALSE: MTV_ERROR_UNSUPPORTED, the way that was
 * asked for, or every way, is closed. */
gboolean mtv_vsphere_disk_choose (const MtvVsphereDiskRequest *request, MtvVsphereWay *way,
                                  char **reason, GError **error);

/* Blocking. The size of the reader is the capacity. With MTV_VSPHERE_WAY_AUTO a way that is closed
 * by what the server answers (MTV_ERROR_UNSUPPORTED) is followed by the next. (transfer full) */
MtvReader *mtv_vsphere_disk_open (const MtvVsphereDiskRequest *request, GCancellable *cancellable,
                                  GError **error);

G_END_DECLS
