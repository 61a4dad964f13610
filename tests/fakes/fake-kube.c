/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-kube-private.h"

#include <glib/gstdio.h>
#include <string.h>

/* Objects. */

JsonObject *
fake_kube_find (FakeKube *self, const char *path)
{
  return g_hash_table_lookup (self->objects, path);
}

static JsonObject *
parse (const char *json)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (JsonNode) node = json_from_string (json, &error);

  g_assert_no_error (error);
  return json_object_ref (json_node_get_object (node));
}

char *
fake_kube_to_json (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  return json_to_string (node, FALSE);
}

/* The object that is the member @name, made if need be. */
JsonObject *
fake_kube_member (JsonObject *object, const char *name)
{
  if (!json_object_has_member (object, name))
    json_object_set_object_member (object, name, json_object_new ());
  return json_object_get_object_member (object, name);
}

/* One more change of @object; tells those who watch. */
void
fake_kube_changed (FakeKube *self, const char *path, const char *type)
{
  JsonObject *object = fake_kube_find (self, path);
  g_autofree char *version = g_strdup_printf ("%u", ++self->version);

  json_object_set_string_member (fake_kube_member (object, "metadata"), "resourceVersion", version);
  g_autofree char *json = fake_kube_to_json (object);
  FakeEvent *event = g_new0 (FakeEvent, 1);
  event->version = self->version;
  event->path = g_strdup (path);
  event->line = g_strdup_printf ("{\"type\":\"%s\",\"object\":%s}\n", type, json);
  g_ptr_array_add (self->events, event);
  fake_kube_tell_watchers (self);
}

void
fake_kube_add (FakeKube *self, const char *path, JsonObject *object)
{
  JsonObject *metadata = fake_kube_member (object, "metadata");
  g_autofree char *uid = g_strdup_printf ("uid-%u", ++self->uids);

  json_object_set_string_member (metadata, "uid", uid);
  g_hash_table_insert (self->objects, g_strdup (path), json_object_ref (object));
  fake_kube_changed (self, path, "ADDED");
  fake_kube_control (self, path);
}

static gboolean
has_owner (JsonObject *object, const char *uid)
{
  JsonObject *metadata = fake_kube_member (object, "metadata");
  JsonArray *owners = json_object_has_member (metadata, "ownerReferences")
                          ? json_object_get_array_member (metadata, "ownerReferences")
                          : NULL;

  for (guint i = 0; owners != NULL && i < json_array_get_length (owners); i++)
    if (g_strcmp0 (json_object_get_string_member (json_array_get_object_element (owners, i), "uid"),
                   uid)
        == 0)
      return TRUE;
  return FALSE;
}

void
fake_kube_delete (FakeKube *self, const char *path)
{
  JsonObject *object = fake_kube_find (self, path);
  g_autoptr (GPtrArray) owned = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer key, value;

  if (object == NULL)
    return;
  g_autofree char *uid
      = g_strdup (json_object_get_string_member (fake_kube_member (object, "metadata"), "uid"));
  fake_kube_forget (self, path);
  fake_kube_changed (self, path, "DELETED");
  g_hash_table_remove (self->objects, path);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, &key, &value))
    if (has_owner (value, uid))
      g_ptr_array_add (owned, g_strdup (key));
  for (guint i = 0; i < owned->len; i++)
    fake_kube_delete (self, g_ptr_array_index (owned, i));
}

/* From other threads. */

void
fake_kube_put (FakeKube *self, const char *path, const char *json)
{
  g_autoptr (JsonObject) object = parse (json);

  g_rec_mutex_lock (&self->lock);
  if (fake_kube_find (self, path) != NULL)
    {
      g_hash_table_insert (self->objects, g_strdup (path), json_object_ref (object));
      fake_kube_changed (self, path, "MODIFIED");
    }
  else
    fake_kube_add (self, path, object);
  g_rec_mutex_unlock (&self->lock);
}

