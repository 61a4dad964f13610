/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <string.h>

G_BEGIN_DECLS

/* Parsers of the two headers a VMDK can have; they read memory only. All errors are MTV_ERROR
 * (BAD_DATA, or UNSUPPORTED for what is well-formed but not for us) and name @label. */

#define MTV_VMDK_SECTOR 512
#define MTV_VMDK_GD_AT_END G_MAXUINT64 /* the footer has the place of the grain directory */
#define MTV_VMDK_MAX_DESCRIPTOR 262144 /* bytes */

/* The binary header of a sparse extent ("KDMV"). Offsets and sizes are in sectors. What the parser
 * lets through is bounded: grains of 8 to 2048 sectors and at most G_MAXUINT32 of them, 512 to 4096
 * entries a grain table, both powers of two. */
typedef struct
{
  guint64 capacity; /* 0: the file only describes others */
  guint64 grain_size;
  guint64 descriptor_offset; /* 0: none is embedded */
  guint64 descriptor_size;
  guint64 rgd_offset; /* 0: there is no redundant grain directory */
  guint64 gd_offset;
  guint64 overhead; /* no grain lies before it */
  guint32 table_entries;
  gboolean zeroed_grains; /* a grain table entry of 1 is a grain of zeroes */
  gboolean compressed;    /* grains are records: lba, size, zlib stream */
} MtvVmdkHeader;

/* @bytes: the first MTV_VMDK_SECTOR bytes of the file, or of its footer. */
gboolean mtv_vmdk_header_parse (const guint8 *bytes, const char *label, MtvVmdkHeader *header,
                                GError **error);

typedef enum
{
  MTV_VMDK_EXTENT_FLAT,   /* raw sectors in @file from @offset on; VMFS extents are these, too */
  MTV_VMDK_EXTENT_SPARSE, /* @file is a sparse VMDK */
  MTV_VMDK_EXTENT_ZERO,   /* reads as zeroes; no file */
  MTV_VMDK_EXTENT_VMFS_SPARSE, /* @file holds changes as ESXi's redo logs do; these two in links */
  MTV_VMDK_EXTENT_SE_SPARSE,
} MtvVmdkExtentType;

typedef struct
{
  MtvVmdkExtentType type;
  guint64 sectors;
  char *file;     /* (owned) (nullable): a plain name in the descriptor's own directory */
  guint64 offset; /* sectors into @file */
} MtvVmdkExtent;

typedef struct
{
  char *create_type;  /* (owned) "" when the text has none */
  char *parent_hint;  /* (owned) (nullable) */
  char *cid;          /* (owned) (nullable) content id */
  char *parent_cid;   /* (owned) (nullable) that of the parent; of a disk without one NULL */
  GPtrArray *extents; /* (owned) (element-type MtvVmdkExtent) in the order of the disk */
} MtvVmdkDescriptor;

/* A descriptor file: the extents of a disk without a parent, at least one, none of them of a kind
 * that needs more than the files named (devices, snapshots). What is not UTF-8 in it is replaced.
 */
MtvVmdkDescriptor *mtv_vmdk_descriptor_parse (const char *text, gsize length, const char *label,
                                              GError **error);

/* The same for a link of a chain on ESXi: it may have a parent, and hold the changes to that. */
MtvVmdkDescriptor *mtv_vmdk_descriptor_parse_link (const char *text, gsize length,
                                                   const char *label, GError **error);

/* The descriptor inside a sparse file, which is read for what refuses the disk; its extent names
 * whatever the file was once called and is ignored. */
gboolean mtv_vmdk_descriptor_check_embedded (const char *text, gsize length, const char *label,
                                             GError **error);

void mtv_vmdk_descriptor_free (MtvVmdkDescriptor *descriptor);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVmdkDescriptor, mtv_vmdk_descriptor_free)

/* TRUE if @bytes begin like a descriptor file. */
gboolean mtv_vmdk_descriptor_sniff (const void *bytes, gsize length);

/* Everything in a VMDK is little-endian and unaligned. */
static inline guint32
mtv_vmdk_get32 (const guint8 *at)
{
  guint32 value;

  memcpy (&value, at, sizeof value);
  return GUINT32_FROM_LE (value);
}

static inline guint64
mtv_vmdk_get64 (const guint8 *at)
{
  guint64 value;

  memcpy (&value, at, sizeof value);
  return GUINT64_FROM_LE (value);
}

G_END_DECLS
