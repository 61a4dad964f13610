/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-domain.h"

#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-device.h"
#include "provider/libvirt/mtv-libvirt-xml.h"

#include <string.h>

#define MAX_CPUS 65536
#define AGENT "org.qemu.guest_agent.0"

/* Memory as libvirt writes it: with a unit that is KiB where there is none; powers of 1000 have a
 * "B" of their own. */
static guint64
parse_memory (const xmlNode *node)
{
  static const struct
  {
    const char *name;
    guint64 factor;
  } units[] = {
    { "b", 1 },
    { "bytes", 1 },
    { "KB", 1000 },
    { "k", 1024 },
    { "KiB", 1024 },
    { "MB", 1000 * 1000 },
    { "M", 1024 * 1024 },
    { "MiB", 1024 * 1024 },
    { "GB", 1000 * 1000 * 1000 },
    { "G", 1024 * 1024 * 1024 },
    { "GiB", 1024 * 1024 * 1024 },
    { "TB", G_GUINT64_CONSTANT (1000) * 1000 * 1000 * 1000 },
    { "T", G_GUINT64_CONSTANT (1) << 40 },
    { "TiB", G_GUINT64_CONSTANT (1) << 40 },
  };
  g_autofree char *unit = mtv_libvirt_xml_attribute (node, "unit");
  guint64 factor = unit == NULL ? 1024 : 0;

  for (gsize i = 0; unit != NULL && i < G_N_ELEMENTS (units); i++)
    if (strcmp (unit, units[i].name) == 0)
      factor = units[i].factor;
  return factor == 0 ? 0 : mtv_libvirt_xml_number (node, NULL, G_MAXINT64 / factor) * factor;
}

static void
read_cpu (MtvVm *vm, const xmlNode *root)
{
  const xmlNode *vcpu = mtv_libvirt_xml_child (root, "vcpu");
  const xmlNode *cpu = mtv_libvirt_xml_child (root, "cpu");
  const xmlNode *topology = mtv_libvirt_xml_child (cpu, "topology");
  guint max = mtv_libvirt_xml_number (vcpu, NULL, MAX_CPUS);
  guint current = mtv_libvirt_xml_number (vcpu, "current", MAX_CPUS);

  vm->cpus = current != 0 ? current : max;
  vm->cpu_hot_add = current != 0 && current < max;
  vm->cores_per_socket = mtv_libvirt_xml_number (topology, "cores", MAX_CPUS);
  vm->threads_per_core = mtv_libvirt_xml_number (topology, "threads", MAX_CPUS);
  vm->cpu_model = mtv_libvirt_xml_text (mtv_libvirt_xml_child (cpu, "model"));
  if (vm->cpu_model == NULL)
    vm->cpu_model = mtv_libvirt_xml_attribute (cpu, "mode");
  for (const xmlNode *feature = mtv_libvirt_xml_child (cpu, "feature"); feature != NULL;
       feature = mtv_libvirt_xml_next (feature, "feature"))
    if ((mtv_libvirt_xml_has (feature, "name", "vmx")
         || mtv_libvirt_xml_has (feature, "name", "svm"))
        && (mtv_libvirt_xml_has (feature, "policy", "require")
            || mtv_libvirt_xml_has (feature, "policy", "force")))
      vm->nested = TRUE;
}

/* "pc-q35-7.2" is a q35, "pc-i440fx-7.2" a pc. */
static char *
parse_machine (const xmlNode *type)
{
  g_autofree char *machine = mtv_libvirt_xml_attribute (type, "machine");

  if (machine == NULL)
    return NULL;
  if (strcmp (machine, "q35") == 0 || strstr (machine, "-q35") != NULL)
    return g_strdup ("q35");
  if (strcmp (machine, "pc") == 0 || g_str_has_prefix (machine, "pc-"))
    return g_strdup ("pc");
  return g_steal_pointer (&machine);
}

