/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-provider.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_SOURCE_CAN_CHECK_DISKS
  = 1 << 0,                      /* check_disk is there: the source has checksums of its own */
  MTV_SOURCE_HAS_POWER = 1 << 1, /* its VMs may run: get_power, shut_down, start and remove */
  MTV_SOURCE_CAN_WARM = 1 << 2,  /* create_point, open_point and remove; has power, too */
} MtvSourceCaps;

typedef enum
{
  MTV_POWER_OFF,
  MTV_POWER_ON,
  MTV_POWER_SUSPENDED, /* paused, or saved to disk: not running, but not shut down either */
} MtvPower;

/* What a migration leaves at a source while it is under way, each in the ledger before it exists;
 * the kinds that remove() knows. The key of the first two is that of the point. */
#define MTV_SOURCE_SNAPSHOT "snapshot" /* what a point needs to be read: costs the running VM */
#define MTV_SOURCE_MARK "mark"         /* what the next round is reckoned from: a bitmap */
#define MTV_SOURCE_TRACKING "tracking" /* changed-block tracking that was off; key: the VM's id */

/* An instant of a VM, running or not, whose disks stay readable as they were then. */
typedef struct
{
  char *key;             /* (owned) ours: "mtv-RUN-N-ROUND", unique, fit for a name anywhere */
  char *remote_id;       /* (owned) (nullable) the source's own name for it */
  GPtrArray *change_ids; /* (element-type utf8) for each disk in the order of the VM: where changes
                            will be reckoned from in the next round; NULL: they cannot be */
} MtvPoint;

MtvPoint *mtv_point_new (const char *key);
void mtv_point_free (MtvPoint *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvPoint, mtv_point_free)

/* A provider that virtual machines come from; the rules of MtvProvider hold. */
#define MTV_TYPE_SOURCE (mtv_source_get_type ())
G_DECLARE_INTERFACE (MtvSource, mtv_source, MTV, SOURCE, MtvProvider)

struct _MtvSourceInterface
{
  GTypeInterface parent;

  MtvSourceCaps (*get_caps) (MtvSource *self);
  GPtrArray *(*list) (MtvSource *self, GCancellable *cancellable, GError **error);
  char *(*get_identity) (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error);
  MtvReader *(*open_disk) (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                           GCancellable *cancellable, GError **error);
  gboolean (*check_disk) (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                          GCancellable *cancellable, GError **error);
  gboolean (*get_power) (MtvSource *self, MtvVm *vm, MtvPower *power, GCancellable *cancellable,
                         GError **error);
  gboolean (*shut_down) (MtvSource *self, MtvVm *vm, gboolean force, GCancellable *cancellable,
                         GError **error);
  gboolean (*start) (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error);
  void (*check_warm) (MtvSource *self, MtvVm *vm, GPtrArray *concerns, GCancellable *cancellable);
  gboolean (*enable_tracking) (MtvSource *self, MtvVm *vm, char **put_back,
                               GCancellable *cancellable, GError **error);
  MtvPoint *(*create_point) (MtvSource *self, MtvVm *vm, const char *key, const MtvPoint *since,
                             GCancellable *cancellable, GError **error);
  MtvReader *(*open_point) (MtvSource *self, MtvVm *vm, guint disk, const MtvPoint *point,
                            const MtvPoint *since, GArray **changes, GCancellable *cancellable,
                            GError **error);
  gboolean (*remove) (MtvSource *self, const char *vm_id, const char *kind, const char *key,
                      const char *remote_id, GCancellable *cancellable, GError **error);
};

MtvSourceCaps mtv_source_get_caps (MtvSource *self);

/* The whole inventory: (element-type MtvVm), with mtv_vm_unref as free function. What is wrong with
 * one VM stands in its problem, and does not hide the others. (transfer full) */
GPtrArray *mtv_source_list (MtvSource *self, GCancellable *cancellable, GError **error);

/* A string that stays the same as long as the disks of @vm hold the same bytes, as far as can be
 * told quickly (size, times, version). A copy goes on after a restart only when it did. (transfer
 * full) */
