/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-destination.h"

#include "base/mtv-error.h"
#include "fakes/fake-kube.h"
#include "kube-fixture.h"

#include <string.h>

#define NS "/api/v1/namespaces/vms"
#define VMS "/apis/kubevirt.io/v1/namespaces/vms/virtualmachines"
#define VOLUMES "/apis/cdi.kubevirt.io/v1beta1/namespaces/vms/datavolumes"
#define CLAIMS NS "/persistentvolumeclaims"
#define PODS NS "/pods"

typedef struct
{
  FakeKube *kube;
  MtvProvider *provider;
  MtvDestination *destination; /* the same */
  MtvTarget *target;
} Fixture;

static MtvProvider *
try_create (const char *url, const char *settings, const char *secrets, GError **error)
{
  MtvProviderConfig config = { .name = (char *) "lab", .url = g_strdup (url) };
  g_autoptr (GVariant) secret
      = secrets == NULL ? NULL : g_variant_ref_sink (g_variant_new_parsed (secrets));

  config.settings = settings == NULL ? NULL : g_variant_ref_sink (g_variant_new_parsed (settings));
  MtvProvider *provider = mtv_kube_destination_type.create (&config, secret, -1, error);
  if (provider != NULL)
    {
      g_assert_nonnull (config.url);
      g_assert_true (
          mtv_provider_type_check (&mtv_kube_destination_type, config.settings, secret, NULL));
    }
  g_clear_pointer (&config.settings, g_variant_unref);
  g_free (config.url);
  return provider;
}

static void
connect_with (Fixture *f, const char *settings)
{
  g_autoptr (GError) error = NULL;

  g_clear_object (&f->provider);
  f->provider = try_create (fake_kube_get_url (f->kube), settings,
                            "{'token': '" FAKE_KUBE_TOKEN "'}", &error);
  g_assert_no_error (error);
  f->destination = MTV_DESTINATION (f->provider);
  mtv_kube_destination_set_pace (MTV_KUBE_DESTINATION (f->provider), 1);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->kube = fake_kube_new ();
  f->target = kube_fixture_target (2);
  f->target->networks = g_variant_ref_sink (g_variant_new_parsed ("{'Storage': 'lan', '': 'pod'}"));
  connect_with (f, "{'namespace': <'vms'>}");
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_clear_object (&f->provider);
  mtv_target_free (f->target);
  fake_kube_free (f->kube);
}

/* What is wrong. */

static GPtrArray *
check (Fixture *f)
{
  GPtrArray *concerns = mtv_concerns_new ();

  mtv_destination_check (f->destination, f->target, concerns, NULL);
  return concerns;
}

static void
assert_one (Fixture *f, const char *id, const char *part)
{
  g_autoptr (GPtrArray) concerns = check (f);

  for (guint i = 0; i < concerns->len; i++)
    {
      const MtvConcern *concern = g_ptr_array_index (concerns, i);

      if (g_str_equal (concern->id, id) && strstr (concern->assessment, part) != NULL)
        return;
      g_test_message ("%s: %s", concern->id, concern->assessment);
    }
  g_error ("there is no %s about %s", id, part);
}

static void
assert_good (Fixture *f)
{
  g_autoptr (GPtrArray) concerns = check (f);

  for (guint i = 0; i < concerns->len; i++)
    g_error ("%s", ((MtvConcern *) g_ptr_array_index (concerns, i))->assessment);
}

static void
test_check (Fixture *f, gconstpointer data)
{
  (void) data;
  guint objects = fake_kube_count (f->kube, "/");

  assert_good (f);
  g_assert_cmpuint (fake_kube_count (f->kube, "/"), ==, objects); /* it changed nothing */

  fake_kube_deny (f->kube, "create pods");
  fake_kube_deny (f->kube, "get pods/portforward");
  fake_kube_deny (f->kube, "patch datavolumes");
  assert_one (f, "cluster.rights",
              "'vms' our account may not: patch datavolumes.cdi.kubevirt.io, create pods, get "
              "pods/portforward.");
}

static void
test_check_cluster (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_provider_test (f->provider, NULL, &error));
  connect_with (f, "{'namespace': <'nowhere'>}");
  assert_one (f, "cluster.namespace", "no namespace 'nowhere'");
  connect_with (f, "{'namespace': <'vms'>}");
  fake_kube_put (f->kube, NS, "{\"status\":{\"phase\":\"Terminating\"}}");
  assert_one (f, "cluster.namespace", "'vms' is being deleted");
  fake_kube_remove (f->kube, "/apis/cdi.kubevirt.io/v1beta1");
  assert_one (f, "cluster.component", "CDI is not installed");
  fake_kube_remove (f->kube, "/apis/kubevirt.io/v1");
  g_assert_false (mtv_provider_test (f->provider, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "Cluster 'lab': KubeVirt is not installed"));
  g_clear_error (&error);
  fake_kube_set_token (f->kube, "changed");
  assert_one (f, "destination.not.writable", "Unauthorized");
  g_assert_false (mtv_provider_test (f->provider, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED);
}

