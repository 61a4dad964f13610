/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-guest.h"
#include "provider/libvirt/mtv-libvirt-image.h"
#include "provider/libvirt/mtv-libvirt-warm.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define OURS "mtv-" /* how the keys of points begin */

/* <backup supported='yes'/>: QEMU has what it takes, and libvirt knows how to use it. */
static void
check_version (virConnect *connection, MtvVm *vm, GPtrArray *concerns)
{
  char *xml = virConnectGetDomainCapabilities (connection, NULL, NULL, NULL, NULL, 0);
  gboolean can = xml == NULL || strstr (xml, "<backup supported='yes'/>") != NULL;

  free (xml);
  if (!can)
    mtv_concerns_add (concerns, "warm.version", MTV_CONCERN_CRITICAL, vm->name,
                      "libvirt or QEMU is too old",
                      "The libvirt or the QEMU of the VM's host cannot do incremental backups, "
                      "which take libvirt 7.6 and QEMU 6.0: migrate the VM cold.");
}

static void
check_folder (const MtvLibvirtWarm *self, MtvVm *vm, GPtrArray *concerns)
{
  if (!mtv_libvirt_link_is_local (self->link))
    mtv_concerns_add (concerns, "warm.remote", MTV_CONCERN_CRITICAL, vm->name,
                      "The host is another one",
                      "A VM that runs can be read on the host that it runs on only: '%s' is "
                      "another one. Run mtvd there, or migrate the VM cold.",
                      mtv_libvirt_link_get_label (self->link));
  else if (!mtv_libvirt_link_is_session (self->link) && access (self->folder, R_OK | X_OK) != 0)
    mtv_concerns_add (concerns, "warm.folder", MTV_CONCERN_CRITICAL, vm->name,
                      "No folder for QEMU's sockets",
                      "QEMU has to make a socket where mtvd can open it, but '%s' cannot be used: "
                      "make such a folder, and give it to the provider (see mtvd(8)).",
                      self->folder);
}

/* @header: (nullable): what could be read of the image */
static char *
why_no_bitmaps (const MtvVmDisk *disk, MtvLibvirtQcow2 *header)
{
  const char *why = header != NULL ? mtv_libvirt_qcow2_why_no_bitmaps (header) : NULL;

  if (disk->problem != NULL)
    return g_strdup (disk->problem);
  if (disk->shared)
    return g_strdup ("it is shared with other VMs, whose writes no bitmap tells of.");
  if (g_strcmp0 (disk->format, "qcow2") != 0)
    return g_strdup_printf (
        "it is a %s image, which keeps no bitmap of what changes: convert it to "
        "qcow2, or migrate the VM cold.",
        disk->format);
  return why != NULL ? g_strconcat (why, ".", NULL) : NULL;
}

static void
check_disk (const MtvLibvirtWarm *self, MtvVm *vm, const MtvVmDisk *disk, GPtrArray *concerns,
            GCancellable *cancellable)
{
  gboolean readable = mtv_libvirt_link_is_local (self->link) && disk->problem == NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvLibvirtQcow2) header
      = readable ? mtv_libvirt_image_look (vm, disk, cancellable, &error) : NULL;
  g_autofree char *why = why_no_bitmaps (disk, header);
  g_autofree char *scratch = mtv_libvirt_warm_scratch (self, disk, OURS);

  if (why != NULL)
    mtv_concerns_add (concerns, "warm.disk", MTV_CONCERN_CRITICAL, vm->name,
                      "A disk cannot be copied while the VM runs", "Disk '%s' of '%s': %s",
                      disk->id, vm->name, why);
  else if (scratch == NULL)
    mtv_concerns_add (concerns, "warm.scratch", MTV_CONCERN_CRITICAL, vm->name,
                      "No room for what is overwritten",
                      "Disk '%s' of '%s' is a block device, beside which there is no room for what "
                      "the guest overwrites during a round: give the provider a scratch-folder.",
                      disk->id, vm->name);
  if (error != NULL)
    mtv_concerns_add (concerns, "warm.image.unreadable", MTV_CONCERN_CRITICAL, vm->name,
                      "An image cannot be read",
                      "%s. The last changes are read from the image when the VM is off: let the "
                      "service's user read and write it.",
                      error->message);
}

static void
check_job (const MtvLibvirtWarm *self, virDomain *domain, MtvVm *vm, GPtrArray *concerns)
{
  g_autoptr (MtvLibvirtBackup) job = mtv_libvirt_warm_get_job (domain, NULL);
  g_autofree char *ours = mtv_libvirt_warm_socket (self, OURS);

  if (job == NULL
      || (job->socket != NULL && strncmp (job->socket, ours, strlen (self->folder) + 5) == 0))
    return;
  mtv_concerns_add (concerns, "warm.busy", MTV_CONCERN_WARNING, vm->name, "A backup is under way",
                    "'%s' is being backed up, and QEMU does one backup at a time: rounds will have "
                    "to wait for its end.",
                    vm->name);
}

static void
check_checkpoints (virDomain *domain, MtvVm *vm, GPtrArray *concerns)
{
  virDomainCheckpoint **list = NULL;
  int n = virDomainListAllCheckpoints (domain, &list, 0);
  g_autofree char *foreign = NULL;

  for (int i = 0; i < n; i++)
    {
      const char *name = virDomainCheckpointGetName (list[i]);
      if (foreign == NULL && name != NULL && !g_str_has_prefix (name, OURS))
        foreign = g_strdup (name);
      virDomainCheckpointFree (list[i]);
    }
  free (list);
  if (foreign != NULL)
    mtv_concerns_add (concerns, "warm.checkpoints", MTV_CONCERN_WARNING, vm->name,
                      "Somebody else keeps checkpoints",
                      "'%s' has the checkpoint '%s': a backup program reckons from it. It is left "
                      "alone, but backups and rounds get in each other's way.",
                      vm->name, foreign);
}

static void
check_domain (const MtvLibvirtWarm *self, virDomain *domain, MtvVm *vm, GPtrArray *concerns)
{
  check_version (virDomainGetConnect (domain), vm, concerns);
  if (virDomainIsPersistent (domain) == 0)
    mtv_concerns_add (concerns, "warm.transient", MTV_CONCERN_CRITICAL, vm->name,
                      "The VM vanishes when it is shut down",
                      "'%s' is transient: libvirt forgets it when it is off, and its last changes "
                      "could not be copied. Define it first.",
                      vm->name);
  check_job (self, domain, vm, concerns);
  check_checkpoints (domain, vm, concerns);
}

void
mtv_libvirt_warm_check (const MtvLibvirtWarm *self, MtvVm *vm, GPtrArray *concerns,
                        GCancellable *cancellable)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (virDomain) domain
      = mtv_libvirt_link_find (self->link, vm->id, vm->name, cancellable, &error);

  check_folder (self, vm, concerns);
  for (guint i = 0; i < vm->disks->len; i++)
    check_disk (self, vm, vm->disks->pdata[i], concerns, cancellable);
  if (domain != NULL)
    check_domain (self, domain, vm, concerns);
  else
    mtv_concerns_add (concerns, "warm.unknown", MTV_CONCERN_CRITICAL, vm->name,
                      "It cannot be told whether the VM can be copied while it runs", "%s.",
                      error->message);
}
