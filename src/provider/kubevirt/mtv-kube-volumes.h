/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* How a storage class holds a disk. */
typedef struct
{
  char *storage_class; /* (owned) */
  char *volume_mode;   /* (owned) "Block" or "Filesystem" */
  char *access_mode;   /* (owned) "ReadWriteMany" … */
} MtvKubePlacement;

void mtv_kube_placement_free (MtvKubePlacement *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvKubePlacement, mtv_kube_placement_free)

/* The name of the class that is the default, for VMs if there is one of those, of @classes
 * (StorageClass objects); NULL when none is. (transfer none) */
const char *mtv_kube_default_class (JsonArray *classes);

/* The best that @profile (the class's StorageProfile, nullable) offers of what is asked for.
 * @volume_mode and @access_mode: (nullable) by the user; both given, no profile is needed.
 * MTV_ERROR_NOT_FOUND says what is missing. (transfer full) */
MtvKubePlacement *mtv_kube_place (const char *storage_class, JsonObject *profile,
                                  const char *volume_mode, const char *access_mode, GError **error);

/* The DataVolume of disk @index, empty, by @placement. (transfer full) */
JsonObject *mtv_kube_volume_new (const MtvTarget *target, guint index,
                                 const MtvKubePlacement *placement);

/* TRUE when @object is of run @run and VM @number. */
gboolean mtv_kube_is_ours (JsonObject *object, const char *run, const char *number);

/* An object's key in the ledger, and back: "NAMESPACE/NAME/RUN/NUMBER". (transfer full) */
char *mtv_kube_key_new (const MtvTarget *target, const char *name_space, const char *name);
/* Four parts; NULL when @key is none. (transfer full) */
char **mtv_kube_key_split (const char *key);

G_END_DECLS