static void
test_check_storage (Fixture *f, gconstpointer data)
{
  (void) data;
  connect_with (f, "{'namespace': <'vms'>, 'storage-class': <'slow'>}");
  assert_one (f, "storage.profile", "no storage class 'slow'");
  connect_with (f, "{'namespace': <'vms'>, 'storage-class': <'fast'>, 'access-mode': <'Odd'>}");
  assert_one (f, "storage.profile", "'fast' offers no volume mode with Odd");
  connect_with (f, "{'namespace': <'vms'>}");
  fake_kube_put (f->kube, "/apis/cdi.kubevirt.io/v1beta1/storageprofiles/fast",
                 "{\"metadata\":{\"name\":\"fast\"},\"status\":{}}");
  assert_one (f, "storage.profile", "'fast' offers no volume mode");
  fake_kube_remove (f->kube, "/apis/storage.k8s.io/v1/storageclasses/fast");
  assert_one (f, "storage.profile", "no default storage class");
  fake_kube_remove (f->kube, "/apis/apps/v1/namespaces/cdi/deployments/cdi-deployment");
  assert_one (f, "writer.image", "writer-image");
}

static void
test_check_target (Fixture *f, gconstpointer data)
{
  (void) data;
  fake_kube_fail (f->kube, "POST", "virtualmachines?fieldManager=mtvd&dryRun=All", 422, "Invalid",
                  "admission webhook denied: MAC address already in use", 1);
  assert_one (f, "target.refused", "MAC address already in use");
  fake_kube_fail (f->kube, "POST", "datavolumes?fieldManager=mtvd&dryRun=All", 403, "Forbidden",
                  "exceeded quota: disks", 1);
  assert_one (f, "target.refused", "exceeded quota: disks");
  fake_kube_remove (f->kube,
                    "/apis/k8s.cni.cncf.io/v1/namespaces/vms/network-attachment-definitions/lan");
  assert_one (f, "network.missing", "card 2 is to be on 'lan'");
  g_assert_false (mtv_destination_has_vm (f->destination, "web", NULL));
  fake_kube_put (f->kube, VMS "/web", "{\"metadata\":{\"name\":\"web\"}}");
  g_assert_true (mtv_destination_has_vm (f->destination, "web", NULL));
  assert_one (f, "target.exists", "dash and four more");
  f->target->name_given = TRUE;
  assert_one (f, "target.exists", "another target name");
  fake_kube_put (f->kube, CLAIMS "/other-disk-0", "{\"metadata\":{\"name\":\"other-disk-0\"}}");
  g_assert_true (mtv_destination_has_vm (f->destination, "other", NULL));
}

/* From volumes to a VM. */

static void
create_volumes (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  mtv_destination_create_volumes (f->destination, f->target, NULL, &error);
  g_assert_no_error (error);
}

static MtvWriter *
open_writer (Fixture *f, guint disk)
{
  g_autoptr (GError) error = NULL;
  MtvWriter *writer = mtv_destination_open_writer (f->destination, f->target, disk, NULL, &error);

  g_assert_no_error (error);
  return writer;
}

static void
fill (guint8 *buffer, gsize length, guint seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (gsize i = 0; i < length; i++)
    buffer[i] = (guint8) g_rand_int (rand);
}

#define PART (1 << 20)

static void
write_part (MtvWriter *writer, guint64 offset, guint seed)
{
  g_autofree guint8 *buffer = g_malloc (PART);
  g_autoptr (GError) error = NULL;

  fill (buffer, PART, seed);
  g_assert_true (mtv_writer_write (writer, offset, buffer, PART, NULL, &error));
  g_assert_no_error (error);
}

static void
flush (MtvWriter *writer)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_writer_flush (writer, NULL, &error));
  g_assert_no_error (error);
}

