/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-kube-vm.h"

#include "base/mtv-text.h"
#include "model/mtv-name.h"
#include "provider/mtv-hardware.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT (1) << 20)

/* What all parts of the definition need. */
typedef struct
{
  const MtvTarget *target; /* (unowned) */
  MtvHardware hardware;
  char *name; /* (owned) as Kubernetes takes it */
} Context;

/* Nothing for NULL. */
static void
set_text (JsonObject *object, const char *name, const char *text)
{
  if (text == NULL)
    return;

  g_autofree char *valid = g_utf8_make_valid (text, -1);
  json_object_set_string_member (object, name, valid);
}

/* A label's value holds less than the name that it is made of. */
static void
set_label (JsonObject *labels, const char *name, const char *text)
{
  g_autofree char *value = mtv_name_to_dns (text);

  set_text (labels, name, value);
}

/* (transfer none) */
static JsonObject *
add_object (JsonObject *parent, const char *name)
{
  JsonObject *object = json_object_new ();

  json_object_set_object_member (parent, name, object);
  return object;
}

/* (transfer none) */
static JsonArray *
add_array (JsonObject *parent, const char *name)
{
  JsonArray *array = json_array_new ();

  json_object_set_array_member (parent, name, array);
  return array;
}

/* (transfer none) */
static JsonObject *
add_item (JsonArray *array, const char *prefix, guint index)
{
  JsonObject *item = json_object_new ();
  g_autofree char *name = g_strdup_printf ("%s-%u", prefix, index);

  set_text (item, "name", name);
  json_array_add_object_element (array, item);
  return item;
}

char *
mtv_kube_vm_name (const MtvTarget *target)
{
  return mtv_name_to_dns (target->name);
}

char *
mtv_kube_vm_disk_name (const MtvTarget *target, guint index)
{
  g_autofree char *name = mtv_kube_vm_name (target);

  return g_strdup_printf ("%s-disk-%u", name, index);
}

guint64
mtv_kube_vm_disk_size (const MtvTargetDisk *disk)
{
  guint64 size = disk->size != 0 ? disk->size : disk->source->capacity;

  return (size / MIB + (size % MIB != 0)) * MIB;
}

JsonObject *
mtv_kube_vm_labels (const MtvTarget *target)
{
  JsonObject *labels = json_object_new ();
  g_autofree char *name = mtv_kube_vm_name (target);
  g_autofree char *number = g_strdup_printf ("%u", target->number);

  set_text (labels, "app", name);
  set_label (labels, MTV_KUBE_LABEL_RUN, target->run_id);
  set_text (labels, MTV_KUBE_LABEL_NUMBER, number);
  set_label (labels, "mtv.org/plan", target->plan);
  set_label (labels, "mtv.org/vm-id", target->vm->id);
  return labels;
}

static JsonObject *
add_metadata (JsonObject *object, const MtvTarget *target, const char *name)
{
  JsonObject *metadata = add_object (object, "metadata");

  set_text (metadata, "name", name);
  json_object_set_object_member (metadata, "labels", mtv_kube_vm_labels (target));
  return metadata;
}

JsonObject *
mtv_kube_vm_data_volume (const MtvTarget *target, guint index, const char *source)
{
  const MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  g_autofree char *name = mtv_kube_vm_disk_name (target, index);
  g_autofree char *size = g_strdup_printf ("%" G_GUINT64_FORMAT, mtv_kube_vm_disk_size (disk));
  JsonObject *volume = json_object_new ();

  set_text (volume, "apiVersion", "cdi.kubevirt.io/v1beta1");
  set_text (volume, "kind", "DataVolume");
  JsonObject *annotations = add_object (add_metadata (volume, target, name), "annotations");
  /* Nothing else would make a class bind it that waits for its first consumer; and older versions
   * of CDI delete what they are done with. */
  set_text (annotations, "cdi.kubevirt.io/storage.bind.immediate.requested", "true");
  set_text (annotations, "cdi.kubevirt.io/storage.deleteAfterCompletion", "false");
  set_text (annotations, "mtv.org/disk-source", disk->source->id);

  JsonObject *spec = add_object (volume, "spec");
  add_object (add_object (spec, "source"), source);
  JsonObject *storage = add_object (spec, "storage");
  set_text (add_object (add_object (storage, "resources"), "requests"), "storage", size);
  return volume;
}