char *mtv_source_get_identity (MtvSource *self, MtvVm *vm, GCancellable *cancellable,
                               GError **error);

/* The disk as the guest sees it; its size is the true capacity. (transfer full) */
MtvReader *mtv_source_open_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                                 GCancellable *cancellable, GError **error);

/* Compares what the disk is stored in with the checksums that the source keeps of it; reads all of
 * it. Runs beside the copy. A difference is MTV_ERROR_CHECKSUM_MISMATCH naming the file; no
 * checksum for this disk is success. Only with MTV_SOURCE_CAN_CHECK_DISKS. */
gboolean mtv_source_check_disk (MtvSource *self, MtvVm *vm, const MtvVmDisk *disk,
                                GCancellable *cancellable, GError **error);

/* Power. With MTV_SOURCE_HAS_POWER. */

/* As it is now; asked for again and again while a VM goes down. A VM that is gone is
 * MTV_ERROR_NOT_FOUND. */
gboolean mtv_source_get_power (MtvSource *self, MtvVm *vm, MtvPower *power,
                               GCancellable *cancellable, GError **error);

/* Asks the guest to shut down, or with @force switches it off; does not wait until it is off. Of a
 * VM that is off: success. A guest that cannot be asked (no agent, no ACPI) is
 * MTV_ERROR_UNSUPPORTED. */
gboolean mtv_source_shut_down (MtvSource *self, MtvVm *vm, gboolean force,
                               GCancellable *cancellable, GError **error);

/* Switches it on again; of a VM that is on: success. */
gboolean mtv_source_start (MtvSource *self, MtvVm *vm, GCancellable *cancellable, GError **error);

/* Warm. With MTV_SOURCE_CAN_WARM. For one VM these come one at a time, but for open_point(). */

/* Adds what stands against migrating @vm while it runs: tracking that is off or cannot be had,
 * snapshots and disks that are in the way. Without side effects. */
void mtv_source_check_warm (MtvSource *self, MtvVm *vm, GPtrArray *concerns,
                            GCancellable *cancellable);

/* Switches changed-block tracking on where it is off. @put_back: (out) (nullable) (transfer full):
 * what remove (MTV_SOURCE_TRACKING) is told as remote id to have it as it was; NULL when nothing
 * was changed. Default: there is nothing to switch. */
gboolean mtv_source_enable_tracking (MtvSource *self, MtvVm *vm, char **put_back,
                                     GCancellable *cancellable, GError **error);

/* Makes the point @key, on a running VM or on one that is off. Its snapshot and its mark are in the
 * ledger. What an earlier try of the same key left (we crashed) is adopted, or removed first.
 * @since: (nullable) the point of the round before, whose mark is still there, its snapshot not.
 * A disk that was added, removed or resized since the VM was planned is MTV_ERROR_SOURCE_CHANGED.
 * (transfer full) */
MtvPoint *mtv_source_create_point (MtvSource *self, MtvVm *vm, const char *key,
                                   const MtvPoint *since, GCancellable *cancellable,
                                   GError **error);

/* Disk number @disk as it was at @point. @changes: (out) (nullable) (transfer full) (element-type
 * MtvExtent): all that may differ from what it was at @since, in order, no overlaps; NULL when
 * @since is NULL, or when the source cannot tell any more (tracking was reset, a bitmap is lost):
 * then everything has to be compared. Worker threads, several disks at the same time; after a crash
 * again for the same point. (transfer full) */
MtvReader *mtv_source_open_point (MtvSource *self, MtvVm *vm, guint disk, const MtvPoint *point,
                                  const MtvPoint *since, GArray **changes,
                                  GCancellable *cancellable, GError **error);

/* Removes what the ledger calls @kind and @key, and waits until the source is rid of it; one that
 * is gone, or never was, is success, and so is a VM that is gone. Readers of the point are closed.
 * @remote_id: (nullable) what the ledger has. Nothing else is ever removed. */
gboolean mtv_source_remove (MtvSource *self, const char *vm_id, const char *kind, const char *key,
                            const char *remote_id, GCancellable *cancellable, GError **error);

G_END_DECLS
