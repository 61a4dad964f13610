/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "disk-fixture.h"

#include "base/mtv-error.h"

#include <libsoup/soup.h>
#include <stdio.h>
#include <string.h>

typedef struct
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  SoupServer *soup;
} Server;

/* --- the server --- */

static gboolean
is_let_in (Host *host, const char *cookie)
{
  g_autofree char *good = g_strdup_printf ("vmware_soap_session=%u", host->login);

  return g_strcmp0 (cookie, good) == 0
         || (cookie && g_str_has_prefix (cookie, "vmware_cgi_ticket="));
}

/* What of @bytes was asked for; libsoup's own way stumbles over ranges that reach past the end. */
static void
answer_range (SoupServerMessage *message, GBytes *bytes, const char *range)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);
  guint64 size = g_bytes_get_size (bytes);
  guint64 start = 0;
  guint64 last = 0;

  g_assert_cmpint (sscanf (range, "bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT, &start, &last),
                   ==, 2);
  if (start >= size)
    {
      soup_server_message_set_status (message, 416, NULL);
      return;
    }
  guint64 end = MIN (last + 1, size);
  g_autoptr (GBytes) part = g_bytes_new_from_bytes (bytes, start, end - start);
  soup_server_message_set_status (message, 206, NULL);
  soup_message_headers_set_content_range (headers, (goffset) start, (goffset) end - 1,
                                          (goffset) size);
  soup_message_body_append_bytes (soup_server_message_get_response_body (message), part);
}

static void
answer (Host *host, SoupServerMessage *message, const char *key, const char *cookie,
        const char *range)
{
  GBytes *bytes = g_hash_table_lookup (host->files, key);
  SoupMessageBody *body = soup_server_message_get_response_body (message);
  gboolean nfc = g_str_has_prefix (key, "/nfc/");

  if (host->n_statuses > 0)
    {
      host->n_statuses--;
      soup_server_message_set_status (message, host->status, NULL);
    }
  else if (!nfc && !is_let_in (host, cookie))
    soup_server_message_set_status (message, 401, NULL);
  else if (!bytes)
    soup_server_message_set_status (message, 404, NULL);
  else if (range && !nfc)
    answer_range (message, bytes, range);
  else
    {
      soup_server_message_set_status (message, 200, NULL);
      if (nfc)
        soup_message_headers_set_encoding (soup_server_message_get_response_headers (message),
                                           SOUP_ENCODING_CHUNKED);
      soup_message_body_append_bytes (body, bytes);
      soup_message_body_complete (body);
    }
}

static void
handle (SoupServer *soup, SoupServerMessage *message, const char *path, GHashTable *query,
        gpointer user_data)
{
  Host *host = user_data;
  GUri *uri = soup_server_message_get_uri (message);
  SoupMessageHeaders *headers = soup_server_message_get_request_headers (message);
  const char *cookie = soup_message_headers_get_one (headers, "Cookie");
  const char *range = soup_message_headers_get_one (headers, "Range");
  const char *raw = g_uri_get_query (uri);
  g_autofree char *key
      = g_strdup_printf ("%s%s%s", g_uri_get_path (uri), raw ? "?" : "", raw ? raw : "");

  (void) soup;
  (void) path;
  (void) query;
  g_mutex_lock (&host->lock);
  g_ptr_array_add (host->requests,
                   g_strdup_printf ("%s %s %s", key, cookie ? cookie : "", range ? range : ""));
  answer (host, message, key, cookie, range);
  g_mutex_unlock (&host->lock);
}

static gpointer
serve (gpointer data)
{
  Server *server = data;

  g_main_context_push_thread_default (server->context);
  g_main_loop_run (server->loop);
  soup_server_disconnect (server->soup);
  g_clear_object (&server->soup);
  while (g_main_context_iteration (server->context, FALSE))
    continue;
  g_main_context_pop_thread_default (server->context);
  return NULL;
}

Host *
host_new (void)
{
  Host *host = g_new0 (Host, 1);
  Server *server = g_new0 (Server, 1);
  g_autoptr (GError) error = NULL;

  g_mutex_init (&host->lock);
  host->files
      = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  host->requests = g_ptr_array_new_with_free_func (g_free);
  host->export_disks = 1;
  host->server = server;
  server->context = g_main_context_new ();
  server->loop = g_main_loop_new (server->context, FALSE);
  g_main_context_push_thread_default (server->context);
  server->soup = g_object_new (SOUP_TYPE_SERVER, "raw-paths", TRUE, NULL);
  soup_server_add_handler (server->soup, NULL, handle, host, NULL);
  soup_server_listen_local (server->soup, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error);
  g_assert_no_error (error);
  GSList *uris = soup_server_get_uris (server->soup);
  host->url = g_strdup_printf ("http://127.0.0.1:%d", g_uri_get_port (uris->data));
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  g_main_context_pop_thread_default (server->context);
  server->thread = g_thread_new ("host", serve, server);
  return host;
}

