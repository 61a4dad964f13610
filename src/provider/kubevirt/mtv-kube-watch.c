/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-client-private.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-json.h"

#include <string.h>

#define PIECE 65536
#define MAX_LINE (32 << 20)
#define TURN_SEC 40 /* how long one request watches: less than a silent server is waited for */

/* Somebody who waits for an object. */
typedef struct
{
  MtvKubeClient *client;
  const char *path;
  const char *name;
  const char *what;
  gint64 deadline; /* monotonic */
  MtvKubeLook look;
  gpointer data;
  GCancellable *cancellable;

  char *version;      /* (owned) (nullable) where to go on from; NULL: list first */
  GByteArray *buffer; /* (owned) what was read and not looked at */
  gboolean done;
  GError *error; /* (owned) (nullable) with done */
} Watch;

static void
show (Watch *self, JsonObject *object)
{
  self->done = self->look (object, self->data, &self->error);
}

static void
set_version (Watch *self, const char *version)
{
  g_free (self->version);
  self->version = g_strdup (version);
}

/* One event; FALSE when the watch cannot go on from it. */
static gboolean
take_event (Watch *self, JsonObject *event)
{
  const char *type = mtv_kube_json_string (event, "type", NULL);
  JsonObject *object = mtv_kube_json_object (event, "object", NULL);
  const char *version = mtv_kube_json_string (object, "metadata", "resourceVersion", NULL);

  /* An ERROR's object is a Status: 410, as a rule, and whatever else it is, a list tells. */
  if (type == NULL || g_str_equal (type, "ERROR") || version == NULL)
    {
      set_version (self, NULL);
      return FALSE;
    }
  set_version (self, version);
  if (g_str_equal (type, "BOOKMARK")
      || g_strcmp0 (mtv_kube_json_string (object, "metadata", "name", NULL), self->name) != 0)
    return TRUE;
  show (self, g_str_equal (type, "DELETED") ? NULL : object);
  return !self->done;
}

static gboolean
take_lines (Watch *self)
{
  gboolean going_on = TRUE;
  const guint8 *end;

  while (going_on && self->buffer->len > 0
         && (end = memchr (self->buffer->data, '\n', self->buffer->len)) != NULL)
    {
      gsize length = end - self->buffer->data;
      g_autoptr (JsonObject) event
          = mtv_kube_json_parse ((const char *) self->buffer->data, length, "An event", NULL);

      if (length > 0)
        going_on = take_event (self, event);
      g_byte_array_remove_range (self->buffer, 0, length + 1);
    }
  return going_on && self->buffer->len < MAX_LINE;
}

static void
read_events (Watch *self, GInputStream *stream)
{
  g_autofree guint8 *piece = g_malloc (PIECE);
  gssize n;

  g_byte_array_set_size (self->buffer, 0);
  /* How it ends does not matter: what was missed comes again. */
  while ((n = g_input_stream_read (stream, piece, PIECE, self->cancellable, NULL)) > 0)
    {
      g_byte_array_append (self->buffer, piece, n);
      if (!take_lines (self))
        break;
    }
  g_input_stream_close (stream, NULL, NULL);
}

static gboolean
list (Watch *self, GError **error)
{
  g_autofree char *selector = g_strconcat ("fieldSelector=metadata.name%3D", self->name, NULL);
  g_autofree char *version = NULL;
  g_autoptr (JsonArray) items = mtv_kube_client_list (self->client, self->path, selector, &version,
                                                      self->cancellable, error);

  if (items == NULL)
    return FALSE;
  set_version (self, version);
  show (self, mtv_kube_json_item (items, 0));
  return TRUE;
}

static gboolean
watch (Watch *self, GError **error)
{
  gint64 left = (self->deadline - g_get_monotonic_time ()) / G_USEC_PER_SEC + 1;
  g_autofree char *version = g_uri_escape_string (self->version, NULL, FALSE);
  g_autofree char *url = g_strdup_printf (
      "%s?watch=1&allowWatchBookmarks=true&fieldSelector=metadata.name%%3D%s&resourceVersion=%s"
      "&timeoutSeconds=%d",
      self->path, self->name, version, (int) CLAMP (left, 1, TURN_SEC));
  g_autoptr (GError) failed = NULL;
  gboolean gone;
  g_autoptr (GInputStream) stream
      = mtv_kube_client_open_watch (self->client, url, &gone, self->cancellable, &failed);

  if (stream != NULL)
    read_events (self, stream);
  else if (gone)
    set_version (self, NULL);
  else if (!g_error_matches (failed, MTV_ERROR, MTV_ERROR_UNREACHABLE)
           && !g_error_matches (failed, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED))
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  else
    set_version (self, NULL); /* the list tries harder, and says what is wrong */
  return self->done
         || mtv_kube_pause (mtv_kube_client_get_pace (self->client), self->cancellable, error);
}

gboolean
mtv_kube_client_watch (MtvKubeClient *self, const char *path, const char *name, guint deadline_msec,
                       const char *what, MtvKubeLook look, gpointer data, GCancellable *cancellable,
                       GError **error)
{
  gint64 deadline = g_get_monotonic_time () + (gint64) deadline_msec * 1000;
  g_autoptr (GByteArray) buffer = g_byte_array_new ();
  Watch turn = { self, path, name, what, deadline, look, data, cancellable, .buffer = buffer };
  gboolean ok = TRUE;

  while (ok && !turn.done && g_get_monotonic_time () < deadline)
    ok = turn.version == NULL ? list (&turn, error) : watch (&turn, error);
  g_free (turn.version);
  if (!ok)
    return FALSE;
  if (!turn.done)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE, "%s: waited too long for %s",
                 mtv_kube_client_get_label (self), what);
  else if (turn.error != NULL)
    g_propagate_error (error, turn.error);
  return turn.done && turn.error == NULL;
}
