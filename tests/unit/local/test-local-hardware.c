/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-hardware.h"

#include "local-fixture.h"

static void
test_topology (void)
{
  static const struct
  {
    guint cpus, cores_per_socket, threads_per_core;
    guint expected[4];
  } cases[] = {
    { 8, 2, 2, { 8, 2, 2, 2 } },
    { 4, 0, 0, { 4, 4, 1, 1 } },
    { 6, 6, 0, { 6, 1, 6, 1 } },
    { 6, 4, 1, { 6, 6, 1, 1 } }, /* does not divide */
    { 2, 4, 1, { 2, 2, 1, 1 } },
    { 0, 0, 0, { 1, 1, 1, 1 } },
    { 4, G_MAXUINT, G_MAXUINT, { 4, 4, 1, 1 } },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (MtvTarget) target = local_fixture_target ();
      MtvHardware hardware;

      target->vm->cpus = cases[i].cpus;
      target->vm->cores_per_socket = cases[i].cores_per_socket;
      target->vm->threads_per_core = cases[i].threads_per_core;
      mtv_hardware_init (&hardware, target);
      g_assert_cmpuint (hardware.cpus, ==, cases[i].expected[0]);
      g_assert_cmpuint (hardware.sockets, ==, cases[i].expected[1]);
      g_assert_cmpuint (hardware.cores, ==, cases[i].expected[2]);
      g_assert_cmpuint (hardware.threads, ==, cases[i].expected[3]);
    }
}

static void
test_memory (void)
{
  g_autoptr (MtvTarget) target = local_fixture_target ();
  MtvHardware hardware;

  mtv_hardware_init (&hardware, target);
  g_assert_cmpuint (hardware.memory_mib, ==, 3073);
  target->vm->memory = 0;
  mtv_hardware_init (&hardware, target);
  g_assert_cmpuint (hardware.memory_mib, ==, 1024);
}

static void
test_windows (void)
{
  static const struct
  {
    const char *os_id;
    const char *os_name;
    gboolean windows;
  } cases[] = {
    { "windows9Server64Guest", NULL, TRUE },
    { "Windows10_64", NULL, TRUE },
    { "103", "Microsoft Windows Server 2012", TRUE },
    { "darwin18_64Guest", NULL, FALSE },
    { NULL, NULL, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (MtvTarget) target = local_fixture_target ();
      MtvHardware hardware;

      local_fixture_set (&target->vm->os_id, cases[i].os_id);
      local_fixture_set (&target->vm->os_name, cases[i].os_name);
      mtv_hardware_init (&hardware, target);
      g_assert_cmpint (hardware.windows, ==, cases[i].windows);
    }
}

static void
test_identities (void)
{
  g_autoptr (MtvTarget) target = local_fixture_target ();
  MtvVmDisk *disk = g_ptr_array_index (target->vm->disks, 0);
  MtvVmNic *nic = g_ptr_array_index (target->vm->nics, 0);
  g_autofree char *uuid = mtv_hardware_uuid (target->vm);

  g_assert_cmpstr (uuid, ==, "564d1234-0000-1111-2222-333344445555");
  local_fixture_set (&target->vm->uuid, "564d1234-0000-1111-2222-33334444555x");
  g_assert_null (mtv_hardware_uuid (target->vm));

  g_assert_cmpstr (mtv_hardware_mac (nic), ==, "52:54:00:00:00:01");
  local_fixture_set (&nic->mac, "53:54:00:00:00:01"); /* a group address */
  g_assert_null (mtv_hardware_mac (nic));
  local_fixture_set (&nic->mac, "52:54:00:00:00:01\n");
  g_assert_null (mtv_hardware_mac (nic));

  g_autofree char *from_id = mtv_hardware_disk_serial (disk);
  g_assert_cmpstr (from_id, ==, "-ab..xsamp");
  local_fixture_set (&disk->serial, "6000c29-6000-c296-000c-296000c29600");
  g_autofree char *cut = mtv_hardware_disk_serial (disk);
  g_assert_cmpstr (cut, ==, "6000c29-6000-c296-00");
  local_fixture_set (&disk->serial, "\303\244 ");
  g_assert_null (mtv_hardware_disk_serial (disk));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/local-hardware/topology", test_topology);
  g_test_add_func ("/local-hardware/memory", test_memory);
  g_test_add_func ("/local-hardware/windows", test_windows);
  g_test_add_func ("/local-hardware/identities", test_identities);
  return g_test_run ();
}
