/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-kube-private.h"

#include <string.h>

#define FORWARD "/portforward"
#define PAGE 2 /* objects in one answer to a list, whatever is asked for */

static void
reply (SoupServerMessage *message, guint status, const char *json)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "application/json", SOUP_MEMORY_COPY, json,
                                    strlen (json));
}

static void
reply_object (SoupServerMessage *message, guint status, JsonObject *object)
{
  g_autofree char *json = fake_kube_to_json (object);

  reply (message, status, json);
}

static void
refuse (SoupServerMessage *message, guint status, const char *reason, const char *text)
{
  g_autofree char *json
      = g_strdup_printf ("{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
                         "\"reason\":\"%s\",\"message\":\"%s\",\"code\":%u}",
                         reason, text, status);

  if (status == 429)
    soup_message_headers_append (soup_server_message_get_response_headers (message), "Retry-After",
                                 "0");
  reply (message, status, json);
}

static JsonObject *
body_of (SoupServerMessage *message)
{
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autoptr (JsonParser) parser = json_parser_new ();

  if (!json_parser_load_from_data (parser, body->data, body->length, NULL)
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return NULL;
  return json_object_ref (json_node_get_object (json_parser_get_root (parser)));
}

/* Lists and watches. */

static gboolean
is_in (const char *path, const char *collection)
{
  gsize length = strlen (collection);

  return strncmp (path, collection, length) == 0 && path[length] == '/'
         && strchr (path + length + 1, '/') == NULL;
}

static gboolean
matches_labels (JsonObject *object, const char *selector)
{
  JsonObject *labels = fake_kube_member (fake_kube_member (object, "metadata"), "labels");
  g_auto (GStrv) terms = g_strsplit (selector != NULL ? selector : "", ",", -1);

  for (char **term = terms; *term != NULL; term++)
    {
      g_auto (GStrv) parts = g_strsplit (*term, "=", 2);

      if (g_strcmp0 (json_object_get_string_member_with_default (labels, parts[0], NULL), parts[1])
          != 0)
        return FALSE;
    }
  return TRUE;
}

/* "metadata.name=x" */
static const char *
name_in (GHashTable *query)
{
  const char *selector = query == NULL ? NULL : g_hash_table_lookup (query, "fieldSelector");

  return selector == NULL ? NULL : selector + strlen ("metadata.name=");
}

static void
list (FakeKube *self, SoupServerMessage *message, const char *path, GHashTable *query)
{
  g_autoptr (GString) json = g_string_new (NULL);
  g_autoptr (GList) keys
      = g_list_sort (g_hash_table_get_keys (self->objects), (GCompareFunc) strcmp);
  const char *name = name_in (query);
  const char *labels = query == NULL ? NULL : g_hash_table_lookup (query, "labelSelector");
  const char *from = query == NULL ? NULL : g_hash_table_lookup (query, "continue");
  const char *more = "";
  guint n = 0;

  for (GList *p = keys; p != NULL && *more == '\0'; p = p->next)
    {
      const char *key = p->data;
      JsonObject *object = fake_kube_find (self, key);

      if (!is_in (key, path) || (from != NULL && strcmp (key, from) < 0)
          || (name != NULL && strcmp (strrchr (key, '/') + 1, name) != 0)
          || !matches_labels (object, labels))
        continue;
      g_autofree char *item = fake_kube_to_json (object);
      if (n == PAGE)
        more = key;
      else
        g_string_append_printf (json, "%s%s", n++ > 0 ? "," : "", item);
    }
  g_autofree char *all = g_strdup_printf (
      "{\"kind\":\"List\",\"metadata\":{\"resourceVersion\":\"%u\",\"continue\":\"%s\"},"
      "\"items\":[%s]}",
      self->version, more, json->str);
  reply (message, 200, all);
}

static void
free_watcher (FakeWatcher *watcher)
{
  g_object_unref (watcher->message);
  g_free (watcher->collection);
  g_free (watcher->name);
  g_free (watcher);
}

static void
watcher_gone_cb (SoupServerMessage *message, gpointer user_data)
{
  FakeKube *self = user_data;

  g_rec_mutex_lock (&self->lock);
  for (guint i = self->watchers->len; i > 0; i--)
    {
      FakeWatcher *watcher = g_ptr_array_index (self->watchers, i - 1);

      if (watcher->message != message)
        continue;
      g_ptr_array_remove_index_fast (self->watchers, i - 1);
      free_watcher (watcher);
    }
  g_rec_mutex_unlock (&self->lock);
}

static void
tell (FakeKube *self, FakeWatcher *watcher)
{
  SoupMessageBody *body = soup_server_message_get_response_body (watcher->message);

  if (watcher->version <= self->expired && self->expired > 0)
    {
      static const char gone[] = "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410,"
                                 "\"reason\":\"Expired\",\"metadata\":{}}}\n";

      soup_message_body_append (body, SOUP_MEMORY_STATIC, gone, strlen (gone));
      soup_message_body_complete (body);
      watcher->version = G_MAXUINT;
    }
  for (guint i = 0; i < self->events->len && watcher->version != G_MAXUINT; i++)
    {
      FakeEvent *event = g_ptr_array_index (self->events, i);

      if (event->version <= watcher->version)
        continue;
      watcher->version = event->version;
      if (is_in (event->path, watcher->collection)
          && (watcher->name == NULL || strcmp (strrchr (event->path, '/') + 1, watcher->name) == 0))
        soup_message_body_append (body, SOUP_MEMORY_COPY, event->line, strlen (event->line));
      else
        {
          g_autofree char *bookmark = g_strdup_printf (
              "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"resourceVersion\":\"%u\"}}}\n",
              event->version);
          soup_message_body_append (body, SOUP_MEMORY_COPY, bookmark, strlen (bookmark));
        }
    }
  soup_server_message_unpause (watcher->message);
}

static gboolean
tell_all (gpointer user_data)
{
  FakeKube *self = user_data;

  g_rec_mutex_lock (&self->lock);
  for (guint i = 0; i < self->watchers->len; i++)
    if (((FakeWatcher *) g_ptr_array_index (self->watchers, i))->version != G_MAXUINT)
      tell (self, g_ptr_array_index (self->watchers, i));
  g_rec_mutex_unlock (&self->lock);
  return G_SOURCE_REMOVE;
}

void
fake_kube_tell_watchers (FakeKube *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, tell_all, self, NULL);
  g_source_attach (source, self->context);
}

