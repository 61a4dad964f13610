/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/libvirt/mtv-libvirt-domain.h"

#include <string.h>

static char *
load (const char *name)
{
  g_autofree char *path = g_build_filename (DATA, name, NULL);
  g_autoptr (GError) error = NULL;
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  return text;
}

static MtvVm *
parse (const char *name)
{
  g_autofree char *text = load (name);
  g_autoptr (GError) error = NULL;
  MtvVm *vm = mtv_libvirt_domain_parse (text, strlen (text), &error);

  g_assert_no_error (error);
  return vm;
}

static void
assert_disk (MtvVm *vm, guint n, const char *id, const char *format, const char *backing,
             const char *bus, guint unit)
{
  const MtvVmDisk *disk = vm->disks->pdata[n];

  g_assert_cmpstr (disk->id, ==, id);
  g_assert_cmpstr (disk->format, ==, format);
  g_assert_cmpstr (disk->backing, ==, backing);
  g_assert_cmpstr (disk->bus, ==, bus);
  g_assert_cmpuint (disk->unit, ==, unit);
}

static const MtvConcern *
find_concern (MtvVm *vm, const char *id, const char *what)
{
  for (guint i = 0; i < vm->concerns->len; i++)
    {
      const MtvConcern *concern = vm->concerns->pdata[i];
      if (strcmp (concern->id, id) == 0 && strstr (concern->assessment, what) != NULL)
        return concern;
    }
  return NULL;
}

static void
test_hardware (void)
{
  g_autoptr (MtvVm) vm = parse ("server.xml");

  g_assert_cmpstr (vm->name, ==, "db-1");
  g_assert_cmpstr (vm->id, ==, "0f3b1c1e-7f0e-4a8e-9a3b-3f1f6c2f8d11");
  g_assert_cmpstr (vm->uuid, ==, vm->id);
  g_assert_cmpstr (vm->firmware, ==, "efi");
  g_assert_true (vm->secure_boot);
  g_assert_true (vm->tpm);
  g_assert_cmpuint (vm->cpus, ==, 4);
  g_assert_true (vm->cpu_hot_add);
  g_assert_cmpuint (vm->cores_per_socket, ==, 2);
  g_assert_cmpuint (vm->threads_per_core, ==, 2);
  g_assert_cmpuint (vm->memory, ==, G_GUINT64_CONSTANT (8) << 30);
  g_assert_true (vm->memory_hot_add);
  g_assert_true (vm->nested);
  g_assert_cmpstr (vm->machine, ==, "q35");
  g_assert_cmpstr (vm->cpu_model, ==, "host-model");
  g_assert_cmpstr (vm->timezone, ==, "Europe/Berlin");
  g_assert_cmpstr (vm->os_id, ==, "http://debian.org/debian/12");
  g_assert_cmpstr (vm->tools, ==, "running");
  g_assert_cmpuint (vm->concerns->len, ==, 0);
}

/* In boot order, without the CD. */
static void
test_disks (void)
{
  g_autoptr (MtvVm) vm = parse ("server.xml");

  g_assert_cmpuint (vm->disks->len, ==, 3);
  assert_disk (vm, 0, "vda", "qcow2", "/var/lib/libvirt/images/db-1.snap1", "virtio", 0);
  assert_disk (vm, 1, "sdb", "raw", "/dev/vg0/db-1-data", "scsi", 3);
  assert_disk (vm, 2, "vdb", "qcow2", "default/db-1-log.qcow2", "virtio", 1);
  const MtvVmDisk *block = vm->disks->pdata[1];
  g_assert_cmpstr (block->name, ==, "db-1-data");
  g_assert_cmpstr (block->serial, ==, "DATA-0001");
  g_assert_cmpstr (block->controller, ==, "virtio-scsi");
  g_assert_cmpuint (block->bus_number, ==, 1);
  g_assert_cmpstr (block->storage, ==, "/dev/vg0");
  const MtvVmDisk *volume = vm->disks->pdata[2];
  g_assert_cmpstr (volume->storage, ==, "default");
  g_assert_null (volume->problem);
}

