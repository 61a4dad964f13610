/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdlib.h>
#include <string.h>

G_BEGIN_DECLS

/* What O_DIRECT asks of offsets, lengths and memory; a file system that wants more is refused by
 * its EINVAL and served through the page cache. */
#define MTV_ALIGNMENT 4096

/* Memory that O_DIRECT takes. */
typedef guint8 MtvAligned;

static inline MtvAligned *
mtv_aligned_new (gsize size)
{
  void *memory = NULL;

  if (posix_memalign (&memory, MTV_ALIGNMENT, size) != 0)
    g_error ("Cannot allocate %" G_GSIZE_FORMAT " bytes", size);
  return memory;
}

static inline void
mtv_aligned_free (MtvAligned *memory)
{
  free (memory);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvAligned, mtv_aligned_free)

/* TRUE when all @length bytes are zero. */
static inline gboolean
mtv_is_zero (const guint8 *data, gsize length)
{
  /* Most data shows itself in its first bytes; the rest is compared with itself, one byte on. */
  return length == 0 || (data[0] == 0 && memcmp (data, data + 1, length - 1) == 0);
}

G_END_DECLS