/* timeoutSeconds is over. */
static gboolean
end_watch (gpointer user_data)
{
  SoupServerMessage *message = user_data;

  soup_message_body_complete (soup_server_message_get_response_body (message));
  soup_server_message_unpause (message);
  return G_SOURCE_REMOVE;
}

static void
limit_watch (FakeKube *self, SoupServerMessage *message, const char *seconds)
{
  g_autoptr (GSource) source
      = g_timeout_source_new_seconds ((guint) g_ascii_strtoull (seconds, NULL, 10));

  g_source_set_callback (source, end_watch, g_object_ref (message), g_object_unref);
  g_source_attach (source, self->context);
}

static void
watch (FakeKube *self, SoupServerMessage *message, const char *path, GHashTable *query)
{
  const char *from = g_hash_table_lookup (query, "resourceVersion");
  guint version = from == NULL ? 0 : (guint) g_ascii_strtoull (from, NULL, 10);
  FakeWatcher *watcher;

  if (version <= self->expired && self->expired > 0)
    {
      refuse (message, 410, "Expired", "too old resource version");
      return;
    }
  watcher = g_new0 (FakeWatcher, 1);
  watcher->message = g_object_ref (message);
  watcher->collection = g_strdup (path);
  watcher->name = g_strdup (name_in (query));
  watcher->version = version;
  soup_message_headers_set_encoding (soup_server_message_get_response_headers (message),
                                     SOUP_ENCODING_CHUNKED);
  soup_message_body_set_accumulate (soup_server_message_get_response_body (message), FALSE);
  soup_server_message_set_status (message, 200, NULL);
  g_signal_connect (message, "finished", G_CALLBACK (watcher_gone_cb), self);
  soup_server_message_pause (message);
  g_ptr_array_add (self->watchers, watcher);
  limit_watch (self, message, g_hash_table_lookup (query, "timeoutSeconds"));
  fake_kube_tell_watchers (self);
}

/* Writing. */

static void
review (FakeKube *self, SoupServerMessage *message, JsonObject *body)
{
  JsonObject *what = fake_kube_member (fake_kube_member (body, "spec"), "resourceAttributes");
  const char *sub = json_object_get_string_member_with_default (what, "subresource", NULL);
  g_autofree char *right
      = g_strdup_printf ("%s %s%s%s", json_object_get_string_member (what, "verb"),
                         json_object_get_string_member (what, "resource"), sub != NULL ? "/" : "",
                         sub != NULL ? sub : "");

  json_object_set_boolean_member (fake_kube_member (body, "status"), "allowed",
                                  !g_hash_table_contains (self->denied, right));
  reply_object (message, 201, body);
}

