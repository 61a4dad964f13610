/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-guest.h"

#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-domain.h"

#include <libvirt/virterror.h>
#include <stdlib.h>
#include <string.h>

/* What libvirt returns is freed with free(). (transfer full) */
static char *
take (char *text)
{
  char *copy = g_strdup (text);

  free (text);
  return copy;
}

static void
set_problem (MtvVmDisk *disk, const char *what)
{
  g_autoptr (GError) error = NULL;

  mtv_libvirt_set_error (&error, "%s", what);
  g_free (disk->problem);
  disk->problem = g_strdup (error->message);
}

/* POOL/VOLUME becomes a path. */
static void
resolve_volume (virConnect *connection, MtvVmDisk *disk)
{
  const char *name = disk->backing + strlen (disk->storage) + 1;
  g_autoptr (virStoragePool) pool = virStoragePoolLookupByName (connection, disk->storage);
  g_autoptr (virStorageVol) volume = pool != NULL ? virStorageVolLookupByName (pool, name) : NULL;
  g_autofree char *path = volume != NULL ? take (virStorageVolGetPath (volume)) : NULL;

  if (path == NULL)
    set_problem (disk, "Its volume cannot be found");
  else if (!g_path_is_absolute (path))
    disk->problem = g_strdup ("Its volume is no file or block device, which cannot be read.");
  else
    {
      g_free (disk->backing);
      disk->backing = g_steal_pointer (&path);
    }
}

static void
complete_disk (virDomain *domain, MtvVmDisk *disk)
{
  virDomainBlockInfo info;

  if (disk->problem == NULL && !g_path_is_absolute (disk->backing))
    resolve_volume (virDomainGetConnect (domain), disk);
  if (disk->problem != NULL)
    return;
  if (virDomainGetBlockInfo (domain, disk->id, &info, 0) != 0)
    {
      set_problem (disk, "Its size cannot be told");
      return;
    }
  disk->capacity = info.capacity;
  disk->allocated = MIN (info.allocation, info.capacity);
}

static const char *
power_to_string (MtvPower power)
{
  return power == MTV_POWER_ON ? "on" : power == MTV_POWER_OFF ? "off" : "suspended";
}

MtvVm *
mtv_libvirt_guest_describe (virDomain *domain, GError **error)
{
  g_autofree char *xml = take (virDomainGetXMLDesc (domain, 0));
  MtvPower power;

  if (xml == NULL)
    {
      mtv_libvirt_set_error (error, "Cannot describe '%s'", virDomainGetName (domain));
      return NULL;
    }
  g_autoptr (MtvVm) vm = mtv_libvirt_domain_parse (xml, strlen (xml), error);
  if (vm == NULL || !mtv_libvirt_guest_get_power (domain, &power, error))
    return NULL;
  g_free (vm->power_state);
  vm->power_state = g_strdup (power_to_string (power));
  vm->snapshots = MAX (0, virDomainSnapshotNum (domain, 0));
  for (guint i = 0; i < vm->disks->len; i++)
    complete_disk (domain, vm->disks->pdata[i]);
  return g_steal_pointer (&vm);
}

gboolean
mtv_libvirt_guest_get_power (virDomain *domain, MtvPower *power, GError **error)
{
  int state;

  if (virDomainGetState (domain, &state, NULL, 0) != 0)
    {
      mtv_libvirt_set_error (error, "Cannot tell whether '%s' runs", virDomainGetName (domain));
      return FALSE;
    }
  switch ((virDomainState) state)
    {
    case VIR_DOMAIN_PAUSED:
    case VIR_DOMAIN_PMSUSPENDED:
      *power = MTV_POWER_SUSPENDED;
      return TRUE;
    case VIR_DOMAIN_SHUTOFF:
    case VIR_DOMAIN_CRASHED:
      *power = virDomainHasManagedSaveImage (domain, 0) == 1 ? MTV_POWER_SUSPENDED : MTV_POWER_OFF;
      return TRUE;
    case VIR_DOMAIN_NOSTATE:
    case VIR_DOMAIN_RUNNING:
    case VIR_DOMAIN_BLOCKED:
    case VIR_DOMAIN_SHUTDOWN: /* on its way */
    default:
      *power = MTV_POWER_ON;
      return TRUE;
    }
}