static void
read_firmware (MtvVm *vm, const xmlNode *root)
{
  const xmlNode *os = mtv_libvirt_xml_child (root, "os");
  const xmlNode *loader = mtv_libvirt_xml_child (os, "loader");
  const xmlNode *firmware = mtv_libvirt_xml_child (os, "firmware");
  gboolean efi = mtv_libvirt_xml_has (os, "firmware", "efi")
                 || mtv_libvirt_xml_has (loader, "type", "pflash");

  g_free (vm->firmware);
  vm->firmware = g_strdup (efi ? "efi" : "bios");
  vm->secure_boot = efi && mtv_libvirt_xml_has (loader, "secure", "yes");
  for (const xmlNode *feature = mtv_libvirt_xml_child (firmware, "feature"); feature != NULL;
       feature = mtv_libvirt_xml_next (feature, "feature"))
    if (efi && mtv_libvirt_xml_has (feature, "name", "secure-boot")
        && mtv_libvirt_xml_has (feature, "enabled", "yes"))
      vm->secure_boot = TRUE;
  vm->machine = parse_machine (mtv_libvirt_xml_child (os, "type"));
}

static void
read_clock (MtvVm *vm, const xmlNode *root)
{
  const xmlNode *clock = mtv_libvirt_xml_child (root, "clock");

  vm->timezone = mtv_libvirt_xml_attribute (clock, "timezone");
  if (vm->timezone == NULL && mtv_libvirt_xml_has (clock, "offset", "utc"))
    vm->timezone = g_strdup ("UTC");
}

/* What virt-install and its like know of the guest: <libosinfo:os
 * id="http://debian.org/debian/12">. */
static void
read_metadata (MtvVm *vm, const xmlNode *root)
{
  const xmlNode *metadata = mtv_libvirt_xml_child (root, "metadata");
  const xmlNode *libosinfo = mtv_libvirt_xml_child (metadata, "libosinfo");

  vm->os_id = mtv_libvirt_xml_attribute (mtv_libvirt_xml_child (libosinfo, "os"), "id");
}

static const xmlNode *
find_agent (const xmlNode *devices)
{
  for (const xmlNode *channel = mtv_libvirt_xml_child (devices, "channel"); channel != NULL;
       channel = mtv_libvirt_xml_next (channel, "channel"))
    {
      const xmlNode *target = mtv_libvirt_xml_child (channel, "target");
      if (mtv_libvirt_xml_has (target, "name", AGENT))
        return target;
    }
  return NULL;
}

static void
read_agent (MtvVm *vm, const xmlNode *devices)
{
  const xmlNode *agent = find_agent (devices);

  vm->tools = g_strdup (agent == NULL                                       ? "not-installed"
                        : mtv_libvirt_xml_has (agent, "state", "connected") ? "running"
                                                                            : "not-running");
}

MtvVm *
mtv_libvirt_domain_parse (const char *xml, gsize length, GError **error)
{
  g_autoptr (xmlDoc) document = mtv_libvirt_xml_parse (xml, length, "domain", "a domain", error);

  if (document == NULL)
    return NULL;
  const xmlNode *root = xmlDocGetRootElement (document);
  const xmlNode *devices = mtv_libvirt_xml_child (root, "devices");
  g_autoptr (MtvVm) vm = mtv_vm_new ();
  vm->name = mtv_libvirt_xml_text (mtv_libvirt_xml_child (root, "name"));
  vm->uuid = mtv_libvirt_xml_text (mtv_libvirt_xml_child (root, "uuid"));
  if (vm->name == NULL || vm->uuid == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "The description of %s has no %s",
                   vm->name != NULL ? vm->name : "a domain", vm->name != NULL ? "UUID" : "name");
      return NULL;
    }
  vm->id = g_strdup (vm->uuid);
  vm->memory = parse_memory (mtv_libvirt_xml_child (root, "memory"));
  vm->memory_hot_add = mtv_libvirt_xml_child (root, "maxMemory") != NULL;
  vm->tpm = mtv_libvirt_xml_child (devices, "tpm") != NULL;
  read_cpu (vm, root);
  read_firmware (vm, root);
  read_clock (vm, root);
  read_metadata (vm, root);
  read_agent (vm, devices);
  mtv_libvirt_device_read_all (vm, devices);
  return g_steal_pointer (&vm);
}

gboolean
mtv_libvirt_domain_can_be_asked (const char *xml)
{
  g_autoptr (xmlDoc) document
      = mtv_libvirt_xml_parse (xml, strlen (xml), "domain", "a domain", NULL);
  const xmlNode *root = document != NULL ? xmlDocGetRootElement (document) : NULL;
  const xmlNode *agent = find_agent (mtv_libvirt_xml_child (root, "devices"));

  return mtv_libvirt_xml_child (mtv_libvirt_xml_child (root, "features"), "acpi") != NULL
         || mtv_libvirt_xml_has (agent, "state", "connected");
}
