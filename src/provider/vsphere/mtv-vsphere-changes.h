/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-session.h"

G_BEGIN_DECLS

/* Does a change id still count from where the other one does? "UUID/number": another UUID tells
 * that tracking began anew. */
gboolean mtv_vsphere_changes_is_same_epoch (const char *change_id, const char *other);

/* What may differ in the disk @device between @since (a change id; "*": from nothing, so all that
 * is in use) and the snapshot @snapshot, in which it has @capacity bytes. @changes: (out)
 * (nullable) (transfer full) (element-type MtvExtent) in order, no overlaps; NULL when the server
 * cannot tell, which is success. */
gboolean mtv_vsphere_changes_query (MtvVsphereSession *session, const char *vm,
                                    const char *snapshot, const char *device, guint64 capacity,
                                    const char *since, GArray **changes, GCancellable *cancellable,
                                    GError **error);

G_END_DECLS
