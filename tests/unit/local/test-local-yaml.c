/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-yaml.h"

#include "local-fixture.h"

#include <gio/gio.h>
#include <json-glib/json-glib.h>
#include <string.h>

typedef struct
{
  MtvTarget *target; /* (owned) */
  char *yaml;        /* (owned) */
  JsonNode *docs;    /* (owned) what a YAML parser makes of it */
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->target = local_fixture_target ();
}

static void
clear (Fixture *f)
{
  g_clear_pointer (&f->docs, json_node_unref);
  g_clear_pointer (&f->yaml, g_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  clear (f);
  mtv_target_free (f->target);
}

static void
make (Fixture *f)
{
  g_autofree char *json = NULL;
  g_autoptr (GError) error = NULL;

  clear (f);
  f->yaml = mtv_local_yaml (f->target);
  g_autoptr (GSubprocess) python
      = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                          PYTHON, YAML_TO_JSON, NULL);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (python, f->yaml, NULL, &json, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_get_successful (python));
  f->docs = json_from_string (json, &error);
  g_assert_no_error (error);
}

/* All that is at @path (JSONPath), as JSON. */
static void
assert_value (Fixture *f, const char *path, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) matches = json_path_query (path, f->docs, &error);

  g_assert_no_error (error);
  g_autofree char *found = json_to_string (matches, FALSE);
  g_autofree char *wanted = g_strdup_printf ("[%s]", expected);
  if (g_strcmp0 (found, wanted) != 0)
    g_error ("%s is %s, not %s", path, found, wanted);
}

/* The member @key of the object at @path. */
static void
assert_text (Fixture *f, const char *path, const char *key, const char *expected)
{
  g_autoptr (JsonNode) matches = json_path_query (path, f->docs, NULL);
  JsonArray *array = json_node_get_array (matches);

  g_assert_cmpuint (json_array_get_length (array), ==, 1);
  g_assert_cmpstr (json_object_get_string_member (json_array_get_object_element (array, 0), key),
                   ==, expected);
}

#define SPEC "$[2].spec.template.spec"
#define DOMAIN SPEC ".domain"

static void
test_compatible (Fixture *f, gconstpointer data)
{
  (void) data;
  make (f);
  assert_value (f, "$[*].kind", "\"DataVolume\",\"DataVolume\",\"VirtualMachine\"");
  assert_value (f, "$[*].metadata.name", "\"web-disk-0\",\"web-disk-1\",\"web\"");
  assert_value (f, "$[0].spec",
                "{\"source\":{\"upload\":{}},\"storage\":{\"resources\":{\"requests\":{"
                "\"storage\":\"3145728\"}}}}");
  assert_value (f, "$[2].spec.runStrategy", "\"Halted\"");
  assert_value (f, DOMAIN ".cpu", "{\"sockets\":2,\"cores\":2,\"threads\":2}");
  assert_value (f, DOMAIN ".memory.guest", "\"3073Mi\"");
  assert_value (
      f, DOMAIN ".firmware",
      "{\"uuid\":\"564d1234-0000-1111-2222-333344445555\","
      "\"serial\":\"564d1234-0000-1111-2222-333344445555\",\"bootloader\":{\"bios\":{}}}");
  assert_value (f, DOMAIN ".devices.disks[1]",
                "{\"name\":\"disk-1\",\"disk\":{\"bus\":\"sata\"},\"serial\":\"vmdisk2\"}");
  assert_value (f, DOMAIN ".devices.disks[0].bootOrder", "1");
  assert_value (f, DOMAIN ".devices.interfaces[0]",
                "{\"name\":\"net-0\",\"model\":\"e1000e\",\"masquerade\":{},"
                "\"macAddress\":\"52:54:00:00:00:01\"}");
  assert_value (f, DOMAIN ".devices.inputs[0]",
                "{\"name\":\"tablet\",\"type\":\"tablet\",\"bus\":\"usb\"}");
  assert_value (f, DOMAIN ".features", "{\"acpi\":{}}");
  assert_value (f, DOMAIN ".devices.tpm", "");
  assert_value (f, SPEC ".networks[0]", "{\"name\":\"net-0\",\"pod\":{}}");
  assert_value (f, SPEC ".volumes[1]",
                "{\"name\":\"disk-1\",\"dataVolume\":{\"name\":\"web-disk-1\"}}");
  g_assert_nonnull (strstr (f->yaml, "#   virtctl image-upload dv web-disk-1 --no-create "
                                     "--image-path=disk-1.raw\n"));
}