static gboolean
quit_cb (gpointer user_data)
{
  g_main_loop_quit (user_data);
  return G_SOURCE_REMOVE;
}

/* The loop may not have begun to run. */
void
host_free (Host *host)
{
  Server *server = host->server;
  g_autoptr (GSource) source = g_idle_source_new ();

  g_source_set_callback (source, quit_cb, server->loop, NULL);
  g_source_attach (source, server->context);
  g_thread_join (server->thread);
  g_main_loop_unref (server->loop);
  g_main_context_unref (server->context);
  g_free (server);
  g_hash_table_unref (host->files);
  g_ptr_array_unref (host->requests);
  g_mutex_clear (&host->lock);
  g_free (host->url);
  g_free (host);
}

void
host_add_file (Host *host, const char *path_and_query, GBytes *bytes)
{
  g_mutex_lock (&host->lock);
  g_hash_table_replace (host->files, g_strdup (path_and_query), bytes);
  g_mutex_unlock (&host->lock);
}

guint
host_count (Host *host, const char *part)
{
  guint n = 0;

  g_mutex_lock (&host->lock);
  for (guint i = 0; i < host->requests->len; i++)
    n += strstr (host->requests->pdata[i], part) ? 1 : 0;
  g_mutex_unlock (&host->lock);
  return n;
}

/* --- the session --- */

static gpointer
session_ref (gpointer session)
{
  return session;
}

static void
session_unref (gpointer session)
{
  (void) session;
}

static char *
get_cookie (gpointer session, const char *refused, GCancellable *cancellable, GError **error)
{
  Host *host = session;

  (void) cancellable;
  (void) error;
  g_mutex_lock (&host->lock);
  /* A login that was not good is not good a second time, unless the test says so. */
  char *cookie = g_strdup_printf ("vmware_soap_session=%u", refused ? host->login : 0);
  g_mutex_unlock (&host->lock);
  return cookie;
}

static char *
get_ticket (gpointer session, const char *url, GCancellable *cancellable, GError **error)
{
  Host *host = session;

  (void) cancellable;
  (void) error;
  g_assert_nonnull (strstr (url, "/folder/"));
  g_mutex_lock (&host->lock);
  char *ticket = g_strdup_printf ("vmware_cgi_ticket=t%u", ++host->n_tickets);
  g_mutex_unlock (&host->lock);
  return ticket;
}

static MtvVsphereLease *
start_export (gpointer session, const char *vm, const char *snapshot, GCancellable *cancellable,
              GError **error)
{
  Host *host = session;
  MtvVsphereLease *lease = mtv_vsphere_lease_new ("lease-1", 3);

  (void) cancellable;
  (void) error;
  g_assert_cmpstr (vm, ==, "vm-1");
  g_assert_null (snapshot);
  g_mutex_lock (&host->lock);
  host->n_exports++;
  for (guint i = 0; i < host->export_disks; i++)
    {
      g_autofree char *key = g_strdup_printf ("/vm-1/ParaVirtualSCSIController0:%u", i);
      g_autofree char *url = g_strdup_printf ("http://%s/nfc/1/disk-%u.vmdk",
                                              host->export_elsewhere ? host->url + 7 : "*", i);

      mtv_vsphere_lease_add (lease, key, url, "");
    }
  g_mutex_unlock (&host->lock);
  return lease;
}

static gboolean
keep_export (gpointer session, const char *id, guint percent, GCancellable *cancellable,
             GError **error)
{
  Host *host = session;

  (void) cancellable;
  (void) error;
  g_assert_cmpstr (id, ==, "lease-1");
  g_assert_cmpuint (percent, <=, 100);
  g_mutex_lock (&host->lock);
  host->n_kept++;
  g_mutex_unlock (&host->lock);
  return TRUE;
}

static void
end_export (gpointer session, const char *id, gboolean aborted)
{
  Host *host = session;

  (void) id;
  g_mutex_lock (&host->lock);
  host->n_completed += aborted ? 0 : 1;
  host->n_aborted += aborted ? 1 : 0;
  g_mutex_unlock (&host->lock);
}

static const MtvVsphereSessionFuncs funcs = {
  .ref = session_ref,
  .unref = session_unref,
  .get_cookie = get_cookie,
  .get_ticket = get_ticket,
  .start_export = start_export,
  .keep_export = keep_export,
  .end_export = end_export,
};

MtvVsphereDiskRequest
host_request (Host *host, guint64 capacity)
{
  return (MtvVsphereDiskRequest){ .label = "disk 'd' of 'web'",
                                  .way = MTV_VSPHERE_WAY_HTTPS,
                                  .url = host->url,
                                  .session = host,
                                  .funcs = &funcs,
                                  .vm = "vm-1",
                                  .datacenter = "/Folder/DC0",
                                  .file = "[ds] vm/vm.vmdk",
                                  .capacity = capacity };
}
