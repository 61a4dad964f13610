/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Several readers, one after the other, as one: the chunks of a disk, or the extents of a flat
 * VMDK. With @size larger than their sum, the rest reads as zeroes. */
#define MTV_TYPE_CONCAT_READER (mtv_concat_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvConcatReader, mtv_concat_reader, MTV, CONCAT_READER, GObject)

/* @parts: (element-type MtvReader), referenced. @size: at least the sum of theirs; 0: their sum. */
MtvConcatReader *mtv_concat_reader_new (GPtrArray *parts, guint64 size);

G_END_DECLS
