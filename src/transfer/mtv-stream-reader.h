/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_STREAM_NONE,
  MTV_STREAM_GZIP,
  MTV_STREAM_ZSTD,
  MTV_STREAM_XZ,
  MTV_STREAM_BZIP2,
  MTV_STREAM_LZ4,
} MtvStreamKind;

/* Bytes at the start of a file that mtv_stream_sniff() wants to see. */
#define MTV_STREAM_HEAD 6

/* What a file is that starts so. */
MtvStreamKind mtv_stream_sniff (const guint8 head[], gsize length);

/* What the compressed stream @packed holds. gzip is read by an MtvGzipReader (any place, and the
 * CRC is checked, which libarchive does not do); the others by libarchive, forwards only (hint:
 * in_order): going back is to begin again.
 *
 * @known_size: what it must hold; damage then shows where it is read, and the end is checked with
 * the last byte. 0: a first pass over all of it counts (gzip: in any case), so that damage is found
 * before anything is read. Damage, a stream that ends early, something else behind it and another
 * size than was promised are MTV_ERROR_BAD_DATA. zstd and lz4 streams may be made without a
 * checksum; in those, damaged bytes are not always noticed.
 *
 * Decoders take up to 128 MiB (zstd, by its default limit) or 1 GiB (xz, by libarchive's), as the
 * stream demands; what demands more is refused. */
MtvReader *mtv_stream_reader_open (MtvReader *packed, guint64 known_size, const char *label,
                                   GCancellable *cancellable, GError **error);

G_END_DECLS
