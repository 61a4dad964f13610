/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* The two ends of a stand-alone copy: what the user said of them, and what was found there. */
typedef struct
{
  /* What the user said. Descriptors are used instead of opening the name, which then is only for
   * texts. */
  char *source;              /* (owned) NBD URI, http(s) URL or absolute path */
  int source_fd;             /* (owned) or -1 */
  char *source_format;       /* (owned) (nullable) NULL: to be found out */
  char *bitmap;              /* (owned) (nullable) of the source: copy only what it tells */
  char *ca;                  /* (owned) (nullable) PEM, for https */
  gboolean insecure;         /* https without verification */
  char *destination;         /* (owned) NBD URI or absolute path */
  int destination_fd;        /* (owned) or -1; open for reading and writing */
  int destination_direct_fd; /* (owned) or -1; the same file with O_DIRECT */
  gboolean fresh;            /* the destination is known to read as zeroes */
  gboolean preallocate;

  /* What was found. */
  MtvReader *reader;     /* (owned) the disk */
  const char *format;    /* static: what the source is */
  char *source_key;      /* (owned) another one: another source, or its contents have changed */
  char *destination_key; /* (owned) another one: another destination */
  gboolean is_file;      /* the destination is a regular file … */
  guint64 file_size;     /* … of so many bytes */
  gboolean is_full;      /* it is something that should not be written over unasked */
  MtvWriter *writer;     /* (owned) */
  MtvReader *written;    /* (owned) the same as it can be read back */
  GArray *changes;       /* (owned) (nullable) (element-type MtvExtent) with bitmap */
} MtvTransferEnds;

MtvTransferEnds *mtv_transfer_ends_new (const char *source, const char *destination);
void mtv_transfer_ends_free (MtvTransferEnds *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvTransferEnds, mtv_transfer_ends_free)

/* Looks at the words alone: MTV_ERROR_INVALID_ARGUMENT or MTV_ERROR_UNSUPPORTED for what can never
 * be opened. */
gboolean mtv_transfer_ends_check (const MtvTransferEnds *self, GError **error);

/* Blocking. Fills reader, format, source_key and changes. */
gboolean mtv_transfer_ends_open_source (MtvTransferEnds *self, GCancellable *cancellable,
                                        GError **error);
/* Blocking. Fills destination_key, is_file, file_size and is_full; changes nothing there, but for
 * making a file that is not there yet. */
gboolean mtv_transfer_ends_find_destination (MtvTransferEnds *self, GError **error);
/* Blocking. Fills writer and written. @anew: what a file held is dropped first, so that it reads as
 * zeroes. */
gboolean mtv_transfer_ends_open_destination (MtvTransferEnds *self, gboolean anew,
                                             GCancellable *cancellable, GError **error);

/* The name of an end for texts: without what may be a secret in a URI. (transfer full) */
char *mtv_transfer_ends_describe (const char *name);

/* The disk in an open file of one of the formats that mtv_image_probe() knows; @format: NULL for
 * whatever it is, else what it must be. @found (out). (transfer full) */
MtvReader *mtv_transfer_open_disk (MtvReader *file, const char *format, const char *label,
                                   const char **found, GCancellable *cancellable, GError **error);

G_END_DECLS
