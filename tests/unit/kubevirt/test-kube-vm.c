/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/mtv-kube-vm.h"

#include "kube-fixture.h"

#include <string.h>

#define SPEC "$.spec.template.spec"
#define DOMAIN SPEC ".domain"

/* All that is at @path (JSONPath), as JSON. */
static void
assert_value (JsonObject *object, const char *path, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  g_autoptr (JsonNode) matches = json_path_query (path, node, &error);
  g_assert_no_error (error);
  g_autofree char *found = json_to_string (matches, FALSE);
  g_autofree char *wanted = g_strdup_printf ("[%s]", expected);
  if (g_strcmp0 (found, wanted) != 0)
    g_error ("%s is %s, not %s", path, found, wanted);
}

static void
assert_vm (const MtvTarget *target, const char *path, const char *expected)
{
  g_autoptr (JsonObject) vm = mtv_kube_vm (target, NULL);

  assert_value (vm, path, expected);
}

static void
test_labels (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (1);

  assert_vm (target, "$.metadata.labels",
             "{\"app\":\"web\",\"mtv.org/migration\":\"run-1\",\"mtv.org/number\":\"3\","
             "\"mtv.org/plan\":\"my-plan\",\"mtv.org/vm-id\":\"vm-12\","
             "\"mtv.org/guest-converted\":\"false\"}");
  assert_vm (target, "$.metadata.annotations",
             "{\"openshift.io/display-name\":\"Web Server\",\"mtv.org/original-name\":"
             "\"Web Server\",\"mtv.org/original-id\":\"vm-12\",\"mtv.org/source\":\"vc1\"}");
}

static void
test_preference (void)
{
  static const struct
  {
    const char *id;
    const char *name;
    const char *preference;
  } cases[] = {
    { "rhel9_64Guest", NULL, "rhel.9" },
    { "rhel_8x64", NULL, "rhel.8" },
    { "windows2019srv_64Guest", NULL, "windows.2k19" },
    { "windows2019srvNext_64Guest", NULL, "windows.2k22" },
    { "windows9Server64Guest", NULL, "windows.2k16" },
    { "windows9_64Guest", NULL, "windows.10" },
    { "windows11_64Guest", NULL, "windows.11" },
    { NULL, "Microsoft Windows Server 2022 (64-bit)", "windows.2k22" },
    { "103", "Red Hat Enterprise Linux 9.4", "rhel.9" },
    { "otherGuest", "Plan 9", NULL },
    { NULL, NULL, NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (MtvVm) vm = mtv_vm_new ();

      vm->os_id = g_strdup (cases[i].id);
      vm->os_name = g_strdup (cases[i].name);
      g_assert_cmpstr (mtv_kube_vm_preference (vm), ==, cases[i].preference);
    }

  g_autoptr (MtvTarget) target = kube_fixture_target (1);
  g_autoptr (JsonObject) vm = mtv_kube_vm (target, "rhel.9");
  assert_value (vm, "$.spec.preference",
                "{\"kind\":\"VirtualMachineClusterPreference\",\"name\":\"rhel.9\"}");
  assert_vm (target, "$.spec.preference", "");
}

static void
test_guest (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (2);
  MtvVmDisk *disk = g_ptr_array_index (target->vm->disks, 1);

  target->vm->producer = g_strdup ("vmware");
  target->vm->os_id = g_strdup ("windows2019srv_64Guest");
  target->vm->timezone = g_strdup ("Europe/Berlin");
  target->vm->nested = TRUE;
  disk->shared = TRUE;
  assert_vm (target, DOMAIN ".firmware.serial",
             "\"VMware-56 4d 12 34 00 00 11 11-22 22 33 33 44 44 55 55\"");
  assert_vm (target, DOMAIN ".clock.timezone", "\"Europe/Berlin\"");
  assert_vm (target, DOMAIN ".clock.utc", "");
  assert_vm (target, DOMAIN ".clock.timer.hyperv", "{}");
  assert_vm (target, DOMAIN ".cpu.features",
             "[{\"name\":\"vmx\",\"policy\":\"optional\"},"
             "{\"name\":\"svm\",\"policy\":\"optional\"}]");
  assert_vm (target, DOMAIN ".devices.disks[1].shareable", "true");
  assert_vm (target, DOMAIN ".devices.disks[1].cache", "\"none\"");
  assert_vm (target, DOMAIN ".devices.disks[0].shareable", "");

  /* Not a time zone of the IANA's. */
  g_free (target->vm->timezone);
  target->vm->timezone = g_strdup ("W. Europe Standard Time");
  assert_vm (target, DOMAIN ".clock.utc", "{}");
  assert_vm (target, DOMAIN ".clock.timezone", "");
}

static void
test_networks (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (1);

  target->networks = g_variant_ref_sink (
      g_variant_new_parsed ("{'VM Network': 'ignored', 'Storage': 'lab/nad', '': 'pod'}"));
  g_assert_true (mtv_kube_vm_is_ignored (target, 0));
  assert_vm (target, DOMAIN ".devices.interfaces[*].name", "\"net-1\"");
  assert_vm (target, SPEC ".networks",
             "[{\"name\":\"net-1\",\"multus\":{\"networkName\":\"lab/nad\"}}]");
  g_clear_pointer (&target->networks, g_variant_unref);
  target->networks = g_variant_ref_sink (g_variant_new_parsed ("{'': 'ignored'}"));
  assert_vm (target, DOMAIN ".devices.interfaces", "[]");
  assert_vm (target, DOMAIN ".devices.autoattachPodInterface", "false");
}

static void
test_data_volume (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (1);

  mtv_target_set_disk_size (target, 0, (10 << 20) + 1);
  g_autoptr (JsonObject) volume = mtv_kube_vm_data_volume (target, 0, "blank");
  assert_value (volume, "$.spec",
                "{\"source\":{\"blank\":{}},\"storage\":{\"resources\":{\"requests\":"
                "{\"storage\":\"11534336\"}}}}");
  assert_value (volume, "$.metadata.name", "\"web-disk-0\"");
  assert_value (volume, "$.metadata.labels['mtv.org/migration']", "\"run-1\"");
}

static void
test_yaml (void)
{
  g_autoptr (JsonNode) node
      = json_from_string ("{\"a\":{\"b\":[{\"c\":1,\"d\":{\"e\":true}},{\"f\":\"x\\ny\"}],"
                          "\"g\":{},\"h\":[]}}",
                          NULL);
  g_autofree char *yaml = mtv_kube_vm_to_yaml (json_node_get_object (node));

  g_assert_cmpstr (yaml, ==,
                   "a:\n"
                   "  b:\n"
                   "    - c: 1\n"
                   "      d:\n"
                   "        e: true\n"
                   "    - f: \"x\\u000ay\"\n"
                   "  g: {}\n"
                   "  h: []\n");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kube-vm/labels", test_labels);
  g_test_add_func ("/kube-vm/preference", test_preference);
  g_test_add_func ("/kube-vm/guest", test_guest);
  g_test_add_func ("/kube-vm/networks", test_networks);
  g_test_add_func ("/kube-vm/data-volume", test_data_volume);
  g_test_add_func ("/kube-vm/yaml", test_yaml);
  return g_test_run ();
}
