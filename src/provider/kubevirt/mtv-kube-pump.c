/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-pump.h"

#include "base/mtv-text.h"

#include <string.h>

/* The channels of the first forwarded port; before anything else the server sends the port's number
 * on both, two bytes, least first (kubelet's streaming, portforward/websocket.go). */
#define CHANNEL_DATA 0
#define CHANNEL_ERROR 1
#define N_CHANNELS 2

#define PIECE (128 * 1024)
#define KEEPALIVE_SEC 20  /* balancers drop what is silent for a minute */
#define GOODBYE_MSEC 5000 /* for the last frames to leave */
#define MAX_PROBLEM 300

typedef struct
{
  SoupWebsocketConnection *websocket; /* (unowned) */
  GMainContext *context;              /* (unowned) */
  GInputStream *in;                   /* (unowned) of the local side */
  GOutputStream *out;                 /* (unowned) */
  guint16 port;
  GCancellable *cancellable; /* (owned) ends what is under way at the local side */

  gboolean prefaced[N_CHANNELS];
  gboolean heard; /* data came: from now on it is listened to the local side */
  guint8 *piece;  /* (owned) the channel's number, and what follows */
  gboolean reading;
  GSource *room;   /* (owned) (nullable) waits for the WebSocket to take more */
  GQueue *queue;   /* (owned) (element-type GBytes) for the local side */
  GBytes *writing; /* (owned) (nullable) */
  gboolean ended;  /* nothing more is taken on */
  gboolean closed; /* the WebSocket is gone */
  char *problem;   /* (owned) (nullable) */
} Pump;

static void read_more (Pump *self);
static void write_more (Pump *self);

static void
set_problem (Pump *self, const char *text, gsize length)
{
  g_autofree char *some = g_strndup (text, MIN (length, MAX_PROBLEM));

  if (self->problem == NULL)
    self->problem = mtv_text_one_line (g_strstrip (some));
}

static void
end (Pump *self)
{
  if (self->ended)
    return;
  self->ended = TRUE;
  g_cancellable_cancel (self->cancellable);
  if (soup_websocket_connection_get_state (self->websocket) == SOUP_WEBSOCKET_STATE_OPEN)
    soup_websocket_connection_close (self->websocket, SOUP_WEBSOCKET_CLOSE_NORMAL, NULL);
}

/* From the local side. */

/* Comes after what soup has to do with the same stream, which has a higher priority: so by now its
 * queue is empty, or the socket would not be writable. */
static gboolean
has_room_cb (GObject *stream, gpointer user_data)
{
  Pump *self = user_data;

  (void) stream;
  g_clear_pointer (&self->room, g_source_unref);
  read_more (self);
  return G_SOURCE_REMOVE;
}

static void
wait_for_room (Pump *self)
{
  GIOStream *stream = soup_websocket_connection_get_io_stream (self->websocket);
  GOutputStream *out = stream == NULL ? NULL : g_io_stream_get_output_stream (stream);

  /* Sending may have found the other side gone: then "closed" is on its way, and nothing is left
   * that could be waited for. */
  if (self->ended || self->room != NULL || out == NULL || g_io_stream_is_closed (stream)
      || soup_websocket_connection_get_state (self->websocket) != SOUP_WEBSOCKET_STATE_OPEN)
    return;
  self->room
      = g_pollable_output_stream_create_source (G_POLLABLE_OUTPUT_STREAM (out), self->cancellable);
  g_source_set_priority (self->room, G_PRIORITY_DEFAULT_IDLE);
  g_source_set_callback (self->room, G_SOURCE_FUNC (has_room_cb), self, NULL);
  g_source_attach (self->room, self->context);
}

static void
local_read_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Pump *self = user_data;
  gssize n = g_input_stream_read_finish (G_INPUT_STREAM (source), result, NULL);

  self->reading = FALSE;
  if (n <= 0 || self->ended
      || soup_websocket_connection_get_state (self->websocket) != SOUP_WEBSOCKET_STATE_OPEN)
    {
      end (self);
      return;
    }
  self->piece[0] = CHANNEL_DATA;
  soup_websocket_connection_send_binary (self->websocket, self->piece, n + 1);
  wait_for_room (self);
}

static void
read_more (Pump *self)
{
  if (self->ended || self->reading)
    return;
  self->reading = TRUE;
  g_input_stream_read_async (self->in, self->piece + 1, PIECE - 1, G_PRIORITY_DEFAULT,
                             self->cancellable, local_read_cb, self);
}

/* To the local side. What queues is what it asked for and does not fetch. */

static void
local_written_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Pump *self = user_data;
  gboolean ok = g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, NULL);

  g_clear_pointer (&self->writing, g_bytes_unref);
  if (ok)
    write_more (self);
  else
    end (self);
}

