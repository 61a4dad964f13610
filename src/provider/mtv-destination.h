/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-provider.h"
#include "provider/mtv-target.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Something that a destination makes on the way and that must not stay when the way is not gone to
 * its end: a folder, a volume, a pod. It is in the ledger before it exists. */
typedef struct
{
  const char *kind; /* static; says to remove() what @key is */
  char *key;        /* (owned) */
} MtvDestinationObject;

/* A provider that virtual machines go to; the rules of MtvProvider hold. Calls for one target come
 * in the order of the vfuncs, and each may be repeated from the start after a crash at any point.
 */
#define MTV_TYPE_DESTINATION (mtv_destination_get_type ())
G_DECLARE_INTERFACE (MtvDestination, mtv_destination, MTV, DESTINATION, MtvProvider)

struct _MtvDestinationInterface
{
  GTypeInterface parent;

  void (*check) (MtvDestination *self, const MtvTarget *target, GPtrArray *concerns,
                 GCancellable *cancellable);
  gboolean (*has_vm) (MtvDestination *self, const char *name, GCancellable *cancellable);
  guint64 (*get_free_space) (MtvDestination *self, GCancellable *cancellable);
  GPtrArray *(*list_objects) (MtvDestination *self, const MtvTarget *target);
  gboolean (*create_volumes) (MtvDestination *self, const MtvTarget *target,
                              GCancellable *cancellable, GError **error);
  MtvWriter *(*open_writer) (MtvDestination *self, const MtvTarget *target, guint disk,
                             GCancellable *cancellable, GError **error);
  MtvReader *(*open_reader) (MtvDestination *self, const MtvTarget *target, guint disk,
                             GCancellable *cancellable, GError **error);
  gboolean (*can_read_back) (MtvDestination *self, const MtvTarget *target); /* Default: FALSE */
  char *(*define) (MtvDestination *self, const MtvTarget *target, GCancellable *cancellable,
                   GError **error);
  gboolean (*remove) (MtvDestination *self, const char *kind, const char *key,
                      GCancellable *cancellable, GError **error);
};

/* Adds what stands against @target here: not writable, the name taken. Without side effects; disk
 * sizes may still be 0 (then the inventory's capacity counts). */
void mtv_destination_check (MtvDestination *self, const MtvTarget *target, GPtrArray *concerns,
                            GCancellable *cancellable);

/* Is there a VM of this name already (or the beginnings of one that is not ours)? */
gboolean mtv_destination_has_vm (MtvDestination *self, const char *name, GCancellable *cancellable);

/* Bytes that can still be written; G_MAXUINT64 when it cannot be known. */
guint64 mtv_destination_get_free_space (MtvDestination *self, GCancellable *cancellable);

/* What create_volumes() and define() are going to make, short of the finished VM itself.
 * (element-type MtvDestinationObject) (transfer full) */
GPtrArray *mtv_destination_list_objects (MtvDestination *self, const MtvTarget *target);
void mtv_destination_object_free (gpointer object);

/* Makes a volume for each disk, sizes known. Volumes of this very run and VM that are there already
 * stay with what is in them. */
gboolean mtv_destination_create_volumes (MtvDestination *self, const MtvTarget *target,
                                         GCancellable *cancellable, GError **error);

/* A new volume reads as zeroes until it is written to. (transfer full) */
MtvWriter *mtv_destination_open_writer (MtvDestination *self, const MtvTarget *target, guint disk,
                                        GCancellable *cancellable, GError **error);

/* What is on stable storage, past caches as far as that can be had. (transfer full) */
MtvReader *mtv_destination_open_reader (MtvDestination *self, const MtvTarget *target, guint disk,
                                        GCancellable *cancellable, GError **error);

/* May open_reader() be called while the disk's writer is open, and sees what that has flushed? Any
 * thread. */
gboolean mtv_destination_can_read_back (MtvDestination *self, const MtvTarget *target);

/* Makes the VM, whole and durable, in one step that either happened or did not; says where it is.
 * When it happened before the crash, says so again. All writers are closed. (transfer full) */
char *mtv_destination_define (MtvDestination *self, const MtvTarget *target,
                              GCancellable *cancellable, GError **error);

/* Removes an object of list_objects(); one that is gone, or never was, is success. Never touches a
 * VM that define() finished. */
gboolean mtv_destination_remove (MtvDestination *self, const char *kind, const char *key,
                                 GCancellable *cancellable, GError **error);

G_END_DECLS
