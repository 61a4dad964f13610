/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The grains of a streamOptimized VMDK, one after the other, out of a stream. One thread at a time.
 */
typedef struct _MtvVsphereStream MtvVsphereStream;

/* Reads up to the first grain. @stream: referenced. @label: what errors call it. Blocking. */
MtvVsphereStream *mtv_vsphere_stream_new (GInputStream *stream, const char *label,
                                          GCancellable *cancellable, GError **error);
void mtv_vsphere_stream_free (MtvVsphereStream *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereStream, mtv_vsphere_stream_free)

/* Bytes of the disk. */
guint64 mtv_vsphere_stream_get_capacity (MtvVsphereStream *self);

/* The next grain: what lies between two of them is zero. Grains come in the order of the disk; a
 * stream in which they do not is MTV_ERROR_UNSUPPORTED. @data: (out) (transfer none) until the next
 * call; NULL at the end, with the capacity as @offset. What is no stream, or ends too early, is
 * MTV_ERROR_BAD_DATA; what breaks on the way MTV_ERROR_UNREACHABLE. */
gboolean mtv_vsphere_stream_next (MtvVsphereStream *self, guint64 *offset, const guint8 **data,
                                  gsize *length, GCancellable *cancellable, GError **error);

G_END_DECLS