static void
add_identity (JsonObject *vm, const Context *self)
{
  const MtvTarget *target = self->target;

  set_text (vm, "apiVersion", "kubevirt.io/v1");
  set_text (vm, "kind", "VirtualMachine");
  JsonObject *metadata = add_metadata (vm, target, self->name);
  set_text (json_object_get_object_member (metadata, "labels"), "mtv.org/guest-converted", "false");
  JsonObject *annotations = add_object (metadata, "annotations");
  set_text (annotations, "openshift.io/display-name", target->vm->name);
  set_text (annotations, "mtv.org/original-name", target->vm->name);
  set_text (annotations, "mtv.org/original-id", target->vm->id);
  set_text (annotations, "mtv.org/source", target->source);
}

static void
add_cpu (JsonObject *domain, const Context *self)
{
  JsonObject *cpu = add_object (domain, "cpu");

  json_object_set_int_member (cpu, "sockets", self->hardware.sockets);
  json_object_set_int_member (cpu, "cores", self->hardware.cores);
  json_object_set_int_member (cpu, "threads", self->hardware.threads);
  if (!self->target->vm->nested)
    return;

  /* Whichever of the two the node has. */
  JsonArray *features = add_array (cpu, "features");
  for (guint i = 0; i < 2; i++)
    {
      JsonObject *feature = json_object_new ();

      set_text (feature, "name", i == 0 ? "vmx" : "svm");
      set_text (feature, "policy", "optional");
      json_array_add_object_element (features, feature);
    }
}

/* What licences in a guest of VMware are bound to: "VMware-56 4d … -22 22 …". */
static char *
system_serial (const MtvVm *vm, const char *uuid)
{
  g_autoptr (GString) serial = g_string_new ("VMware");
  guint digits = 0;

  if (g_strcmp0 (vm->producer, "vmware") != 0)
    return g_strdup (uuid);
  for (const char *c = uuid; *c != '\0'; c++)
    {
      if (*c == '-')
        continue;
      if (digits % 2 == 0)
        g_string_append_c (serial, digits % 16 == 0 ? '-' : ' ');
      g_string_append_c (serial, *c);
      digits++;
    }
  return g_string_free (g_steal_pointer (&serial), FALSE);
}

static void
add_firmware (JsonObject *domain, const Context *self)
{
  JsonObject *firmware = add_object (domain, "firmware");
  g_autofree char *uuid = mtv_hardware_uuid (self->target->vm);
  g_autofree char *serial = uuid == NULL ? NULL : system_serial (self->target->vm, uuid);

  set_text (firmware, "uuid", uuid);
  set_text (firmware, "serial", serial);
  JsonObject *loader = add_object (firmware, "bootloader");
  JsonObject *kind = add_object (loader, self->hardware.efi ? "efi" : "bios");
  /* KubeVirt's own default is to switch it on, and that needs SMM. */
  if (self->hardware.efi)
    json_object_set_boolean_member (kind, "secureBoot", self->hardware.secure_boot);
  JsonObject *features = add_object (domain, "features");
  add_object (features, "acpi");
  if (self->hardware.secure_boot)
    json_object_set_boolean_member (add_object (features, "smm"), "enabled", TRUE);
}

/* A name of the IANA's, "Europe/Berlin", which Windows guests keep their clock in. */
static gboolean
is_time_zone (const char *name)
{
  return name != NULL
         && g_regex_match_simple ("^[A-Z][A-Za-z_+-]*(/[A-Z][A-Za-z0-9_+-]*)+$", name,
                                  G_REGEX_DOLLAR_ENDONLY, 0);
}

static void
add_clock (JsonObject *domain, const Context *self)
{
  JsonObject *clock = add_object (domain, "clock");

  if (self->hardware.windows && is_time_zone (self->target->vm->timezone))
    set_text (clock, "timezone", self->target->vm->timezone);
  else
    add_object (clock, "utc");
  JsonObject *timer = add_object (clock, "timer");
  json_object_set_boolean_member (add_object (timer, "hpet"), "present", FALSE);
  set_text (add_object (timer, "pit"), "tickPolicy", "delay");
  set_text (add_object (timer, "rtc"), "tickPolicy", "catchup");
  if (self->hardware.windows)
    add_object (timer, "hyperv");
}

static void
add_disks (JsonObject *devices, const Context *self)
{
  JsonArray *disks = add_array (devices, "disks");

  for (guint i = 0; i < self->target->disks->len; i++)
    {
      const MtvTargetDisk *disk = g_ptr_array_index (self->target->disks, i);
      g_autofree char *serial = mtv_hardware_disk_serial (disk->source);
      JsonObject *item = add_item (disks, "disk", i);

      set_text (add_object (item, "disk"), "bus", self->hardware.disk_bus);
      set_text (item, "serial", serial);
      if (i == 0)
        json_object_set_int_member (item, "bootOrder", 1);
      if (!disk->source->shared)
        continue;
      json_object_set_boolean_member (item, "shareable", TRUE);
      set_text (item, "cache", "none");
    }
}

