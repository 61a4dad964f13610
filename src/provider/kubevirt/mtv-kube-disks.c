/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-disks.h"

#include "base/mtv-error.h"
#include "model/mtv-name.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-nbd.h"
#include "provider/kubevirt/mtv-kube-pod.h"
#include "provider/mtv-kube-vm.h"

#define VOLUME_DEADLINE_MSEC (10 * 60 * 1000) /* provisioning, and CDI's own pod */
#define GONE_DEADLINE_MSEC (3 * 60 * 1000)
#define POD_GRACE_SEC 30
#define ZERO_PIECE (G_GUINT64_CONSTANT (256) << 20)
#define BLANK "mtv.org/blank" /* on a DataVolume: what is on it was overwritten */

/* Volumes. */

static gboolean
check_owner (JsonObject *object, const MtvKubeSite *site, const MtvTarget *target, const char *kind,
             const char *name, GError **error)
{
  g_autofree char *number = g_strdup_printf ("%u", target->number);

  if (mtv_kube_is_ours (object, target->run_id, number))
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS,
               "%s: there is a %s '%s' in '%s' already that is not of this migration",
               mtv_kube_client_get_label (site->client), kind, name, site->name_space);
  return FALSE;
}

/* A claim without the DataVolume would be somebody else's. */
static gboolean
check_claim_is_free (const MtvKubeSite *site, const char *name, GCancellable *cancellable,
                     GError **error)
{
  g_autofree char *path = mtv_kube_site_claims (site, name);
  g_autoptr (GError) failed = NULL;
  g_autoptr (JsonObject) claim = mtv_kube_site_find (site, path, cancellable, &failed);

  if (claim != NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_EXISTS,
                 "%s: there is a volume claim '%s' in '%s' already that is not of this migration",
                 mtv_kube_client_get_label (site->client), name, site->name_space);
  else if (failed != NULL)
    g_propagate_error (error, g_steal_pointer (&failed));
  else
    return TRUE;
  return FALSE;
}

