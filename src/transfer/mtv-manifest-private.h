/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-manifest.h"

G_BEGIN_DECLS

#define MTV_MANIFEST_FORMAT "org.mtv.manifest/1"

/* A member that is a string, or absent when it is NULL. */
typedef struct
{
  const char *key;
  gsize offset;
} MtvManifestText;

/* In the order in which they are written; the last has no key. */
extern const MtvManifestText mtv_manifest_texts[];      /* of MtvManifest */
extern const MtvManifestText mtv_manifest_vm_texts[];   /* of MtvManifest, in "vm" */
extern const MtvManifestText mtv_manifest_disk_texts[]; /* of MtvManifestDisk */

void mtv_manifest_disk_free (MtvManifestDisk *self);

/* Can it be the name of a file in the manifest's folder? */
gboolean mtv_manifest_is_file_name (const char *name);

G_END_DECLS
