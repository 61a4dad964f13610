/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-block-map.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* What lies beside disk images and tells what they were made of and the hash of every block:
 * manifest.json. The format is described in mtv-manifest(5). */

#define MTV_MANIFEST_MAX_DISKS 1024

typedef struct
{
  char *file;        /* (owned) never NULL; in the manifest's folder: no '/' in it, not ".." */
  char *format;      /* (owned) never NULL; "raw", "qcow2": letters, digits, '-' and '_' */
  char *source_id;   /* (owned) (nullable) */
  char *source_name; /* (owned) (nullable) */
  guint64 size;      /* bytes as the guest sees them; that of the map */
  MtvBlockMap *map;  /* (owned) never NULL; nothing is pending in one that was read */
} MtvManifestDisk;

typedef struct
{
  char *run;             /* (owned) (nullable) the migration … */
  guint number;          /* … and its VM; only with run */
  char *created;         /* (owned) (nullable) ISO 8601, UTC */
  char *name;            /* (owned) (nullable) of the VM at the destination */
  char *plan;            /* (owned) (nullable) */
  char *source;          /* (owned) (nullable) the provider's name */
  char *source_identity; /* (owned) (nullable) see mtv_source_get_identity() */
  char *vm_id;           /* (owned) (nullable) these three: at the source */
  char *vm_uuid;         /* (owned) (nullable) */
  char *vm_name;         /* (owned) (nullable) */
  MtvHash hash;          /* that of every map */
  GPtrArray *disks;      /* (owned) (element-type MtvManifestDisk) */
} MtvManifest;

MtvManifest *mtv_manifest_new (MtvHash hash);
void mtv_manifest_free (MtvManifest *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvManifest, mtv_manifest_free)

/* Adds a disk of the map's size; the map must have the manifest's hash. (transfer none) */
MtvManifestDisk *mtv_manifest_add_disk (MtvManifest *self, const char *file, const char *format,
                                        MtvBlockMap *map);

/* Reads foreign bytes, in no more memory than a few times their number and 20 MiB. @what, for
 * messages: "'manifest.json' of 'web'". MTV_ERROR_BAD_DATA names the line and the member. */
MtvManifest *mtv_manifest_read (int fd, const char *what, GError **error);
MtvManifest *mtv_manifest_parse (const char *text, gsize length, const char *what, GError **error);

/* Writes to the empty file @fd; memory stays below a MiB. A block that is still pending is
 * MTV_ERROR_WRONG_STATE, a file's name that cannot be told is MTV_ERROR_INVALID_ARGUMENT. */
gboolean mtv_manifest_write (const MtvManifest *self, int fd, GError **error);

/* Is what begins the file @fd the manifest of this very migration and VM? */
gboolean mtv_manifest_is_of (int fd, const char *run, guint number);

G_END_DECLS
