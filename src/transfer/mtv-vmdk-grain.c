/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-grain.h"

#include "base/mtv-error.h"
#include "transfer/mtv-vmdk-header.h"

#include <libdeflate.h>

#define RECORD_HEADER 12

typedef struct
{
  struct libdeflate_decompressor *decompressor; /* (owned) */
  guint8 *buffer;                               /* (owned) (nullable) */
  gsize buffer_size;
  guint8 *kept; /* (owned) (nullable) */
  gsize kept_size;
  guint64 kept_serial; /* 0: nothing is kept */
  guint64 kept_grain;
} Scratch;

static void
scratch_free (Scratch *scratch)
{
  g_clear_pointer (&scratch->decompressor, libdeflate_free_decompressor);
  g_free (scratch->buffer);
  g_free (scratch->kept);
  g_free (scratch);
}

static Scratch *
get_scratch (void)
{
  static GPrivate key = G_PRIVATE_INIT ((GDestroyNotify) scratch_free);
  Scratch *scratch = g_private_get (&key);

  if (!scratch)
    {
      scratch = g_new0 (Scratch, 1);
      g_private_set (&key, scratch);
    }
  return scratch;
}

static guint8 *
grow (guint8 **memory, gsize *size, gsize wanted)
{
  if (*size < wanted)
    {
      g_free (*memory);
      *memory = g_malloc (wanted);
      *size = wanted;
    }
  return *memory;
}

guint8 *
mtv_vmdk_grain_get_buffer (gsize size)
{
  Scratch *scratch = get_scratch ();

  return grow (&scratch->buffer, &scratch->buffer_size, size);
}

const guint8 *
mtv_vmdk_grain_get_kept (guint64 serial, guint64 grain)
{
  const Scratch *scratch = get_scratch ();

  return scratch->kept_serial == serial && scratch->kept_grain == grain ? scratch->kept : NULL;
}

static gboolean
fail (const MtvVmdkRecord *of, const char *what, GError **error)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s: grain %" G_GUINT64_FORMAT " at byte %" G_GUINT64_FORMAT " %s", of->label,
               of->grain, of->position, what);
  return FALSE;
}

gboolean
mtv_vmdk_grain_inflate (const MtvVmdkRecord *of, const guint8 *record, gsize available, guint8 *to,
                        GError **error)
{
  Scratch *scratch = get_scratch ();
  gsize got = 0;

  if (available < RECORD_HEADER)
    return fail (of, "is cut short", error);
  if (mtv_vmdk_get64 (record) != of->lba)
    return fail (of, "says that it belongs elsewhere", error);

  guint32 size = mtv_vmdk_get32 (record + 8);
  if (size == 0 || size > available - RECORD_HEADER)
    return fail (of, "is cut short, or runs into the next", error);

  if (!scratch->decompressor)
    scratch->decompressor = libdeflate_alloc_decompressor ();
  if (!scratch->decompressor)
    g_error ("No memory for a decompressor"); /* as g_malloc() ends */
  /* Checks the Adler-32 as well. */
  if (libdeflate_zlib_decompress (scratch->decompressor, record + RECORD_HEADER, size, to,
                                  of->grain_bytes, &got)
      != LIBDEFLATE_SUCCESS)
    return fail (of, "cannot be inflated", error);
  if (got < of->needed)
    return fail (of, "inflates to too few bytes", error);
  return TRUE;
}

const guint8 *
mtv_vmdk_grain_inflate_kept (const MtvVmdkRecord *of, const guint8 *record, gsize available,
                             GError **error)
{
  Scratch *scratch = get_scratch ();

  scratch->kept_serial = 0;
  if (!mtv_vmdk_grain_inflate (of, record, available,
                               grow (&scratch->kept, &scratch->kept_size, of->grain_bytes), error))
    return NULL;
  scratch->kept_serial = of->serial;
  scratch->kept_grain = of->grain;
  return scratch->kept;
}
