/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* A file in memory, which notes what was asked of it. */
#define BYTES_TYPE_READER (bytes_reader_get_type ())
G_DECLARE_FINAL_TYPE (BytesReader, bytes_reader, BYTES, READER, GObject)

BytesReader *bytes_reader_new (GBytes *bytes);

guint bytes_reader_get_n_reads (BytesReader *self);

/* Every read that touches @offset fails with MTV_ERROR_UNREACHABLE "Cable pulled". */
void bytes_reader_fail_at (BytesReader *self, guint64 offset);

G_END_DECLS
