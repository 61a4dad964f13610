/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_OVA_IMAGE_RAW,
  MTV_OVA_IMAGE_VMDK,            /* sparse */
  MTV_OVA_IMAGE_VMDK_DESCRIPTOR, /* text that names the extents */
  MTV_OVA_IMAGE_QCOW2,
  MTV_OVA_IMAGE_VHD,
  MTV_OVA_IMAGE_VHD_FIXED, /* raw bytes before a footer */
  MTV_OVA_IMAGE_VHDX,
  MTV_OVA_IMAGE_GZIP, /* something in gzip */
} MtvOvaImageFormat;

typedef struct
{
  MtvOvaImageFormat format;
  guint64 capacity;  /* 0: not told by the header */
  guint64 allocated; /* about; 0: not told by the header */
} MtvOvaImage;

/* What @file is, from its headers. An image that needs another file, or a key, is
 * MTV_ERROR_UNSUPPORTED; @label is what errors call it. */
gboolean mtv_ova_image_probe (MtvReader *file, const char *label, MtvOvaImage *image,
                              GCancellable *cancellable, GError **error);

/* As MtvVmDisk.format has it; NULL for MTV_OVA_IMAGE_GZIP. */
const char *mtv_ova_image_format_to_string (MtvOvaImageFormat format);

G_END_DECLS
