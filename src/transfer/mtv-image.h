/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_IMAGE_RAW,
  MTV_IMAGE_VMDK,            /* sparse */
  MTV_IMAGE_VMDK_DESCRIPTOR, /* text that names the extents */
  MTV_IMAGE_QCOW2,
  MTV_IMAGE_VHD,
  MTV_IMAGE_VHD_FIXED, /* raw bytes before a footer */
  MTV_IMAGE_VHDX,
  MTV_IMAGE_GZIP, /* something in gzip, and so on */
  MTV_IMAGE_ZSTD,
  MTV_IMAGE_XZ,
} MtvImageFormat;

typedef struct
{
  MtvImageFormat format;
  guint64 capacity;  /* 0: not told by the header */
  guint64 allocated; /* about; 0: not told by the header */
} MtvImage;

/* What @file is, from its headers. An image that needs another file, or a key, is
 * MTV_ERROR_UNSUPPORTED; @label is what errors call it. */
gboolean mtv_image_probe (MtvReader *file, const char *label, MtvImage *image,
                          GCancellable *cancellable, GError **error);

/* The disk in @file, which is of the probed @image: neither packed nor a descriptor, whose files
 * are the caller's to find. Formats that only QEMU knows are read by a child of it, which opens
 * nothing. Blocking. (transfer full) */
MtvReader *mtv_image_open (MtvReader *file, const MtvImage *image, const char *label,
                           GCancellable *cancellable, GError **error);
/* The same for what came out of the @packed image: a disk, of whatever format. */
MtvReader *mtv_image_open_content (MtvReader *content, const MtvImage *packed, const char *label,
                                   GCancellable *cancellable, GError **error);

gboolean mtv_image_is_packed (const MtvImage *image);

/* "raw", "vmdk", "vmdk-flat", "qcow2", "vpc", "vhdx", "gzip", "zstd", "xz". */
const char *mtv_image_format_to_string (MtvImageFormat format);

G_END_DECLS