/* @seeds: of the parts of the volume; 0: zeroes. */
static void
assert_volume (Fixture *f, const char *claim, const guint seeds[4])
{
  g_autofree guint8 *expected = g_malloc (PART);
  gsize length;
  g_autofree char *content = fake_kube_read_volume (f->kube, "vms", claim, &length);

  g_assert_cmpuint (length, ==, 4 * PART);
  for (guint i = 0; i < 4; i++)
    {
      if (seeds[i] != 0)
        fill (expected, PART, seeds[i]);
      else
        memset (expected, 0, PART);
      g_assert_true (memcmp (content + i * PART, expected, PART) == 0);
    }
}

static void
remove_all (Fixture *f)
{
  g_autoptr (GPtrArray) objects = mtv_destination_list_objects (f->destination, f->target);

  for (guint i = objects->len; i > 0; i--)
    {
      MtvDestinationObject *object = g_ptr_array_index (objects, i - 1);
      g_autoptr (GError) error = NULL;

      g_assert_true (
          mtv_destination_remove (f->destination, object->kind, object->key, NULL, &error));
      g_assert_no_error (error);
    }
}

static void
assert_nothing_left (Fixture *f)
{
  g_assert_cmpuint (fake_kube_count (f->kube, VOLUMES "/"), ==, 0);
  g_assert_cmpuint (fake_kube_count (f->kube, CLAIMS "/"), ==, 0);
  g_assert_cmpuint (fake_kube_count (f->kube, PODS "/"), ==, 0);
}

static char *
define (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  char *location = mtv_destination_define (f->destination, f->target, NULL, &error);

  g_assert_no_error (error);
  return location;
}

static void
test_flow (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autofree guint8 *buffer = g_malloc (PART), *expected = g_malloc (PART);
  g_autoptr (GError) error = NULL;

  f->target->start = TRUE;
  f->target->vm->os_id = g_strdup ("rhel9_64Guest");
  fake_kube_put (f->kube,
                 "/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterpreferences/rhel.9",
                 "{}");
  create_volumes (f);
  g_assert_true (mtv_destination_can_read_back (f->destination, f->target));
  MtvWriter *writer = open_writer (f, 0);
  write_part (writer, PART, 7);
  flush (writer);
  /* What was flushed is read while it is still written to. */
  g_autoptr (MtvReader) reader
      = mtv_destination_open_reader (f->destination, f->target, 0, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (mtv_reader_read (reader, PART, buffer, PART, NULL, &error));
  fill (expected, PART, 7);
  g_assert_true (memcmp (buffer, expected, PART) == 0);
  g_clear_object (&reader);
  g_object_unref (writer);

  g_autofree char *location = define (f);
  g_assert_cmpstr (location, ==, "vms/web");
  assert_volume (f, "web-disk-0", (const guint[]){ 0, 7, 0, 0 });
  assert_volume (f, "web-disk-1", (const guint[]){ 0, 0, 0, 0 });
  g_assert_cmpuint (fake_kube_count (f->kube, PODS "/"), ==, 0);
  g_autofree char *vm = fake_kube_get (f->kube, VMS "/web");
  g_assert_nonnull (strstr (vm, "\"runStrategy\":\"Always\""));
  g_assert_nonnull (strstr (vm, "\"name\":\"rhel.9\""));

  /* It is said again; and what belongs to the VM now does not go. */
  g_autofree char *again = define (f);
  g_assert_cmpstr (again, ==, "vms/web");
  remove_all (f);
  g_assert_cmpuint (fake_kube_count (f->kube, VOLUMES "/"), ==, 2);
  fake_kube_remove (f->kube, VMS "/web");
  assert_nothing_left (f);
}

static void
test_again (Fixture *f, gconstpointer data)
{
  (void) data;
  create_volumes (f);
  /* What is ours does not stand in our own way. */
  g_assert_false (mtv_destination_has_vm (f->destination, "web", NULL));
  MtvWriter *writer = open_writer (f, 1);
  write_part (writer, 0, 3);
  flush (writer);
  g_object_unref (writer);
  /* What is there of this run stays. */
  create_volumes (f);
  assert_volume (f, "web-disk-1", (const guint[]){ 3, 0, 0, 0 });
  remove_all (f);
  assert_nothing_left (f);
  remove_all (f); /* gone is success */
}

static void
test_filesystem (Fixture *f, gconstpointer data)
{
  (void) data;
  connect_with (f, "{'namespace': <'vms'>, 'volume-mode': <'Filesystem'>, 'writer-image': "
                   "<'registry.example/qemu:1'>}");
  create_volumes (f);
  /* CDI made its file, so there was nothing to do for us yet. */
  g_assert_cmpuint (fake_kube_count (f->kube, PODS "/"), ==, 0);
  MtvWriter *writer = open_writer (f, 0);
  g_autofree char *pod = fake_kube_get (f->kube, PODS "/web-disk-0-writer");
  g_assert_nonnull (strstr (pod, "registry.example/qemu:1"));
  g_assert_nonnull (strstr (pod, "/data/disk.img"));
  write_part (writer, 2 * PART, 9);
  flush (writer);
  g_object_unref (writer);
  assert_volume (f, "web-disk-0", (const guint[]){ 0, 0, 9, 0 });
  remove_all (f);
  assert_nothing_left (f);
}

static void
test_security (Fixture *f, gconstpointer data)
{
  (void) data;
  /* OpenShift's SCC refuses a user of our choice. */
  fake_kube_fail (f->kube, "POST", PODS, 403, "Forbidden",
                  "unable to validate against any security context constraint", 1);
  create_volumes (f);
  g_autofree char *first = fake_kube_get (f->kube, PODS "/web-disk-0-writer");
  g_autofree char *second = fake_kube_get (f->kube, PODS "/web-disk-1-writer");
  g_assert_null (strstr (first, "runAsUser"));
  g_assert_nonnull (strstr (second, "runAsUser"));
  remove_all (f);

  /* And if it refuses that, too, it is said. */
  g_autoptr (GError) error = NULL;
  fake_kube_fail (f->kube, "POST", PODS, 403, "Forbidden", "violates PodSecurity", 2);
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED);
  g_assert_nonnull (strstr (error->message, "violates PodSecurity"));
  remove_all (f);
  assert_nothing_left (f);
}