gboolean
mtv_kube_vm_is_ignored (const MtvTarget *target, guint index)
{
  const char *mapped = mtv_target_get_network (target, g_ptr_array_index (target->vm->nics, index));

  return g_strcmp0 (mapped, "ignored") == 0;
}

static gboolean
is_on_pod_network (const MtvTarget *target, guint index)
{
  const char *mapped = mtv_target_get_network (target, g_ptr_array_index (target->vm->nics, index));

  return mapped == NULL || g_str_equal (mapped, "default") || g_str_equal (mapped, "pod");
}

char *
mtv_kube_vm_network (const MtvTarget *target, guint index)
{
  const MtvVmNic *nic = g_ptr_array_index (target->vm->nics, index);

  if (!is_on_pod_network (target, index))
    return g_strdup (mtv_target_get_network (target, nic));
  /* Further cards without a network of their own are told apart by the source's name for theirs. */
  for (guint i = 0; i < index; i++)
    if (is_on_pod_network (target, i))
      return mtv_name_to_dns (nic->network != NULL ? nic->network : "default");
  return NULL;
}

static void
add_interfaces (JsonObject *devices, JsonObject *spec, const Context *self)
{
  GPtrArray *nics = self->target->vm->nics;
  JsonArray *interfaces = add_array (devices, "interfaces");
  JsonArray *networks = add_array (spec, "networks");

  for (guint i = 0; i < nics->len; i++)
    {
      const MtvVmNic *nic = g_ptr_array_index (nics, i);
      g_autofree char *multus = mtv_kube_vm_network (self->target, i);

      if (mtv_kube_vm_is_ignored (self->target, i))
        continue;
      JsonObject *item = add_item (interfaces, "net", i);
      set_text (item, "model", self->hardware.nic_model);
      add_object (item, multus == NULL ? "masquerade" : "bridge");
      set_text (item, "macAddress", mtv_hardware_mac (nic));
      if (nic->disconnected)
        set_text (item, "state", "down");

      JsonObject *network = add_item (networks, "net", i);
      set_text (add_object (network, multus == NULL ? "pod" : "multus"), "networkName", multus);
    }
  if (json_array_get_length (interfaces) == 0)
    json_object_set_boolean_member (devices, "autoattachPodInterface", FALSE);
}

static void
add_devices (JsonObject *domain, JsonObject *spec, const Context *self)
{
  JsonObject *devices = add_object (domain, "devices");

  add_disks (devices, self);
  add_interfaces (devices, spec, self);
  JsonObject *tablet = json_object_new ();
  set_text (tablet, "name", "tablet");
  set_text (tablet, "type", "tablet");
  set_text (tablet, "bus", self->hardware.virtio ? "virtio" : "usb");
  json_array_add_object_element (add_array (devices, "inputs"), tablet);
  if (self->hardware.virtio)
    {
      add_object (devices, "rng");
      json_object_set_boolean_member (devices, "networkInterfaceMultiqueue", TRUE);
    }
  if (self->target->vm->tpm)
    json_object_set_boolean_member (add_object (devices, "tpm"), "persistent", TRUE);
}

static void
add_volumes (JsonObject *spec, const Context *self)
{
  JsonArray *volumes = add_array (spec, "volumes");

  for (guint i = 0; i < self->target->disks->len; i++)
    {
      g_autofree char *name = mtv_kube_vm_disk_name (self->target, i);

      set_text (add_object (add_item (volumes, "disk", i), "dataVolume"), "name", name);
    }
}

static void
add_template (JsonObject *parent, const Context *self)
{
  g_autofree char *memory = g_strdup_printf ("%" G_GUINT64_FORMAT "Mi", self->hardware.memory_mib);
  JsonObject *template = add_object (parent, "template");

  set_text (add_object (add_object (template, "metadata"), "labels"), "app", self->name);
  JsonObject *spec = add_object (template, "spec");
  set_text (spec, "architecture", "amd64");
  json_object_set_int_member (spec, "terminationGracePeriodSeconds", 180);
  JsonObject *domain = add_object (spec, "domain");
  add_cpu (domain, self);
  set_text (add_object (domain, "memory"), "guest", memory);
  add_object (domain, "resources");
  set_text (add_object (domain, "machine"), "type", "q35");
  add_firmware (domain, self);
  add_clock (domain, self);
  add_devices (domain, spec, self);
  add_volumes (spec, self);
}

