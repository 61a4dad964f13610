/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prints what is sent to a cluster for some virtual machines, an object a line. */
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-volumes.h"
#include "provider/mtv-kube-vm.h"

#include <stdio.h>

static void
print (JsonObject *object)
{
  g_autoptr (GBytes) json = mtv_kube_json_to_bytes (object);

  fwrite (g_bytes_get_data (json, NULL), 1, g_bytes_get_size (json), stdout);
  putchar ('\n');
  json_object_unref (object);
}

static void
set (char **string, const char *value)
{
  g_free (*string);
  *string = g_strdup (value);
}

static void
add_devices (MtvVm *vm, guint n)
{
  for (guint i = 0; i < n; i++)
    {
      MtvVmDisk *disk = mtv_vm_add_disk (vm);
      MtvVmNic *nic = mtv_vm_add_nic (vm);

      disk->id = g_strdup_printf ("6000C29%u \303\244<&'\"", i);
      disk->name = g_strdup ("a disk");
      disk->capacity = G_GUINT64_CONSTANT (5) << 30;
      disk->shared = i == 1;
      nic->mac = g_strdup_printf ("52:54:00:00:00:%02x", i);
      nic->network = g_strdup_printf ("net %u", i);
      nic->disconnected = i == 1;
    }
}

static MtvTarget *
make (guint devices, gboolean everything)
{
  g_autoptr (MtvVm) vm = mtv_vm_new ();

  set (&vm->id, "vm-1");
  set (&vm->name, "Web \303\244 \"1\"\n");
  add_devices (vm, devices);
  if (everything)
    {
      set (&vm->uuid, "564D1234-0000-1111-2222-333344445555");
      set (&vm->producer, "vmware");
      set (&vm->firmware, "efi");
      set (&vm->os_id, "windows11_64Guest");
      set (&vm->timezone, "Europe/Berlin");
      vm->secure_boot = vm->tpm = vm->nested = TRUE;
      vm->cpus = 8;
      vm->cores_per_socket = 2;
      vm->threads_per_core = 2;
      vm->memory = G_GUINT64_CONSTANT (3) << 30;
    }

  MtvTarget *target = mtv_target_new (vm);
  set (&target->run_id, "run-1");
  set (&target->name, "web-1");
  set (&target->plan, "a plan");
  set (&target->source, "vc \"1\"");
  set (&target->devices, everything ? "virtio" : "compatible");
  set (&target->format, "raw");
  target->start = everything;
  target->networks = g_variant_ref_sink (
      g_variant_new_parsed ("{'net 0': 'pod', 'net 1': 'lab/nad', 'net 2': 'ignored'}"));
  return target;
}

int
main (void)
{
  MtvKubePlacement placement = { (char *) "fast", (char *) "Block", (char *) "ReadWriteMany" };

  for (guint devices = 0; devices < 4; devices++)
    for (guint everything = 0; everything < 2; everything++)
      {
        g_autoptr (MtvTarget) target = make (devices, everything);

        print (mtv_kube_vm (target, everything ? mtv_kube_vm_preference (target->vm) : NULL));
        for (guint i = 0; i < devices; i++)
          {
            print (mtv_kube_volume_new (target, i, &placement));
            print (mtv_kube_vm_data_volume (target, i, "upload"));
          }
      }
  return 0;
}