/* A lost tunnel: writes go on; what was not flushed counts as lost, once. */
static void
test_cut (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  create_volumes (f);
  MtvWriter *writer = open_writer (f, 0);
  write_part (writer, 0, 1);
  flush (writer);
  g_assert_cmpuint (fake_kube_cut (f->kube), >=, 1);
  write_part (writer, PART, 2);
  flush (writer);
  write_part (writer, 2 * PART, 3);
  g_assert_cmpuint (fake_kube_cut (f->kube), >=, 1);
  g_assert_false (mtv_writer_flush (writer, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_object_unref (writer);

  writer = open_writer (f, 0);
  write_part (writer, 2 * PART, 4);
  flush (writer);
  g_object_unref (writer);
  assert_volume (f, "web-disk-0", (const guint[]){ 1, 2, 4, 0 });
  remove_all (f);
}

static void
test_pod_dies (Fixture *f, gconstpointer data)
{
  (void) data;
  for (guint again = 0; again < 2; again++)
    {
      create_volumes (f);
      MtvWriter *writer = open_writer (f, 0);
      write_part (writer, 0, 1);
      flush (writer);
      /* Started again by kubelet; then, failed for good: we make another one. */
      fake_kube_kill_pods (f->kube, again == 0);
      write_part (writer, PART, 2);
      flush (writer);
      g_object_unref (writer);
      assert_volume (f, "web-disk-0", (const guint[]){ 1, 2, 0, 0 });
      remove_all (f);
      assert_nothing_left (f);
    }
}

/* What others have there stays, whatever is asked. */
static void
test_foreign (Fixture *f, gconstpointer data)
{
  (void) data;
  static const char *const taken[]
      = { VOLUMES "/web-disk-1", CLAIMS "/web-disk-1", PODS "/web-disk-1-writer" };

  for (gsize i = 0; i < G_N_ELEMENTS (taken); i++)
    {
      g_autoptr (GError) error = NULL;
      const char *name = strrchr (taken[i], '/') + 1;

      fake_kube_put (f->kube, taken[i],
                     "{\"metadata\":{\"labels\":{\"mtv.org/migration\":\"run-0\"}}}");
      g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_EXISTS);
      g_assert_nonnull (strstr (error->message, name));
      remove_all (f);
      g_assert_cmpuint (fake_kube_count (f->kube, taken[i]), ==, 1);
      fake_kube_remove (f->kube, taken[i]);
    }

  g_autoptr (GError) error = NULL;
  g_assert_false (
      mtv_destination_remove (f->destination, "namespace", "vms/vms/run-1/3", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  fake_kube_put (f->kube, VMS "/web", "{\"metadata\":{\"name\":\"web\"}}");
  g_assert_null (mtv_destination_define (f->destination, f->target, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, "'web'"));
}

static void
test_trouble (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  fake_kube_fail (f->kube, "POST", VOLUMES, 403, "Forbidden", "exceeded quota: disks", 1);
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_clear_error (&error);

  fake_kube_set_phase (f->kube, "DataVolume", "Failed");
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "'web-disk-0'"));
  g_clear_error (&error);
  remove_all (f);
  assert_nothing_left (f);

  /* The answer to a creation is lost, and the retry finds it made. */
  fake_kube_set_phase (f->kube, "DataVolume", "Succeeded");
  fake_kube_fail (f->kube, "POST", VMS, 422, "Invalid", "spec.template: no", 1);
  create_volumes (f);
  g_assert_null (mtv_destination_define (f->destination, f->target, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "spec.template: no"));
  g_assert_cmpuint (fake_kube_count (f->kube, VMS "/"), ==, 0);
  remove_all (f);
  assert_nothing_left (f);
}

static void
test_preference_refused (Fixture *f, gconstpointer data)
{
  (void) data;
  f->target->vm->os_id = g_strdup ("windows11_64Guest");
  fake_kube_put (
      f->kube, "/apis/instancetype.kubevirt.io/v1beta1/virtualmachineclusterpreferences/windows.11",
      "{}");
  create_volumes (f);
  fake_kube_fail (f->kube, "POST", VMS, 422, "Invalid", "preference requires 4Gi", 1);
  g_autofree char *location = define (f);
  g_autofree char *vm = fake_kube_get (f->kube, VMS "/web");
  g_assert_cmpstr (location, ==, "vms/web");
  g_assert_null (strstr (vm, "preference"));
  g_assert_nonnull (strstr (vm, "\"runStrategy\":\"Halted\""));
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

static void
test_create (void)
{
  static const struct
  {
    const char *url;
    const char *settings;
    const char *secrets;
    const char *message; /* NULL: good */
  } cases[] = {
    { "https://h", NULL, "{'token': 's3cret'}", NULL },
    { NULL, NULL, NULL, "no pod of a cluster" },
    { "", NULL, NULL, "no pod of a cluster" },
    { "https://h", NULL, NULL, "needs a kubeconfig" },
    { NULL, NULL, "{'token': 's3cret'}", "needs a kubeconfig" },
    { NULL, NULL, "{'kubeconfig': 's3cret: ['}", "no YAML" },
    { "https://h", "{'namespace': <'Not A Name'>}", "{'token': 's3cret'}", "'Not A Name'" },
    { NULL, NULL,
      "{'kubeconfig': 'current-context: c\\ncontexts: [{name: c, context: {cluster: k, user: u}}]"
      "\\nclusters: [{name: k, cluster: {server: \"https://h\"}}]\\nusers: [{name: u, user: "
      "{exec: {command: oc, apiVersion: client.authentication.k8s.io/v1}}}]'}",
      "'oc' run to log in, which needs the setting allow-exec" },
    { NULL, "{'allow-exec': <true>, 'insecure': <true>}",
      "{'kubeconfig': 'current-context: c\\ncontexts: [{name: c, context: {cluster: k, user: u}}]"
      "\\nclusters: [{name: k, cluster: {server: \"https://h\"}}]\\nusers: [{name: u, user: "
      "{exec: {command: oc, apiVersion: client.authentication.k8s.io/v1}}}]'}",
      NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvProvider) provider
          = try_create (cases[i].url, cases[i].settings, cases[i].secrets, &error);

      g_assert_true ((provider != NULL) == (cases[i].message == NULL));
      if (provider != NULL)
        continue;
      if (strstr (error->message, cases[i].message) == NULL
          || strstr (error->message, "s3cret") != NULL)
        g_error ("case %zu says: %s", i, error->message);
    }

  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();
  g_autoptr (MtvProvider) provider
      = try_create ("https://h", "{'insecure': <true>}", "{'token': 'x'}", NULL);
  mtv_provider_add_concerns (provider, concerns);
  g_assert_cmpuint (concerns->len, ==, 1);
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("/kube-destination/check", test_check);
  ADD ("/kube-destination/check-cluster", test_check_cluster);
  ADD ("/kube-destination/check-storage", test_check_storage);
  ADD ("/kube-destination/check-target", test_check_target);
  ADD ("/kube-destination/flow", test_flow);
  ADD ("/kube-destination/again", test_again);
  ADD ("/kube-destination/filesystem", test_filesystem);
  ADD ("/kube-destination/security", test_security);
  ADD ("/kube-destination/cut", test_cut);
  ADD ("/kube-destination/pod-dies", test_pod_dies);
  ADD ("/kube-destination/foreign", test_foreign);
  ADD ("/kube-destination/trouble", test_trouble);
  ADD ("/kube-destination/preference-refused", test_preference_refused);
  ADD ("/kube-destination/cancel", test_cancel);
  g_test_add_func ("/kube-destination/create", test_create);
  return g_test_run ();
}