static void
test_nics (void)
{
  g_autoptr (MtvVm) vm = parse ("server.xml");
  const MtvVmNic *nic;

  g_assert_cmpuint (vm->nics->len, ==, 3);
  nic = vm->nics->pdata[0];
  g_assert_cmpstr (nic->mac, ==, "52:54:00:ab:cd:ef");
  g_assert_cmpstr (nic->network, ==, "default");
  g_assert_cmpstr (nic->model, ==, "virtio");
  g_assert_false (nic->disconnected);
  nic = vm->nics->pdata[1];
  g_assert_cmpstr (nic->network, ==, "br1");
  g_assert_true (nic->disconnected);
  nic = vm->nics->pdata[2];
  g_assert_cmpstr (nic->network, ==, "user");
  g_assert_null (nic->model);
}

static void
assert_problem (MtvVm *vm, guint n, const char *id, const char *what)
{
  const MtvVmDisk *disk = vm->disks->pdata[n];

  g_assert_cmpstr (disk->id, ==, id);
  g_assert_nonnull (disk->problem);
  g_assert_nonnull (strstr (disk->problem, what));
}

static void
test_odd (void)
{
  g_autoptr (MtvVm) vm = parse ("odd.xml");

  g_assert_cmpstr (vm->name, ==, "odd & old");
  g_assert_cmpstr (vm->firmware, ==, "bios");
  g_assert_cmpstr (vm->machine, ==, "pc");
  g_assert_cmpstr (vm->timezone, ==, "UTC");
  g_assert_cmpstr (vm->tools, ==, "not-installed");
  g_assert_cmpuint (vm->memory, ==, G_GUINT64_CONSTANT (2000000000));
  g_assert_cmpuint (vm->disks->len, ==, 6);
  assert_problem (vm, 0, "vda", "rbd");
  assert_disk (vm, 1, "hdd", "raw", "/srv/shared.raw", "ide", 3);
  g_assert_true (((MtvVmDisk *) vm->disks->pdata[1])->shared);
  g_assert_nonnull (find_concern (vm, "disk.shared", "shared.raw"));
  g_assert_cmpstr (((MtvVmDisk *) vm->disks->pdata[2])->mode, ==, "rdm");
  g_assert_nonnull (find_concern (vm, "disk.passthrough", "sdq"));
  assert_problem (vm, 3, "sdd", "no source");
  assert_problem (vm, 4, "vde", "nvme");
  assert_problem (vm, 5, "vdaa", "encrypted");
  g_assert_cmpuint (((MtvVmDisk *) vm->disks->pdata[5])->unit, ==, 26);
  g_assert_nonnull (find_concern (vm, "device.passthrough", "pci"));
  g_assert_nonnull (find_concern (vm, "device.passthrough", "folder"));
}

static void
test_can_be_asked (void)
{
  g_autofree char *server = load ("server.xml");
  g_autofree char *odd = load ("odd.xml");

  g_assert_true (mtv_libvirt_domain_can_be_asked (server));
  g_assert_false (mtv_libvirt_domain_can_be_asked (odd));
  g_assert_false (mtv_libvirt_domain_can_be_asked ("no XML"));
}

static void
test_bad (void)
{
  static const char *const bad[]
      = { "",
          "text",
          "<domain>",
          "<other/>",
          "<domain/>",
          "<domain><name>web</name></domain>",
          "<!DOCTYPE domain [<!ENTITY a 'b'>]><domain><name>&a;</name><uuid>1</uuid></domain>" };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (mtv_libvirt_domain_parse (bad[i], strlen (bad[i]), &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/libvirt-domain/hardware", test_hardware);
  g_test_add_func ("/libvirt-domain/disks", test_disks);
  g_test_add_func ("/libvirt-domain/nics", test_nics);
  g_test_add_func ("/libvirt-domain/odd", test_odd);
  g_test_add_func ("/libvirt-domain/can-be-asked", test_can_be_asked);
  g_test_add_func ("/libvirt-domain/bad", test_bad);
  return g_test_run ();
}
