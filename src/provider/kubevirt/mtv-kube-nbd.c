/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-nbd.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-pod.h"
#include "provider/kubevirt/mtv-kube-tunnel.h"
#include "provider/kubevirt/mtv-kube-volumes.h"

#define POD_DEADLINE_MSEC (5 * 60 * 1000) /* volumes are attached, images pulled */
#define GONE_DEADLINE_MSEC (2 * 60 * 1000)
#define LOST_MSEC (10 * 60 * 1000) /* a node is given up after five minutes */
#define SILENT_MSEC (60 * 1000)

/* The pod, and all that is needed to make it again. */
typedef struct
{
  MtvKubeClient *client;
  char *path;          /* (owned) of the namespace's pods */
  char *name;          /* (owned) */
  char *run;           /* (owned) */
  char *number;        /* (owned) */
  JsonObject *pods[2]; /* (owned) what is asked for first, and if that is refused */
  char *reason;        /* (owned) (nullable) what it waited for last */
} Pod;

static void
pod_free (gpointer data)
{
  Pod *pod = data;

  mtv_kube_client_unref (pod->client);
  json_object_unref (pod->pods[0]);
  json_object_unref (pod->pods[1]);
  g_free (pod->path);
  g_free (pod->name);
  g_free (pod->run);
  g_free (pod->number);
  g_free (pod->reason);
  g_free (pod);
}

static gboolean
look_gone (JsonObject *object, gpointer data, GError **error)
{
  (void) data;
  (void) error;
  return object == NULL;
}

static gboolean
look_ready (JsonObject *object, gpointer data, GError **error)
{
  Pod *pod = data;
  g_autofree char *reason = NULL;
  MtvKubePodState state
      = object == NULL ? MTV_KUBE_POD_ENDED : mtv_kube_pod_get_state (object, &reason);

  if (state == MTV_KUBE_POD_ENDED)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "Pod '%s' ended before it was used",
                 pod->name);
  else if (object != NULL && mtv_kube_pod_is_stuck (object))
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "Pod '%s' does not start: %s", pod->name,
                 reason);
  g_free (pod->reason);
  pod->reason = g_steal_pointer (&reason);
  return state == MTV_KUBE_POD_READY || *error != NULL;
}

static gboolean
create_pod (Pod *pod, GCancellable *cancellable, GError **error)
{
  for (guint i = 0;; i++)
    {
      g_autoptr (GError) failed = NULL;
      g_autoptr (JsonObject) made = mtv_kube_client_create (pod->client, pod->path, pod->pods[i],
                                                            FALSE, cancellable, &failed);

      if (made != NULL || g_error_matches (failed, MTV_ERROR, MTV_ERROR_EXISTS))
        return TRUE;
      if (i + 1 < G_N_ELEMENTS (pod->pods)
          && (g_error_matches (failed, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED)
              || g_error_matches (failed, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT)))
        continue;
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
}

/* Sets @state to that of the pod that is there, with its @uid (nullable): none, if there is none.
 */
static gboolean
find_pod (Pod *pod, MtvKubePodState *state, char **uid, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strconcat (pod->path, "/", pod->name, NULL);
  g_autofree char *reason = NULL;
  g_autoptr (GError) failed = NULL;
  g_autoptr (JsonObject) found = mtv_kube_client_get (pod->client, path, cancellable, &failed);

  *state = MTV_KUBE_POD_ENDED;
  if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    return TRUE;
  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (!mtv_kube_is_ours (found, pod->run, pod->number))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS,
                   "%s: there is a pod '%s' already that is not of this migration",
                   mtv_kube_client_get_label (pod->client), pod->name);
      return FALSE;
    }
  *state = mtv_kube_pod_get_state (found, &reason);
  *uid = g_strdup (mtv_kube_json_string (found, "metadata", "uid", NULL));
  return TRUE;
}

