/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-inventory.h"

#include "base/mtv-error.h"
#include "provider/vsphere/mtv-vsphere-concerns.h"

#include <string.h>

#define MAX_VMS 200000

typedef struct
{
  GPtrArray *vms;           /* (owned) (element-type MtvVm) */
  MtvVspherePlaces *places; /* (owned) */
} Inventory;

static void
inventory_clear (Inventory *inventory)
{
  g_clear_pointer (&inventory->vms, g_ptr_array_unref);
  g_clear_pointer (&inventory->places, mtv_vsphere_places_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Inventory, inventory_clear)

static gboolean
take_vm (xmlNode *object, gpointer user_data, GError **error)
{
  Inventory *inventory = user_data;
  g_autoptr (MtvVsphereVm) vm = mtv_vsphere_vm_new (object, inventory->places);

  if (vm == NULL)
    return TRUE;
  if (inventory->vms->len == MAX_VMS)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_LIMIT_EXCEEDED,
                   "The inventory has more than %d virtual machines", MAX_VMS);
      return FALSE;
    }
  mtv_vsphere_concerns_add (vm, inventory->places);
  g_ptr_array_add (inventory->vms, g_steal_pointer (&vm->vm));
  return TRUE;
}

static void
forget_vms (gpointer user_data)
{
  g_ptr_array_set_size (((Inventory *) user_data)->vms, 0);
}

static const char **
list_paths (MtvVsphereSession *session, GCancellable *cancellable, GError **error)
{
  if (mtv_vsphere_session_connect (session, cancellable, error) == NULL)
    return NULL;
  return mtv_vsphere_vm_list_paths (mtv_vsphere_session_has_api (session, 6, 7));
}

GPtrArray *
mtv_vsphere_inventory_list (MtvVsphereSession *session, GCancellable *cancellable, GError **error)
{
  g_auto (Inventory) inventory = { g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref),
                                   mtv_vsphere_places_new () };
  g_autofree const char **paths = list_paths (session, cancellable, error);
  const MtvVsphereQuestion questions[] = { { "VirtualMachine", paths }, { NULL, NULL } };
  const MtvVsphereSink sink = { take_vm, forget_vms, &inventory };

  if (paths == NULL || !mtv_vsphere_places_load (inventory.places, session, cancellable, error)
      || !mtv_vsphere_retrieve_all (session, questions, &sink, cancellable, error))
    return NULL;
  return g_steal_pointer (&inventory.vms);
}

/* One VM. */

/* Its host and its datastores, of which the element tells only the ids. */
static gboolean
load_places (MtvVspherePlaces *places, MtvVsphereSession *session, const MtvVsphereVm *vm,
             GCancellable *cancellable, GError **error)
{
  if (!mtv_vsphere_places_load_one (places, session, "VirtualMachine", vm->vm->id, cancellable,
                                    error))
    return FALSE;
  if (vm->host != NULL
      && !mtv_vsphere_places_load_one (places, session, "HostSystem", vm->host, cancellable, error))
    return FALSE;
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVsphereDisk *disk = g_ptr_array_index (vm->disks, i);

      if (disk->datastore != NULL && mtv_vsphere_places_get (places, disk->datastore) == NULL
          && !mtv_vsphere_places_load_one (places, session, "Datastore", disk->datastore,
                                           cancellable, error))
        return FALSE;
    }
  return TRUE;
}

MtvVsphereVm *
mtv_vsphere_inventory_look_up (MtvVsphereSession *session, const char *id,
                               MtvVspherePlaces **places, GCancellable *cancellable, GError **error)
{
  g_autofree const char **paths = list_paths (session, cancellable, error);
  xmlNode *object = NULL;
  g_autoptr (xmlDoc) document = paths == NULL
                                    ? NULL
                                    : mtv_vsphere_retrieve (session, "VirtualMachine", id, paths,
                                                            &object, cancellable, error);
  g_autoptr (MtvVsphereVm) vm = document == NULL ? NULL : mtv_vsphere_vm_new (object, NULL);

  if (vm == NULL || places == NULL)
    return g_steal_pointer (&vm);

  g_autoptr (MtvVspherePlaces) found = mtv_vsphere_places_new ();
  if (!load_places (found, session, vm, cancellable, error))
    return NULL;
  *places = g_steal_pointer (&found);
  return mtv_vsphere_vm_new (object, *places);
}
