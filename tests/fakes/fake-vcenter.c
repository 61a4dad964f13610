/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-vcenter-private.h"

#include <libxml/parser.h>
#include <string.h>

/* What comes instead of an answer. */
typedef struct
{
  char *method; /* (owned) */
  enum
  {
    FAULT,
    TASK_FAULT,
    HTTP,
    ANSWER
  } kind;
  guint status;
  char *text; /* (owned) */
  guint times;
} Script;

static void
script_free (gpointer data)
{
  g_free (((Script *) data)->method);
  g_free (((Script *) data)->text);
  g_free (data);
}

/* HTTP. */

static void
respond (SoupServerMessage *message, guint status, const char *text)
{
  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (message, "text/xml; charset=utf-8", SOUP_MEMORY_COPY, text,
                                    strlen (text));
}

static void
respond_soap (SoupServerMessage *message, const char *method, gboolean good, const char *inside)
{
  g_autoptr (GString) text = g_string_new (
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<soapenv:Envelope "
      "xmlns:soapenv=\"http://schemas.xmlsoap.org/soap/envelope/\" "
      "xmlns:xsi=\"http://www.w3.org/2001/XMLSchema-instance\">\n <soapenv:Body>\n  ");

  if (good)
    g_string_append_printf (text, "<%sResponse xmlns=\"urn:vim25\">%s</%sResponse>", method, inside,
                            method);
  else
    g_string_append_printf (text,
                            "<soapenv:Fault><faultcode>ServerFaultCode</faultcode>"
                            "<faultstring>fake %s</faultstring><detail><%sFault "
                            "xmlns=\"urn:vim25\" xsi:type=\"%s\"><privilegeId>System.Fake"
                            "</privilegeId></%sFault></detail></soapenv:Fault>",
                            inside, inside, inside, inside);
  g_string_append (text, "\n </soapenv:Body>\n</soapenv:Envelope>\n");
  respond (message, good ? 200 : 500, text->str);
}

/* Of the first that is left of this method; (transfer full) (nullable) */
static Script *
take_script (FakeVcenter *self, const char *method)
{
  for (GList *at = self->scripts.head; at != NULL; at = at->next)
    {
      Script *script = at->data;

      if (!g_str_equal (script->method, method) && !g_str_equal (script->method, "*"))
        continue;
      Script *copy = g_new0 (Script, 1);
      *copy = *script;
      copy->method = g_strdup (script->method);
      copy->text = g_strdup (script->text);
      if (--script->times == 0)
        {
          script_free (script);
          g_queue_delete_link (&self->scripts, at);
        }
      return copy;
    }
  return NULL;
}

static void
play (FakeVcenter *self, const Script *script, const xmlNode *method, SoupServerMessage *message)
{
  const char *name = (const char *) method->name;
  g_autoptr (GString) out = g_string_new (NULL);

  if (script->kind == FAULT || script->kind == ANSWER)
    respond_soap (message, name, script->kind == ANSWER, script->text);
  else if (script->kind == TASK_FAULT)
    {
      fake_world_run_task (self, method, script->text, out);
      respond_soap (message, name, TRUE, out->str);
    }
  else if (script->status != 0)
    respond (message, script->status, script->text);
  else
    {
      g_autoptr (GIOStream) stream = soup_server_message_steal_connection (message);
      g_io_stream_close (stream, NULL, NULL);
    }
}

/* The session whose cookie came, if it lives. */
static const char *
session_of (FakeVcenter *self, SoupServerMessage *message)
{
  const char *cookie
      = soup_message_headers_get_one (soup_server_message_get_request_headers (message), "Cookie");
  const char *key
      = cookie != NULL && g_str_has_prefix (cookie, "vmware_soap_session=") ? cookie + 20 : NULL;

  return key != NULL && g_hash_table_contains (self->sessions, key) ? key : NULL;
}

static void
answer (FakeVcenter *self, xmlNode *method, SoupServerMessage *message)
{
  const char *name = (const char *) method->name;
  guint count = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, name)) + 1;
  g_autoptr (GString) out = g_string_new (NULL);

  g_hash_table_insert (self->counts, g_strdup (name), GUINT_TO_POINTER (count));
  g_hash_table_insert (self->last, g_strdup (name), fake_world_dump (method));
  Script *script = take_script (self, name);
  if (script != NULL)
    {
      play (self, script, method, message);
      script_free (script);
      return;
    }
  gboolean good = fake_world_call (self, method, session_of (self, message), message, out);
  respond_soap (message, name, good, out->str);
}

static void
handle (SoupServer *server, SoupServerMessage *message, const char *path, GHashTable *query,
        gpointer user_data)
{
  FakeVcenter *self = user_data;
  SoupMessageBody *body = soup_server_message_get_request_body (message);
  g_autoptr (GBytes) bytes = soup_message_body_flatten (body);
  g_autoptr (xmlDoc) doc
      = xmlReadMemory (g_bytes_get_data (bytes, NULL), (int) g_bytes_get_size (bytes), NULL, NULL,
                       XML_PARSE_NOBLANKS);
  xmlNode *method
      = doc == NULL
            ? NULL
            : mtv_vsphere_xml_first (mtv_vsphere_xml_child (xmlDocGetRootElement (doc), "Body"));

  (void) server;
  (void) query;
  if (method == NULL || !g_str_equal (path, "/sdk"))
    {
      respond (message, 404, "not here");
      return;
    }
  g_mutex_lock (&self->lock);
  answer (self, method, message);
  g_mutex_unlock (&self->lock);
}