/* An MtvKubeTunnelReady: afterwards the pod runs. */
static gboolean
ensure_pod (gpointer data, GCancellable *cancellable, GError **error)
{
  Pod *pod = data;
  g_autofree char *path = g_strconcat (pod->path, "/", pod->name, NULL);
  g_autofree char *uid = NULL;
  g_autoptr (GError) failed = NULL;
  MtvKubePodState state;

  if (!find_pod (pod, &state, &uid, cancellable, error))
    return FALSE;
  if (state == MTV_KUBE_POD_READY)
    return TRUE;
  if (state == MTV_KUBE_POD_ENDED && uid != NULL
      && (!mtv_kube_client_delete (pod->client, path, uid, 0, cancellable, error)
          || !mtv_kube_client_watch (pod->client, pod->path, pod->name, GONE_DEADLINE_MSEC,
                                     "the end of a pod", look_gone, NULL, cancellable, error)))
    return FALSE;
  if (state == MTV_KUBE_POD_ENDED && !create_pod (pod, cancellable, error))
    return FALSE;
  if (mtv_kube_client_watch (pod->client, pod->path, pod->name, POD_DEADLINE_MSEC, "a pod to start",
                             look_ready, pod, cancellable, &failed))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  if (pod->reason != NULL && error != NULL && *error != NULL
      && g_strstr_len ((*error)->message, -1, pod->reason) == NULL)
    g_prefix_error (error, "Pod '%s' (%s): ", pod->name, pod->reason);
  return FALSE;
}

static Pod *
pod_new (MtvKubeClient *client, const char *name_space, const MtvTarget *target, guint index,
         const char *image, const char *volume_mode)
{
  Pod *pod = g_new0 (Pod, 1);

  pod->client = mtv_kube_client_ref (client);
  pod->path = mtv_kube_path ("v1", name_space, "pods", NULL);
  pod->name = mtv_kube_pod_name (target, index);
  pod->run = g_strdup (target->run_id);
  pod->number = g_strdup_printf ("%u", target->number);
  pod->pods[0] = mtv_kube_pod_new (target, index, image, volume_mode, TRUE);
  pod->pods[1] = mtv_kube_pod_new (target, index, image, volume_mode, FALSE);
  return pod;
}

static gboolean
check_size (MtvNbdDisk *disk, const MtvTargetDisk *target, const char *label, GError **error)
{
  guint64 size = mtv_reader_get_size (MTV_READER (disk));

  if (size >= target->size)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s holds %" G_GUINT64_FORMAT " bytes, too few for the %" G_GUINT64_FORMAT
               " of the disk",
               label, size, target->size);
  return FALSE;
}

MtvNbdDisk *
mtv_kube_nbd_open (MtvKubeClient *client, const char *name_space, const MtvTarget *target,
                   guint index, const char *image, const char *volume_mode, gboolean writable,
                   GCancellable *cancellable, GError **error)
{
  Pod *pod = pod_new (client, name_space, target, index, image, volume_mode);
  g_autofree char *path = g_strconcat (pod->path, "/", pod->name, NULL);
  g_autofree char *label
      = g_strdup_printf ("The volume of disk %u of '%s' in '%s'", index, target->name, name_space);

  if (!ensure_pod (pod, cancellable, error))
    {
      pod_free (pod);
      return NULL;
    }

  g_autoptr (MtvKubeTunnel) tunnel
      = mtv_kube_tunnel_new (client, path, MTV_KUBE_NBD_PORT, ensure_pod, pod, pod_free, error);
  g_autoptr (MtvNbdDisk) disk = tunnel == NULL
                                    ? NULL
                                    : mtv_nbd_disk_new (mtv_kube_tunnel_get_socket (tunnel),
                                                        writable, G_OBJECT (tunnel), label, error);
  if (tunnel == NULL)
    return NULL;
  if (disk == NULL)
    {
      g_autofree char *problem = mtv_kube_tunnel_get_problem (tunnel);

      if (problem != NULL)
        g_prefix_error (error, "%s: ", problem);
      return NULL;
    }
  mtv_nbd_disk_set_patience (disk, LOST_MSEC, SILENT_MSEC);
  return check_size (disk, g_ptr_array_index (target->disks, index), label, error)
             ? g_steal_pointer (&disk)
             : NULL;
}