static void
test_hostile (Fixture *f, gconstpointer data)
{
  (void) data;
  local_fixture_set (&f->target->name, "Web Server \"1\"\n# x");
  make (f);
  assert_value (f, "$[2].metadata.name", "\"web-server-1-x\"");
  assert_text (f, "$[2].metadata.annotations", "mtv.org/original-name", HOSTILE);
  assert_text (f, "$[2].metadata.annotations", "mtv.org/original-id", HOSTILE);
  assert_text (f, "$[2].metadata.annotations", "mtv.org/source", HOSTILE);
  assert_text (f, "$[0].metadata.annotations", "mtv.org/disk-source", HOSTILE);
  assert_text (f, "$[2].metadata.labels", "mtv.org/migration", "0f3c-run");
  assert_text (f, "$[2].metadata.labels", "mtv.org/number", "3");
  assert_text (f, "$[2].metadata.labels", "mtv.org/plan", "a-b.x-s-amp");
  /* Two network cards without a mapping cannot both be on the pod network. */
  assert_value (f, SPEC ".networks[1].multus.networkName", "\"a-b.x-s-amp\"");
  assert_value (f, DOMAIN ".devices.interfaces[1].bridge", "{}");
}

static void
test_virtio_efi (Fixture *f, gconstpointer data)
{
  (void) data;
  MtvVmNic *nic = g_ptr_array_index (f->target->vm->nics, 0);

  local_fixture_set (&f->target->devices, "virtio");
  local_fixture_set (&f->target->vm->firmware, "efi");
  f->target->vm->secure_boot = TRUE;
  f->target->vm->tpm = TRUE;
  f->target->start = TRUE;
  nic->disconnected = TRUE;
  f->target->networks
      = g_variant_ref_sink (g_variant_new_parsed ("{'VM Network': 'ns/a: \"b\"', '': 'pod'}"));
  make (f);
  assert_value (f, "$[2].spec.runStrategy", "\"Always\"");
  assert_value (f, DOMAIN ".firmware.bootloader", "{\"efi\":{\"secureBoot\":true}}");
  assert_value (f, DOMAIN ".features.smm", "{\"enabled\":true}");
  assert_value (f, DOMAIN ".devices.tpm", "{\"persistent\":true}");
  assert_value (f, DOMAIN ".devices.disks[*].disk.bus", "\"virtio\",\"virtio\"");
  assert_value (f, DOMAIN ".devices.interfaces[*].model", "\"virtio\",\"virtio\"");
  assert_value (f, DOMAIN ".devices.interfaces[0].state", "\"down\"");
  assert_text (f, SPEC ".networks[0].multus", "networkName", "ns/a: \"b\"");
  assert_value (f, SPEC ".networks[1].pod", "{}");

  f->target->vm->secure_boot = FALSE;
  make (f);
  /* KubeVirt's own default is to switch it on. */
  assert_value (f, DOMAIN ".firmware.bootloader", "{\"efi\":{\"secureBoot\":false}}");
  assert_value (f, DOMAIN ".features", "{\"acpi\":{}}");
}

static void
test_bare (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (MtvVm) vm = mtv_vm_new ();

  vm->id = g_strdup ("1");
  vm->name = g_strdup ("bare");
  mtv_target_free (f->target);
  f->target = mtv_target_new (vm);
  f->target->name = g_strdup ("bare");
  f->target->run_id = g_strdup ("r");
  f->target->plan = g_strdup ("p");
  f->target->devices = g_strdup ("compatible");
  f->target->format = g_strdup ("raw");
  make (f);
  assert_value (f, "$[*].kind", "\"VirtualMachine\"");
  assert_value (f, "$[0].spec.template.spec.networks", "[]");
  assert_value (f, "$[0].spec.template.spec.volumes", "[]");
  assert_value (f, "$[0].spec.template.spec.domain.devices.disks", "[]");
  assert_value (f, "$[0].spec.template.spec.domain.devices.autoattachPodInterface", "false");
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/local-yaml/compatible", test_compatible);
  ADD ("/local-yaml/hostile", test_hostile);
  ADD ("/local-yaml/virtio-efi", test_virtio_efi);
  ADD ("/local-yaml/bare", test_bare);
  return g_test_run ();
}
