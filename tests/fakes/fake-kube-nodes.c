/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fakes/fake-kube-private.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>

#define PORT 10809
#define PIECE 32768

/* Claims. */

char *
fake_kube_volume_path (FakeKube *self, const char *name_space, const char *claim)
{
  g_autofree char *name = g_strdup_printf ("%s_%s.img", name_space, claim);

  return g_build_filename (self->folder, name, NULL);
}

/* The parts of ".../namespaces/NS/PLURAL/NAME". */
static char **
parts_of (const char *path)
{
  return g_strsplit (strstr (path, "/namespaces/") + 1, "/", 4);
}

static const char *
string_at (JsonObject *object, const char *first, const char *second, const char *otherwise)
{
  return json_object_get_string_member_with_default (fake_kube_member (object, first), second,
                                                     otherwise);
}

static void
make_file (FakeKube *self, const char *name_space, const char *claim, guint64 size, gboolean block)
{
  g_autofree char *path = fake_kube_volume_path (self, name_space, claim);
  g_autofree char *content = g_malloc (size + 1);

  memset (content, block ? FAKE_KUBE_RUBBISH : 0, size);
  g_assert_true (g_file_set_contents (path, content, (gssize) size, NULL));
}

/* What CDI does. */
static void
provision (FakeKube *self, const char *path, JsonObject *volume)
{
  g_auto (GStrv) parts = parts_of (path);
  JsonObject *metadata = fake_kube_member (volume, "metadata");
  JsonObject *storage = fake_kube_member (fake_kube_member (volume, "spec"), "storage");
  const char *size
      = string_at (fake_kube_member (storage, "resources"), "requests", "storage", "0");
  const char *mode
      = json_object_get_string_member_with_default (storage, "volumeMode", "Filesystem");
  const char *phase = g_hash_table_lookup (self->phases, "DataVolume");
  g_autofree char *claim_path
      = g_strdup_printf ("/api/v1/namespaces/%s/persistentvolumeclaims/%s", parts[1], parts[3]);
  g_autoptr (JsonObject) claim = json_object_new ();
  JsonObject *claim_metadata = fake_kube_member (claim, "metadata");
  JsonArray *owners = json_array_new ();
  JsonObject *owner = json_object_new ();

  json_object_set_string_member (claim_metadata, "name", parts[3]);
  json_object_set_array_member (claim_metadata, "ownerReferences", owners);
  json_array_add_object_element (owners, owner);
  json_object_set_string_member (owner, "uid", json_object_get_string_member (metadata, "uid"));
  json_object_set_string_member (fake_kube_member (claim, "spec"), "volumeMode", mode);
  make_file (self, parts[1], parts[3], g_ascii_strtoull (size, NULL, 10),
             g_str_equal (mode, "Block"));
  fake_kube_add (self, claim_path, claim);
  json_object_set_string_member (fake_kube_member (volume, "status"), "phase",
                                 phase != NULL ? phase : "Succeeded");
  fake_kube_changed (self, path, "MODIFIED");
}

/* Pods. */

static char *
socket_of (FakeKube *self, const char *path)
{
  g_autofree char *name = g_strconcat (strrchr (path, '/') + 1, ".sock", NULL);

  return g_build_filename (self->folder, name, NULL);
}

static void
set_pod_phase (FakeKube *self, const char *path, const char *phase)
{
  JsonObject *status = fake_kube_member (fake_kube_find (self, path), "status");
  JsonArray *containers = json_array_new ();
  JsonObject *container = json_object_new ();

  json_object_set_string_member (status, "phase", phase);
  json_object_set_array_member (status, "containerStatuses", containers);
  json_array_add_object_element (containers, container);
  json_object_set_boolean_member (container, "ready", g_str_equal (phase, "Running"));
  fake_kube_changed (self, path, "MODIFIED");
}

/* What kubelet does. */
static void
run_pod (FakeKube *self, const char *path)
{
  g_auto (GStrv) parts = parts_of (path);
  JsonObject *spec = fake_kube_member (fake_kube_find (self, path), "spec");
  JsonObject *volume
      = json_array_get_object_element (json_object_get_array_member (spec, "volumes"), 0);
  const char *claim = string_at (volume, "persistentVolumeClaim", "claimName", NULL);
  g_autofree char *file = fake_kube_volume_path (self, parts[1], claim);
  g_autofree char *socket = socket_of (self, path);
  g_autoptr (GError) error = NULL;

  g_unlink (socket);
  GSubprocess *process = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_SILENCE, &error, "qemu-nbd",
      "--persistent", "--shared=16", "--format=raw", "--discard=unmap", "-k", socket, file, NULL);
  g_assert_no_error (error);
  g_hash_table_insert (self->servers, g_strdup (path), process);
  set_pod_phase (self, path, "Running");
}

