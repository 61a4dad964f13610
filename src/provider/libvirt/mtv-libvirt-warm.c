/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-warm.h"

#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-guest.h"
#include "provider/libvirt/mtv-libvirt-image.h"
#include "transfer/mtv-nbd-disk.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define OFF "off:" /* how the remote id of a point of a domain that is off begins */
#define SILENT_MSEC (5 * 60 * 1000)

char *
mtv_libvirt_warm_socket (const MtvLibvirtWarm *self, const char *key)
{
  return g_strdup_printf ("%s/%s.sock", self->folder, key);
}

/* There is no room for files beside a block device. */
char *
mtv_libvirt_warm_scratch (const MtvLibvirtWarm *self, const MtvVmDisk *disk, const char *key)
{
  g_autofree char *folder = self->scratch_folder != NULL ? g_strdup (self->scratch_folder)
                            : disk->backing != NULL      ? g_path_get_dirname (disk->backing)
                                                         : g_strdup ("/dev");

  if (g_str_equal (folder, "/dev") || g_str_has_prefix (folder, "/dev/"))
    return NULL;
  return g_strdup_printf ("%s/%s-%s.scratch", folder, key, disk->id);
}

/* Points of domains that are off. */

static char *
identify (MtvVm *vm, GCancellable *cancellable, GError **error)
{
  g_autoptr (GString) identity = g_string_new (NULL);

  for (guint i = 0; i < vm->disks->len; i++)
    if (!mtv_libvirt_image_identify (vm, vm->disks->pdata[i], identity, cancellable, error))
      return NULL;
  g_autofree char *sum
      = g_compute_checksum_for_string (G_CHECKSUM_SHA256, identity->str, identity->len);
  return g_strconcat (OFF, sum, NULL);
}

static MtvPoint *
create_off (MtvVm *vm, const char *key, GCancellable *cancellable, GError **error)
{
  g_autofree char *identity = identify (vm, cancellable, error);

  if (identity == NULL)
    return NULL;
  MtvPoint *point = mtv_point_new (key);
  point->remote_id = g_steal_pointer (&identity);
  for (guint i = 0; i < vm->disks->len; i++)
    g_ptr_array_add (point->change_ids, NULL);
  return point;
}

static const char *
change_id (MtvVm *vm, const MtvVmDisk *disk, const MtvPoint *since)
{
  guint index;

  if (since == NULL || !g_ptr_array_find (vm->disks, disk, &index)
      || index >= since->change_ids->len)
    return NULL;
  return since->change_ids->pdata[index];
}

/* First the lock, then the look at what is locked. */
static MtvReader *
open_off (MtvVm *vm, const MtvVmDisk *disk, const MtvPoint *point, const MtvPoint *since,
          GArray **changes, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvReader) reader
      = mtv_libvirt_image_open (vm, disk, change_id (vm, disk, since), changes, cancellable, error);
  g_autofree char *identity = reader != NULL ? identify (vm, cancellable, error) : NULL;

  if (identity == NULL || strcmp (identity, point->remote_id) == 0)
    return identity != NULL ? g_steal_pointer (&reader) : NULL;
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
               "The instant '%s' of '%s' is gone: its disks were written to since", point->key,
               vm->name);
  return NULL;
}

/* Points of domains that run. */

MtvLibvirtBackup *
mtv_libvirt_warm_get_job (virDomain *domain, GError **error)
{
  char *xml = virDomainBackupGetXMLDesc (domain, 0);

  if (xml == NULL)
    {
      gboolean is_none = mtv_libvirt_failed_with (VIR_ERR_NO_DOMAIN_BACKUP);
      g_autoptr (GError) local = NULL;

      mtv_libvirt_set_error (&local, "Cannot tell whether '%s' is being backed up",
                             virDomainGetName (domain));
      if (!is_none && mtv_libvirt_guest_is_active (domain))
        g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  MtvLibvirtBackup *job = mtv_libvirt_backup_parse (xml, strlen (xml), error);
  free (xml);
  return job;
}

/* Has the @job been begun for this point, and can it be read with what @since wants to know? */
static gboolean
job_fits (const MtvLibvirtBackup *job, MtvVm *vm, const MtvPoint *since)
{
  if (job->since != NULL && (since == NULL || strcmp (job->since, since->key) != 0))
    return FALSE;
  for (guint i = 0; i < vm->disks->len; i++)
    if (!g_hash_table_contains (job->disks, ((MtvVmDisk *) vm->disks->pdata[i])->id))
      return FALSE;
  return TRUE;
}

static gboolean
has_checkpoint (virDomain *domain, const char *name)
{
  g_autoptr (virDomainCheckpoint) checkpoint = virDomainCheckpointLookupByName (domain, name, 0);

  return checkpoint != NULL;
}

/* What an earlier try left: @adopted if it is good, else it is removed. */
static gboolean
clear_way (const MtvLibvirtWarm *self, virDomain *domain, MtvVm *vm, const char *key,
           const MtvPoint *since, gboolean *adopted, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_warm_get_job (domain, &local);
  g_autofree char *socket = mtv_libvirt_warm_socket (self, key);

  *adopted = FALSE;
  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (job != NULL && g_strcmp0 (job->socket, socket) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_IN_USE,
                   "'%s' is being backed up by somebody else: QEMU does one backup at a time",
                   vm->name);
      return FALSE;
    }
  *adopted = job != NULL && has_checkpoint (domain, key) && job_fits (job, vm, since);
  if (*adopted)
    return TRUE;
  if (job != NULL && !mtv_libvirt_warm_abort_job (domain, cancellable, error))
    return FALSE;
  g_unlink (socket); /* of a QEMU that was killed: another could not make it again */
  return mtv_libvirt_warm_remove_checkpoint (domain, key, mtv_libvirt_link_is_local (self->link),
                                             cancellable, error);
}