static gboolean
has_namespace (FakeKube *self, const char *path)
{
  const char *space = strstr (path, "/namespaces/");

  if (space == NULL)
    return TRUE;
  space += strlen ("/namespaces/");
  g_autofree char *found
      = g_strdup_printf ("/api/v1/namespaces/%.*s", (int) strcspn (space, "/"), space);
  return fake_kube_find (self, found) != NULL;
}

static void
create (FakeKube *self, SoupServerMessage *message, const char *path, GHashTable *query)
{
  g_autoptr (JsonObject) body = body_of (message);
  JsonObject *metadata = body == NULL ? NULL : fake_kube_member (body, "metadata");
  const char *name
      = body == NULL ? NULL : json_object_get_string_member_with_default (metadata, "name", NULL);
  g_autofree char *key = g_strconcat (path, "/", name, NULL);

  if (body == NULL)
    refuse (message, 400, "BadRequest", "no JSON");
  else if (g_str_has_suffix (path, "/selfsubjectaccessreviews"))
    review (self, message, body);
  else if (!has_namespace (self, path))
    refuse (message, 404, "NotFound", "namespace not found");
  else if (name == NULL)
    refuse (message, 422, "Invalid", "metadata.name: Required value");
  else if (fake_kube_find (self, key) != NULL)
    refuse (message, 409, "AlreadyExists", "it already exists");
  else if (query != NULL && g_hash_table_contains (query, "dryRun"))
    reply_object (message, 201, body);
  else
    {
      fake_kube_add (self, key, body);
      reply_object (message, 201, fake_kube_find (self, key));
    }
}

static void
merge (JsonObject *into, JsonObject *from)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init (&iter, from);
  while (json_object_iter_next (&iter, &name, &node))
    if (JSON_NODE_HOLDS_OBJECT (node))
      merge (fake_kube_member (into, name), json_node_get_object (node));
    else
      json_object_set_member (into, name, json_node_copy (node));
}

static void
apply (FakeKube *self, SoupServerMessage *message, const char *path, GHashTable *query)
{
  const char *type = soup_message_headers_get_content_type (
      soup_server_message_get_request_headers (message), NULL);
  g_autoptr (JsonObject) body = body_of (message);
  JsonObject *object = fake_kube_find (self, path);

  if (body == NULL || g_strcmp0 (type, "application/apply-patch+yaml") != 0 || query == NULL
      || !g_hash_table_contains (query, "fieldManager"))
    refuse (message, 415, "UnsupportedMediaType", "no apply");
  else if (object == NULL)
    refuse (message, 404, "NotFound", "not found");
  else
    {
      merge (object, body);
      fake_kube_changed (self, path, "MODIFIED");
      reply_object (message, 200, object);
    }
}

static void delete (FakeKube *self, SoupServerMessage *message, const char *path)
{
  g_autoptr (JsonObject) body = body_of (message);
  JsonObject *object = fake_kube_find (self, path);
  JsonObject *wanted = body == NULL ? NULL : fake_kube_member (body, "preconditions");

  if (object == NULL)
    refuse (message, 404, "NotFound", "not found");
  else if (wanted != NULL
           && g_strcmp0 (
                  json_object_get_string_member_with_default (wanted, "uid", NULL),
                  json_object_get_string_member (fake_kube_member (object, "metadata"), "uid"))
                  != 0)
    refuse (message, 409, "Conflict", "the UID in the precondition does not match");
  else
    {
      fake_kube_delete (self, path);
      refuse (message, 200, "", "");
    }
}

/* All requests. */

static FakeFault *
take_fault (FakeKube *self, const char *method, const char *url)
{
  for (guint i = 0; i < self->faults->len; i++)
    {
      FakeFault *fault = g_ptr_array_index (self->faults, i);

      if (fault->times == 0 || strstr (url, fault->part) == NULL
          || !g_str_equal (fault->method, method))
        continue;
      fault->times--;
      return fault;
    }
  return NULL;
}

