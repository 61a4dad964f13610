/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-inventory.h"

#include <string.h>

/* As the engine's JSON mapper writes it: numbers and booleans are strings. */
static const char clusters[]
    = "{\"cluster\":[{\"id\":\"c1\",\"name\":\"prod\",\"bios_type\":\"q35_ovmf\","
      "\"version\":{\"major\":\"4\",\"minor\":\"7\"}},"
      "{\"id\":\"c2\",\"name\":\"old\",\"bios_type\":\"i440fx_sea_bios\","
      "\"version\":{\"major\":\"4\",\"minor\":\"3\"}}]}";
static const char hosts[] = "{\"host\":[{\"id\":\"h1\",\"name\":\"node-1\"}]}";
static const char disks[]
    = "{\"disk\":["
      "{\"id\":\"d1\",\"alias\":\"web_root\",\"provisioned_size\":\"10737418240\","
      "\"actual_size\":\"2147483648\",\"format\":\"cow\",\"status\":\"ok\","
      "\"storage_type\":\"image\",\"content_type\":\"data\","
      "\"storage_domains\":{\"storage_domain\":[{\"id\":\"s1\"}]}},"
      "{\"id\":\"d2\",\"alias\":\"web_data\",\"provisioned_size\":1073741824,\"format\":\"raw\","
      "\"storage_type\":\"image\",\"shareable\":\"true\"},"
      "{\"id\":\"d3\",\"alias\":\"lun\",\"storage_type\":\"lun\"},"
      "{\"id\":\"d4\",\"alias\":\"bad\",\"provisioned_size\":\"512\",\"status\":\"illegal\","
      "\"storage_type\":\"image\"},"
      "{\"id\":\"d5\",\"alias\":\"install.iso\",\"content_type\":\"iso\"}]}";
static const char networks[] = "{\"network\":[{\"id\":\"n1\",\"name\":\"ovirtmgmt\"}]}";
static const char profiles[]
    = "{\"vnic_profile\":[{\"id\":\"p1\",\"name\":\"any\",\"network\":{\"id\":\"n1\"}}]}";
static const char domains[] = "{\"storage_domain\":[{\"id\":\"s1\",\"name\":\"fast\"}]}";

static const char web[]
    = "{\"id\":\"vm-1\",\"name\":\"web\",\"status\":\"up\",\"cluster\":{\"id\":\"c1\"},"
      "\"host\":{\"id\":\"h1\"},\"memory\":\"1073741824\",\"bios\":{\"type\":\"cluster_default\"},"
      "\"cpu\":{\"topology\":{\"sockets\":\"2\",\"cores\":\"4\",\"threads\":\"1\"},"
      "\"cpu_tune\":{\"vcpu_pins\":{\"vcpu_pin\":[{\"vcpu\":\"0\",\"cpu_set\":\"1\"}]}}},"
      "\"os\":{\"type\":\"rhel_9x64\"},\"tpm_enabled\":\"true\",\"fqdn\":\"web.example\","
      "\"disk_attachments\":{\"disk_attachment\":["
      "{\"id\":\"d2\",\"bootable\":\"false\",\"interface\":\"virtio_scsi\",\"active\":\"true\"},"
      "{\"id\":\"d5\",\"bootable\":\"false\",\"interface\":\"ide\",\"active\":\"true\"},"
      "{\"id\":\"d1\",\"disk\":{\"id\":\"d1\"},\"bootable\":\"true\",\"interface\":\"virtio\","
      "\"active\":true}]},"
      "\"nics\":{\"nic\":[{\"id\":\"nic-1\",\"name\":\"nic1\",\"interface\":\"virtio\","
      "\"plugged\":\"true\",\"linked\":\"true\",\"mac\":{\"address\":\"56:6F:AA:00:00:01\"},"
      "\"vnic_profile\":{\"id\":\"p1\"},\"reported_devices\":{\"reported_device\":["
      "{\"ips\":{\"ip\":[{\"address\":\"192.0.2.7\",\"version\":\"v4\"}]}}]}},"
      "{\"id\":\"nic-2\",\"name\":\"nic2\",\"interface\":\"pci_passthrough\","
      "\"plugged\":\"true\",\"linked\":\"false\"}]},"
      "\"snapshots\":{\"snapshot\":[{\"snapshot_type\":\"active\"},{\"snapshot_type\":\"regular\"}"
      "]},\"host_devices\":{\"host_device\":[{\"name\":\"pci_0\"}]}}";
static const char odd[]
    = "{\"id\":\"vm-2\",\"name\":\"höhle/2\",\"status\":\"not_responding\",\"cluster\":"
      "{\"id\":\"c2\"},\"stateless\":\"true\",\"origin\":\"managed_hosted_engine\","
      "\"has_illegal_images\":\"true\",\"disk_attachments\":{\"disk_attachment\":["
      "{\"id\":\"d3\",\"active\":\"true\"},{\"id\":\"d4\",\"active\":\"true\"},"
      "{\"id\":\"gone\",\"active\":\"true\"},{\"id\":\"d1\",\"active\":\"false\"}]}}";

