/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-disk.h"
#include "provider/vsphere/mtv-vsphere-inventory.h"

G_BEGIN_DECLS

/* What a provider says of how disks are to be read. */
typedef struct
{
  MtvVsphereWay way;
  MtvVsphereExports *exports;
  const char *vddk_library; /* (nullable) */
  const char *vddk_plugin;  /* (nullable) */
} MtvVsphereReading;

/* A disk of a VM that is off, as it is now; or, with @snapshot (nullable), as it was then. @file
 * and
 * @capacity: what vSphere tells of it there. @parts: only parts of it will be read. (transfer full)
 */
MtvReader *mtv_vsphere_open (MtvVsphereSession *session, const MtvVsphereReading *reading,
                             const MtvVsphereVm *vm, MtvVspherePlaces *places, guint index,
                             const char *snapshot, const char *file, guint64 capacity,
                             gboolean parts, GCancellable *cancellable, GError **error);

/* By which way each disk would be read during a warm migration, and why; makes no request. */
void mtv_vsphere_open_check (MtvVsphereSession *session, const MtvVsphereReading *reading,
                             const MtvVsphereVm *vm, MtvVspherePlaces *places, GPtrArray *concerns,
                             GCancellable *cancellable);

/* What the readers use of a MtvVsphereSession. */
extern const MtvVsphereSessionFuncs mtv_vsphere_session_funcs;

G_END_DECLS
