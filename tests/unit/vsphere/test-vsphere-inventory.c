/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "vsphere-fixture.h"

#include <string.h>

static void
test_vm (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autofree char *ips = g_variant_print (vm->ips, FALSE);

  g_assert_cmpstr (vm->name, ==, "web");
  g_assert_cmpstr (vm->path, ==, "/DC0/vm/web");
  g_assert_cmpstr (vm->uuid, ==, "420a0000-0000-4000-8000-000000000001");
  g_assert_cmpstr (vm->power_state, ==, "on");
  g_assert_cmpstr (vm->firmware, ==, "efi");
  g_assert_true (vm->secure_boot);
  g_assert_cmpuint (vm->cpus, ==, 4);
  g_assert_cmpuint (vm->cores_per_socket, ==, 2);
  g_assert_cmpuint (vm->memory, ==, G_GUINT64_CONSTANT (2048) << 20);
  g_assert_cmpstr (vm->os_id, ==, "rhel8_64Guest");
  g_assert_cmpstr (vm->host, ==, "esx1.example.com");
  g_assert_cmpstr (vm->cluster, ==, "DC0_C0");
  g_assert_cmpstr (vm->hostname, ==, "web.example.com");
  g_assert_cmpstr (ips, ==, "['192.0.2.7']");
  g_assert_cmpstr (vm->tools, ==, "running");
  g_assert_cmpuint (vm->snapshots, ==, 0);
  g_assert_null (vm->problem);
}

static void
test_devices (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  const MtvVmDisk *disk = g_ptr_array_index (vm->disks, 0);
  const MtvVmNic *nic = g_ptr_array_index (vm->nics, 0);

  g_assert_cmpuint (vm->disks->len, ==, 1);
  g_assert_cmpstr (disk->id, ==, FAKE_DISK);
  g_assert_cmpstr (disk->name, ==, "Hard disk 1");
  g_assert_cmpuint (disk->capacity, ==, FAKE_CAPACITY);
  g_assert_cmpstr (disk->format, ==, "vmdk-flat");
  g_assert_cmpstr (disk->bus, ==, "scsi");
  g_assert_cmpstr (disk->controller, ==, "pvscsi");
  g_assert_cmpuint (disk->unit, ==, 0);
  g_assert_cmpstr (disk->storage, ==, "LocalDS_0");
  g_assert_cmpstr (disk->backing, ==, "[LocalDS_0] web/web.vmdk");
  g_assert_cmpstr (disk->serial, ==, "6000C29a-1");
  g_assert_null (disk->mode);
  g_assert_false (disk->shared);
  g_assert_cmpuint (vm->nics->len, ==, 1);
  g_assert_cmpstr (nic->mac, ==, "00:50:56:aa:bb:01");
  g_assert_cmpstr (nic->network, ==, "DC0_DVPG0");
  g_assert_cmpstr (nic->model, ==, "vmxnet3");
  g_assert_false (nic->disconnected);
}

static void
test_pages (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fake_vcenter_multiply (f->vcenter, 250);
  g_autoptr (GPtrArray) vms = mtv_source_list (f->source, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vms->len, ==, 251);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "ContinueRetrievePropertiesEx"), ==, 2);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "DestroyView"), ==, 2);
}