JsonObject *
mtv_kube_vm (const MtvTarget *target, const char *preference)
{
  Context self = { .target = target, .name = mtv_kube_vm_name (target) };
  JsonObject *vm = json_object_new ();

  mtv_hardware_init (&self.hardware, target);
  add_identity (vm, &self);
  JsonObject *spec = add_object (vm, "spec");
  set_text (spec, "runStrategy", target->start ? "Always" : "Halted");
  if (preference != NULL)
    {
      JsonObject *wanted = add_object (spec, "preference");

      set_text (wanted, "kind", "VirtualMachineClusterPreference");
      set_text (wanted, "name", preference);
    }
  add_template (spec, &self);
  g_free (self.name);
  return vm;
}

/* By what VMware, libosinfo and people call a system, in lower case; the first that is found in its
 * id or name counts. */
static const struct
{
  const char *part;
  const char *preference;
} preferences[] = {
  { "windows 11", "windows.11" },
  { "windows11", "windows.11" },
  { "server 2025", "windows.2k25" },
  { "windows2022", "windows.2k25" },
  { "server 2022", "windows.2k22" },
  { "windows2019srvnext", "windows.2k22" },
  { "server 2019", "windows.2k19" },
  { "windows2019srv", "windows.2k19" },
  { "server 2016", "windows.2k16" },
  { "windows9server", "windows.2k16" },
  { "windows 10", "windows.10" },
  { "windows9", "windows.10" },
  { "windows10", "windows.10" },
  { "rhel10", "rhel.10" },
  { "rhel9", "rhel.9" },
  { "rhel8", "rhel.8" },
  { "rhel7", "rhel.7" },
  { "enterprise linux 10", "rhel.10" },
  { "enterprise linux 9", "rhel.9" },
  { "enterprise linux 8", "rhel.8" },
  { "enterprise linux 7", "rhel.7" },
  { "centos9", "centos.stream9" },
  { "centos stream 9", "centos.stream9" },
  { "centos stream 10", "centos.stream10" },
  { "fedora", "fedora" },
  { "ubuntu", "ubuntu" },
  { "opensuse", "opensuse.leap" },
  { "sles15", "sles" },
  { "suse linux enterprise 15", "sles" },
};

const char *
mtv_kube_vm_preference (const MtvVm *vm)
{
  g_autofree char *both = g_strdup_printf ("%s %s", vm->os_id != NULL ? vm->os_id : "",
                                           vm->os_name != NULL ? vm->os_name : "");
  g_autofree char *lower = g_ascii_strdown (both, -1);
  g_auto (GStrv) words = g_strsplit (lower, "_", -1); /* rhel9_64Guest, rhel_9 */
  g_autofree char *text = g_strjoinv ("", words);

  for (gsize i = 0; i < G_N_ELEMENTS (preferences); i++)
    if (strstr (text, preferences[i].part) != NULL)
      return preferences[i].preference;
  return NULL;
}

static void append_object (GString *yaml, JsonObject *object, guint indent, gboolean in_item);

static void
append_value (GString *yaml, JsonNode *node, guint indent)
{
  if (JSON_NODE_HOLDS_OBJECT (node) && json_object_get_size (json_node_get_object (node)) > 0)
    {
      g_string_append_c (yaml, '\n');
      append_object (yaml, json_node_get_object (node), indent, FALSE);
    }
  else if (JSON_NODE_HOLDS_ARRAY (node) && json_array_get_length (json_node_get_array (node)) > 0)
    {
      JsonArray *array = json_node_get_array (node);

      g_string_append_c (yaml, '\n');
      for (guint i = 0; i < json_array_get_length (array); i++)
        {
          g_string_append_printf (yaml, "%*s- ", (int) indent, "");
          append_object (yaml, json_array_get_object_element (array, i), indent + 2, TRUE);
        }
    }
  else if (json_node_get_value_type (node) == G_TYPE_STRING)
    {
      g_autofree char *quoted = mtv_text_quote (json_node_get_string (node));
      g_string_append_printf (yaml, " %s\n", quoted);
    }
  else
    {
      g_autofree char *text = json_to_string (node, FALSE);
      g_string_append_printf (yaml, " %s\n", text);
    }
}

static void
append_object (GString *yaml, JsonObject *object, guint indent, gboolean in_item)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, object);
  for (guint i = 0; json_object_iter_next_ordered (&iter, &name, &node); i++)
    {
      g_string_append_printf (yaml, "%*s%s:", in_item && i == 0 ? 0 : (int) indent, "", name);
      append_value (yaml, node, indent + 2);
    }
}

char *
mtv_kube_vm_to_yaml (JsonObject *object)
{
  g_autoptr (GString) yaml = g_string_new (NULL);

  append_object (yaml, object, 0, FALSE);
  return g_string_free (g_steal_pointer (&yaml), FALSE);
}
