/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-volumes.h"

#include "base/mtv-error.h"
#include "model/mtv-name.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/mtv-kube-vm.h"

#include <gio/gio.h>

#define KEY_PARTS 4

void
mtv_kube_placement_free (MtvKubePlacement *self)
{
  g_free (self->storage_class);
  g_free (self->volume_mode);
  g_free (self->access_mode);
  g_free (self);
}

static const char *
class_with (JsonArray *classes, const char *annotation)
{
  for (guint i = 0; i < mtv_kube_json_length (classes); i++)
    {
      JsonObject *class = mtv_kube_json_item (classes, i);

      if (g_strcmp0 (mtv_kube_json_string (class, "metadata", "annotations", annotation, NULL),
                     "true")
          == 0)
        return mtv_kube_json_string (class, "metadata", "name", NULL);
    }
  return NULL;
}

const char *
mtv_kube_default_class (JsonArray *classes)
{
  const char *name = class_with (classes, "storageclass.kubevirt.io/is-default-virt-class");

  return name != NULL ? name : class_with (classes, "storageclass.kubernetes.io/is-default-class");
}

/* The first of the set's access modes, if the set is what is asked for. */
static const char *
access_mode_of (JsonObject *set, const char *volume_mode, const char *access_mode)
{
  JsonArray *modes = mtv_kube_json_array (set, "accessModes", NULL);
  const char *first = NULL;

  if (volume_mode != NULL
      && g_strcmp0 (mtv_kube_json_string (set, "volumeMode", NULL), volume_mode) != 0)
    return NULL;
  for (guint i = 0; i < mtv_kube_json_length (modes); i++)
    {
      JsonNode *mode = json_array_get_element (modes, i);

      if (json_node_get_value_type (mode) != G_TYPE_STRING)
        continue;
      if (first == NULL)
        first = json_node_get_string (mode);
      if (g_strcmp0 (json_node_get_string (mode), access_mode) == 0)
        return access_mode;
    }
  return access_mode == NULL ? first : NULL;
}

MtvKubePlacement *
mtv_kube_place (const char *storage_class, JsonObject *profile, const char *volume_mode,
                const char *access_mode, GError **error)
{
  JsonArray *sets = mtv_kube_json_array (profile, "status", "claimPropertySets", NULL);
  const char *mode = volume_mode, *access = access_mode;

  if (mode == NULL || access == NULL)
    access = NULL;
  /* In the order in which the storage's people prefer them. */
  for (guint i = 0; access == NULL && i < mtv_kube_json_length (sets); i++)
    {
      JsonObject *set = mtv_kube_json_item (sets, i);

      access = access_mode_of (set, volume_mode, access_mode);
      mode = mtv_kube_json_string (set, "volumeMode", NULL);
    }
  if (access == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "The profile of storage class '%s' offers no %s%s%s: say which there are by "
                   "the settings volume-mode and access-mode",
                   storage_class, volume_mode != NULL ? volume_mode : "volume mode",
                   access_mode != NULL ? " with " : "", access_mode != NULL ? access_mode : "");
      return NULL;
    }

  MtvKubePlacement *self = g_new0 (MtvKubePlacement, 1);
  self->storage_class = g_strdup (storage_class);
  self->volume_mode = g_strdup (mode != NULL ? mode : "Filesystem");
  self->access_mode = g_strdup (access);
  return self;
}

JsonObject *
mtv_kube_volume_new (const MtvTarget *target, guint index, const MtvKubePlacement *placement)
{
  JsonObject *volume = mtv_kube_vm_data_volume (target, index, "blank");
  JsonObject *storage = mtv_kube_json_object (volume, "spec", "storage", NULL);
  JsonArray *modes = json_array_new ();

  json_object_set_string_member (storage, "storageClassName", placement->storage_class);
  json_object_set_string_member (storage, "volumeMode", placement->volume_mode);
  json_array_add_string_element (modes, placement->access_mode);
  json_object_set_array_member (storage, "accessModes", modes);
  return volume;
}

gboolean
mtv_kube_is_ours (JsonObject *object, const char *run, const char *number)
{
  const char *has_run
      = mtv_kube_json_string (object, "metadata", "labels", MTV_KUBE_LABEL_RUN, NULL);
  const char *has_number
      = mtv_kube_json_string (object, "metadata", "labels", MTV_KUBE_LABEL_NUMBER, NULL);
  g_autofree char *label = mtv_name_to_dns (run);

  return g_strcmp0 (has_run, label) == 0 && g_strcmp0 (has_number, number) == 0;
}

char *
mtv_kube_key_new (const MtvTarget *target, const char *name_space, const char *name)
{
  return g_strdup_printf ("%s/%s/%s/%u", name_space, name, target->run_id, target->number);
}

char **
mtv_kube_key_split (const char *key)
{
  g_auto (GStrv) parts = g_strsplit (key, "/", -1);

  if (g_strv_length (parts) != KEY_PARTS)
    return NULL;
  for (guint i = 0; i < KEY_PARTS; i++)
    if (*parts[i] == '\0')
      return NULL;
  return g_steal_pointer (&parts);
}
