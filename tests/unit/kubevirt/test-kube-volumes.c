/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-volumes.h"

#include "base/mtv-error.h"
#include "kube-fixture.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-pod.h"

#include <string.h>

static JsonObject *
parse (const char *text)
{
  g_autoptr (GError) error = NULL;
  JsonObject *object = mtv_kube_json_parse (text, strlen (text), "it", &error);

  g_assert_no_error (error);
  return object;
}

static void
test_default_class (void)
{
  g_autoptr (JsonObject) list
      = parse ("{\"items\":[{\"metadata\":{\"name\":\"a\"}},7,"
               "{\"metadata\":{\"name\":\"b\",\"annotations\":{"
               "\"storageclass.kubernetes.io/is-default-class\":\"true\"}}},"
               "{\"metadata\":{\"name\":\"c\",\"annotations\":{"
               "\"storageclass.kubevirt.io/is-default-virt-class\":\"true\"}}}]}");
  JsonArray *classes = mtv_kube_json_array (list, "items", NULL);

  g_assert_cmpstr (mtv_kube_default_class (classes), ==, "c");
  json_array_remove_element (classes, 3);
  g_assert_cmpstr (mtv_kube_default_class (classes), ==, "b");
  json_array_remove_element (classes, 2);
  g_assert_null (mtv_kube_default_class (classes));
  g_assert_null (mtv_kube_default_class (NULL));
}

static void
test_place (void)
{
  static const struct
  {
    const char *volume_mode;
    const char *access_mode;
    const char *expected; /* NULL: refused */
  } cases[] = {
    { NULL, NULL, "Block ReadWriteMany" },
    { "Filesystem", NULL, "Filesystem ReadWriteOnce" },
    { NULL, "ReadWriteOnce", "Filesystem ReadWriteOnce" },
    { "Block", "ReadWriteMany", "Block ReadWriteMany" },
    { "Filesystem", "ReadWriteMany", "Filesystem ReadWriteMany" }, /* as the user says */
    { NULL, "ReadOnlyMany", NULL },
    { "Odd", NULL, NULL },
  };
  g_autoptr (JsonObject) profile
      = parse ("{\"status\":{\"claimPropertySets\":[{\"volumeMode\":\"Block\",\"accessModes\":"
               "[7,\"ReadWriteMany\"]},{\"volumeMode\":\"Filesystem\",\"accessModes\":"
               "[\"ReadWriteOnce\"]}]}}");

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvKubePlacement) placement
          = mtv_kube_place ("fast", profile, cases[i].volume_mode, cases[i].access_mode, &error);

      if (cases[i].expected == NULL)
        {
          g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
          g_assert_nonnull (strstr (error->message, "'fast'"));
          continue;
        }
      g_autofree char *found
          = g_strdup_printf ("%s %s", placement->volume_mode, placement->access_mode);
      g_assert_cmpstr (found, ==, cases[i].expected);
    }

  g_autoptr (GError) error = NULL;
  g_assert_null (mtv_kube_place ("slow", NULL, NULL, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "'slow'"));
}

static void
test_volume (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (1);
  MtvKubePlacement placement = { (char *) "fast", (char *) "Block", (char *) "ReadWriteMany" };
  g_autoptr (JsonObject) volume = mtv_kube_volume_new (target, 0, &placement);
  g_autoptr (GBytes) json = mtv_kube_json_to_bytes (mtv_kube_json_object (volume, "spec", NULL));
  g_autofree char *text = g_strndup (g_bytes_get_data (json, NULL), g_bytes_get_size (json));

  g_assert_cmpstr (text, ==,
                   "{\"source\":{\"blank\":{}},\"storage\":{\"resources\":{\"requests\":{"
                   "\"storage\":\"4194304\"}},\"storageClassName\":\"fast\","
                   "\"volumeMode\":\"Block\",\"accessModes\":[\"ReadWriteMany\"]}}");
}

static void
test_ownership (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (1);
  g_autofree char *key = mtv_kube_key_new (target, "vms", "web-disk-0");
  g_auto (GStrv) parts = mtv_kube_key_split (key);
  g_autoptr (JsonObject) ours = parse ("{\"metadata\":{\"labels\":{\"mtv.org/migration\":\"run-1\","
                                       "\"mtv.org/number\":\"3\"}}}");
  g_autoptr (JsonObject) theirs = parse ("{\"metadata\":{}}");

  g_assert_cmpstr (key, ==, "vms/web-disk-0/run-1/3");
  g_assert_true (mtv_kube_is_ours (ours, parts[2], parts[3]));
  g_assert_false (mtv_kube_is_ours (ours, "run-1", "4"));
  g_assert_false (mtv_kube_is_ours (theirs, "run-1", "3"));
  g_assert_null (mtv_kube_key_split ("vms/web-disk-0/run-1"));
  g_assert_null (mtv_kube_key_split ("vms//run-1/3"));
  g_assert_null (mtv_kube_key_split ("a/b/c/d/e"));
}