gboolean
mtv_libvirt_guest_is_active (virDomain *domain)
{
  return virDomainIsActive (domain) == 1;
}

static gboolean
check_can_be_asked (virDomain *domain, GError **error)
{
  g_autofree char *xml = take (virDomainGetXMLDesc (domain, 0));

  if (xml == NULL || mtv_libvirt_domain_can_be_asked (xml))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "The guest of '%s' cannot be asked to shut down: it has neither ACPI nor an agent "
               "that runs",
               virDomainGetName (domain));
  return FALSE;
}

/* What it had in memory is in a file; to be switched off is to lose that. */
static gboolean
drop_saved (virDomain *domain, gboolean force, GError **error)
{
  if (!force)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "The guest of '%s' cannot be asked to shut down: it is saved to disk; start it "
                   "first",
                   virDomainGetName (domain));
      return FALSE;
    }
  if (virDomainManagedSaveRemove (domain, 0) == 0)
    return TRUE;
  mtv_libvirt_set_error (error, "Cannot remove what '%s' had in memory", virDomainGetName (domain));
  return FALSE;
}

/* Without flags libvirt asks the agent, where one runs, or else by ACPI. Destroying sends QEMU a
 * signal that it ends well by, with its bitmaps saved, before it kills. */
gboolean
mtv_libvirt_guest_shut_down (virDomain *domain, gboolean force, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (!mtv_libvirt_guest_is_active (domain))
    return virDomainHasManagedSaveImage (domain, 0) != 1 || drop_saved (domain, force, error);
  if (!force && !check_can_be_asked (domain, error))
    return FALSE;
  if ((force ? virDomainDestroyFlags (domain, 0) : virDomainShutdownFlags (domain, 0)) == 0)
    return TRUE;
  mtv_libvirt_set_error (&local, "Cannot %s '%s'", force ? "switch off" : "shut down",
                         virDomainGetName (domain));
  if (!mtv_libvirt_guest_is_active (domain))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

gboolean
mtv_libvirt_guest_start (virDomain *domain, GError **error)
{
  g_autoptr (GError) local = NULL;

  if (mtv_libvirt_guest_is_active (domain) || virDomainCreate (domain) == 0)
    return TRUE;
  mtv_libvirt_set_error (&local, "Cannot start '%s'", virDomainGetName (domain));
  if (mtv_libvirt_guest_is_active (domain))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&local));
  return FALSE;
}

static const MtvVmDisk *
find_disk (const MtvVm *vm, const char *id)
{
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = vm->disks->pdata[i];
      if (strcmp (disk->id, id) == 0)
        return disk;
    }
  return NULL;
}

/* What became of @planned. (nullable) (transfer full) */
static char *
describe_change (const MtvVmDisk *planned, const MtvVmDisk *now)
{
  if (now == NULL)
    return g_strdup ("is not there any more");
  if (g_strcmp0 (planned->backing, now->backing) != 0)
    return g_strdup_printf ("lies in '%s' now, not in '%s'",
                            now->backing != NULL ? now->backing : "nothing",
                            planned->backing != NULL ? planned->backing : "nothing");
  if (planned->capacity != 0 && now->capacity != 0 && planned->capacity != now->capacity)
    return g_strdup_printf ("has %" G_GUINT64_FORMAT " bytes now, not %" G_GUINT64_FORMAT,
                            now->capacity, planned->capacity);
  return NULL;
}

gboolean
mtv_libvirt_guest_check_disks (const MtvVm *planned, const MtvVm *now, GError **error)
{
  for (guint i = 0; i < planned->disks->len; i++)
    {
      const MtvVmDisk *disk = planned->disks->pdata[i];
      g_autofree char *change = describe_change (disk, find_disk (now, disk->id));

      if (change == NULL)
        continue;
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED, "Disk '%s' of '%s' %s", disk->id,
                   planned->name, change);
      return FALSE;
    }
  for (guint i = 0; i < now->disks->len; i++)
    {
      const MtvVmDisk *disk = now->disks->pdata[i];

      if (find_disk (planned, disk->id) != NULL)
        continue;
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   "Disk '%s' of '%s' was added since it was planned", disk->id, planned->name);
      return FALSE;
    }
  return TRUE;
}