static gboolean
add_disks (const MtvLibvirtWarm *self, MtvLibvirtBackup *backup, MtvVm *vm, const char *key,
           GError **error)
{
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = vm->disks->pdata[i];
      g_autofree char *scratch = mtv_libvirt_warm_scratch (self, disk, key);

      if (scratch == NULL)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                       "There is no room beside disk '%s' of '%s' for what the guest overwrites "
                       "while it is read: give the provider a scratch-folder",
                       disk->id, vm->name);
          return FALSE;
        }
      mtv_libvirt_backup_add_disk (backup, disk->id, scratch);
    }
  return TRUE;
}

/* 1: it runs; 0: not from @since, whose bitmaps are lost; -1 with @error. */
static int
try_begin (const MtvLibvirtWarm *self, virDomain *domain, MtvVm *vm, const char *key,
           const char *since, GError **error)
{
  g_autofree char *socket = mtv_libvirt_warm_socket (self, key);
  g_autoptr (MtvLibvirtBackup) backup = mtv_libvirt_backup_new (socket, since);

  if (!add_disks (self, backup, vm, key, error))
    return -1;
  g_autofree char *xml = mtv_libvirt_backup_to_xml (backup);
  g_autofree char *checkpoint = mtv_libvirt_backup_checkpoint_to_xml (backup, key);
  if (virDomainBackupBegin (domain, xml, checkpoint, 0) == 0)
    return 1;
  if (since != NULL
      && (mtv_libvirt_failed_with (VIR_ERR_CHECKPOINT_INCONSISTENT)
          || mtv_libvirt_failed_with (VIR_ERR_NO_DOMAIN_CHECKPOINT)))
    return 0;
  mtv_libvirt_set_error (error, "Cannot begin to read '%s' while it runs, by a socket in '%s'",
                         vm->name, self->folder);
  return -1;
}

static gboolean
check_place (const MtvLibvirtWarm *self, const char *key, GError **error)
{
  g_autofree char *socket = mtv_libvirt_warm_socket (self, key);
  struct sockaddr_un address;

  if (!mtv_libvirt_link_is_local (self->link))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "A VM of '%s' cannot be read while it runs: QEMU would serve its disks on a "
                   "socket of that host",
                   mtv_libvirt_link_get_label (self->link));
      return FALSE;
    }
  if (strlen (socket) >= sizeof address.sun_path)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "The folder '%s' has too long a name for sockets in it: give the provider "
                   "another one",
                   self->folder);
      return FALSE;
    }
  if (mtv_libvirt_link_is_session (self->link) && g_mkdir_with_parents (self->folder, 0700) != 0)
    {
      mtv_error_set_errno (error, errno, "Cannot make the folder '%s'", self->folder);
      return FALSE;
    }
  return TRUE;
}

static MtvPoint *
point_of_job (MtvVm *vm, const char *key)
{
  MtvPoint *point = mtv_point_new (key);

  for (guint i = 0; i < vm->disks->len; i++)
    g_ptr_array_add (point->change_ids, g_strdup (key));
  return point;
}

