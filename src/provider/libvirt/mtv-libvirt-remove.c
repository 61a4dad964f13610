/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-guest.h"
#include "provider/libvirt/mtv-libvirt-image.h"
#include "provider/libvirt/mtv-libvirt-warm.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

#define POLL_MSEC 50
#define ABORT_USEC (60 * G_USEC_PER_SEC)

/* Until it is time to look again. */
static gboolean
wait_a_bit (GCancellable *cancellable, GError **error)
{
  GPollFD fd;
  gboolean has_fd = cancellable != NULL && g_cancellable_make_pollfd (cancellable, &fd);

  g_poll (&fd, has_fd ? 1 : 0, POLL_MSEC);
  if (has_fd)
    g_cancellable_release_fd (cancellable);
  return !g_cancellable_set_error_if_cancelled (cancellable, error);
}

gboolean
mtv_libvirt_warm_abort_job (virDomain *domain, GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + ABORT_USEC;
  g_autoptr (GError) local = NULL;

  if (virDomainAbortJob (domain) != 0
      && !mtv_libvirt_failed_with (VIR_ERR_OPERATION_INVALID)) /* it has just ended */
    {
      mtv_libvirt_set_error (error, "Cannot end the backup job of '%s'", virDomainGetName (domain));
      return FALSE;
    }
  while (g_get_monotonic_time () < deadline)
    {
      g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_warm_get_job (domain, &local);
      if (local != NULL)
        g_propagate_error (error, g_steal_pointer (&local));
      else if (job != NULL && wait_a_bit (cancellable, error))
        continue;
      else if (job == NULL)
        return TRUE;
      return FALSE;
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
               "The backup job of '%s' does not end within a minute", virDomainGetName (domain));
  return FALSE;
}

static gboolean
unlink_file (const char *path, GError **error)
{
  if (g_unlink (path) == 0 || errno == ENOENT || errno == ENOTDIR)
    return TRUE;
  /* What we may not even look at, libvirt has removed: these are the remains of the rare case. */
  int errnum = errno;
  if (!g_file_test (path, G_FILE_TEST_EXISTS))
    return TRUE;
  mtv_error_set_errno (error, errnum, "Cannot remove '%s'", path);
  return FALSE;
}

