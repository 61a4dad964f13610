/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_TAR_FILE,
  MTV_TAR_DIRECTORY,
  MTV_TAR_LINK,  /* hard or symbolic */
  MTV_TAR_OTHER, /* devices, volume labels … */
} MtvTarType;

typedef struct
{
  char *name; /* valid UTF-8; normalised, or as it stands in the archive when that cannot be */
  guint64 offset;
  guint64 size;
  MtvTarType type;
} MtvTarMember;

/* Where the members of a tar archive lie: ustar, pax and GNU headers. Immutable. */
typedef struct _MtvTar MtvTar;

/* Reads the headers, not the members. @label is what errors call the archive. What is wrong with it
 * is MTV_ERROR_BAD_DATA, sparse members are MTV_ERROR_UNSUPPORTED. macOS's "._name" companions are
 * left out. */
MtvTar *mtv_tar_new (MtvReader *archive, const char *label, GCancellable *cancellable,
                     GError **error);
void mtv_tar_free (MtvTar *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvTar, mtv_tar_free)

guint mtv_tar_get_n_members (MtvTar *self);
const MtvTarMember *mtv_tar_get_member (MtvTar *self, guint index);

/* The file of this (normalised) name. None is MTV_ERROR_NOT_FOUND, something that is not a plain
 * file MTV_ERROR_UNSUPPORTED. (transfer none) */
const MtvTarMember *mtv_tar_find (MtvTar *self, const char *name, GError **error);

/* "./a//b" is "a/b"; NULL when @name is empty, absolute or climbs with "..". (transfer full) */
char *mtv_tar_normalize_name (const char *name);

G_END_DECLS
