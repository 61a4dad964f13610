/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-hardware.h"

#include <string.h>

#define MIB (G_GUINT64_CONSTANT (1) << 20)
#define DEFAULT_MEMORY_MIB 1024
#define SERIAL_LENGTH 20 /* what a virtio or ATA disk can tell its guest */

static void
set_topology (MtvHardware *self, const MtvVm *vm)
{
  guint threads = MAX (vm->threads_per_core, 1);
  guint cores = MAX (vm->cores_per_socket, 1);
  guint64 per_socket = (guint64) cores * threads;

  self->cpus = MAX (vm->cpus, 1);
  /* Hypervisors refuse a topology that is not the whole of the CPUs: then every CPU is a socket. */
  if (per_socket > self->cpus || self->cpus % per_socket != 0)
    threads = cores = per_socket = 1;
  self->threads = threads;
  self->cores = cores;
  self->sockets = self->cpus / per_socket;
}

static gboolean
is_windows (const MtvVm *vm)
{
  g_autofree char *name = g_ascii_strdown (vm->os_name != NULL ? vm->os_name : "", -1);

  return (vm->os_id != NULL && g_ascii_strncasecmp (vm->os_id, "win", 3) == 0)
         || strstr (name, "windows") != NULL;
}

void
mtv_hardware_init (MtvHardware *self, const MtvTarget *target)
{
  const MtvVm *vm = target->vm;

  set_topology (self, vm);
  self->memory_mib
      = vm->memory == 0 ? DEFAULT_MEMORY_MIB : vm->memory / MIB + (vm->memory % MIB != 0);
  self->efi = g_str_equal (vm->firmware, "efi");
  self->secure_boot = self->efi && vm->secure_boot;
  self->windows = is_windows (vm);
  self->virtio = g_str_equal (target->devices, "virtio");
  self->disk_bus = self->virtio ? "virtio" : "sata";
  self->nic_model = self->virtio ? "virtio" : "e1000e";
}

char *
mtv_hardware_disk_serial (const MtvVmDisk *disk)
{
  g_autoptr (GString) serial = g_string_new (NULL);

  for (const char *c = disk->serial != NULL ? disk->serial : disk->id;
       *c != '\0' && serial->len < SERIAL_LENGTH; c++)
    if (g_ascii_isalnum (*c) || strchr ("_.+-", *c) != NULL)
      g_string_append_c (serial, *c);
  return serial->len == 0 ? NULL : g_string_free (g_steal_pointer (&serial), FALSE);
}

char *
mtv_hardware_uuid (const MtvVm *vm)
{
  g_autofree char *uuid = vm->uuid != NULL ? g_ascii_strdown (vm->uuid, -1) : NULL;

  return uuid != NULL && g_uuid_string_is_valid (uuid) ? g_steal_pointer (&uuid) : NULL;
}

const char *
mtv_hardware_mac (const MtvVmNic *nic)
{
  /* The second digit's lowest bit marks a group of stations. */
  static const char pattern[] = "^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$";

  return nic->mac != NULL && g_regex_match_simple (pattern, nic->mac, G_REGEX_DOLLAR_ENDONLY, 0)
             ? nic->mac
             : NULL;
}