static void
test_pod (void)
{
  g_autoptr (MtvTarget) target = kube_fixture_target (1);
  g_autoptr (JsonObject) block = mtv_kube_pod_new (target, 0, "img", "Block", TRUE);
  g_autoptr (JsonObject) file = mtv_kube_pod_new (target, 0, "img", "Filesystem", FALSE);
  g_autoptr (GBytes) block_bytes = mtv_kube_json_to_bytes (block);
  g_autoptr (GBytes) file_bytes = mtv_kube_json_to_bytes (file);
  g_autofree char *block_text
      = g_strndup (g_bytes_get_data (block_bytes, NULL), g_bytes_get_size (block_bytes));
  g_autofree char *file_text
      = g_strndup (g_bytes_get_data (file_bytes, NULL), g_bytes_get_size (file_bytes));

  g_assert_cmpstr (mtv_kube_json_string (block, "metadata", "name", NULL), ==, "web-disk-0-writer");
  g_assert_null (mtv_kube_json_string (block, "metadata", "labels", "app", NULL));
  g_assert_nonnull (
      strstr (block_text, "\"--bind=127.0.0.1\",\"--port=10809\",\"/dev/mtv-disk\"]"));
  g_assert_nonnull (strstr (block_text, "\"volumeDevices\":[{\"name\":\"disk\","
                                        "\"devicePath\":\"/dev/mtv-disk\"}]"));
  g_assert_nonnull (strstr (block_text, "\"runAsNonRoot\":true,\"runAsUser\":107,\"fsGroup\":107"));
  g_assert_nonnull (strstr (block_text, "\"allowPrivilegeEscalation\":false,\"capabilities\":"
                                        "{\"drop\":[\"ALL\"]}"));
  g_assert_nonnull (strstr (block_text, "\"claimName\":\"web-disk-0\""));
  g_assert_nonnull (strstr (file_text, "\"/data/disk.img\"]"));
  g_assert_null (strstr (file_text, "runAsUser"));
}

static void
test_pod_state (void)
{
  static const struct
  {
    const char *pod;
    MtvKubePodState state;
    const char *reason;
    gboolean stuck;
  } cases[] = {
    { "{}", MTV_KUBE_POD_STARTING, NULL, FALSE },
    { "{\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"ready\":true}]}}",
      MTV_KUBE_POD_READY, NULL, FALSE },
    { "{\"status\":{\"phase\":\"Running\",\"containerStatuses\":[{\"ready\":false,\"state\":{"
      "\"waiting\":{\"reason\":\"CrashLoopBackOff\",\"message\":\"back-off\"}}}]}}",
      MTV_KUBE_POD_STARTING, "CrashLoopBackOff: back-off", TRUE },
    { "{\"status\":{\"phase\":\"Pending\",\"containerStatuses\":[{\"state\":{\"waiting\":{"
      "\"reason\":\"ErrImagePull\"}}}]}}",
      MTV_KUBE_POD_STARTING, "ErrImagePull", TRUE },
    { "{\"status\":{\"phase\":\"Pending\",\"conditions\":[{\"type\":\"PodScheduled\",\"status\":"
      "\"False\",\"reason\":\"Unschedulable\",\"message\":\"no nodes\"}]}}",
      MTV_KUBE_POD_STARTING, "Unschedulable: no nodes", FALSE },
    { "{\"status\":{\"phase\":\"Failed\"}}", MTV_KUBE_POD_ENDED, NULL, FALSE },
    { "{\"metadata\":{\"deletionTimestamp\":\"now\"},\"status\":{\"phase\":\"Running\","
      "\"containerStatuses\":[{\"ready\":true}]}}",
      MTV_KUBE_POD_ENDED, NULL, FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (JsonObject) pod = parse (cases[i].pod);
      g_autofree char *reason = NULL;

      g_assert_cmpint (mtv_kube_pod_get_state (pod, &reason), ==, cases[i].state);
      g_assert_cmpstr (reason, ==, cases[i].reason);
      g_assert_cmpint (mtv_kube_pod_is_stuck (pod), ==, cases[i].stuck);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kube-volumes/default-class", test_default_class);
  g_test_add_func ("/kube-volumes/place", test_place);
  g_test_add_func ("/kube-volumes/volume", test_volume);
  g_test_add_func ("/kube-volumes/ownership", test_ownership);
  g_test_add_func ("/kube-volumes/pod", test_pod);
  g_test_add_func ("/kube-volumes/pod-state", test_pod_state);
  return g_test_run ();
}