/* Tokens and views belong to a session. */
static void
test_expired (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fake_vcenter_multiply (f->vcenter, 250);
  fake_vcenter_answer (f->vcenter, "DestroyView", "", 1);
  fake_vcenter_fault (f->vcenter, "ContinueRetrievePropertiesEx", "NotAuthenticated", 1);
  g_autoptr (GPtrArray) vms = mtv_source_list (f->source, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (vms->len, ==, 251); /* none twice */

  fake_vcenter_answer (f->vcenter, "RetrievePropertiesEx",
                       "<returnval><objects><obj type=\"Folder\">group-d1</obj><missingSet><path>"
                       "name</path><fault><fault "
                       "xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\" "
                       "i:type=\"NotAuthenticated\"/></fault></missingSet></objects></returnval>",
                       1);
  g_autoptr (GPtrArray) again = mtv_source_list (f->source, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (again->len, ==, 251);

  fake_vcenter_fault (f->vcenter, "ContinueRetrievePropertiesEx", "NotAuthenticated", 9);
  g_assert_null (mtv_source_list (f->source, NULL, &error));
  assert_says (error, MTV_ERROR_AUTH_REQUIRED, "NotAuthenticated");
}

static void
test_broken_off (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fake_vcenter_multiply (f->vcenter, 250);
  fake_vcenter_http (f->vcenter, "ContinueRetrievePropertiesEx", 0, "", 1);
  g_assert_null (mtv_source_list (f->source, NULL, &error));
  assert_says (error, MTV_ERROR_UNREACHABLE, "provider 'vc1'");
  g_clear_error (&error);
  fake_vcenter_fault (f->vcenter, "RetrievePropertiesEx", "InvalidProperty", 1);
  g_assert_null (mtv_source_list (f->source, NULL, &error));
  assert_says (error, MTV_ERROR_FAILED, "InvalidProperty");
}

/* vCenter has lost its host. */
static void
test_inaccessible (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  fake_vcenter_set (f->vcenter, FAKE_VM, "config.hardware.device", "", NULL);
  fake_vcenter_set (f->vcenter, FAKE_VM, "runtime.connectionState", "x", "orphaned");
  fake_vcenter_set (f->vcenter, FAKE_VM, "runtime.host", "x", NULL);
  fake_vcenter_set (f->vcenter, FAKE_VM, "runtime.powerState", "x", NULL);
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_assert_nonnull (strstr (vm->problem, "'orphaned'"));
  g_assert_cmpstr (vm->power_state, ==, "unknown");
}

static void
test_names (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  fake_vcenter_set (f->vcenter, FAKE_VM, "name", "xsd:string", "50%25 a%2fb &amp; \xc3\xa4");
  fake_vcenter_set (f->vcenter, FAKE_VM, "parent", "x", NULL);
  fake_vcenter_set (f->vcenter, "VirtualApp:vapp-1", "name", "xsd:string", "app");
  fake_vcenter_set (f->vcenter, "vapp-1", "parentFolder", "ref:Folder", "group-3");
  fake_vcenter_set (f->vcenter, FAKE_VM, "parentVApp", "ref:VirtualApp", "vapp-1");
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_assert_cmpstr (vm->name, ==, "50% a/b & \xc3\xa4");
  g_assert_cmpstr (vm->path, ==, "/DC0/vm/app/50% a/b & \xc3\xa4");
}

#define DEVICE(type, inside) \
  "<VirtualDevice XMLSchema-instance:type=\"" type "\">" inside "</VirtualDevice>"
#define DISK(key, backing, inside)                                                             \
  DEVICE ("VirtualDisk", "<key>" key "</key><backing XMLSchema-instance:type=\"" backing "\">" \
                                                                                               \
                         "<fileName>[gone] a b/c.vmdk</fileName>" inside                       \
                         "</backing><capacityInKB>1024</capacityInKB>")

static void
test_odd_devices (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  fake_vcenter_set (
      f->vcenter, FAKE_VM, "config.hardware.device", "ArrayOfVirtualDevice",
      DISK ("1", "VirtualDiskFlatVer2BackingInfo",
            "<datastore type=\"Datastore\">datastore-9</datastore><diskMode>independent_persistent"
            "</diskMode>") DISK ("2", "VirtualDiskRawDiskMappingVer1BackingInfo",
                                 "<compatibilityMode>physicalMode</compatibilityMode>")
          DISK ("3", "VirtualDiskRawDiskMappingVer1BackingInfo",
                "<compatibilityMode>virtualMode</compatibilityMode>")
              DISK ("4", "VirtualDiskFlatVer2BackingInfo", "<sharing>sharingMultiWriter</sharing>")
                  DEVICE ("VirtualTPM", "") DEVICE ("VirtualPCIPassthrough", "")
                      DEVICE ("VirtualUSBXHCIController", "")
                          DEVICE ("VirtualThing9", "<a><b/></a>")
                              DEVICE ("VirtualSriovEthernetCard", "<key>5</key>") "<NoType/>");
  fake_vcenter_set (f->vcenter, FAKE_VM, "config.bootOptions", "VirtualMachineBootOptions",
                    "<bootOrder "
                    "XMLSchema-instance:type=\"VirtualMachineBootOptionsBootableDiskDevice\">"
                    "<deviceKey>3</deviceKey></bootOrder>");
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  static const char *const ids[] = { "3", "1", "2", "4" };
  static const char *const modes[] = { "rdm", "independent-persistent", "rdm-physical", NULL };
  static const char *const concerns[]
      = { "datastore.missing",  "disk.mode.independent", "disk.rdm", "disk.shared",
          "device.passthrough", "usb.controller",        "nic.sriov" };

  g_assert_cmpuint (vm->disks->len, ==, 4);
  for (guint i = 0; i < 4; i++)
    {
      const MtvVmDisk *disk = g_ptr_array_index (vm->disks, i);

      g_assert_cmpstr (disk->id, ==, ids[i]);
      g_assert_cmpstr (disk->mode, ==, modes[i]);
      g_assert_cmpuint (disk->capacity, ==, 1024 * 1024);
    }
  g_assert_true (((MtvVmDisk *) vm->disks->pdata[3])->shared);
  g_assert_true (vm->tpm);
  for (gsize i = 0; i < G_N_ELEMENTS (concerns); i++)
    g_assert_nonnull (fixture_find_concern (vm->concerns, concerns[i]));
  g_assert_cmpstr (fixture_find_concern (vm->concerns, "datastore.missing")->category, ==,
                   MTV_CONCERN_CRITICAL);
}

static void
assert_concern (Fixture *f, const char *path, const char *type, const char *inside, const char *id,
                const char *evidence)
{
  g_autofree char *before = fake_vcenter_get (f->vcenter, FAKE_VM, path);

  fake_vcenter_set (f->vcenter, FAKE_VM, path, type, inside);
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  const MtvConcern *concern = fixture_find_concern (vm->concerns, id);
  if (concern == NULL || strstr (concern->assessment, evidence) == NULL)
    g_error ("%s: no concern, or not '%s'", id, evidence);
  g_assert_cmpstr (concern->vm, ==, "web");
  fake_vcenter_set (f->vcenter, FAKE_VM, path, type, before);
  g_autoptr (MtvVm) good = fixture_get_vm (f);
  g_assert_null (fixture_find_concern (good->concerns, id));
}

static void
test_concerns (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  assert_concern (f, "runtime.consolidationNeeded", "xsd:boolean", "true", "consolidation.needed",
                  "consolidate");
  assert_concern (f, "config.cpuAffinity", "x", "<affinitySet>1</affinitySet>", "cpu.affinity",
                  "CPUs");
  assert_concern (f, "config.extraConfig", "ArrayOfOptionValue",
                  "<OptionValue><key>numa.nodeAffinity</key><value>0</value></OptionValue>",
                  "numa.affinity", "NUMA");
  assert_concern (f, "config.ftInfo", "x", "<role>1</role>", "fault.tolerance", "fault tolerant");
  assert_concern (f, "config.keyId", "x", "<keyId>k</keyId>", "vm.encrypted", "decrypt");
  assert_concern (f, "config.cpuHotAddEnabled", "x", "true", "cpu.memory.hotplug", "CPUs can be");
  assert_concern (f, "config.changeTrackingEnabled", "x", "true", "tracking.disk.disabled",
                  "'Hard disk 1'");
  assert_concern (f, "guest.toolsRunningStatus", "x", "guestToolsNotRunning", "tools.not.running",
                  "not running");
  assert_concern (f, "guest.hostName", "x", NULL, "hostname.empty", "host name");
  assert_concern (f, "guest.net", "x", NULL, "vm.ip.missing", "IP address");
  assert_concern (f, "config.guestId", "x", "winNTGuest", "os.unsupported", "winNTGuest");
  assert_concern (f, "guest.disk", "ArrayOfGuestDiskInfo",
                  "<GuestDiskInfo><diskPath>/</diskPath><capacity>1073741824</capacity>"
                  "<freeSpace>52428800</freeSpace></GuestDiskInfo>",
                  "guest.space", "'/' has 50 MiB left");
}

static void
test_cluster (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const ids[] = { "cluster.drs",   "cluster.dpm",      "cluster.ha",
                                     "host.affinity", "host.maintenance", "vm.snapshots" };

  fake_vcenter_set (f->vcenter, "domain-c1", "configurationEx", "ClusterConfigInfoEx",
                    "<dasConfig><enabled>true</enabled></dasConfig><drsConfig><enabled>true"
                    "</enabled></drsConfig><dpmConfigInfo><enabled>true</enabled></dpmConfigInfo>"
                    "<rule><key>1</key><vmGroupName>g</vmGroupName></rule><group><name>g</name>"
                    "<vm type=\"VirtualMachine\">" FAKE_VM "</vm></group>");
  fake_vcenter_set (f->vcenter, "host-1", "runtime.inMaintenanceMode", "x", "true");
  fake_vcenter_add_snapshot (f->vcenter, "snapshot-9", "before the update");
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_assert_cmpuint (vm->snapshots, ==, 1);
  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++)
    g_assert_nonnull (fixture_find_concern (vm->concerns, ids[i]));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mtv_error_quark ();

#define ADD(name, func) \
  g_test_add ("/vsphere-inventory/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("vm", test_vm);
  ADD ("devices", test_devices);
  ADD ("pages", test_pages);
  ADD ("expired", test_expired);
  ADD ("broken-off", test_broken_off);
  ADD ("inaccessible", test_inaccessible);
  ADD ("names", test_names);
  ADD ("odd-devices", test_odd_devices);
  ADD ("concerns", test_concerns);
  ADD ("cluster", test_cluster);
  return g_test_run ();
}