/* TRUE: that was it. */
static gboolean
stand_in_the_way (FakeKube *self, SoupServerMessage *message)
{
  const char *method = soup_server_message_get_method (message);
  g_autofree char *url = g_uri_to_string (soup_server_message_get_uri (message));
  const char *shown = soup_message_headers_get_one (
      soup_server_message_get_request_headers (message), "Authorization");
  g_autofree char *wanted = g_strconcat ("Bearer ", self->token, NULL);
  FakeFault *fault = take_fault (self, method, url);

  g_ptr_array_add (self->requests, g_strconcat (method, " ", strstr (url, "/api"), NULL));
  if (g_strcmp0 (shown, wanted) != 0)
    refuse (message, 401, "Unauthorized", "Unauthorized");
  else if (fault != NULL)
    refuse (message, fault->status, fault->reason, fault->message);
  else
    return FALSE;
  return TRUE;
}

static void
handle (FakeKube *self, SoupServerMessage *message, const char *path, GHashTable *query)
{
  const char *method = soup_server_message_get_method (message);
  JsonObject *object = fake_kube_find (self, path);

  if (g_str_equal (method, "POST"))
    create (self, message, path, query);
  else if (g_str_equal (method, "PATCH"))
    apply (self, message, path, query);
  else if (g_str_equal (method, "DELETE"))
    delete (self, message, path);
  else if (query != NULL && g_hash_table_contains (query, "watch"))
    watch (self, message, path, query);
  else if (query != NULL && g_hash_table_contains (query, "limit"))
    list (self, message, path, query);
  else if (object != NULL)
    reply_object (message, 200, object);
  else
    refuse (message, 404, "NotFound", "not found");
}

static void
request_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
            gpointer user_data)
{
  FakeKube *self = user_data;

  (void) server;
  if (g_str_has_suffix (path, FORWARD)) /* what has no status becomes a WebSocket */
    return;
  g_rec_mutex_lock (&self->lock);
  if (!stand_in_the_way (self, message))
    handle (self, message, path, query);
  g_rec_mutex_unlock (&self->lock);
}

/* Before a WebSocket is shaken hands on. */
static void
early_cb (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
          gpointer user_data)
{
  FakeKube *self = user_data;

  (void) server;
  (void) query;
  if (!g_str_has_suffix (path, FORWARD))
    return;
  g_autofree char *pod = g_strndup (path, strlen (path) - strlen (FORWARD));
  g_rec_mutex_lock (&self->lock);
  if (!stand_in_the_way (self, message) && !g_hash_table_contains (self->servers, pod))
    refuse (message, 404, "NotFound", "pod not found");
  g_rec_mutex_unlock (&self->lock);
}

static void
websocket_cb (SoupServer *server, SoupServerMessage *message, const char *path,
              SoupWebsocketConnection *connection, gpointer user_data)
{
  FakeKube *self = user_data;
  g_autofree char *pod = g_strndup (path, strlen (path) - strlen (FORWARD));

  (void) server;
  (void) message;
  g_rec_mutex_lock (&self->lock);
  fake_kube_open_tunnel (self, pod, connection);
  g_rec_mutex_unlock (&self->lock);
}

void
fake_kube_listen (FakeKube *self)
{
  char *protocols[] = { (char *) "v4.channel.k8s.io", NULL };
  g_autoptr (GError) error = NULL;

  self->server = soup_server_new (NULL, NULL);
  soup_server_add_early_handler (self->server, NULL, early_cb, self, NULL);
  soup_server_add_handler (self->server, NULL, request_cb, self, NULL);
  soup_server_add_websocket_handler (self->server, NULL, NULL, protocols, websocket_cb, self, NULL);
  soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  GSList *uris = soup_server_get_uris (self->server);
  self->url = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
}

void
fake_kube_stop (FakeKube *self)
{
  GHashTableIter iter;
  gpointer process;

  fake_kube_close_tunnels (self);
  g_rec_mutex_lock (&self->lock);
  for (guint i = 0; i < self->watchers->len; i++)
    {
      FakeWatcher *watcher = g_ptr_array_index (self->watchers, i);

      g_signal_handlers_disconnect_by_data (watcher->message, self);
      free_watcher (watcher);
    }
  g_ptr_array_set_size (self->watchers, 0);
  g_hash_table_iter_init (&iter, self->servers);
  while (g_hash_table_iter_next (&iter, NULL, &process))
    {
      g_subprocess_force_exit (process);
      g_subprocess_wait (process, NULL, NULL);
    }
  g_rec_mutex_unlock (&self->lock);
  soup_server_disconnect (self->server);
  g_clear_object (&self->server);
}
