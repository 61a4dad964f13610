/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-define.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-disks.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/mtv-kube-vm.h"

#define RUNNING_DEADLINE_MSEC (10 * 60 * 1000)

/* The preference for the guest, if the cluster has it; NULL without @error else. */
static const char *
find_preference (const MtvKubeSite *site, const MtvTarget *target, GCancellable *cancellable)
{
  const char *name = mtv_kube_vm_preference (target->vm);
  g_autofree char *path = mtv_kube_path ("instancetype.kubevirt.io/v1beta1", NULL,
                                         "virtualmachineclusterpreferences", name);
  g_autoptr (JsonObject) found
      = name == NULL ? NULL : mtv_kube_client_get (site->client, path, cancellable, NULL);

  return found == NULL ? NULL : name;
}

static gboolean
try_with (const MtvKubeSite *site, const MtvTarget *target, const char *preference,
          GCancellable *cancellable, GError **error)
{
  g_autofree char *path = mtv_kube_site_vms (site, NULL);
  g_autoptr (JsonObject) vm = mtv_kube_vm (target, preference);
  g_autoptr (JsonObject) answer
      = mtv_kube_client_create (site->client, path, vm, TRUE, cancellable, error);

  return answer != NULL;
}

gboolean
mtv_kube_define_try (const MtvKubeSite *site, const MtvTarget *target, const char **preference,
                     GCancellable *cancellable, GError **error)
{
  *preference = find_preference (site, target, cancellable);
  /* A preference may ask for more than the VM has: then it does without. */
  if (*preference != NULL && !try_with (site, target, *preference, cancellable, NULL))
    *preference = NULL;
  return *preference != NULL || try_with (site, target, NULL, cancellable, error);
}

/* The VM that is there; NULL without @error when there is none. */
static JsonObject *
find_vm (const MtvKubeSite *site, const MtvTarget *target, const char *name,
         GCancellable *cancellable, GError **error)
{
  g_autofree char *path = mtv_kube_site_vms (site, name);
  g_autofree char *number = g_strdup_printf ("%u", target->number);
  g_autoptr (JsonObject) vm = mtv_kube_site_find (site, path, cancellable, error);

  if (vm == NULL || mtv_kube_is_ours (vm, target->run_id, number))
    return g_steal_pointer (&vm);
  g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS,
               "There is a virtual machine '%s' in '%s' already", name, site->name_space);
  return NULL;
}

static JsonObject *
create_vm (const MtvKubeSite *site, const MtvTarget *target, GCancellable *cancellable,
           GError **error)
{
  g_autofree char *name = mtv_kube_vm_name (target);
  g_autofree char *path = mtv_kube_site_vms (site, NULL);
  g_autoptr (GError) failed = NULL;
  const char *preference;
  JsonObject *found = find_vm (site, target, name, cancellable, &failed);

  if (found != NULL)
    return found;
  if (failed == NULL && mtv_kube_define_try (site, target, &preference, cancellable, &failed)
      && mtv_kube_disks_release (site, target, cancellable, &failed))
    {
      g_autoptr (JsonObject) vm = mtv_kube_vm (target, preference);
      /* Once this is sent the VM may be there: it is not called off any more. */
      JsonObject *made = mtv_kube_client_create (site->client, path, vm, FALSE, NULL, &failed);

      if (made != NULL)
        return made;
      /* The first try may have come through, and its answer not. */
      if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_EXISTS))
        return find_vm (site, target, name, NULL, error);
    }
  g_propagate_error (error, g_steal_pointer (&failed));
  return NULL;
}

static gboolean
hand_over (const MtvKubeSite *site, const char *volume, const char *vm_name, const char *uid,
           GCancellable *cancellable, GError **error)
{
  g_autofree char *path = mtv_kube_site_volumes (site, volume);
  g_autoptr (JsonObject) patch = json_object_new ();
  JsonObject *metadata = json_object_new ();
  JsonArray *owners = json_array_new ();
  JsonObject *owner = json_object_new ();

  json_object_set_string_member (patch, "apiVersion", MTV_KUBE_CDI_VERSION);
  json_object_set_string_member (patch, "kind", "DataVolume");
  json_object_set_object_member (patch, "metadata", metadata);
  json_object_set_string_member (metadata, "name", volume);
  json_object_set_array_member (metadata, "ownerReferences", owners);
  json_array_add_object_element (owners, owner);
  json_object_set_string_member (owner, "apiVersion", MTV_KUBE_VM_VERSION);
  json_object_set_string_member (owner, "kind", "VirtualMachine");
  json_object_set_string_member (owner, "name", vm_name);
  json_object_set_string_member (owner, "uid", uid);
  g_autoptr (JsonObject) done
      = mtv_kube_client_apply (site->client, path, patch, cancellable, error);
  return done != NULL;
}

/* Somebody who waits for a VM. */
typedef struct
{
  const char *name;
  char *status; /* (owned) (nullable) the last one */
} VmWait;

static gboolean
look_running (JsonObject *object, gpointer data, GError **error)
{
  VmWait *wait = data;
  const char *status = mtv_kube_json_string (object, "status", "printableStatus", NULL);

  g_free (wait->status);
  wait->status = g_strdup (status);
  if (object == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                 "Virtual machine '%s' was deleted by somebody else", wait->name);
  return object == NULL || g_strcmp0 (status, "Running") == 0;
}

static gboolean
wait_until_it_runs (const MtvKubeSite *site, const char *name, GCancellable *cancellable,
                    GError **error)
{
  g_autofree char *collection = mtv_kube_site_vms (site, NULL);
  g_autoptr (GError) failed = NULL;
  VmWait wait = { .name = name };
  gboolean ok = mtv_kube_client_watch (site->client, collection, name, RUNNING_DEADLINE_MSEC,
                                       "the VM to run", look_running, &wait, cancellable, &failed);

  if (!ok && wait.status != NULL)
    g_set_error (error, MTV_ERROR, failed->code,
                 "Virtual machine '%s' is defined in '%s' with its disks, but '%s' instead of "
                 "running: %s",
                 name, site->name_space, wait.status, failed->message);
  else if (!ok)
    g_propagate_error (error, g_steal_pointer (&failed));
  g_free (wait.status);
  return ok;
}

gboolean
mtv_kube_define (const MtvKubeSite *site, const MtvTarget *target, GCancellable *cancellable,
                 GError **error)
{
  g_autofree char *name = mtv_kube_vm_name (target);
  g_autoptr (JsonObject) vm = create_vm (site, target, cancellable, error);
  const char *uid = mtv_kube_json_string (vm, "metadata", "uid", NULL);
  g_autoptr (GError) failed = NULL;

  if (vm == NULL)
    return FALSE;
  for (guint i = 0; i < target->disks->len; i++)
    {
      g_autofree char *volume = mtv_kube_vm_disk_name (target, i);

      if (!hand_over (site, volume, name, uid != NULL ? uid : "", NULL, error))
        return FALSE;
    }
  if (!target->start || wait_until_it_runs (site, name, cancellable, &failed))
    return TRUE;
  if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_CANCELLED))
    return TRUE; /* it is defined, which is not taken back */
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}
