/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-point.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-changes.h"
#include "provider/vsphere/mtv-vsphere-snapshot.h"

#include <string.h>

#define RECONFIGURE_USEC (10 * 60 * G_USEC_PER_SEC)

/* Are the disks of a VM those that it was planned with? */
static gboolean
check_disks (MtvVm *planned, const MtvVsphereVm *now, GError **error)
{
  for (guint i = 0; i < now->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (now->vm->disks, i);
      const MtvVmDisk *was = NULL;

      for (guint n = 0; was == NULL && n < planned->disks->len; n++)
        if (strcmp (((MtvVmDisk *) planned->disks->pdata[n])->id, disk->id) == 0)
          was = planned->disks->pdata[n];
      if (was != NULL && was->capacity == disk->capacity)
        continue;
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   was == NULL ? "Disk '%s' was added to '%s' since the migration began"
                               : "Disk '%s' of '%s' was resized since the migration began",
                   disk->name, planned->name);
      return FALSE;
    }
  if (now->disks->len == planned->disks->len)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "'%s' had %u disks when the migration began, and has %u now", planned->name,
               planned->disks->len, now->disks->len);
  return FALSE;
}

/* The hardware of a VM as a snapshot has kept it. @devices: (out) (transfer none) of what is
 * returned. */
static xmlDoc *
retrieve_snapshot (MtvVsphereSession *session, const char *id, xmlNode **devices,
                   GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "config.hardware.device", NULL };
  xmlNode *object = NULL;
  xmlDoc *document = mtv_vsphere_retrieve (session, "VirtualMachineSnapshot", id, paths, &object,
                                           cancellable, error);

  *devices = document == NULL ? NULL : mtv_vsphere_object_get (object, paths[0]);
  return document;
}

static xmlNode *
find_disk (MtvVm *vm, guint index, const char *snapshot, const xmlNode *devices, GError **error)
{
  const MtvVmDisk *disk = g_ptr_array_index (vm->disks, index);
  xmlNode *found = mtv_vsphere_vm_find_disk (devices, disk->id);

  if (found == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                 "Disk '%s' of '%s' is not in snapshot '%s': it cannot be copied while the VM runs",
                 disk->name, vm->name, snapshot);
  return found;
}

/* Read at once, before anything else happens to the VM. */
static gboolean
read_change_ids (MtvVsphereSession *session, MtvVm *vm, MtvPoint *point, GCancellable *cancellable,
                 GError **error)
{
  xmlNode *devices = NULL;
  g_autoptr (xmlDoc) document
      = retrieve_snapshot (session, point->remote_id, &devices, cancellable, error);

  for (guint i = 0; document != NULL && i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);
      xmlNode *found = find_disk (vm, i, point->key, devices, error);
      const char *id = mtv_vsphere_xml_text (found, "backing/changeId");

      if (found == NULL)
        return FALSE;
      if (mtv_vsphere_vm_get_disk_capacity (found) != disk->capacity)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                       "Disk '%s' of '%s' was resized since the migration began", disk->name,
                       vm->name);
          return FALSE;
        }
      /* Without one the disk is compared in the next round. */
      g_ptr_array_add (point->change_ids, g_strdup (id != NULL ? id : ""));
    }
  return document != NULL;
}

MtvPoint *
mtv_vsphere_point_create (MtvVsphereSession *session, MtvVm *vm, const char *key,
                          GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvVsphereVm) now
      = mtv_vsphere_inventory_look_up (session, vm->id, NULL, cancellable, error);

  if (now == NULL || !check_disks (vm, now, error))
    return NULL;

  g_autoptr (MtvPoint) point = mtv_point_new (key);
  gboolean quiesce
      = g_str_equal (now->vm->power_state, "on") && g_strcmp0 (now->vm->tools, "running") == 0;
  point->remote_id
      = mtv_vsphere_snapshot_create (session, vm->id, key, quiesce, cancellable, error);
  if (point->remote_id != NULL && read_change_ids (session, vm, point, cancellable, error))
    return g_steal_pointer (&point);
  g_prefix_error (error, "Cannot make snapshot '%s' of '%s': ", key, vm->name);
  return NULL;
}

/* The snapshot's id, and whether there are others, made by somebody else: reverting to one of those
 * changes a disk in ways that tracking does not tell. */
static char *
find_snapshot (MtvVsphereSession *session, MtvVm *vm, const MtvPoint *point, gboolean *alone,
               GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "snapshot", NULL };
  xmlNode *object = NULL;
  g_autoptr (xmlDoc) document = mtv_vsphere_retrieve (session, "VirtualMachine", vm->id, paths,
                                                      &object, cancellable, error);
  if (document == NULL)
    return NULL;

  xmlNode *info = mtv_vsphere_object_get (object, paths[0]);
  char *id = mtv_vsphere_snapshot_find (info, point->key);
  *alone = mtv_vsphere_snapshot_count (info) == 1;
  if (id == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 "Snapshot '%s' of '%s' is gone: somebody else has removed it", point->key,
                 vm->name);
  return id;
}

