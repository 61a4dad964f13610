/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef struct
{
  char *name;
  gboolean in_use;    /* it was not saved: what it says is worth nothing */
  gboolean recording; /* it knows of all writes since it was made */
} MtvLibvirtBitmap;

/* What the header of a qcow2 image says beside its size. */
typedef struct
{
  guint version;
  gboolean encrypted;
  gboolean has_data_file;
  char *backing;        /* (nullable) as it stands there */
  char *backing_format; /* (nullable) */
  GPtrArray *bitmaps;   /* (element-type MtvLibvirtBitmap) those that are kept in it */
} MtvLibvirtQcow2;

/* Reads some of @file. MTV_ERROR_BAD_DATA names @label. (transfer full) */
MtvLibvirtQcow2 *mtv_libvirt_qcow2_read (MtvReader *file, const char *label,
                                         GCancellable *cancellable, GError **error);
void mtv_libvirt_qcow2_free (MtvLibvirtQcow2 *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvLibvirtQcow2, mtv_libvirt_qcow2_free)

/* (transfer none) (nullable) */
const MtvLibvirtBitmap *mtv_libvirt_qcow2_find_bitmap (MtvLibvirtQcow2 *self, const char *name);

/* Why no bitmap can be kept in the image; NULL when it can. (transfer none) */
const char *mtv_libvirt_qcow2_why_no_bitmaps (MtvLibvirtQcow2 *self);

G_END_DECLS
