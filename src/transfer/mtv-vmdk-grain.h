/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Compressed grains, one thread's view: each thread has a decompressor, a buffer for records and
 * the last grain of which it wanted only a part; all are freed when it ends. */

typedef struct
{
  guint64 serial; /* of the disk, never used again for another */
  guint64 grain;
  guint64 lba;       /* what the record must say */
  gsize grain_bytes; /* what it may hold */
  gsize needed;      /* what it must hold: less in the last grain of a disk */
  guint64 position;  /* in the file, for errors */
  const char *label; /* (unowned) */
} MtvVmdkRecord;

/* At least @size bytes, good until the thread asks again. */
guint8 *mtv_vmdk_grain_get_buffer (gsize size);

/* The thread's last grain, if it is that one. */
const guint8 *mtv_vmdk_grain_get_kept (guint64 serial, guint64 grain);

/* Checks and inflates @record (of which @available bytes were read, perhaps more than its own)
 * into @to, which has room for a grain. */
gboolean mtv_vmdk_grain_inflate (const MtvVmdkRecord *of, const guint8 *record, gsize available,
                                 guint8 *to, GError **error);

/* The same into memory of the thread, which holds it until the next such call. */
const guint8 *mtv_vmdk_grain_inflate_kept (const MtvVmdkRecord *of, const guint8 *record,
                                           gsize available, GError **error);

G_END_DECLS