/* libvirt removes them with the job, but not when it was killed itself. */
static gboolean
remove_files (const MtvLibvirtWarm *self, MtvVm *vm, const char *key, GError **error)
{
  g_autofree char *socket = mtv_libvirt_warm_socket (self, key);

  if (!mtv_libvirt_link_is_local (self->link))
    return TRUE;
  if (!unlink_file (socket, error))
    return FALSE;
  for (guint i = 0; vm != NULL && i < vm->disks->len; i++)
    {
      g_autofree char *scratch = mtv_libvirt_warm_scratch (self, vm->disks->pdata[i], key);
      if (scratch != NULL && !unlink_file (scratch, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
end_job (const MtvLibvirtWarm *self, virDomain *domain, const char *key, GCancellable *cancellable,
         GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_warm_get_job (domain, &local);
  g_autofree char *socket = mtv_libvirt_warm_socket (self, key);

  if (local != NULL)
    g_propagate_error (error, g_steal_pointer (&local));
  else if (job == NULL || g_strcmp0 (job->socket, socket) != 0)
    return TRUE;
  else
    return mtv_libvirt_warm_abort_job (domain, cancellable, error);
  return FALSE;
}

/* The domain, or NULL without @error when it is gone. */
static virDomain *
find_domain (const MtvLibvirtWarm *self, const char *vm_id, GCancellable *cancellable,
             GError **error)
{
  g_autoptr (GError) local = NULL;
  virDomain *domain = mtv_libvirt_link_find (self->link, vm_id, vm_id, cancellable, &local);

  if (local != NULL && !g_error_matches (local, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    g_propagate_error (error, g_steal_pointer (&local));
  return domain;
}

gboolean
mtv_libvirt_warm_remove_snapshot (const MtvLibvirtWarm *self, const char *vm_id, const char *key,
                                  GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (virDomain) domain = find_domain (self, vm_id, cancellable, &local);
  g_autoptr (MtvVm) vm = NULL;

  if (local != NULL || (domain != NULL && !end_job (self, domain, key, cancellable, &local)))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (domain != NULL)
    vm = mtv_libvirt_guest_describe (domain, NULL);
  return remove_files (self, vm, key, error);
}

/* QEMU was killed before it saved the bitmap of some disk, and libvirt removes all or none: so
 * each on its own, and then what libvirt knows of the checkpoint. */
static gboolean
remove_rest (virDomain *domain, virDomainCheckpoint *checkpoint, const char *name, GError **error)
{
  char *xml = virDomainCheckpointGetXMLDesc (checkpoint, VIR_DOMAIN_CHECKPOINT_XML_SECURE);
  g_autoptr (MtvVm) vm = xml != NULL ? mtv_libvirt_guest_describe (domain, error) : NULL;

  if (xml == NULL)
    mtv_libvirt_set_error (error, "Cannot describe the checkpoint '%s'", name);
  for (guint i = 0; vm != NULL && i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = vm->disks->pdata[i];
      g_autofree char *reduced = mtv_libvirt_backup_reduce_checkpoint (xml, disk->id);
      g_autoptr (virDomainCheckpoint) one
          = reduced != NULL ? virDomainCheckpointCreateXML (domain, reduced,
                                                            VIR_DOMAIN_CHECKPOINT_CREATE_REDEFINE)
                            : NULL;
      if (one != NULL)
        virDomainCheckpointDelete (one, 0);
    }
  free (xml);
  if (vm == NULL)
    return FALSE;

  g_autoptr (virDomainCheckpoint) left = virDomainCheckpointLookupByName (domain, name, 0);
  if (left == NULL
      || virDomainCheckpointDelete (left, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) == 0)
    return TRUE;
  mtv_libvirt_set_error (error, "Cannot remove the checkpoint '%s' of '%s'", name, vm->name);
  return FALSE;
}

static gboolean
remove_running (virDomain *domain, const char *name, GError **error)
{
  g_autoptr (virDomainCheckpoint) checkpoint = virDomainCheckpointLookupByName (domain, name, 0);

  if (checkpoint != NULL && virDomainCheckpointDelete (checkpoint, 0) == 0)
    return TRUE;
  if (mtv_libvirt_failed_with (VIR_ERR_NO_DOMAIN_CHECKPOINT))
    return TRUE;
  /* "bitmap '…' not found in backing chain of '…'" has no code of its own. */
  if (checkpoint != NULL && mtv_libvirt_failed_with (VIR_ERR_INTERNAL_ERROR))
    return remove_rest (domain, checkpoint, name, error);
  mtv_libvirt_set_error (error, "Cannot remove the checkpoint '%s' of '%s'", name,
                         virDomainGetName (domain));
  return FALSE;
}

/* Of a domain that is off libvirt removes no bitmaps. First those, so that what is left of the
 * checkpoint tells of them until they are gone. */
static gboolean
remove_off (virDomain *domain, const char *name, gboolean is_local, GCancellable *cancellable,
            GError **error)
{
  g_autoptr (virDomainCheckpoint) checkpoint = virDomainCheckpointLookupByName (domain, name, 0);
  gboolean is_known = checkpoint != NULL;
  g_autoptr (MtvVm) vm = mtv_libvirt_guest_describe (domain, error);

  if (vm == NULL)
    return FALSE;
  if (!is_known && !is_local)
    return TRUE;
  if (!is_local)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "The bitmaps '%s' of '%s' can be removed while it runs only: its images are on "
                   "another host",
                   name, vm->name);
      return FALSE;
    }
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = vm->disks->pdata[i];
      g_autoptr (GError) local = NULL;

      if (disk->problem != NULL
          || mtv_libvirt_image_remove_bitmap (vm, disk, name, cancellable, &local))
        continue;
      if (!is_known)
        continue; /* we never made one here, as far as can be told */
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  if (!is_known
      || virDomainCheckpointDelete (checkpoint, VIR_DOMAIN_CHECKPOINT_DELETE_METADATA_ONLY) == 0)
    return TRUE;
  mtv_libvirt_set_error (error, "Cannot remove the checkpoint '%s' of '%s'", name, vm->name);
  return FALSE;
}

gboolean
mtv_libvirt_warm_remove_checkpoint (virDomain *domain, const char *name, gboolean is_local,
                                    GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local = NULL;
  gboolean was_active = mtv_libvirt_guest_is_active (domain);

  if (was_active ? remove_running (domain, name, &local)
                 : remove_off (domain, name, is_local, cancellable, &local))
    return TRUE;
  /* It was started or ended meanwhile. */
  if (mtv_libvirt_guest_is_active (domain) != was_active
      && !g_error_matches (local, MTV_ERROR, MTV_ERROR_CANCELLED))
    return was_active ? remove_off (domain, name, is_local, cancellable, error)
                      : remove_running (domain, name, error);
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
mtv_libvirt_warm_remove_mark (const MtvLibvirtWarm *self, const char *vm_id, const char *key,
                              GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) local = NULL;
  g_autoptr (virDomain) domain = find_domain (self, vm_id, cancellable, &local);

  if (domain != NULL)
    return mtv_libvirt_warm_remove_checkpoint (domain, key, mtv_libvirt_link_is_local (self->link),
                                               cancellable, error);
  if (local == NULL)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}
