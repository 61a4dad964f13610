/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-sparse-format.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A link of a chain that holds only changes. Any thread: its tables are read as they are needed,
 * and the latest of them kept. */
typedef struct _MtvVsphereLink MtvVsphereLink;

/* @file: its bytes, kept. Blocking. */
MtvVsphereLink *mtv_vsphere_link_new (MtvReader *file, const MtvSparseFormat *format,
                                      const char *label, GCancellable *cancellable, GError **error);
void mtv_vsphere_link_free (MtvVsphereLink *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereLink, mtv_vsphere_link_free)

guint64 mtv_vsphere_link_get_capacity (MtvVsphereLink *self);
/* (transfer none) */
MtvReader *mtv_vsphere_link_get_file (MtvVsphereLink *self);

/* What the disk has at @offset, and for how many bytes at most @length it goes on so: in the file,
 * too, from @position on, if it is MTV_GRAIN_DATA. */
gboolean mtv_vsphere_link_look_up (MtvVsphereLink *self, guint64 offset, guint64 length,
                                   MtvGrainKind *kind, guint64 *position, guint64 *run,
                                   GCancellable *cancellable, GError **error);

G_END_DECLS
