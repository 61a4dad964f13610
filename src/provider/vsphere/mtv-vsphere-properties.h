/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/vsphere/mtv-vsphere-session.h"

G_BEGIN_DECLS

/* The PropertyCollector. What it tells of an object is an <objects> element: the object's id and
 * type, and those of its properties that are set; others are no error. */

/* What is asked of the objects of a type. */
typedef struct
{
  const char *type;         /* NULL ends an array of these */
  const char *const *paths; /* (array zero-terminated=1) "config.name" */
} MtvVsphereQuestion;

const char *mtv_vsphere_object_id (const xmlNode *object);   /* (nullable) (transfer none) */
const char *mtv_vsphere_object_type (const xmlNode *object); /* (nullable) (transfer none) */
/* (nullable) the <val> of a property */
xmlNode *mtv_vsphere_object_get (const xmlNode *object, const char *path);

/* Goes over all objects of the types of @questions in the inventory, one page after the other.
 * @reset: what was handed over is to be forgotten, since it begins anew. */
typedef struct
{
  gboolean (*object) (xmlNode *object, gpointer user_data, GError **error);
  void (*reset) (gpointer user_data);
  gpointer user_data;
} MtvVsphereSink;

gboolean mtv_vsphere_retrieve_all (MtvVsphereSession *session, const MtvVsphereQuestion *questions,
                                   const MtvVsphereSink *sink, GCancellable *cancellable,
                                   GError **error);

/* The same of one object; MTV_ERROR_NOT_FOUND when it is not there any more.
 * @object: (out) (transfer none) of what is returned. (transfer full) */
xmlDoc *mtv_vsphere_retrieve (MtvVsphereSession *session, const char *type, const char *id,
                              const char *const *paths, xmlNode **object, GCancellable *cancellable,
                              GError **error);

/* The same of all objects that the reference property @path of an object names; those that are gone
 * are left out. @objects: (out) (element-type xmlNode) (transfer container) of what is returned.
 * (transfer full) */
xmlDoc *mtv_vsphere_retrieve_named (MtvVsphereSession *session, const char *type, const char *id,
                                    const char *path, const MtvVsphereQuestion *question,
                                    GPtrArray **objects, GCancellable *cancellable, GError **error);

/* Of an object and all that it lies in, up to the root: ManagedEntity.parent, and the folder of a
 * vApp. @objects: (out) (element-type xmlNode) (transfer container) of what is returned. (transfer
 * full) */
xmlDoc *mtv_vsphere_retrieve_ancestors (MtvVsphereSession *session, const char *type,
                                        const char *id, const char *const *paths,
                                        GPtrArray **objects, GCancellable *cancellable,
                                        GError **error);

G_END_DECLS