char *
fake_kube_get (FakeKube *self, const char *path)
{
  g_rec_mutex_lock (&self->lock);
  JsonObject *object = fake_kube_find (self, path);
  char *json = object == NULL ? NULL : fake_kube_to_json (object);
  g_rec_mutex_unlock (&self->lock);
  return json;
}

void
fake_kube_remove (FakeKube *self, const char *path)
{
  g_rec_mutex_lock (&self->lock);
  fake_kube_delete (self, path);
  g_rec_mutex_unlock (&self->lock);
}

guint
fake_kube_count (FakeKube *self, const char *part)
{
  GHashTableIter iter;
  gpointer key;
  guint count = 0;

  g_rec_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->objects);
  while (g_hash_table_iter_next (&iter, &key, NULL))
    count += strstr (key, part) != NULL;
  g_rec_mutex_unlock (&self->lock);
  return count;
}

guint
fake_kube_count_requests (FakeKube *self, const char *method, const char *part)
{
  g_autofree char *start = g_strconcat (method != NULL ? method : "", " ", NULL);
  guint count = 0;

  g_rec_mutex_lock (&self->lock);
  for (guint i = 0; i < self->requests->len; i++)
    {
      const char *request = g_ptr_array_index (self->requests, i);

      count += (method == NULL || g_str_has_prefix (request, start))
               && strstr (request, part) != NULL;
    }
  g_rec_mutex_unlock (&self->lock);
  return count;
}

void
fake_kube_fail (FakeKube *self, const char *method, const char *part, guint status,
                const char *reason, const char *message, guint times)
{
  FakeFault *fault = g_new0 (FakeFault, 1);

  *fault = (FakeFault){ g_strdup (method), g_strdup (part),    status,
                        g_strdup (reason), g_strdup (message), times };
  g_rec_mutex_lock (&self->lock);
  g_ptr_array_add (self->faults, fault);
  g_rec_mutex_unlock (&self->lock);
}

void
fake_kube_set_token (FakeKube *self, const char *token)
{
  g_rec_mutex_lock (&self->lock);
  g_free (self->token);
  self->token = g_strdup (token);
  g_rec_mutex_unlock (&self->lock);
}

void
fake_kube_deny (FakeKube *self, const char *right)
{
  g_rec_mutex_lock (&self->lock);
  g_hash_table_add (self->denied, g_strdup (right));
  g_rec_mutex_unlock (&self->lock);
}

void
fake_kube_set_phase (FakeKube *self, const char *kind, const char *phase)
{
  g_rec_mutex_lock (&self->lock);
  g_hash_table_insert (self->phases, g_strdup (kind), g_strdup (phase));
  g_rec_mutex_unlock (&self->lock);
}

void
fake_kube_expire (FakeKube *self)
{
  g_rec_mutex_lock (&self->lock);
  self->expired = self->version++;
  fake_kube_tell_watchers (self);
  g_rec_mutex_unlock (&self->lock);
}

char *
fake_kube_read_volume (FakeKube *self, const char *name_space, const char *claim, gsize *length)
{
  g_autofree char *path = fake_kube_volume_path (self, name_space, claim);
  char *content = NULL;

  g_assert_true (g_file_get_contents (path, &content, length, NULL));
  return content;
}

/* Life. */

static void
free_event (gpointer data)
{
  FakeEvent *event = data;

  g_free (event->path);
  g_free (event->line);
  g_free (event);
}

static void
free_fault (gpointer data)
{
  FakeFault *fault = data;

  g_free (fault->method);
  g_free (fault->part);
  g_free (fault->reason);
  g_free (fault->message);
  g_free (fault);
}

static void
free_meddling (gpointer data)
{
  g_free (((FakeMeddling *) data)->what);
  g_free (data);
}

