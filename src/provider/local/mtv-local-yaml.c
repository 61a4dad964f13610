/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-yaml.h"

#include "base/mtv-text.h"
#include "model/mtv-name.h"
#include "provider/local/mtv-local-hardware.h"

#define MIB (G_GUINT64_CONSTANT (1) << 20)

/* What all parts of the file need. */
typedef struct
{
  GString *yaml;           /* (owned) */
  const MtvTarget *target; /* (unowned) */
  MtvLocalHardware hardware;
  char *name; /* (owned) as Kubernetes takes it */
} Writer;

static void add (Writer *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Only for what is ours: numbers, names of our own, DNS-1123 names. */
static void
add (Writer *self, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (self->yaml, format, args);
  va_end (args);
}

/* For everything else; nothing when there is no @text. @key carries its indentation. */
static void
add_quoted (Writer *self, const char *key, const char *text)
{
  if (text == NULL)
    return;

  g_autofree char *quoted = mtv_text_quote (text);
  add (self, "%s: %s\n", key, quoted);
}

/* A label's value holds less than the name that it is made of. */
static void
add_label (Writer *self, const char *key, const char *text)
{
  g_autofree char *value = mtv_name_to_dns (text);

  add_quoted (self, key, value);
}

static void
add_labels (Writer *self)
{
  g_autofree char *number = g_strdup_printf ("%u", self->target->number);

  add (self, "  labels:\n");
  add_quoted (self, "    app", self->name);
  add_label (self, "    mtv.org/migration", self->target->run_id);
  add_quoted (self, "    mtv.org/number", number);
  add_label (self, "    mtv.org/plan", self->target->plan);
  add_label (self, "    mtv.org/vm-id", self->target->vm->id);
}

static void
add_data_volume (Writer *self, guint index)
{
  const MtvTargetDisk *disk = g_ptr_array_index (self->target->disks, index);
  g_autofree char *file = mtv_local_disk_file (self->target, index);
  guint64 size = (disk->size / MIB + (disk->size % MIB != 0)) * MIB;

  add (self, "apiVersion: cdi.kubevirt.io/v1beta1\nkind: DataVolume\nmetadata:\n");
  add (self, "  name: \"%s-disk-%u\"\n", self->name, index);
  add_labels (self);
  add (self, "  annotations:\n"
             "    cdi.kubevirt.io/storage.bind.immediate.requested: \"true\"\n");
  add_quoted (self, "    mtv.org/file", file);
  add_quoted (self, "    mtv.org/disk-source", disk->source->id);
  add (self,
       "spec:\n"
       "  source:\n"
       "    upload: {}\n"
       "  storage:\n"
       "    resources:\n"
       "      requests:\n"
       "        storage: \"%" G_GUINT64_FORMAT "\"\n"
       "---\n",
       size);
}

static void
add_metadata (Writer *self)
{
  add (self, "apiVersion: kubevirt.io/v1\nkind: VirtualMachine\nmetadata:\n");
  add_quoted (self, "  name", self->name);
  add_labels (self);
  add (self, "    mtv.org/guest-converted: \"false\"\n  annotations:\n");
  add_quoted (self, "    openshift.io/display-name", self->target->vm->name);
  add_quoted (self, "    mtv.org/original-name", self->target->vm->name);
  add_quoted (self, "    mtv.org/original-id", self->target->vm->id);
  add_quoted (self, "    mtv.org/source", self->target->source);
}

static void
add_firmware (Writer *self)
{
  g_autofree char *uuid = mtv_local_uuid (self->target->vm);

  add (self, "        firmware:\n");
  add_quoted (self, "          uuid", uuid);
  add (self, "          bootloader:\n");
  if (self->hardware.efi)
    add (self, "            efi:\n              secureBoot: %s\n",
         self->hardware.secure_boot ? "true" : "false");
  else
    add (self, "            bios: {}\n");
  add (self, "        features:\n          acpi: {}\n");
  if (self->hardware.secure_boot)
    add (self, "          smm:\n            enabled: true\n");
}

static void
add_hardware (Writer *self)
{
  add (self,
       "        cpu:\n"
       "          sockets: %u\n"
       "          cores: %u\n"
       "          threads: %u\n"
       "        memory:\n"
       "          guest: \"%" G_GUINT64_FORMAT "Mi\"\n"
       "        resources: {}\n"
       "        machine:\n"
       "          type: q35\n",
       self->hardware.sockets, self->hardware.cores, self->hardware.threads,
       self->hardware.memory_mib);
  add_firmware (self);
  add (self, "        clock:\n"
             "          utc: {}\n"
             "          timer:\n"
             "            hpet:\n"
             "              present: false\n"
             "            pit:\n"
             "              tickPolicy: delay\n"
             "            rtc:\n"
             "              tickPolicy: catchup\n");
}

static void
add_disks (Writer *self)
{
  add (self, "          disks:%s\n", self->target->disks->len == 0 ? " []" : "");
  for (guint i = 0; i < self->target->disks->len; i++)
    {
      const MtvTargetDisk *disk = g_ptr_array_index (self->target->disks, i);
      g_autofree char *serial = mtv_local_disk_serial (disk->source);

      add (self, "          - name: disk-%u\n            disk:\n              bus: %s\n", i,
           self->hardware.disk_bus);
      add_quoted (self, "            serial", serial);
      if (i == 0)
        add (self, "            bootOrder: 1\n");
    }
}

static gboolean
is_on_pod_network (const MtvTarget *target, guint index)
{
  const char *mapped = mtv_target_get_network (target, g_ptr_array_index (target->vm->nics, index));

  return mapped == NULL || g_str_equal (mapped, "default") || g_str_equal (mapped, "pod");
}

/* The network that network card @index is on, for Multus; NULL: the pod network, which a VM can
 * have only once. Further cards without a network of their own are told apart by the source's name
 * for theirs. (transfer full) */
static char *
multus_network (const MtvTarget *target, guint index)
{
  const MtvVmNic *nic = g_ptr_array_index (target->vm->nics, index);

  if (!is_on_pod_network (target, index))
    return g_strdup (mtv_target_get_network (target, nic));
  for (guint i = 0; i < index; i++)
    if (is_on_pod_network (target, i))
      return mtv_name_to_dns (nic->network != NULL ? nic->network : "default");
  return NULL;
}

static void
add_interfaces (Writer *self)
{
  GPtrArray *nics = self->target->vm->nics;

  if (nics->len == 0)
    add (self, "          autoattachPodInterface: false\n");
  add (self, "          interfaces:%s\n", nics->len == 0 ? " []" : "");
  for (guint i = 0; i < nics->len; i++)
    {
      const MtvVmNic *nic = g_ptr_array_index (nics, i);
      g_autofree char *multus = multus_network (self->target, i);

      add (self, "          - name: net-%u\n            model: %s\n            %s: {}\n", i,
           self->hardware.nic_model, multus == NULL ? "masquerade" : "bridge");
      add_quoted (self, "            macAddress", mtv_local_mac (nic));
      if (nic->disconnected)
        add (self, "            state: down\n");
    }
}

static void
add_devices (Writer *self)
{
  add (self, "        devices:\n");
  add_disks (self);
  add_interfaces (self);
  add (self, "          inputs:\n"
             "          - name: tablet\n"
             "            type: tablet\n"
             "            bus: usb\n");
  if (self->hardware.virtio)
    add (self, "          rng: {}\n");
  if (self->target->vm->tpm)
    add (self, "          tpm:\n            persistent: true\n");
}

static void
add_networks_and_volumes (Writer *self)
{
  GPtrArray *nics = self->target->vm->nics;

  add (self, "      networks:%s\n", nics->len == 0 ? " []" : "");
  for (guint i = 0; i < nics->len; i++)
    {
      g_autofree char *multus = multus_network (self->target, i);

      add (self, "      - name: net-%u\n", i);
      if (multus == NULL)
        add (self, "        pod: {}\n");
      else
        add (self, "        multus:\n");
      add_quoted (self, "          networkName", multus);
    }
  add (self, "      volumes:%s\n", self->target->disks->len == 0 ? " []" : "");
  for (guint i = 0; i < self->target->disks->len; i++)
    add (self,
         "      - name: disk-%u\n"
         "        dataVolume:\n"
         "          name: \"%s-disk-%u\"\n",
         i, self->name, i);
}

static void
add_introduction (Writer *self)
{
  add (self, "# Brings this VM into KubeVirt:\n#   kubectl create -f vm.yaml\n");
  for (guint i = 0; i < self->target->disks->len; i++)
    {
      g_autofree char *file = mtv_local_disk_file (self->target, i);

      add (self, "#   virtctl image-upload dv %s-disk-%u --no-create --image-path=%s\n", self->name,
           i, file);
    }
  add (self, "# Networks that are not the pod network need a NetworkAttachmentDefinition of the\n"
             "# name given below.\n");
  if (self->hardware.windows)
    add (self, "# This guest keeps local time: set clock.timezone instead of clock.utc.\n");
  add (self, "---\n");
}

char *
mtv_local_yaml (const MtvTarget *target)
{
  Writer self = { g_string_new (NULL), target, { 0 }, mtv_name_to_dns (target->name) };

  mtv_local_hardware_init (&self.hardware, target);
  add_introduction (&self);
  for (guint i = 0; i < target->disks->len; i++)
    add_data_volume (&self, i);
  add_metadata (&self);
  add (&self, "spec:\n  runStrategy: %s\n", target->start ? "Always" : "Halted");
  add (&self, "  template:\n    metadata:\n      labels:\n");
  add_quoted (&self, "        app", self.name);
  add (&self, "    spec:\n"
              "      architecture: amd64\n"
              "      terminationGracePeriodSeconds: 180\n"
              "      domain:\n");
  add_hardware (&self);
  add_devices (&self);
  add_networks_and_volumes (&self);
  g_free (self.name);
  return g_string_free (self.yaml, FALSE);
}
