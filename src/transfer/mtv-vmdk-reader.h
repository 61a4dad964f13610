/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* The virtual disk in a sparse VMDK (monolithicSparse or streamOptimized, with or without markers
 * and footer), read where it lies by its grain tables; where a stream has none that can be used,
 * one forward pass over the grain markers makes them. Inflates with libdeflate, on the caller's
 * thread. */
#define MTV_TYPE_VMDK_READER (mtv_vmdk_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvVmdkReader, mtv_vmdk_reader, MTV, VMDK_READER, GObject)

/* @file: the bytes of the VMDK, kept. Blocking: reads headers and tables. All that is wrong with
 * them is MTV_ERROR_BAD_DATA; what no reader of one file can do (a parent, extents in other files)
 * is MTV_ERROR_UNSUPPORTED. @label is what errors call it. */
MtvVmdkReader *mtv_vmdk_reader_new (MtvReader *file, const char *label, GCancellable *cancellable,
                                    GError **error);

G_END_DECLS
