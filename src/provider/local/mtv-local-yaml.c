/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-yaml.h"

#include "provider/local/mtv-local-folder.h"
#include "provider/mtv-hardware.h"
#include "provider/mtv-kube-vm.h"

static void
add_introduction (GString *yaml, const MtvTarget *target)
{
  MtvHardware hardware;

  g_string_append (yaml, "# Brings this VM into KubeVirt:\n#   kubectl create -f vm.yaml\n");
  for (guint i = 0; i < target->disks->len; i++)
    {
      g_autofree char *volume = mtv_kube_vm_disk_name (target, i);
      g_autofree char *file = mtv_local_disk_file (target, i);

      g_string_append_printf (yaml, "#   virtctl image-upload dv %s --no-create --image-path=%s\n",
                              volume, file);
    }
  g_string_append (yaml,
                   "# Networks that are not the pod network need a NetworkAttachmentDefinition of "
                   "the\n# name given below.\n");
  mtv_hardware_init (&hardware, target);
  if (hardware.windows)
    g_string_append (yaml, "# This guest keeps local time: clock.timezone says which, clock.utc "
                           "that it is not known.\n");
  g_string_append (yaml, "---\n");
}

static void
add_document (GString *yaml, JsonObject *object)
{
  g_autofree char *text = mtv_kube_vm_to_yaml (object);

  g_string_append (yaml, text);
}

static void
add_data_volume (GString *yaml, const MtvTarget *target, guint index)
{
  g_autoptr (JsonObject) volume = mtv_kube_vm_data_volume (target, index, "upload");
  g_autofree char *file = mtv_local_disk_file (target, index);
  JsonObject *metadata = json_object_get_object_member (volume, "metadata");

  json_object_set_string_member (json_object_get_object_member (metadata, "annotations"),
                                 "mtv.org/file", file);
  add_document (yaml, volume);
  g_string_append (yaml, "---\n");
}

char *
mtv_local_yaml (const MtvTarget *target)
{
  g_autoptr (GString) yaml = g_string_new (NULL);
  g_autoptr (JsonObject) vm = mtv_kube_vm (target, NULL);

  add_introduction (yaml, target);
  for (guint i = 0; i < target->disks->len; i++)
    add_data_volume (yaml, target, i);
  add_document (yaml, vm);
  return g_string_free (g_steal_pointer (&yaml), FALSE);
}