static JsonNode *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonNode *node = json_from_string (text, &error);

  g_assert_no_error (error);
  return node;
}

static void
fill (GHashTable *table, const char *text, const char *name)
{
  g_autoptr (JsonNode) node = parse (text);
  g_autoptr (GPtrArray) items = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);

  for (guint i = 0; i < mtv_ovirt_count (json_node_get_object (node), name); i++)
    g_ptr_array_add (items,
                     json_node_init_object (json_node_alloc (),
                                            mtv_ovirt_item (json_node_get_object (node), name, i)));
  mtv_ovirt_world_add (table, items);
}

static MtvOvirtWorld *
make_world (void)
{
  MtvOvirtWorld *world = mtv_ovirt_world_new ();

  fill (world->clusters, clusters, "cluster");
  fill (world->hosts, hosts, "host");
  fill (world->disks, disks, "disk");
  fill (world->networks, networks, "network");
  fill (world->profiles, profiles, "vnic_profile");
  fill (world->domains, domains, "storage_domain");
  return world;
}

static const MtvConcern *
find (GPtrArray *concerns, const char *id)
{
  for (guint i = 0; i < concerns->len; i++)
    if (g_str_equal (((MtvConcern *) g_ptr_array_index (concerns, i))->id, id))
      return g_ptr_array_index (concerns, i);
  g_error ("there is no concern '%s'", id);
}

static void
assert_disk (const MtvVm *vm, guint index, const char *id, const char *bus, const char *format,
             guint64 capacity, const char *problem)
{
  const MtvVmDisk *disk = g_ptr_array_index (vm->disks, index);

  g_assert_cmpstr (disk->id, ==, id);
  g_assert_cmpstr (disk->bus, ==, bus);
  g_assert_cmpstr (disk->format, ==, format);
  g_assert_cmpuint (disk->capacity, ==, capacity);
  if (problem == NULL)
    g_assert_null (disk->problem);
  else
    g_assert_nonnull (strstr (disk->problem, problem));
}

static void
test_vm (void)
{
  g_autoptr (MtvOvirtWorld) world = make_world ();
  g_autoptr (JsonNode) node = parse (web);
  g_autoptr (MtvVm) vm = mtv_ovirt_vm_parse (json_node_get_object (node), world);

  g_assert_cmpstr (vm->id, ==, "vm-1");
  g_assert_cmpstr (vm->path, ==, "/prod/web");
  g_assert_cmpstr (vm->power_state, ==, "on");
  g_assert_cmpstr (vm->firmware, ==, "efi"); /* the cluster's */
  g_assert_cmpstr (vm->machine, ==, "q35");
  g_assert_false (vm->secure_boot);
  g_assert_true (vm->tpm);
  g_assert_cmpuint (vm->cpus, ==, 8);
  g_assert_cmpuint (vm->cores_per_socket, ==, 4);
  g_assert_cmpuint (vm->memory, ==, 1073741824);
  g_assert_cmpstr (vm->os_id, ==, "rhel_9x64");
  g_assert_cmpstr (vm->host, ==, "node-1");
  g_assert_cmpuint (vm->snapshots, ==, 1);
  g_assert_cmpuint (vm->disks->len, ==, 2); /* not the ISO image */
  assert_disk (vm, 0, "d1", "virtio", "qcow2", 10737418240, NULL);
  assert_disk (vm, 1, "d2", "scsi", "raw", 1073741824, NULL);
  const MtvVmDisk *root = g_ptr_array_index (vm->disks, 0);
  g_assert_cmpstr (root->storage, ==, "fast");
  g_assert_cmpuint (root->allocated, ==, 2147483648);

  const MtvVmNic *first = g_ptr_array_index (vm->nics, 0);
  const MtvVmNic *second = g_ptr_array_index (vm->nics, 1);
  g_assert_cmpstr (first->mac, ==, "56:6f:aa:00:00:01");
  g_assert_cmpstr (first->network, ==, "ovirtmgmt");
  g_assert_false (first->disconnected);
  g_assert_null (second->network);
  g_assert_true (second->disconnected);
  g_autofree char *ips = g_variant_print (vm->ips, FALSE);
  g_assert_cmpstr (ips, ==, "['192.0.2.7']");

  g_assert_cmpstr (find (vm->concerns, "cpu.pinning")->category, ==, "warning");
  g_assert_cmpstr (find (vm->concerns, "host.devices")->category, ==, "warning");
  g_assert_nonnull (strstr (find (vm->concerns, "disk.shared")->assessment, "'web_data'"));
  g_assert_nonnull (strstr (find (vm->concerns, "nic.passthrough")->assessment, "'nic2'"));
  g_assert_false (mtv_concerns_has (vm->concerns, MTV_CONCERN_CRITICAL));
}