static void
add_world (FakeKube *self)
{
  fake_kube_put (self, "/apis/kubevirt.io/v1", "{\"kind\":\"APIResourceList\"}");
  fake_kube_put (self, "/apis/cdi.kubevirt.io/v1beta1", "{\"kind\":\"APIResourceList\"}");
  fake_kube_put (self, "/api/v1/namespaces/vms",
                 "{\"metadata\":{\"name\":\"vms\"},\"status\":{\"phase\":\"Active\"}}");
  fake_kube_put (self, "/apis/storage.k8s.io/v1/storageclasses/fast",
                 "{\"metadata\":{\"name\":\"fast\",\"annotations\":{"
                 "\"storageclass.kubernetes.io/is-default-class\":\"true\"}}}");
  fake_kube_put (self, "/apis/cdi.kubevirt.io/v1beta1/storageprofiles/fast",
                 "{\"metadata\":{\"name\":\"fast\"},\"status\":{\"claimPropertySets\":[{"
                 "\"accessModes\":[\"ReadWriteMany\",\"ReadWriteOnce\"],\"volumeMode\":\"Block\"},"
                 "{\"accessModes\":[\"ReadWriteOnce\"],\"volumeMode\":\"Filesystem\"}]}}");
  fake_kube_put (self, "/apis/k8s.cni.cncf.io/v1/namespaces/vms/network-attachment-definitions/lan",
                 "{\"metadata\":{\"name\":\"lan\"}}");
  fake_kube_put (self, "/apis/apps/v1/namespaces/cdi/deployments/cdi-deployment",
                 "{\"metadata\":{\"name\":\"cdi-deployment\"},\"spec\":{\"template\":{\"spec\":{"
                 "\"containers\":[{\"env\":[{\"name\":\"UPLOADSERVER_IMAGE\",\"value\":"
                 "\"registry.example/cdi-uploadserver@sha256:00\"}]}]}}}}");
}

static gpointer
serve_thread (gpointer data)
{
  FakeKube *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

FakeKube *
fake_kube_new (void)
{
  FakeKube *self = g_new0 (FakeKube, 1);
  g_autoptr (GError) error = NULL;

  g_rec_mutex_init (&self->lock);
  self->objects
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) json_object_unref);
  self->denied = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->phases = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->servers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_object_unref);
  self->events = g_ptr_array_new_with_free_func (free_event);
  g_queue_init (&self->meddlings);
  self->faults = g_ptr_array_new_with_free_func (free_fault);
  self->requests = g_ptr_array_new_with_free_func (g_free);
  self->watchers = g_ptr_array_new ();
  self->tunnels = g_ptr_array_new ();
  self->token = g_strdup (FAKE_KUBE_TOKEN);
  self->folder = g_dir_make_tmp ("mtv-kube-XXXXXX", &error);
  g_assert_no_error (error);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_main_context_push_thread_default (self->context);
  fake_kube_listen (self);
  g_main_context_pop_thread_default (self->context);
  add_world (self);
  self->thread = g_thread_new ("fake-kube", serve_thread, self);
  return self;
}

static gboolean
quit (gpointer user_data)
{
  FakeKube *self = user_data;

  fake_kube_stop (self);
  g_main_loop_quit (self->loop);
  return G_SOURCE_REMOVE;
}

static void
remove_files (FakeKube *self)
{
  g_autoptr (GDir) dir = g_dir_open (self->folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (self->folder, name, NULL);
      g_unlink (path);
    }
  g_rmdir (self->folder);
}

void
fake_kube_free (FakeKube *self)
{
  g_main_context_invoke (self->context, quit, self);
  g_thread_join (self->thread);
  while (g_main_context_iteration (self->context, FALSE))
    ;
  g_hash_table_unref (self->objects);
  g_hash_table_unref (self->denied);
  g_hash_table_unref (self->phases);
  g_hash_table_unref (self->servers);
  g_ptr_array_unref (self->events);
  g_ptr_array_unref (self->faults);
  g_queue_clear_full (&self->meddlings, free_meddling);
  g_ptr_array_unref (self->requests);
  g_ptr_array_unref (self->watchers);
  g_ptr_array_unref (self->tunnels);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  remove_files (self);
  g_rec_mutex_clear (&self->lock);
  g_free (self->folder);
  g_free (self->token);
  g_free (self->url);
  g_free (self);
}

const char *
fake_kube_get_url (FakeKube *self)
{
  return self->url;
}
