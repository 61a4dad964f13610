/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-vmdk-header.h"

G_BEGIN_DECLS

/* The two formats that ESXi keeps the changes since a snapshot in. Both have a directory of tables
 * of grains; the parsers of them read memory only, and check nothing against the size of the file.
 */

typedef enum
{
  MTV_GRAIN_PARENT, /* not changed */
  MTV_GRAIN_ZERO,
  MTV_GRAIN_DATA,
} MtvGrainKind;

/* What a header says, in bytes. */
typedef struct
{
  guint64 capacity;
  guint64 grain;     /* of the disk, and as much in the file */
  guint64 directory; /* where it is in the file */
  guint64 n_tables;  /* entries of the directory that are needed for the capacity */
  guint64 tables;    /* (seSparse) where they all are, one behind the other … */
  guint64 n_slots;   /* … and for how many there is room */
  guint64 grains;    /* (seSparse) where these begin … */
  guint64 n_grains;  /* … and for how many there is room */
  guint64 state;     /* (seSparse) where the volatile header is */
} MtvSparseLayout;

typedef struct
{
  const char *name;
  guint64 header; /* bytes that parse() wants */
  guint entry;    /* bytes of an entry of a directory or a table */
  guint entries;  /* in a table */
  gboolean (*parse) (const guint8 *header, const char *label, MtvSparseLayout *layout,
                     GError **error);
  /* Where in the file the table of directory entry @entry is; 0: nothing in it has changed. */
  gboolean (*table_at) (const MtvSparseLayout *layout, const guint8 *entry, const char *label,
                        guint64 *position, GError **error);
  /* What the entry of a table says; @position: in the file, of MTV_GRAIN_DATA. */
  gboolean (*grain_at) (const MtvSparseLayout *layout, const guint8 *entry, const char *label,
                        MtvGrainKind *kind, guint64 *position, GError **error);
} MtvSparseFormat;

G_END_DECLS