static gpointer
serve (gpointer data)
{
  FakeVcenter *self = data;

  g_main_context_push_thread_default (self->context);
  g_main_loop_run (self->loop);
  soup_server_disconnect (self->server);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

FakeVcenter *
fake_vcenter_new (void)
{
  FakeVcenter *self = g_new0 (FakeVcenter, 1);

  g_mutex_init (&self->lock);
  fake_world_init (self);
  g_queue_init (&self->scripts);
  self->counts = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->last = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_main_context_push_thread_default (self->context);
  self->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (self->server, NULL, handle, self, NULL);
  g_assert_true (soup_server_listen_local (self->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, NULL));
  GSList *uris = soup_server_get_uris (self->server);
  self->url = g_uri_to_string (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  g_main_context_pop_thread_default (self->context);
  self->thread = g_thread_new ("fake-vcenter", serve, self);
  return self;
}

void
fake_vcenter_free (FakeVcenter *self)
{
  g_main_loop_quit (self->loop);
  g_thread_join (self->thread);
  g_clear_object (&self->server);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_hash_table_unref (self->last);
  g_hash_table_unref (self->counts);
  g_queue_clear_full (&self->scripts, script_free);
  fake_world_clear (self);
  g_mutex_clear (&self->lock);
  g_free (self->url);
  g_free (self);
}

/* For tests. */

const char *
fake_vcenter_get_url (FakeVcenter *self)
{
  return self->url;
}

void
fake_vcenter_set (FakeVcenter *self, const char *object, const char *path, const char *type,
                  const char *inside)
{
  g_auto (GStrv) parts = g_strsplit (object, ":", 2);
  gboolean typed = g_strv_length (parts) == 2;

  g_mutex_lock (&self->lock);
  fake_world_put (fake_world_get (self, typed ? parts[0] : NULL, parts[typed ? 1 : 0]), path, type,
                  inside);
  g_mutex_unlock (&self->lock);
}

char *
fake_vcenter_get (FakeVcenter *self, const char *object, const char *path)
{
  g_mutex_lock (&self->lock);
  char *inside = g_strdup (g_hash_table_lookup (fake_world_get (self, NULL, object)->props, path));
  g_mutex_unlock (&self->lock);
  return inside;
}

void
fake_vcenter_remove (FakeVcenter *self, const char *object)
{
  g_mutex_lock (&self->lock);
  FakeObject *found = fake_world_get (self, NULL, object);
  g_hash_table_remove (self->by_id, object);
  g_ptr_array_remove (self->objects, found);
  g_mutex_unlock (&self->lock);
}

void
fake_vcenter_multiply (FakeVcenter *self, guint n)
{
  g_mutex_lock (&self->lock);
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *id = g_strdup_printf ("vm-%u", 1000 + i);
      g_autofree char *name = g_strdup_printf ("more-%u", i);
      fake_world_add_vm (self, id, name);
    }
  g_mutex_unlock (&self->lock);
}

void
fake_vcenter_add_snapshot (FakeVcenter *self, const char *id, const char *name)
{
  g_mutex_lock (&self->lock);
  g_free (fake_world_add_snapshot (self, id, name));
  g_mutex_unlock (&self->lock);
}

char *
fake_vcenter_list_snapshots (FakeVcenter *self)
{
  g_autoptr (GString) names = g_string_new (NULL);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->snapshots->len; i++)
    g_string_append_printf (names, "%s%s", i == 0 ? "" : " ",
                            ((FakeSnapshot *) self->snapshots->pdata[i])->name);
  g_mutex_unlock (&self->lock);
  return g_strdup (names->str);
}

static void
add_script (FakeVcenter *self, const char *method, int kind, guint status, const char *text,
            guint times)
{
  Script *script = g_new0 (Script, 1);

  script->method = g_strdup (method);
  script->kind = kind;
  script->status = status;
  script->text = g_strdup (text);
  script->times = times;
  g_mutex_lock (&self->lock);
  g_queue_push_tail (&self->scripts, script);
  g_mutex_unlock (&self->lock);
}

void
fake_vcenter_fault (FakeVcenter *self, const char *method, const char *fault, guint times)
{
  add_script (self, method, FAULT, 500, fault, times);
}

void
fake_vcenter_task_fault (FakeVcenter *self, const char *method, const char *fault, guint times)
{
  add_script (self, method, TASK_FAULT, 200, fault, times);
}

void
fake_vcenter_http (FakeVcenter *self, const char *method, guint status, const char *body,
                   guint times)
{
  add_script (self, method, HTTP, status, body, times);
}

void
fake_vcenter_answer (FakeVcenter *self, const char *method, const char *inside, guint times)
{
  add_script (self, method, ANSWER, 200, inside, times);
}

void
fake_vcenter_set_task_steps (FakeVcenter *self, guint steps)
{
  g_mutex_lock (&self->lock);
  self->task_steps = steps;
  g_mutex_unlock (&self->lock);
}

void
fake_vcenter_expire (FakeVcenter *self)
{
  g_mutex_lock (&self->lock);
  fake_world_forget_sessions (self);
  g_mutex_unlock (&self->lock);
}

guint
fake_vcenter_count_sessions (FakeVcenter *self)
{
  g_mutex_lock (&self->lock);
  guint n = g_hash_table_size (self->sessions);
  g_mutex_unlock (&self->lock);
  return n;
}

guint
fake_vcenter_count (FakeVcenter *self, const char *method)
{
  g_mutex_lock (&self->lock);
  guint n = GPOINTER_TO_UINT (g_hash_table_lookup (self->counts, method));
  g_mutex_unlock (&self->lock);
  return n;
}

char *
fake_vcenter_get_last (FakeVcenter *self, const char *method)
{
  g_mutex_lock (&self->lock);
  char *last = g_strdup (g_hash_table_lookup (self->last, method));
  g_mutex_unlock (&self->lock);
  return last;
}
