/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-tunnel.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-pump.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>

#define PROTOCOL "v4.channel.k8s.io"
#define TRIES 30 /* while what should listen there does not yet */
#define FIRST_PAUSE_MSEC 50
#define MAX_PAUSE_MSEC 2000

/* What the threads need; it outlives the object until the last of them has noticed. */
typedef struct
{
  gint ref_count; /* (atomic) */
  MtvKubeClient *client;
  char *path; /* (owned) of the forward */
  guint16 port;
  GSocket *socket; /* (owned) that is listened on */
  GCancellable *cancellable;

  GMutex ready_lock;
  MtvKubeTunnelReady ready;
  gpointer data;
  GDestroyNotify destroy;

  GMutex lock;
  char *problem; /* (owned) (nullable) */
} Shared;

struct _MtvKubeTunnel
{
  GObject parent;

  char *directory; /* (owned) (nullable) */
  char *socket;    /* (owned) */
  Shared *shared;
};

G_DEFINE_FINAL_TYPE (MtvKubeTunnel, mtv_kube_tunnel, G_TYPE_OBJECT)

static void
shared_unref (Shared *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  if (self->destroy != NULL)
    self->destroy (self->data);
  mtv_kube_client_unref (self->client);
  g_clear_object (&self->socket);
  g_object_unref (self->cancellable);
  g_mutex_clear (&self->ready_lock);
  g_mutex_clear (&self->lock);
  g_free (self->problem);
  g_free (self->path);
  g_free (self);
}

static Shared *
shared_ref (Shared *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

static void
set_problem (Shared *self, const char *problem)
{
  g_mutex_lock (&self->lock);
  g_free (self->problem);
  self->problem = g_strdup (problem);
  g_mutex_unlock (&self->lock);
}

static gboolean
make_ready (Shared *self, GError **error)
{
  g_mutex_lock (&self->ready_lock);
  gboolean ok = self->ready (self->data, self->cancellable, error);
  g_mutex_unlock (&self->ready_lock);
  return ok;
}

/* One connection, from one end to the other; FALSE: it could not be made, and none was. */
static gboolean
carry (Shared *self, GSocketConnection *local)
{
  static const char *const protocols[] = { PROTOCOL, NULL };
  g_autoptr (GError) error = NULL;
  g_autofree char *problem = NULL;
  g_autoptr (SoupWebsocketConnection) websocket
      = !make_ready (self, &error)
            ? NULL
            : mtv_kube_client_open_websocket (self->client, self->path, protocols,
                                              self->cancellable, &error);

  if (websocket == NULL)
    {
      set_problem (self, error->message);
      return FALSE;
    }
  if (g_strcmp0 (soup_websocket_connection_get_protocol (websocket), PROTOCOL) != 0)
    {
      set_problem (self, "the server does not know " PROTOCOL);
      return FALSE;
    }

  MtvKubePumpResult result
      = mtv_kube_pump_run (websocket, local, self->port, self->cancellable, &problem);
  set_problem (self, problem);
  return result == MTV_KUBE_PUMP_ENDED;
}

static gboolean
has_left (GSocketConnection *local)
{
  return g_socket_condition_check (g_socket_connection_get_socket (local), G_IO_HUP) & G_IO_HUP;
}

typedef struct
{
  Shared *shared;
  GSocketConnection *local; /* (owned) */
} Carriage;

static gpointer
carry_thread (gpointer data)
{
  Carriage *carriage = data;
  g_autoptr (GMainContext) context = g_main_context_new ();

  g_main_context_push_thread_default (context);
  for (guint i = 0; i < TRIES && !carry (carriage->shared, carriage->local); i++)
    if (has_left (carriage->local)
        || !mtv_kube_pause (MIN (FIRST_PAUSE_MSEC << MIN (i, 10), MAX_PAUSE_MSEC),
                            carriage->shared->cancellable, NULL))
      break;
  g_io_stream_close (G_IO_STREAM (carriage->local), NULL, NULL);
  g_object_unref (carriage->local);
  /* What soup still had to say to itself. */
  while (g_main_context_iteration (context, FALSE))
    ;
  g_main_context_pop_thread_default (context);
  shared_unref (carriage->shared);
  g_free (carriage);
  return NULL;
}

static gpointer
accept_thread (gpointer data)
{
  Shared *self = data;

  while (!g_cancellable_is_cancelled (self->cancellable))
    {
      g_autoptr (GSocket) socket = g_socket_accept (self->socket, self->cancellable, NULL);

      if (socket == NULL) /* no descriptors left, perhaps */
        {
          mtv_kube_pause (FIRST_PAUSE_MSEC, self->cancellable, NULL);
          continue;
        }
      Carriage *carriage = g_new (Carriage, 1);
      carriage->shared = shared_ref (self);
      carriage->local = g_socket_connection_factory_create_connection (socket);
      g_thread_unref (g_thread_new ("mtv-tunnel", carry_thread, carriage));
    }
  shared_unref (self);
  return NULL;
}

static void
mtv_kube_tunnel_finalize (GObject *object)
{
  MtvKubeTunnel *self = MTV_KUBE_TUNNEL (object);

  if (self->shared != NULL)
    {
      g_cancellable_cancel (self->shared->cancellable);
      shared_unref (self->shared);
    }
  if (self->socket != NULL)
    g_unlink (self->socket);
  if (self->directory != NULL)
    g_rmdir (self->directory);
  g_free (self->socket);
  g_free (self->directory);

  G_OBJECT_CLASS (mtv_kube_tunnel_parent_class)->finalize (object);
}

static void
mtv_kube_tunnel_class_init (MtvKubeTunnelClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_kube_tunnel_finalize;
}

static void
mtv_kube_tunnel_init (MtvKubeTunnel *self)
{
  (void) self;
}

/* In a folder that is ours alone. */
static GSocket *
listen_locally (MtvKubeTunnel *self, GError **error)
{
  self->directory = g_dir_make_tmp ("mtv-tunnel-XXXXXX", error);
  if (self->directory == NULL)
    return NULL;
  self->socket = g_build_filename (self->directory, "socket", NULL);

  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (self->socket);
  g_autoptr (GSocket) socket
      = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, error);
  if (socket == NULL || !g_socket_bind (socket, address, FALSE, error)
      || !g_socket_listen (socket, error))
    return NULL;
  return g_steal_pointer (&socket);
}

