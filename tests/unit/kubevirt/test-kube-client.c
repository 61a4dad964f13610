/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-client.h"

#include "base/mtv-error.h"
#include "fakes/fake-kube.h"
#include "provider/kubevirt/mtv-kube-json.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define CLAIMS "/api/v1/namespaces/vms/persistentvolumeclaims"

typedef struct
{
  FakeKube *kube;
  MtvKubeClient *client;
} Fixture;

static MtvKubeClient *
connect_to (FakeKube *kube, MtvKubeConfig *config)
{
  (void) kube;
  MtvKubeClient *client = mtv_kube_client_new (config, "Cluster 'lab'");

  mtv_kube_client_set_pace (client, 1);
  return client;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  f->kube = fake_kube_new ();
  f->client
      = connect_to (f->kube, mtv_kube_config_new (fake_kube_get_url (f->kube), FAKE_KUBE_TOKEN));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  mtv_kube_client_unref (f->client);
  fake_kube_free (f->kube);
}

static JsonObject *
object_named (const char *name)
{
  JsonObject *object = json_object_new ();
  JsonObject *metadata = json_object_new ();

  json_object_set_object_member (object, "metadata", metadata);
  json_object_set_string_member (metadata, "name", name);
  return object;
}

static void
test_paths (void)
{
  g_autofree char *core = mtv_kube_path ("v1", NULL, "namespaces", "x");
  g_autofree char *group = mtv_kube_path ("kubevirt.io/v1", "a b", "virtualmachines", NULL);
  g_autofree char *sub = mtv_kube_path ("v1", "n", "pods", "p/log");

  g_assert_cmpstr (core, ==, "/api/v1/namespaces/x");
  g_assert_cmpstr (group, ==, "/apis/kubevirt.io/v1/namespaces/a%20b/virtualmachines");
  g_assert_cmpstr (sub, ==, "/api/v1/namespaces/n/pods/p/log");
}