/* Can the server tell what changed since? Then @since_id is set. */
static const char *
comparable_id (const MtvPoint *since, guint disk, const xmlNode *found)
{
  const char *now = mtv_vsphere_xml_text (found, "backing/changeId");
  const char *then = since == NULL || since->change_ids == NULL || disk >= since->change_ids->len
                         ? NULL
                         : g_ptr_array_index (since->change_ids, disk);

  if (now == NULL || then == NULL || !mtv_vsphere_changes_is_same_epoch (now, then))
    return NULL;
  return then;
}

/* (element-type guint) not found: G_MAXUINT */
static guint
index_of (const MtvVsphereVm *vm, const char *key)
{
  for (guint i = 0; i < vm->disks->len; i++)
    if (strcmp (((MtvVsphereDisk *) vm->disks->pdata[i])->key, key) == 0)
      return i;
  return G_MAXUINT;
}

static MtvReader *
open_found (MtvVsphereSession *session, const MtvVsphereReading *reading, MtvVm *vm, guint disk,
            const char *snapshot, const xmlNode *found, gboolean parts, GCancellable *cancellable,
            GError **error)
{
  const MtvVmDisk *planned = g_ptr_array_index (vm->disks, disk);
  g_autoptr (MtvVspherePlaces) places = NULL;
  g_autoptr (MtvVsphereVm) now
      = mtv_vsphere_inventory_look_up (session, vm->id, &places, cancellable, error);
  guint index = now == NULL ? G_MAXUINT : index_of (now, planned->id);

  if (now == NULL)
    return NULL;
  if (index == G_MAXUINT)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   "Disk '%s' was removed from '%s' since the migration began", planned->name,
                   vm->name);
      return NULL;
    }
  return mtv_vsphere_open (session, reading, now, places, index, snapshot,
                           mtv_vsphere_xml_text (found, "backing/fileName"),
                           mtv_vsphere_vm_get_disk_capacity (found), parts, cancellable, error);
}

MtvReader *
mtv_vsphere_point_open (MtvVsphereSession *session, const MtvVsphereReading *reading, MtvVm *vm,
                        guint disk, const MtvPoint *point, const MtvPoint *since, GArray **changes,
                        GCancellable *cancellable, GError **error)
{
  const MtvVmDisk *planned = g_ptr_array_index (vm->disks, disk);
  gboolean alone = FALSE;
  xmlNode *devices = NULL;
  g_autoptr (GArray) areas = NULL;
  g_autofree char *snapshot = find_snapshot (session, vm, point, &alone, cancellable, error);
  g_autoptr (xmlDoc) document
      = snapshot == NULL ? NULL
                         : retrieve_snapshot (session, snapshot, &devices, cancellable, error);
  const xmlNode *found = document == NULL ? NULL : find_disk (vm, disk, point->key, devices, error);
  const char *since_id = found == NULL || !alone ? NULL : comparable_id (since, disk, found);

  if (found == NULL
      || (since_id != NULL
          && !mtv_vsphere_changes_query (session, vm->id, snapshot, planned->id,
                                         mtv_vsphere_vm_get_disk_capacity (found), since_id, &areas,
                                         cancellable, error)))
    return NULL;
  MtvReader *reader
      = open_found (session, reading, vm, disk, snapshot, found, areas != NULL, cancellable, error);
  if (reader != NULL)
    *changes = g_steal_pointer (&areas);
  return reader;
}

/* Tracking. */

static gboolean
read_tracking (MtvVsphereSession *session, const char *vm, gboolean *on, gboolean *has_snapshots,
               GCancellable *cancellable, GError **error)
{
  static const char *const paths[] = { "config.changeTrackingEnabled", "snapshot", NULL };
  xmlNode *object = NULL;
  g_autoptr (xmlDoc) document
      = mtv_vsphere_retrieve (session, "VirtualMachine", vm, paths, &object, cancellable, error);

  *on = mtv_vsphere_xml_boolean (mtv_vsphere_object_get (object, paths[0]), NULL);
  *has_snapshots = mtv_vsphere_snapshot_count (mtv_vsphere_object_get (object, paths[1])) > 0;
  return document != NULL;
}

gboolean
mtv_vsphere_point_set_tracking (MtvVsphereSession *session, const char *vm, gboolean on,
                                gboolean *changed, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + RECONFIGURE_USEC;
  gboolean is_on = FALSE, has_snapshots = FALSE;
  guint n = 0;

  *changed = FALSE;
  if (!read_tracking (session, vm, &is_on, &has_snapshots, cancellable, error))
    return FALSE;
  if (is_on == on)
    return TRUE;
  if (on && has_snapshots)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "Changed-block tracking of '%s' cannot be switched on while it has snapshots",
                   vm);
      return FALSE;
    }
  for (;;)
    {
      g_autoptr (MtvSoapCall) call = mtv_soap_call_new ("ReconfigVM_Task", "VirtualMachine", vm);
      g_autofree char *fault = NULL;
      g_autoptr (GError) failed = NULL;

      mtv_soap_call_begin (call, "spec", NULL);
      mtv_soap_call_add_boolean (call, "changeTrackingEnabled", on);
      mtv_soap_call_end (call, "spec");
      *changed = mtv_vsphere_task_run (session, call, deadline, NULL, &fault, cancellable, &failed);
      if (*changed)
        return TRUE;
      if (!mtv_vsphere_task_back_off (fault, &n, deadline, cancellable))
        {
          g_propagate_error (error, g_steal_pointer (&failed));
          return FALSE;
        }
    }
}
