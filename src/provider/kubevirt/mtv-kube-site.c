/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-site.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-json.h"

#include <string.h>

void
mtv_kube_site_free (MtvKubeSite *self)
{
  g_clear_pointer (&self->client, mtv_kube_client_unref);
  g_free (self->name_space);
  g_free (self->storage_class);
  g_free (self->volume_mode);
  g_free (self->access_mode);
  g_free (self->image);
  g_free (self);
}

char *
mtv_kube_site_vms (const MtvKubeSite *self, const char *name)
{
  return mtv_kube_path (MTV_KUBE_VM_VERSION, self->name_space, MTV_KUBE_VMS, name);
}

char *
mtv_kube_site_volumes (const MtvKubeSite *self, const char *name)
{
  return mtv_kube_path (MTV_KUBE_CDI_VERSION, self->name_space, MTV_KUBE_DATA_VOLUMES, name);
}

char *
mtv_kube_site_claims (const MtvKubeSite *self, const char *name)
{
  return mtv_kube_path ("v1", self->name_space, "persistentvolumeclaims", name);
}

JsonObject *
mtv_kube_site_find (const MtvKubeSite *self, const char *path, GCancellable *cancellable,
                    GError **error)
{
  g_autoptr (GError) failed = NULL;
  JsonObject *object = mtv_kube_client_get (self->client, path, cancellable, &failed);

  if (object == NULL && !g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    g_propagate_error (error, g_steal_pointer (&failed));
  return object;
}

/* (transfer full) */
static char *
find_class (const MtvKubeSite *self, GCancellable *cancellable, GError **error)
{
  g_autofree char *path = mtv_kube_path ("storage.k8s.io/v1", NULL, "storageclasses", NULL);
  g_autoptr (JsonArray) classes
      = mtv_kube_client_list (self->client, path, NULL, NULL, cancellable, error);
  const char *name = mtv_kube_default_class (classes);

  if (classes != NULL && name == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                 "The cluster has no default storage class: say which to use by the setting "
                 "storage-class");
  return g_strdup (name);
}

static gboolean
check_class (const MtvKubeSite *self, GCancellable *cancellable, GError **error)
{
  g_autofree char *path
      = mtv_kube_path ("storage.k8s.io/v1", NULL, "storageclasses", self->storage_class);
  g_autoptr (GError) failed = NULL;
  g_autoptr (JsonObject) class = mtv_kube_site_find (self, path, cancellable, &failed);

  if (failed != NULL)
    g_propagate_error (error, g_steal_pointer (&failed));
  else if (class == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "The cluster has no storage class '%s'",
                 self->storage_class);
  return class != NULL;
}

MtvKubePlacement *
mtv_kube_site_place (const MtvKubeSite *self, GCancellable *cancellable, GError **error)
{
  if (self->storage_class != NULL && !check_class (self, cancellable, error))
    return NULL;

  g_autofree char *class = self->storage_class != NULL ? g_strdup (self->storage_class)
                                                       : find_class (self, cancellable, error);
  if (class == NULL)
    return NULL;
  g_autofree char *path = mtv_kube_path (MTV_KUBE_CDI_VERSION, NULL, "storageprofiles", class);
  g_autoptr (GError) failed = NULL;
  g_autoptr (JsonObject) profile = mtv_kube_site_find (self, path, cancellable, &failed);
  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return NULL;
    }
  return mtv_kube_place (class, profile, self->volume_mode, self->access_mode, error);
}

static const char *
environment_of (JsonObject *deployment, const char *name)
{
  JsonObject *container = mtv_kube_json_item (
      mtv_kube_json_array (deployment, "spec", "template", "spec", "containers", NULL), 0);
  JsonArray *env = mtv_kube_json_array (container, "env", NULL);

  for (guint i = 0; i < mtv_kube_json_length (env); i++)
    {
      JsonObject *entry = mtv_kube_json_item (env, i);

      if (g_strcmp0 (mtv_kube_json_string (entry, "name", NULL), name) == 0)
        return mtv_kube_json_string (entry, "value", NULL);
    }
  return NULL;
}

char *
mtv_kube_site_find_image (const MtvKubeSite *self, GCancellable *cancellable, GError **error)
{
  static const char *const homes[] = { "openshift-cnv", "cdi" };
  g_autoptr (GError) failed = NULL;

  if (self->image != NULL)
    return g_strdup (self->image);
  for (gsize i = 0; i < G_N_ELEMENTS (homes); i++)
    {
      g_autofree char *path = mtv_kube_path ("apps/v1", homes[i], "deployments", "cdi-deployment");

      g_clear_error (&failed);
      g_autoptr (JsonObject) deployment
          = mtv_kube_client_get (self->client, path, cancellable, &failed);
      const char *image = environment_of (deployment, "UPLOADSERVER_IMAGE");
      if (image != NULL)
        return g_strdup (image);
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
               "No image with qemu-nbd is known for the pods that write the disks; say which by "
               "the setting writer-image%s%s",
               failed != NULL ? ": " : "", failed != NULL ? failed->message : "");
  return NULL;
}