static void
test_objects (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (JsonObject) object = object_named ("a");
  g_autoptr (GError) error = NULL;

  /* A dry run leaves nothing. */
  g_autoptr (JsonObject) tried
      = mtv_kube_client_create (f->client, CLAIMS, object, TRUE, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (tried);
  g_assert_null (mtv_kube_client_get (f->client, CLAIMS "/a", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "Cluster 'lab': cannot read '" CLAIMS "/a'"));
  g_clear_error (&error);

  g_autoptr (JsonObject) made
      = mtv_kube_client_create (f->client, CLAIMS, object, FALSE, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (made);
  const char *uid = mtv_kube_json_string (made, "metadata", "uid", NULL);
  g_assert_null (mtv_kube_client_create (f->client, CLAIMS, object, FALSE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, "make 'a' in"));
  g_clear_error (&error);

  /* Not that one. */
  g_assert_true (mtv_kube_client_delete (f->client, CLAIMS "/b", uid, 0, NULL, &error));
  g_assert_false (mtv_kube_client_delete (f->client, CLAIMS "/a", "uid-other", 0, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_IN_USE);
  g_clear_error (&error);
  g_assert_true (mtv_kube_client_delete (f->client, CLAIMS "/a", uid, 0, NULL, &error));
  g_assert_cmpuint (fake_kube_count (f->kube, CLAIMS "/a"), ==, 0);
}

static void
test_list (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *version = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < 5; i++)
    {
      g_autofree char *path = g_strdup_printf (CLAIMS "/c%u", i);
      g_autofree char *json = g_strdup_printf (
          "{\"metadata\":{\"name\":\"c%u\",\"labels\":{\"odd\":\"%u\"}}}", i, i % 2);
      fake_kube_put (f->kube, path, json);
    }
  g_autoptr (JsonArray) all
      = mtv_kube_client_list (f->client, CLAIMS, NULL, &version, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (json_array_get_length (all), ==, 5); /* pages of two */
  g_assert_nonnull (version);
  g_autoptr (JsonArray) odd
      = mtv_kube_client_list (f->client, CLAIMS, "labelSelector=odd%3D1", NULL, NULL, &error);
  g_assert_cmpuint (json_array_get_length (odd), ==, 2);

  /* A page that is not remembered any more: from the start. */
  fake_kube_fail (f->kube, "GET", "continue=", 410, "Expired", "the continue token is too old", 2);
  g_autoptr (JsonArray) again = mtv_kube_client_list (f->client, CLAIMS, NULL, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (json_array_get_length (again), ==, 5);
}

static void
test_retry (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (JsonObject) object = object_named ("a");
  g_autoptr (GError) error = NULL;

  fake_kube_fail (f->kube, "POST", CLAIMS, 429, "TooManyRequests", "slow down", 2);
  fake_kube_fail (f->kube, "POST", CLAIMS, 500, "InternalError", "failed calling webhook", 2);
  g_autoptr (JsonObject) made
      = mtv_kube_client_create (f->client, CLAIMS, object, FALSE, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (made);
  g_assert_cmpuint (fake_kube_count_requests (f->kube, "POST", CLAIMS), ==, 5);

  fake_kube_fail (f->kube, "PATCH", CLAIMS, 409, "Conflict", "the object has been modified", 3);
  g_autoptr (JsonObject) patch = object_named ("a");
  json_object_set_string_member (json_object_get_object_member (patch, "metadata"), "x", "y");
  g_autoptr (JsonObject) applied
      = mtv_kube_client_apply (f->client, CLAIMS "/a", patch, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (mtv_kube_json_string (applied, "metadata", "x", NULL), ==, "y");

  /* Not for ever. */
  fake_kube_fail (f->kube, "GET", CLAIMS "/a", 503, "ServiceUnavailable", "leader lost", 100);
  g_assert_null (mtv_kube_client_get (f->client, CLAIMS "/a", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "leader lost"));
}

static void
test_quota (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (JsonObject) object = object_named ("a");
  g_autoptr (GError) error = NULL;

  fake_kube_fail (f->kube, "POST", CLAIMS, 403, "Forbidden", "exceeded quota: disks", 1);
  g_assert_null (mtv_kube_client_create (f->client, CLAIMS, object, FALSE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
}

static void
test_rights (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  gboolean allowed;

  fake_kube_deny (f->kube, "create pods/portforward");
  g_assert_true (
      mtv_kube_client_can (f->client, "vms", "create", "", "pods", &allowed, NULL, &error));
  g_assert_true (allowed);
  g_assert_true (mtv_kube_client_can (f->client, "vms", "create", "", "pods/portforward", &allowed,
                                      NULL, &error));
  g_assert_false (allowed);
}

/* A token file is read again when its token is refused. */
static void
test_token_file (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autofree char *path = g_strdup_printf ("%s/mtv-token-%d", g_get_tmp_dir (), getpid ());
  MtvKubeConfig *config = mtv_kube_config_new (fake_kube_get_url (f->kube), NULL);
  g_autoptr (GError) error = NULL;

  config->token_file = g_strdup (path);
  g_assert_true (g_file_set_contents (path, FAKE_KUBE_TOKEN "\n", -1, NULL));
  g_autoptr (MtvKubeClient) client = connect_to (f->kube, config);
  g_autoptr (JsonObject) first
      = mtv_kube_client_get (client, "/api/v1/namespaces/vms", NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (first);

  fake_kube_set_token (f->kube, "another-token");
  g_assert_null (mtv_kube_client_get (client, "/api/v1/namespaces/vms", NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED);
  g_assert_null (strstr (error->message, FAKE_KUBE_TOKEN));
  g_clear_error (&error);
  g_assert_true (g_file_set_contents (path, "another-token", -1, NULL));
  g_autoptr (JsonObject) second
      = mtv_kube_client_get (client, "/api/v1/namespaces/vms", NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (second);
  g_unlink (path);
}

static void
test_exec (Fixture *f, gconstpointer data)
{
  (void) data;
  static const char *const argv[]
      = { "/bin/sh", "-c",
          "printf '{\"apiVersion\":\"client.authentication.k8s.io/v1\",\"status\":{\"token\":"
          "\"" FAKE_KUBE_TOKEN "\"}}'",
          NULL };
  MtvKubeConfig *config = mtv_kube_config_new (fake_kube_get_url (f->kube), NULL);
  g_autoptr (GError) error = NULL;

  config->exec = g_new0 (MtvKubeExec, 1);
  config->exec->argv = g_strdupv ((char **) argv);
  config->exec->env = g_new0 (char *, 1);
  config->exec->api_version = g_strdup ("client.authentication.k8s.io/v1");
  g_autoptr (MtvKubeClient) client = connect_to (f->kube, config);
  g_autoptr (JsonObject) found
      = mtv_kube_client_get (client, "/api/v1/namespaces/vms", NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (found);
}

/* Watching. */

typedef struct
{
  FakeKube *kube;
  guint seen;
  guint wanted; /* changes; before each but the last another one is made */
} Look;

static gboolean
look (JsonObject *object, gpointer data, GError **error)
{
  Look *self = data;

  (void) error;
  self->seen++;
  if (self->seen == self->wanted)
    return TRUE;
  if (object == NULL)
    fake_kube_put (self->kube, CLAIMS "/w", "{\"metadata\":{\"name\":\"w\"}}");
  else
    {
      /* Those of others come by, too, and do not count. */
      fake_kube_put (self->kube, CLAIMS "/other", "{\"metadata\":{\"name\":\"other\"}}");
      if (self->seen % 2 == 0)
        fake_kube_remove (self->kube, CLAIMS "/w");
      else
        fake_kube_put (self->kube, CLAIMS "/w", "{\"metadata\":{\"name\":\"w\"}}");
    }
  if (self->seen == 4)
    fake_kube_expire (self->kube);
  return FALSE;
}

static void
test_watch (Fixture *f, gconstpointer data)
{
  (void) data;
  Look self = { .kube = f->kube, .wanted = 7 };
  g_autoptr (GError) error = NULL;

  /* A watch that cannot be opened, and one that is too old, are not the end. */
  fake_kube_fail (f->kube, "GET", "watch=1", 503, "ServiceUnavailable", "not now", 1);
  fake_kube_fail (f->kube, "GET", "watch=1", 410, "Expired", "too old", 1);
  g_assert_true (
      mtv_kube_client_watch (f->client, CLAIMS, "w", 60000, "w", look, &self, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (self.seen, ==, 7);
  g_assert_cmpuint (fake_kube_count_requests (f->kube, "GET", "watch=1"), >=, 3);
}

static gboolean
look_refusing (JsonObject *object, gpointer data, GError **error)
{
  (void) object;
  (void) data;
  g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "it failed");
  return TRUE;
}

static gboolean
look_never (JsonObject *object, gpointer data, GError **error)
{
  (void) object;
  (void) data;
  (void) error;
  return FALSE;
}

static void
test_watch_ends (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_assert_false (mtv_kube_client_watch (f->client, CLAIMS, "w", 60000, "w", look_refusing, NULL,
                                         NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_clear_error (&error);
  g_assert_false (
      mtv_kube_client_watch (f->client, CLAIMS, "w", 1, "the end", look_never, NULL, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_assert_nonnull (strstr (error->message, "waited too long for the end"));
  g_clear_error (&error);
  g_cancellable_cancel (cancellable);
  g_assert_false (mtv_kube_client_watch (f->client, CLAIMS, "w", 60000, "w", look_never, NULL,
                                         cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

#define ADD(name, func) g_test_add (name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kube-client/paths", test_paths);
  ADD ("/kube-client/objects", test_objects);
  ADD ("/kube-client/list", test_list);
  ADD ("/kube-client/retry", test_retry);
  ADD ("/kube-client/quota", test_quota);
  ADD ("/kube-client/rights", test_rights);
  ADD ("/kube-client/token-file", test_token_file);
  ADD ("/kube-client/exec", test_exec);
  ADD ("/kube-client/watch", test_watch);
  ADD ("/kube-client/watch-ends", test_watch_ends);
  return g_test_run ();
}
