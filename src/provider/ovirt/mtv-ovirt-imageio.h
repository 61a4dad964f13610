/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-rest.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A disk behind an image ticket of ovirt-imageio, as raw data: an MtvReader (extents by the context
 * "zero"). All connections of one ticket together are no more than the server admits, which hangs
 * on one more. */
#define MTV_TYPE_OVIRT_IMAGEIO (mtv_ovirt_imageio_get_type ())
G_DECLARE_FINAL_TYPE (MtvOvirtImageio, mtv_ovirt_imageio, MTV, OVIRT_IMAGEIO, GObject)

/* @options: its url is that of the ticket; the number of connections is found out. @size: bytes;
 * another size at the server is MTV_ERROR_SOURCE_CHANGED. @owner: (nullable) kept alive as long,
 * such as the transfer. Blocking. */
MtvOvirtImageio *mtv_ovirt_imageio_new (const MtvRestOptions *options, guint64 size, GObject *owner,
                                        GCancellable *cancellable, GError **error);

/* What has changed since the checkpoint that the ticket's backup began from, in order (element-type
 * MtvExtent); NULL: MTV_ERROR_NOT_FOUND when the ticket knows of none. (transfer full) */
GArray *mtv_ovirt_imageio_get_changes (MtvOvirtImageio *self, GCancellable *cancellable,
                                       GError **error);

/* Reads what /extents answers: @flag "zero" makes MtvExtents that tell it; "dirty" leaves out all
 * that are not. They cover [0, @size), or MTV_ERROR_BAD_DATA. Pure. (transfer full) */
GArray *mtv_ovirt_imageio_parse_extents (const char *text, gsize length, gboolean dirty,
                                         guint64 size, const char *label, GError **error);

G_END_DECLS