void
fake_kube_kill_pods (FakeKube *self, gboolean again)
{
  g_rec_mutex_lock (&self->lock);
  g_autoptr (GList) paths = g_hash_table_get_keys (self->servers);
  for (GList *p = paths; p != NULL; p = p->next)
    {
      g_autofree char *path = g_strdup (p->data);
      GSubprocess *process = g_hash_table_lookup (self->servers, path);

      g_subprocess_force_exit (process);
      g_subprocess_wait (process, NULL, NULL);
      g_hash_table_remove (self->servers, path);
      if (again)
        run_pod (self, path);
      else
        set_pod_phase (self, path, "Failed");
    }
  g_rec_mutex_unlock (&self->lock);
}

static void
signal_servers (FakeKube *self, int number)
{
  GHashTableIter iter;
  gpointer process;

  g_rec_mutex_lock (&self->lock);
  g_hash_table_iter_init (&iter, self->servers);
  while (g_hash_table_iter_next (&iter, NULL, &process))
    g_subprocess_send_signal (process, number);
  g_rec_mutex_unlock (&self->lock);
}

void
fake_kube_go_on (FakeKube *self)
{
  signal_servers (self, SIGCONT);
}

void
fake_kube_meddle (FakeKube *self, guint64 after, const char *what)
{
  FakeMeddling *meddling = g_new (FakeMeddling, 1);

  *meddling = (FakeMeddling){ after, g_strdup (what) };
  g_rec_mutex_lock (&self->lock);
  g_queue_push_tail (&self->meddlings, meddling);
  g_rec_mutex_unlock (&self->lock);
}

guint
fake_kube_count_pending (FakeKube *self)
{
  g_rec_mutex_lock (&self->lock);
  guint n = g_queue_get_length (&self->meddlings);
  g_rec_mutex_unlock (&self->lock);
  return n;
}

static void
meddle (FakeKube *self, const char *what)
{
  if (g_str_equal (what, "cut"))
    fake_kube_close_tunnels (self);
  else if (g_str_equal (what, "stop"))
    signal_servers (self, SIGSTOP);
  else
    fake_kube_kill_pods (self, g_str_equal (what, "kill"));
}

/* So many bytes passed. */
static void
carried (FakeKube *self, gsize length)
{
  FakeMeddling *meddling = NULL;

  g_rec_mutex_lock (&self->lock);
  self->carried += length;
  if (!g_queue_is_empty (&self->meddlings)
      && ((FakeMeddling *) g_queue_peek_head (&self->meddlings))->after <= self->carried)
    {
      meddling = g_queue_pop_head (&self->meddlings);
      self->carried = 0;
    }
  g_rec_mutex_unlock (&self->lock);
  if (meddling == NULL)
    return;
  meddle (self, meddling->what);
  g_free (meddling->what);
  g_free (meddling);
}

/* Everything that appears. */

void
fake_kube_control (FakeKube *self, const char *path)
{
  JsonObject *object = fake_kube_find (self, path);
  const char *phase = g_hash_table_lookup (self->phases, "VirtualMachine");

  if (strstr (path, "/datavolumes/") != NULL)
    provision (self, path, object);
  else if (strstr (path, "/pods/") != NULL && json_object_has_member (object, "spec"))
    run_pod (self, path);
  else if (strstr (path, "/virtualmachines/") != NULL && json_object_has_member (object, "spec"))
    {
      gboolean runs = g_str_equal (string_at (object, "spec", "runStrategy", ""), "Always");

      json_object_set_string_member (fake_kube_member (object, "status"), "printableStatus",
                                     phase != NULL ? phase
                                     : runs        ? "Running"
                                                   : "Stopped");
      fake_kube_changed (self, path, "MODIFIED");
    }
}

void
fake_kube_forget (FakeKube *self, const char *path)
{
  GSubprocess *process = g_hash_table_lookup (self->servers, path);

  if (process == NULL)
    return;
  g_subprocess_send_signal (process, SIGTERM);
  g_subprocess_wait (process, NULL, NULL);
  g_hash_table_remove (self->servers, path);
}

/* Tunnels. */

typedef struct
{
  FakeKube *kube;                     /* (unowned) */
  SoupWebsocketConnection *websocket; /* (owned) */
  GSocketConnection *local;           /* (owned) */
  GCancellable *cancellable;          /* (owned) */
  guint8 piece[PIECE];
} Tunnel;

static void read_more (Tunnel *tunnel);

static void
tunnel_free (gpointer data, GClosure *closure)
{
  Tunnel *tunnel = data;

  (void) closure;
  g_object_unref (tunnel->local);
  g_object_unref (tunnel->cancellable);
  g_free (tunnel);
}