static MtvPoint *
create_running (const MtvLibvirtWarm *self, virDomain *domain, MtvVm *vm, const char *key,
                const MtvPoint *since, GCancellable *cancellable, GError **error)
{
  gboolean has_ids = since != NULL && since->change_ids->len > 0;
  gboolean adopted;
  int begun;

  for (guint i = 0; has_ids && i < since->change_ids->len; i++)
    has_ids = since->change_ids->pdata[i] != NULL;
  if (!check_place (self, key, error)
      || !clear_way (self, domain, vm, key, since, &adopted, cancellable, error))
    return NULL;
  if (adopted)
    return point_of_job (vm, key);
  if (g_cancellable_set_error_if_cancelled (cancellable, error))
    return NULL;
  begun = try_begin (self, domain, vm, key, has_ids ? since->key : NULL, error);
  if (begun == 0)
    begun = try_begin (self, domain, vm, key, NULL, error);
  return begun > 0 ? point_of_job (vm, key) : NULL;
}

MtvPoint *
mtv_libvirt_warm_create_point (const MtvLibvirtWarm *self, MtvVm *vm, const char *key,
                               const MtvPoint *since, GCancellable *cancellable, GError **error)
{
  g_autoptr (virDomain) domain
      = mtv_libvirt_link_find (self->link, vm->id, vm->name, cancellable, error);
  g_autoptr (MtvVm) now = domain != NULL ? mtv_libvirt_guest_describe (domain, error) : NULL;

  if (now == NULL || !mtv_libvirt_guest_check_disks (vm, now, error))
    return NULL;
  if (mtv_libvirt_guest_is_active (domain))
    return create_running (self, domain, vm, key, since, cancellable, error);
  if (mtv_libvirt_link_is_local (self->link))
    return create_off (vm, key, cancellable, error);
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "The images of '%s' cannot be read: they are on the host of '%s'", vm->name,
               mtv_libvirt_link_get_label (self->link));
  return NULL;
}

static MtvReader *
open_export (const MtvLibvirtBackup *job, MtvVm *vm, const MtvVmDisk *disk, gboolean with_changes,
             GArray **changes, GCancellable *cancellable, GError **error)
{
  g_autofree char *label = g_strdup_printf ("disk '%s' of '%s'", disk->id, vm->name);
  g_autofree char *uri = mtv_libvirt_backup_uri (job, disk->id);
  g_autofree char *bitmap = with_changes ? mtv_libvirt_backup_bitmap (disk->id) : NULL;
  g_autoptr (MtvNbdDisk) reader
      = mtv_nbd_disk_new_for_uri (uri, FALSE, bitmap, label, cancellable, error);

  if (reader == NULL)
    return NULL;
  mtv_nbd_disk_set_patience (reader, 0, SILENT_MSEC); /* that QEMU does not come back */
  if (!with_changes)
    return (MtvReader *) g_steal_pointer (&reader);
  g_autoptr (GArray) dirty = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  if (!mtv_nbd_disk_get_changes (reader, 0, mtv_reader_get_size (MTV_READER (reader)), dirty,
                                 cancellable, error))
    return NULL;
  *changes = g_steal_pointer (&dirty);
  return (MtvReader *) g_steal_pointer (&reader);
}

static MtvReader *
open_running (const MtvLibvirtWarm *self, virDomain *domain, MtvVm *vm, const MtvVmDisk *disk,
              const MtvPoint *point, const MtvPoint *since, GArray **changes,
              GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_warm_get_job (domain, &local);
  g_autofree char *socket = mtv_libvirt_warm_socket (self, point->key);

  if (local != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return NULL;
    }
  if (job == NULL || g_strcmp0 (job->socket, socket) != 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "The backup job '%s' of '%s' is gone: QEMU ended, or somebody else ended it",
                   point->key, vm->name);
      return NULL;
    }
  gboolean with_changes = since != NULL && g_strcmp0 (job->since, since->key) == 0
                          && change_id (vm, disk, since) != NULL;
  return open_export (job, vm, disk, with_changes, changes, cancellable, error);
}

MtvReader *
mtv_libvirt_warm_open_point (const MtvLibvirtWarm *self, MtvVm *vm, const MtvVmDisk *disk,
                             const MtvPoint *point, const MtvPoint *since, GArray **changes,
                             GCancellable *cancellable, GError **error)
{
  g_autoptr (virDomain) domain = NULL;

  if (point->remote_id != NULL && g_str_has_prefix (point->remote_id, OFF))
    return open_off (vm, disk, point, since, changes, cancellable, error);
  domain = mtv_libvirt_link_find (self->link, vm->id, vm->name, cancellable, error);
  return domain == NULL
             ? NULL
             : open_running (self, domain, vm, disk, point, since, changes, cancellable, error);
}