static void
write_more (Pump *self)
{
  gsize length;

  if (self->writing != NULL || self->ended)
    return;
  self->writing = g_queue_pop_head (self->queue);
  if (self->writing == NULL)
    {
      if (self->closed)
        end (self);
      return;
    }
  const void *data = g_bytes_get_data (self->writing, &length);
  g_output_stream_write_all_async (self->out, data, length, G_PRIORITY_DEFAULT, self->cancellable,
                                   local_written_cb, self);
}

static void
take_preface (Pump *self, guint channel, const guint8 *data, gsize length)
{
  self->prefaced[channel] = TRUE;
  if (length == 2 && (data[0] | data[1] << 8) == self->port)
    return;
  set_problem (self, "the other side does not speak port-forward's protocol", G_MAXSIZE);
  end (self);
}

static void
message_cb (SoupWebsocketConnection *websocket, gint type, GBytes *message, gpointer user_data)
{
  Pump *self = user_data;
  gsize length;
  const guint8 *data = g_bytes_get_data (message, &length);

  (void) websocket;
  /* Unknown channels and empty messages mean nothing. */
  if (self->ended || type != SOUP_WEBSOCKET_DATA_BINARY || length < 2 || data[0] >= N_CHANNELS)
    return;
  if (!self->prefaced[data[0]])
    take_preface (self, data[0], data + 1, length - 1);
  else if (data[0] == CHANNEL_ERROR)
    {
      set_problem (self, (const char *) data + 1, length - 1);
      if (!self->heard)
        end (self);
    }
  else
    {
      g_queue_push_tail (self->queue, g_bytes_new_from_bytes (message, 1, length - 1));
      write_more (self);
      if (!self->heard)
        read_more (self);
      self->heard = TRUE;
    }
}

static void
closed_cb (SoupWebsocketConnection *websocket, gpointer user_data)
{
  Pump *self = user_data;

  (void) websocket;
  self->closed = TRUE;
  write_more (self); /* what is still to come */
}

static void
error_cb (SoupWebsocketConnection *websocket, GError *error, gpointer user_data)
{
  (void) websocket;
  set_problem (user_data, error->message, G_MAXSIZE);
}

static gboolean
time_is_up (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

/* Nothing of ours may be called after this. */
static void
settle (Pump *self)
{
  g_autoptr (GSource) alarm = g_timeout_source_new (GOODBYE_MSEC);
  gboolean late = FALSE;

  g_source_set_callback (alarm, time_is_up, &late, NULL);
  g_source_attach (alarm, self->context);
  while (self->reading || self->writing != NULL || (!self->closed && !late))
    g_main_context_iteration (self->context, TRUE);
  g_source_destroy (alarm);
}

static gboolean
cancelled_cb (GCancellable *cancellable, gpointer user_data)
{
  (void) cancellable;
  end (user_data);
  return G_SOURCE_REMOVE;
}

MtvKubePumpResult
mtv_kube_pump_run (SoupWebsocketConnection *websocket, GSocketConnection *local, guint16 port,
                   GCancellable *cancellable, char **problem)
{
  g_autoptr (GSource) stop = g_cancellable_source_new (cancellable);
  Pump self = {
    .websocket = websocket,
    .context = g_main_context_get_thread_default (),
    .in = g_io_stream_get_input_stream (G_IO_STREAM (local)),
    .out = g_io_stream_get_output_stream (G_IO_STREAM (local)),
    .port = port,
    .cancellable = g_cancellable_new (),
    .piece = g_malloc (PIECE),
    .queue = g_queue_new (),
    .closed = soup_websocket_connection_get_state (websocket) == SOUP_WEBSOCKET_STATE_CLOSED,
  };

  soup_websocket_connection_set_max_incoming_payload_size (websocket, 0);
  soup_websocket_connection_set_keepalive_interval (websocket, KEEPALIVE_SEC);
  g_signal_connect (websocket, "message", G_CALLBACK (message_cb), &self);
  g_signal_connect (websocket, "closed", G_CALLBACK (closed_cb), &self);
  g_signal_connect (websocket, "error", G_CALLBACK (error_cb), &self);
  g_source_set_callback (stop, G_SOURCE_FUNC (cancelled_cb), &self, NULL);
  g_source_attach (stop, self.context);

  while (!self.ended && !(self.closed && self.writing == NULL && g_queue_is_empty (self.queue)))
    g_main_context_iteration (self.context, TRUE);
  end (&self);
  settle (&self);

  g_source_destroy (stop);
  if (self.room != NULL)
    g_source_destroy (self.room);
  g_clear_pointer (&self.room, g_source_unref);
  g_signal_handlers_disconnect_by_data (websocket, &self);
  g_queue_free_full (self.queue, (GDestroyNotify) g_bytes_unref);
  g_object_unref (self.cancellable);
  g_free (self.piece);
  *problem = self.problem;
  return self.heard ? MTV_KUBE_PUMP_ENDED : MTV_KUBE_PUMP_REFUSED;
}
