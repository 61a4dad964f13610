/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-domain.h"

#include "base/mtv-text.h"
#include "provider/local/mtv-local-folder.h"
#include "provider/mtv-hardware.h"

#define NAMESPACE "urn:org.mtv:migration:1"

/* Every argument is escaped for element text and attribute values. */
static void add (GString *xml, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add (GString *xml, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_markup_vprintf_escaped (format, args);
  va_end (args);
  g_string_append (xml, text);
}

/* Nothing for an @text of NULL or "": libvirt takes no empty title or the like. */
static void
add_element (GString *xml, const char *indent, const char *name, const char *text)
{
  if (text == NULL || *text == '\0')
    return;

  g_autofree char *line = mtv_text_one_line (text);
  add (xml, "%s<%s>%s</%s>\n", indent, name, line, name);
}

static void
add_identity (GString *xml, const MtvTarget *target)
{
  g_autofree char *uuid = mtv_hardware_uuid (target->vm);

  add_element (xml, "  ", "name", target->name);
  add_element (xml, "  ", "uuid", uuid);
  add_element (xml, "  ", "title", target->vm->name);
  add (xml, "  <metadata>\n    <mtv:migration xmlns:mtv='%s'>\n", NAMESPACE);
  add_element (xml, "      ", "mtv:source", target->source);
  add_element (xml, "      ", "mtv:plan", target->plan);
  add_element (xml, "      ", "mtv:run", target->run_id);
  add (xml, "      <mtv:number>%u</mtv:number>\n", target->number);
  add_element (xml, "      ", "mtv:vm-id", target->vm->id);
  add_element (xml, "      ", "mtv:vm-name", target->vm->name);
  add_element (xml, "      ", "mtv:os-id", target->vm->os_id);
  add (xml, "    </mtv:migration>\n  </metadata>\n");
}

/* libvirt picks the firmware's files by what is asked of them; it takes no <loader> beside that. */
static void
add_os (GString *xml, const MtvHardware *hardware)
{
  const char *secure = hardware->secure_boot ? "yes" : "no";

  g_string_append (xml, hardware->efi ? "  <os firmware='efi'>\n" : "  <os>\n");
  add (xml, "    <type arch='x86_64' machine='q35'>hvm</type>\n");
  if (hardware->efi)
    add (xml,
         "    <firmware>\n"
         "      <feature enabled='%s' name='enrolled-keys'/>\n"
         "      <feature enabled='%s' name='secure-boot'/>\n"
         "    </firmware>\n",
         secure, secure);
  add (xml, "  </os>\n");
}

static void
add_hardware (GString *xml, const MtvHardware *hardware)
{
  add (xml, "  <memory unit='KiB'>%" G_GUINT64_FORMAT "</memory>\n", hardware->memory_mib * 1024);
  add (xml, "  <vcpu>%u</vcpu>\n", hardware->cpus);
  add_os (xml, hardware);
  add (xml, "  <features>\n    <acpi/>\n    <apic/>\n");
  if (hardware->secure_boot)
    add (xml, "    <smm state='on'/>\n");
  add (xml, "  </features>\n");
  add (xml,
       "  <cpu mode='host-model'>\n"
       "    <topology sockets='%u' cores='%u' threads='%u'/>\n"
       "  </cpu>\n",
       hardware->sockets, hardware->cores, hardware->threads);
  add (xml,
       "  <clock offset='%s'>\n"
       "    <timer name='rtc' tickpolicy='catchup'/>\n"
       "    <timer name='pit' tickpolicy='delay'/>\n"
       "    <timer name='hpet' present='no'/>\n"
       "  </clock>\n",
       hardware->windows ? "localtime" : "utc");
}

/* "sda" … "sdz", "sdaa" …: libvirt counts like the kernel does. */
static char *
device_name (const MtvHardware *hardware, guint index)
{
  char letters[8] = { 0 };
  guint at = sizeof letters - 1;

  for (guint rest = index + 1; rest > 0; rest = (rest - 1) / 26)
    letters[--at] = 'a' + (rest - 1) % 26;
  return g_strdup_printf ("%s%s", hardware->virtio ? "vd" : "sd", letters + at);
}

static void
add_disk (GString *xml, const MtvTarget *target, const MtvHardware *hardware, const char *folder,
          guint index)
{
  const MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  g_autofree char *file = mtv_local_disk_file (target, index);
  g_autofree char *serial = mtv_hardware_disk_serial (disk->source);
  g_autofree char *device = device_name (hardware, index);

  add (xml, "    <disk type='file' device='disk'>\n");
  add (xml, "      <driver name='qemu' type='%s' discard='unmap'/>\n", target->format);
  add (xml, "      <source file='%s/%s'/>\n", folder, file);
  add (xml, "      <target dev='%s' bus='%s'/>\n", device, hardware->disk_bus);
  add_element (xml, "      ", "serial", serial);
  if (index == 0)
    add (xml, "      <boot order='1'/>\n");
  add (xml, "    </disk>\n");
}

static void
add_nic (GString *xml, const MtvTarget *target, const MtvHardware *hardware, const MtvVmNic *nic)
{
  const char *mapped = mtv_target_get_network (target, nic);
  g_autofree char *network = mtv_text_one_line (mapped != NULL ? mapped : "default");
  const char *mac = mtv_hardware_mac (nic);

  add (xml, "    <interface type='network'>\n");
  if (mac != NULL)
    add (xml, "      <mac address='%s'/>\n", mac);
  add (xml, "      <source network='%s'/>\n", network);
  add (xml, "      <model type='%s'/>\n", hardware->nic_model);
  if (nic->disconnected)
    add (xml, "      <link state='down'/>\n");
  add (xml, "    </interface>\n");
}

/* A USB 2 controller with its companions, as the chipset has it, is older than any guest that
 * would lack a driver for it; USB 3 is not. */
static const char old_usb[] = "    <controller type='usb' index='0' model='ich9-ehci1'/>\n"
                              "    <controller type='usb' index='0' model='ich9-uhci1'><master "
                              "startport='0'/></controller>\n"
                              "    <controller type='usb' index='0' model='ich9-uhci2'><master "
                              "startport='2'/></controller>\n"
                              "    <controller type='usb' index='0' model='ich9-uhci3'><master "
                              "startport='4'/></controller>\n";

static const char common_devices[]
    = "    <serial type='pty'><target type='isa-serial' port='0'/></serial>\n"
      "    <console type='pty'><target type='serial' port='0'/></console>\n"
      "    <input type='tablet' bus='usb'/>\n"
      "    <graphics type='vnc' autoport='yes' listen='127.0.0.1'/>\n"
      "    <video><model type='vga'/></video>\n";

static void
add_devices (GString *xml, const MtvTarget *target, const MtvHardware *hardware, const char *folder)
{
  add (xml, "  <devices>\n");
  for (guint i = 0; i < target->disks->len; i++)
    add_disk (xml, target, hardware, folder, i);
  for (guint i = 0; i < target->vm->nics->len; i++)
    add_nic (xml, target, hardware, g_ptr_array_index (target->vm->nics, i));
  g_string_append (xml,
                   hardware->virtio ? "    <controller type='usb' model='qemu-xhci'/>\n" : old_usb);
  g_string_append (xml, common_devices);
  if (target->vm->tpm)
    add (xml, "    <tpm model='tpm-crb'><backend type='emulator' version='2.0'/></tpm>\n");
  if (hardware->virtio)
    add (xml, "    <rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>\n");
  add (xml, "    <memballoon model='%s'/>\n", hardware->virtio ? "virtio" : "none");
  add (xml, "  </devices>\n");
}

char *
mtv_local_domain_to_xml (const MtvTarget *target, const char *folder, gboolean kvm)
{
  g_autoptr (GString) xml = g_string_new ("<?xml version='1.0' encoding='UTF-8'?>\n");
  MtvHardware hardware;

  mtv_hardware_init (&hardware, target);
  add (xml, "<domain type='%s'>\n", kvm ? "kvm" : "qemu");
  add_identity (xml, target);
  add_hardware (xml, &hardware);
  add_devices (xml, target, &hardware, folder);
  add (xml, "</domain>\n");
  return g_string_free (g_steal_pointer (&xml), FALSE);
}
