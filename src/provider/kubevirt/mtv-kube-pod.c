/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-pod.h"

#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/mtv-kube-vm.h"

#include <string.h>

#define QEMU_ID 107
#define DEVICE "/dev/mtv-disk"
#define FOLDER "/data" /* with disk.img in it, as CDI makes it */
#define IMAGE FOLDER "/disk.img"
#define GRACE_SEC 30 /* for what is still to be written */

/* (transfer none) */
static JsonObject *
add_object (JsonObject *parent, const char *name)
{
  JsonObject *object = json_object_new ();

  json_object_set_object_member (parent, name, object);
  return object;
}

/* A list with one object in it. (transfer none) */
static JsonObject *
add_list_of_one (JsonObject *parent, const char *name)
{
  JsonArray *array = json_array_new ();
  JsonObject *item = json_object_new ();

  json_object_set_array_member (parent, name, array);
  json_array_add_object_element (array, item);
  return item;
}

static void
add_strings (JsonObject *parent, const char *name, const char *const *strings)
{
  JsonArray *array = json_array_new ();

  for (; *strings != NULL; strings++)
    json_array_add_string_element (array, *strings);
  json_object_set_array_member (parent, name, array);
}

char *
mtv_kube_pod_name (const MtvTarget *target, guint index)
{
  g_autofree char *disk = mtv_kube_vm_disk_name (target, index);

  return g_strconcat (disk, "-writer", NULL);
}

static void
add_amounts (JsonObject *parent, const char *name, const char *cpu, const char *memory)
{
  JsonObject *amounts = add_object (parent, name);

  json_object_set_string_member (amounts, "cpu", cpu);
  json_object_set_string_member (amounts, "memory", memory);
}

static void
add_security (JsonObject *spec, JsonObject *container, gboolean with_ids)
{
  static const char *const all[] = { "ALL", NULL };
  JsonObject *pod = add_object (spec, "securityContext");
  JsonObject *own = add_object (container, "securityContext");

  json_object_set_boolean_member (pod, "runAsNonRoot", TRUE);
  if (with_ids)
    {
      json_object_set_int_member (pod, "runAsUser", QEMU_ID);
      json_object_set_int_member (pod, "fsGroup", QEMU_ID);
    }
  json_object_set_string_member (add_object (pod, "seccompProfile"), "type", "RuntimeDefault");
  json_object_set_boolean_member (own, "allowPrivilegeEscalation", FALSE);
  add_strings (add_object (own, "capabilities"), "drop", all);
}

static void
add_container (JsonObject *spec, const char *image, gboolean block, gboolean with_ids)
{
  static const char *const command[] = { "qemu-nbd", NULL };
  g_autofree char *port = g_strdup_printf ("--port=%d", MTV_KUBE_NBD_PORT);
  const char *const args[] = { "--persistent",
                               "--shared=16",
                               "--format=raw",
                               "--cache=none",
                               "--aio=native",
                               "--discard=unmap",
                               "--detect-zeroes=unmap",
                               "--bind=127.0.0.1",
                               port,
                               block ? DEVICE : IMAGE,
                               NULL };
  JsonObject *container = add_list_of_one (spec, "containers");

  json_object_set_string_member (container, "name", "nbd");
  json_object_set_string_member (container, "image", image);
  add_strings (container, "command", command);
  add_strings (container, "args", args);
  JsonObject *mount = add_list_of_one (container, block ? "volumeDevices" : "volumeMounts");
  json_object_set_string_member (mount, "name", "disk");
  json_object_set_string_member (mount, block ? "devicePath" : "mountPath",
                                 block ? DEVICE : FOLDER);
  JsonObject *resources = add_object (container, "resources");
  add_amounts (resources, "requests", "100m", "128Mi");
  add_amounts (resources, "limits", "2", "512Mi");
  add_security (spec, container, with_ids);
}