static void
test_trouble (void)
{
  g_autoptr (MtvOvirtWorld) world = make_world ();
  g_autoptr (JsonNode) node = parse (odd);
  g_autoptr (MtvVm) vm = mtv_ovirt_vm_parse (json_node_get_object (node), world);

  g_assert_cmpstr (vm->name, ==, "höhle/2");
  g_assert_cmpstr (vm->power_state, ==, "unknown");
  g_assert_cmpstr (vm->firmware, ==, "bios");
  g_assert_cmpuint (vm->cpus, ==, 1);
  assert_disk (vm, 0, "d3", "virtio", "raw", 0, "LUN");
  assert_disk (vm, 1, "d4", "virtio", "raw", 512, "'illegal'");
  assert_disk (vm, 2, "gone", "virtio", "raw", 0, "does not list it");
  assert_disk (vm, 3, "d1", "virtio", "qcow2", 10737418240, "not active");
  g_assert_cmpstr (find (vm->concerns, "images.illegal")->category, ==, "critical");
  g_assert_cmpstr (find (vm->concerns, "vm.stateless")->category, ==, "critical");
  g_assert_cmpstr (find (vm->concerns, "vm.engine")->category, ==, "critical");
  g_assert_nonnull (strstr (find (vm->concerns, "vm.status")->assessment, "'not_responding'"));

  g_autoptr (JsonNode) nameless = parse ("{\"id\":\"x\"}");
  g_assert_null (mtv_ovirt_vm_parse (json_node_get_object (nameless), world));
}

static void
test_warm (void)
{
  g_autoptr (MtvOvirtWorld) world = make_world ();
  g_autoptr (JsonNode) new = parse (web);
  g_autoptr (JsonNode) old = parse (odd);
  g_autoptr (GPtrArray) fine = mtv_concerns_new ();
  g_autoptr (GPtrArray) refused = mtv_concerns_new ();

  mtv_ovirt_check_warm (json_node_get_object (new), world, fine);
  g_assert_false (mtv_concerns_has (fine, MTV_CONCERN_CRITICAL));
  g_assert_nonnull (strstr (find (fine, "warm.disk.raw")->assessment, "'web_data'"));
  mtv_ovirt_check_warm (json_node_get_object (old), world, refused);
  g_assert_nonnull (strstr (find (refused, "warm.unsupported")->assessment, "4.3"));
  g_assert_true (mtv_concerns_has (refused, MTV_CONCERN_CRITICAL));
}

static void
test_lenient (void)
{
  g_autoptr (JsonNode) node = parse ("{\"a\":\"12\",\"b\":12,\"c\":true,\"d\":\"true\",\"e\":{},"
                                     "\"f\":[1,{\"g\":\"h\"}],\"n\":null,\"x\":{\"y\":\"z\"},"
                                     "\"minus\":-1,\"many\":\"99999999999999999999999\"}");
  JsonObject *object = json_node_get_object (node);

  g_assert_cmpuint (mtv_ovirt_number (object, "a"), ==, 12);
  g_assert_cmpuint (mtv_ovirt_number (object, "b"), ==, 12);
  g_assert_cmpuint (mtv_ovirt_number (object, "c"), ==, 0);
  g_assert_cmpuint (mtv_ovirt_number (object, "minus"), ==, 0);
  g_assert_cmpuint (mtv_ovirt_number (object, "many"), ==, 0);
  g_assert_true (mtv_ovirt_flag (object, "c"));
  g_assert_true (mtv_ovirt_flag (object, "d"));
  g_assert_false (mtv_ovirt_flag (object, "a"));
  g_assert_cmpstr (mtv_ovirt_text (object, "x.y"), ==, "z");
  g_assert_null (mtv_ovirt_text (object, "n"));
  g_assert_null (mtv_ovirt_text (object, "e.y"));
  g_assert_null (mtv_ovirt_text (object, "a.y"));
  g_assert_null (mtv_ovirt_text (NULL, "a"));
  g_assert_cmpuint (mtv_ovirt_count (object, "f"), ==, 2);
  g_assert_null (mtv_ovirt_item (object, "f", 0));
  g_assert_cmpstr (mtv_ovirt_text (mtv_ovirt_item (object, "f", 1), "g"), ==, "h");
  g_assert_null (mtv_ovirt_item (object, "f", 2));
  g_assert_cmpuint (mtv_ovirt_count (object, "e"), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/ovirt-inventory/vm", test_vm);
  g_test_add_func ("/ovirt-inventory/trouble", test_trouble);
  g_test_add_func ("/ovirt-inventory/warm", test_warm);
  g_test_add_func ("/ovirt-inventory/lenient", test_lenient);
  return g_test_run ();
}