MtvKubeTunnel *
mtv_kube_tunnel_new (MtvKubeClient *client, const char *path, guint16 port,
                     MtvKubeTunnelReady ready, gpointer data, GDestroyNotify destroy,
                     GError **error)
{
  g_autoptr (MtvKubeTunnel) self = g_object_new (MTV_TYPE_KUBE_TUNNEL, NULL);
  g_autoptr (GError) failed = NULL;
  Shared *shared = g_new0 (Shared, 1);

  self->shared = shared;
  shared->ref_count = 1;
  shared->client = mtv_kube_client_ref (client);
  shared->path = g_strdup_printf ("%s/portforward?ports=%u", path, port);
  shared->port = port;
  shared->cancellable = g_cancellable_new ();
  shared->ready = ready;
  shared->data = data;
  shared->destroy = destroy;
  g_mutex_init (&shared->ready_lock);
  g_mutex_init (&shared->lock);
  shared->socket = listen_locally (self, &failed);
  if (shared->socket == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "Cannot make a local socket: %s",
                   failed->message);
      return NULL;
    }
  g_thread_unref (g_thread_new ("mtv-accept", accept_thread, shared_ref (shared)));
  return g_steal_pointer (&self);
}

const char *
mtv_kube_tunnel_get_socket (MtvKubeTunnel *self)
{
  return self->socket;
}

char *
mtv_kube_tunnel_get_problem (MtvKubeTunnel *self)
{
  g_mutex_lock (&self->shared->lock);
  char *problem = g_strdup (self->shared->problem);
  g_mutex_unlock (&self->shared->lock);
  return problem;
}
