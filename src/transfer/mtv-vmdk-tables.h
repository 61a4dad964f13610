/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"
#include "transfer/mtv-vmdk-header.h"

G_BEGIN_DECLS

/* Where the grains of a sparse VMDK lie. Two makes: the grain directory and tables of the file,
 * tables being loaded when asked for and a few MiB of them kept; or, for a stream whose directory
 * is missing, a list made by one pass over the grain markers. Thread-safe. */
typedef struct _MtvVmdkTables MtvVmdkTables;

/* Values of a grain; all others are the sector in @file where it lies, inside the file and behind
 * the header and tables. */
#define MTV_VMDK_GRAIN_NONE 0
#define MTV_VMDK_GRAIN_ZERO 1

/* @file, @label: kept by the caller until the tables are freed. */
MtvVmdkTables *mtv_vmdk_tables_load (MtvReader *file, const MtvVmdkHeader *header,
                                     const char *label, GCancellable *cancellable, GError **error);

/* Values of the grains @first to @first + @n - 1. */
gboolean mtv_vmdk_tables_lookup (MtvVmdkTables *self, guint64 first, gsize n, guint32 *values,
                                 GCancellable *cancellable, GError **error);

/* A grain from @first on, before which there is none with data; maybe the end of the disk. */
guint64 mtv_vmdk_tables_skip (MtvVmdkTables *self, guint64 first);

void mtv_vmdk_tables_free (MtvVmdkTables *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVmdkTables, mtv_vmdk_tables_free)

/* The forward pass, mtv-vmdk-stream.c. Grains by number, each once; the end-of-stream marker has
 * been seen. */
typedef struct
{
  guint32 grain;
  guint32 sector;
} MtvVmdkStreamGrain;

GArray *mtv_vmdk_stream_scan (MtvReader *file, const MtvVmdkHeader *header, const char *label,
                              GCancellable *cancellable, GError **error);

/* A record of a compressed grain is at most this long, in bytes, without the padding. */
static inline gsize
mtv_vmdk_max_record (const MtvVmdkHeader *header)
{
  gsize grain = header->grain_size * MTV_VMDK_SECTOR;

  return grain + grain / 8 + 1024;
}

G_END_DECLS