JsonObject *
mtv_kube_pod_new (const MtvTarget *target, guint index, const char *image, const char *volume_mode,
                  gboolean with_ids)
{
  g_autofree char *name = mtv_kube_pod_name (target, index);
  g_autofree char *claim = mtv_kube_vm_disk_name (target, index);
  JsonObject *pod = json_object_new ();
  JsonObject *labels = mtv_kube_vm_labels (target);

  json_object_set_string_member (pod, "apiVersion", "v1");
  json_object_set_string_member (pod, "kind", "Pod");
  JsonObject *metadata = add_object (pod, "metadata");
  json_object_set_string_member (metadata, "name", name);
  /* Services may look for that one. */
  json_object_remove_member (labels, "app");
  json_object_set_object_member (metadata, "labels", labels);
  json_object_set_string_member (add_object (metadata, "annotations"), "sidecar.istio.io/inject",
                                 "false");

  JsonObject *spec = add_object (pod, "spec");
  /* A server that dies is started again, and the copy goes on. */
  json_object_set_string_member (spec, "restartPolicy", "Always");
  json_object_set_int_member (spec, "terminationGracePeriodSeconds", GRACE_SEC);
  json_object_set_boolean_member (spec, "automountServiceAccountToken", FALSE);
  add_container (spec, image, g_str_equal (volume_mode, "Block"), with_ids);
  JsonObject *volume = add_list_of_one (spec, "volumes");
  json_object_set_string_member (volume, "name", "disk");
  json_object_set_string_member (add_object (volume, "persistentVolumeClaim"), "claimName", claim);
  return pod;
}

/* Why the container waits, or why the pod has no node. */
static char *
reason_of (JsonObject *pod)
{
  JsonArray *conditions = mtv_kube_json_array (pod, "status", "conditions", NULL);
  JsonObject *container
      = mtv_kube_json_item (mtv_kube_json_array (pod, "status", "containerStatuses", NULL), 0);
  const char *reason = mtv_kube_json_string (container, "state", "waiting", "reason", NULL);
  const char *message = mtv_kube_json_string (container, "state", "waiting", "message", NULL);

  for (guint i = 0; reason == NULL && i < mtv_kube_json_length (conditions); i++)
    {
      JsonObject *condition = mtv_kube_json_item (conditions, i);

      if (g_strcmp0 (mtv_kube_json_string (condition, "type", NULL), "PodScheduled") != 0
          || g_strcmp0 (mtv_kube_json_string (condition, "status", NULL), "False") != 0)
        continue;
      reason = mtv_kube_json_string (condition, "reason", NULL);
      message = mtv_kube_json_string (condition, "message", NULL);
    }
  return reason == NULL    ? NULL
         : message == NULL ? g_strdup (reason)
                           : g_strdup_printf ("%s: %s", reason, message);
}

MtvKubePodState
mtv_kube_pod_get_state (JsonObject *pod, char **reason)
{
  const char *phase = mtv_kube_json_string (pod, "status", "phase", NULL);
  JsonObject *container
      = mtv_kube_json_item (mtv_kube_json_array (pod, "status", "containerStatuses", NULL), 0);

  *reason = NULL;
  if (mtv_kube_json_string (pod, "metadata", "deletionTimestamp", NULL) != NULL
      || g_strcmp0 (phase, "Succeeded") == 0 || g_strcmp0 (phase, "Failed") == 0)
    return MTV_KUBE_POD_ENDED;
  if (g_strcmp0 (phase, "Running") == 0 && mtv_kube_json_boolean (container, "ready", NULL))
    return MTV_KUBE_POD_READY;
  *reason = reason_of (pod);
  return MTV_KUBE_POD_STARTING;
}

gboolean
mtv_kube_pod_is_stuck (JsonObject *pod)
{
  static const char *const stuck[] = { "ErrImagePull",
                                       "ImagePullBackOff",
                                       "InvalidImageName",
                                       "CreateContainerConfigError",
                                       "CrashLoopBackOff",
                                       "CreateContainerError",
                                       NULL };
  JsonObject *container
      = mtv_kube_json_item (mtv_kube_json_array (pod, "status", "containerStatuses", NULL), 0);
  const char *reason = mtv_kube_json_string (container, "state", "waiting", "reason", NULL);

  return reason != NULL && g_strv_contains (stuck, reason);
}