static void
read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (SoupWebsocketConnection) websocket = user_data;
  Tunnel *tunnel = g_object_get_data (G_OBJECT (websocket), "tunnel");
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  if (soup_websocket_connection_get_state (websocket) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  if (n <= 0)
    {
      soup_websocket_connection_close (websocket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
      return;
    }
  tunnel->piece[0] = 0;
  soup_websocket_connection_send_binary (websocket, tunnel->piece, n + 1);
  read_more (tunnel);
}

static void
read_more (Tunnel *tunnel)
{
  g_input_stream_read_async (g_io_stream_get_input_stream (G_IO_STREAM (tunnel->local)),
                             tunnel->piece + 1, PIECE - 1, G_PRIORITY_DEFAULT, tunnel->cancellable,
                             read_cb, g_object_ref (tunnel->websocket));
}

/* qemu-nbd reads whatever comes, so this does not block for long. */
static void
message_cb (SoupWebsocketConnection *websocket, gint type, GBytes *message, gpointer user_data)
{
  Tunnel *tunnel = user_data;
  gsize length;
  const guint8 *data = g_bytes_get_data (message, &length);

  (void) type;
  if (length < 2 || data[0] != 0)
    return;
  if (!g_output_stream_write_all (g_io_stream_get_output_stream (G_IO_STREAM (tunnel->local)),
                                  data + 1, length - 1, NULL, NULL, NULL)
      && soup_websocket_connection_get_state (websocket) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (websocket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
  carried (tunnel->kube, length - 1);
}

static void
closed_cb (SoupWebsocketConnection *websocket, gpointer user_data)
{
  Tunnel *tunnel = user_data;
  FakeKube *self = tunnel->kube;

  g_cancellable_cancel (tunnel->cancellable);
  g_io_stream_close (G_IO_STREAM (tunnel->local), NULL, NULL);
  g_rec_mutex_lock (&self->lock);
  if (g_ptr_array_remove_fast (self->tunnels, websocket))
    g_object_unref (websocket);
  g_rec_mutex_unlock (&self->lock);
}

static void
send_text (SoupWebsocketConnection *websocket, guint8 channel, const char *text)
{
  g_autofree char *message = g_strdup_printf ("%c%s", channel, text);

  message[0] = (char) channel;
  soup_websocket_connection_send_binary (websocket, message, strlen (text) + 1);
}

void
fake_kube_open_tunnel (FakeKube *self, const char *path, SoupWebsocketConnection *websocket)
{
  static const guint8 prefaces[2][3]
      = { { 0, PORT & 0xff, PORT >> 8 }, { 1, PORT & 0xff, PORT >> 8 } };
  g_autofree char *socket = socket_of (self, path);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (socket);
  GSocketConnection *local
      = g_socket_client_connect (client, G_SOCKET_CONNECTABLE (address), NULL, NULL);
  Tunnel *tunnel;

  g_object_ref (websocket);
  g_ptr_array_add (self->tunnels, websocket);
  soup_websocket_connection_set_max_incoming_payload_size (websocket, 0);
  for (guint i = 0; i < 2; i++)
    soup_websocket_connection_send_binary (websocket, prefaces[i], sizeof prefaces[i]);
  if (local == NULL)
    {
      send_text (websocket, 1, "failed to connect to localhost:10809");
      soup_websocket_connection_close (websocket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
      g_ptr_array_remove_fast (self->tunnels, websocket);
      g_object_unref (websocket);
      return;
    }
  tunnel = g_new0 (Tunnel, 1);
  tunnel->kube = self;
  tunnel->websocket = websocket;
  tunnel->local = local;
  tunnel->cancellable = g_cancellable_new ();
  g_object_set_data (G_OBJECT (websocket), "tunnel", tunnel);
  g_signal_connect (websocket, "message", G_CALLBACK (message_cb), tunnel);
  g_signal_connect_data (websocket, "closed", G_CALLBACK (closed_cb), tunnel, tunnel_free, 0);
  read_more (tunnel);
}

void
fake_kube_close_tunnels (FakeKube *self)
{
  g_rec_mutex_lock (&self->lock);
  while (self->tunnels->len > 0)
    {
      g_autoptr (SoupWebsocketConnection) websocket
          = g_object_ref (g_ptr_array_index (self->tunnels, 0));

      /* Without a close frame, as when a cable is pulled. */
      g_io_stream_close (soup_websocket_connection_get_io_stream (websocket), NULL, NULL);
      g_signal_emit_by_name (websocket, "closed");
    }
  g_rec_mutex_unlock (&self->lock);
}

typedef struct
{
  FakeKube *kube;
  guint n;
  gboolean done;
  GMutex lock;
  GCond changed;
} Cut;

static gboolean
cut (gpointer user_data)
{
  Cut *order = user_data;

  order->n = order->kube->tunnels->len;
  fake_kube_close_tunnels (order->kube);
  g_mutex_lock (&order->lock);
  order->done = TRUE;
  g_cond_signal (&order->changed);
  g_mutex_unlock (&order->lock);
  return G_SOURCE_REMOVE;
}

guint
fake_kube_cut (FakeKube *self)
{
  Cut order = { .kube = self };

  g_mutex_init (&order.lock);
  g_cond_init (&order.changed);
  g_main_context_invoke (self->context, cut, &order);
  g_mutex_lock (&order.lock);
  while (!order.done)
    g_cond_wait (&order.changed, &order.lock);
  g_mutex_unlock (&order.lock);
  g_mutex_clear (&order.lock);
  g_cond_clear (&order.changed);
  return order.n;
}
