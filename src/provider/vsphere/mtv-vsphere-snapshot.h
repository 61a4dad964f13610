/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-task.h"

G_BEGIN_DECLS

/* Snapshots of a VM; @info: (nullable) the value of its property "snapshot". */

guint mtv_vsphere_snapshot_count (const xmlNode *info);
/* The names of the first of them. (transfer full) */
char *mtv_vsphere_snapshot_list (const xmlNode *info);

/* The id of the one that is called @name. (transfer full) (nullable) */
char *mtv_vsphere_snapshot_find (const xmlNode *info, const char *name);

/* Makes the snapshot called @name, or finds the one of that name that is there already. @quiesce:
 * have the guest flush its file systems; when it cannot, it is made without. (transfer full) its id
 */
char *mtv_vsphere_snapshot_create (MtvVsphereSession *session, const char *vm, const char *name,
                                   gboolean quiesce, GCancellable *cancellable, GError **error);

/* Removes the snapshot called @name, only it and only if it is called so, and what it may have left
 * to be consolidated. One that is not there, or a VM that is not, is success. */
gboolean mtv_vsphere_snapshot_remove (MtvVsphereSession *session, const char *vm, const char *name,
                                      GCancellable *cancellable, GError **error);

G_END_DECLS