static gboolean
create_volume (const MtvKubeSite *site, const MtvTarget *target, guint index,
               const MtvKubePlacement *placement, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = mtv_kube_vm_disk_name (target, index);
  g_autofree char *path = mtv_kube_site_volumes (site, name);
  g_autofree char *collection = mtv_kube_site_volumes (site, NULL);
  g_autoptr (GError) failed = NULL;
  g_autoptr (JsonObject) found = mtv_kube_site_find (site, path, cancellable, &failed);

  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (found != NULL)
    return check_owner (found, site, target, "data volume", name, error);
  if (!check_claim_is_free (site, name, cancellable, error))
    return FALSE;

  g_autoptr (JsonObject) volume = mtv_kube_volume_new (target, index, placement);
  g_autoptr (JsonObject) made
      = mtv_kube_client_create (site->client, collection, volume, FALSE, cancellable, &failed);
  if (made != NULL)
    return TRUE;
  /* The first try may have come through, and its answer not. */
  if (g_error_matches (failed, MTV_ERROR, MTV_ERROR_EXISTS))
    {
      found = mtv_kube_client_get (site->client, path, cancellable, error);
      return found != NULL && check_owner (found, site, target, "data volume", name, error);
    }
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

/* Somebody who waits for a DataVolume. */
typedef struct
{
  const char *name;
  char *phase; /* (owned) (nullable) the last one */
} VolumeWait;

static gboolean
look_filled (JsonObject *object, gpointer data, GError **error)
{
  VolumeWait *wait = data;
  const char *phase = mtv_kube_json_string (object, "status", "phase", NULL);

  g_free (wait->phase);
  wait->phase = g_strdup (phase);
  if (object == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                 "Data volume '%s' was deleted by somebody else", wait->name);
  else if (g_strcmp0 (phase, "Failed") == 0)
    g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Data volume '%s' failed", wait->name);
  else
    return g_strcmp0 (phase, "Succeeded") == 0;
  return TRUE;
}

static gboolean
wait_for_volume (const MtvKubeSite *site, const MtvTarget *target, guint index,
                 GCancellable *cancellable, GError **error)
{
  g_autofree char *name = mtv_kube_vm_disk_name (target, index);
  g_autofree char *collection = mtv_kube_site_volumes (site, NULL);
  g_autofree char *what = g_strdup_printf ("data volume '%s'", name);
  VolumeWait wait = { .name = name };
  gboolean ok = mtv_kube_client_watch (site->client, collection, name, VOLUME_DEADLINE_MSEC, what,
                                       look_filled, &wait, cancellable, error);

  if (!ok && wait.phase != NULL)
    g_prefix_error (error, "Data volume '%s' is '%s': ", name, wait.phase);
  g_free (wait.phase);
  return ok;
}

static gboolean
zero_all (MtvNbdDisk *disk, GCancellable *cancellable, GError **error)
{
  MtvWriter *writer = MTV_WRITER (disk);
  guint64 size = mtv_reader_get_size (MTV_READER (disk));

  for (guint64 offset = 0; offset < size; offset += ZERO_PIECE)
    if (!mtv_writer_zero (writer, offset, MIN (ZERO_PIECE, size - offset), cancellable, error))
      return FALSE;
  return mtv_writer_flush (writer, cancellable, error);
}

static gboolean
mark_blank (const MtvKubeSite *site, const char *name, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = mtv_kube_site_volumes (site, name);
  g_autoptr (JsonObject) patch = json_object_new ();
  JsonObject *metadata = json_object_new ();
  JsonObject *annotations = json_object_new ();

  json_object_set_string_member (patch, "apiVersion", MTV_KUBE_CDI_VERSION);
  json_object_set_string_member (patch, "kind", "DataVolume");
  json_object_set_object_member (patch, "metadata", metadata);
  json_object_set_string_member (metadata, "name", name);
  json_object_set_object_member (metadata, "annotations", annotations);
  json_object_set_string_member (annotations, BLANK, "true");
  g_autoptr (JsonObject) done
      = mtv_kube_client_apply (site->client, path, patch, cancellable, error);
  return done != NULL;
}

/* What a block device held before it was given to us may still be on it. */
static gboolean
make_blank (const MtvKubeSite *site, const MtvTarget *target, guint index,
            GCancellable *cancellable, GError **error)
{
  g_autofree char *name = mtv_kube_vm_disk_name (target, index);
  g_autofree char *path = mtv_kube_site_volumes (site, name);
  g_autoptr (JsonObject) volume = mtv_kube_client_get (site->client, path, cancellable, error);

  if (volume == NULL)
    return FALSE;
  if (g_strcmp0 (mtv_kube_json_string (volume, "metadata", "annotations", BLANK, NULL), "true") == 0
      || g_strcmp0 (mtv_kube_json_string (volume, "spec", "storage", "volumeMode", NULL), "Block")
             != 0)
    return TRUE;

  g_autoptr (MtvNbdDisk) disk = mtv_kube_disks_open (site, target, index, TRUE, cancellable, error);
  return disk != NULL && zero_all (disk, cancellable, error)
         && mark_blank (site, name, cancellable, error);
}

gboolean
mtv_kube_disks_create (const MtvKubeSite *site, const MtvTarget *target, GCancellable *cancellable,
                       GError **error)
{
  g_autoptr (MtvKubePlacement) placement = mtv_kube_site_place (site, cancellable, error);

  if (placement == NULL)
    return FALSE;
  for (guint i = 0; i < target->disks->len; i++)
    if (!create_volume (site, target, i, placement, cancellable, error))
      return FALSE;
  for (guint i = 0; i < target->disks->len; i++)
    if (!wait_for_volume (site, target, i, cancellable, error)
        || !make_blank (site, target, i, cancellable, error))
      return FALSE;
  return TRUE;
}

/* Whose it is stands on the DataVolume for sure; older versions of CDI keep labels to themselves.
 */
MtvNbdDisk *
mtv_kube_disks_open (const MtvKubeSite *site, const MtvTarget *target, guint index,
                     gboolean writable, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = mtv_kube_vm_disk_name (target, index);
  g_autofree char *volume_path = mtv_kube_site_volumes (site, name);
  g_autofree char *claim_path = mtv_kube_site_claims (site, name);
  g_autoptr (JsonObject) volume
      = mtv_kube_client_get (site->client, volume_path, cancellable, error);

  if (volume == NULL || !check_owner (volume, site, target, "data volume", name, error))
    return NULL;

  g_autofree char *image = mtv_kube_site_find_image (site, cancellable, error);
  g_autoptr (JsonObject) claim
      = image == NULL ? NULL : mtv_kube_client_get (site->client, claim_path, cancellable, error);
  const char *mode = mtv_kube_json_string (claim, "spec", "volumeMode", NULL);

  if (claim == NULL)
    return NULL;
  return mtv_kube_nbd_open (site->client, site->name_space, target, index, image,
                            mode != NULL ? mode : "Filesystem", writable, cancellable, error);
}

/* Removing. */

static gboolean
look_gone (JsonObject *object, gpointer data, GError **error)
{
  return object == NULL
         || g_strcmp0 (mtv_kube_json_string (object, "metadata", "uid", NULL), data) != 0
         || *error != NULL;
}

/* Removes what is at @collection/@name, if it is of @run and @number, and waits until it is. */
static gboolean
remove_ours (const MtvKubeSite *site, const char *collection, const char *name, const char *run,
             const char *number, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = g_strconcat (collection, "/", name, NULL);
  g_autofree char *what = g_strdup_printf ("the end of '%s'", name);
  g_autoptr (GError) failed = NULL;
  g_autoptr (JsonObject) found = mtv_kube_site_find (site, path, cancellable, &failed);
  g_autofree char *uid = g_strdup (mtv_kube_json_string (found, "metadata", "uid", NULL));

  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  if (found == NULL || uid == NULL || !mtv_kube_is_ours (found, run, number))
    return TRUE;
  return mtv_kube_client_delete (site->client, path, uid, POD_GRACE_SEC, cancellable, error)
         && mtv_kube_client_watch (site->client, collection, name, GONE_DEADLINE_MSEC, what,
                                   look_gone, uid, cancellable, error);
}

gboolean
mtv_kube_disks_release (const MtvKubeSite *site, const MtvTarget *target, GCancellable *cancellable,
                        GError **error)
{
  g_autofree char *collection = mtv_kube_path ("v1", site->name_space, "pods", NULL);
  g_autofree char *number = g_strdup_printf ("%u", target->number);

  for (guint i = 0; i < target->disks->len; i++)
    {
      g_autofree char *name = mtv_kube_pod_name (target, i);

      if (!remove_ours (site, collection, name, target->run_id, number, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

/* Has the VM of @run and @number been defined? It is found by its labels, as its name may be any.
 */
static gboolean
has_arrived (const MtvKubeSite *site, const char *name_space, const char *run, const char *number,
             gboolean *arrived, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = mtv_kube_path (MTV_KUBE_VM_VERSION, name_space, MTV_KUBE_VMS, NULL);
  g_autofree char *label = mtv_name_to_dns (run);
  g_autofree char *text
      = g_strdup_printf (MTV_KUBE_LABEL_RUN "=%s," MTV_KUBE_LABEL_NUMBER "=%s", label, number);
  g_autofree char *escaped = g_uri_escape_string (text, NULL, FALSE);
  g_autofree char *selector = g_strconcat ("labelSelector=", escaped, NULL);
  g_autoptr (JsonArray) vms
      = mtv_kube_client_list (site->client, path, selector, NULL, cancellable, error);

  *arrived = mtv_kube_json_length (vms) > 0;
  return vms != NULL;
}

gboolean
mtv_kube_disks_remove (const MtvKubeSite *site, const char *kind, const char *key,
                       GCancellable *cancellable, GError **error)
{
  g_auto (GStrv) parts = mtv_kube_key_split (key);
  gboolean is_pod = g_str_equal (kind, MTV_KUBE_KIND_POD);
  gboolean arrived = FALSE;

  if (parts == NULL || (!is_pod && !g_str_equal (kind, MTV_KUBE_KIND_VOLUME)))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "'%s' (%s) is not something that was made on the way, and stays", key, kind);
      return FALSE;
    }
  if (!is_pod && !has_arrived (site, parts[0], parts[2], parts[3], &arrived, cancellable, error))
    return FALSE;
  if (arrived)
    return TRUE;

  g_autofree char *collection
      = is_pod ? mtv_kube_path ("v1", parts[0], "pods", NULL)
               : mtv_kube_path (MTV_KUBE_CDI_VERSION, parts[0], MTV_KUBE_DATA_VOLUMES, NULL);
  return remove_ours (site, collection, parts[1], parts[2], parts[3], cancellable, error);
}
