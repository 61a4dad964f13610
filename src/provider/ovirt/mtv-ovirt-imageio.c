/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-imageio.h"

#include "base/mtv-error.h"
#include "base/mtv-json.h"
#include "provider/ovirt/mtv-ovirt-json.h"

#include <string.h>

#define MAX_CONNECTIONS 4
#define TRIES 3
#define SLOW_TIMEOUT 300 /* s; the extents of a fragmented image take their time */

struct _MtvOvirtImageio
{
  GObject parent;

  MtvRest *rest;  /* (owned) */
  char *label;    /* (owned) */
  GObject *owner; /* (owned) (nullable) */
  guint64 size;
  guint connections;
  gboolean has_extents;

  GMutex lock;
  GArray *zeroes; /* (owned) (nullable) until they are asked for; then constant */
};

static void mtv_ovirt_imageio_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvOvirtImageio, mtv_ovirt_imageio, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER,
                                                      mtv_ovirt_imageio_reader_init))

static void
mtv_ovirt_imageio_finalize (GObject *object)
{
  MtvOvirtImageio *self = MTV_OVIRT_IMAGEIO (object);

  g_clear_pointer (&self->rest, mtv_rest_unref);
  g_clear_pointer (&self->zeroes, g_array_unref);
  g_clear_object (&self->owner); /* the connections are closed by now */
  g_free (self->label);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_ovirt_imageio_parent_class)->finalize (object);
}

static void
mtv_ovirt_imageio_class_init (MtvOvirtImageioClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_ovirt_imageio_finalize;
}

static void
mtv_ovirt_imageio_init (MtvOvirtImageio *self)
{
  g_mutex_init (&self->lock);
}

/* What the server can do: ancient ones answer without a body, and have one reader. */
static gboolean
ask_options (MtvOvirtImageio *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvRestAnswer) answer
      = mtv_rest_call (self->rest, "OPTIONS", "", NULL, NULL, NULL, cancellable, error);
  g_autoptr (JsonParser) parser = json_parser_new ();
  gsize size;

  if (answer == NULL)
    return FALSE;
  if (answer->status == 403 || answer->status == 404)
    {
      mtv_rest_answer_fail (self->rest, answer, "the image ticket is refused", NULL, error);
      return FALSE;
    }
  const char *text = g_bytes_get_data (answer->body, &size);
  if (answer->status != 200 || size == 0
      || !json_parser_load_from_data (parser, text, (gssize) size, NULL)
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return TRUE;

  JsonObject *object = json_node_get_object (json_parser_get_root (parser));
  guint64 readers = mtv_ovirt_number (object, "max_readers");
  JsonNode *features = json_object_get_member (object, "features");
  JsonArray *list = features != NULL && JSON_NODE_HOLDS_ARRAY (features)
                        ? json_node_get_array (features)
                        : NULL;
  self->connections = (guint) CLAMP (readers, 1, MAX_CONNECTIONS);
  for (guint i = 0; list != NULL && i < json_array_get_length (list); i++)
    if (g_strcmp0 (json_array_get_string_element (list, i), "extents") == 0)
      self->has_extents = TRUE;
  return TRUE;
}

MtvOvirtImageio *
mtv_ovirt_imageio_new (const MtvRestOptions *options, guint64 size, GObject *owner,
                       GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvOvirtImageio) self = g_object_new (MTV_TYPE_OVIRT_IMAGEIO, NULL);
  MtvRestOptions narrow = *options;

  self->label = g_strdup (options->label);
  self->size = size;
  self->connections = 1;
  narrow.max_connections = 1; /* until it has told how many */
  narrow.timeout = SLOW_TIMEOUT;
  self->rest = mtv_rest_new (&narrow, error);
  if (self->rest == NULL || !ask_options (self, cancellable, error))
    return NULL;
  if (self->connections > 1)
    {
      g_clear_pointer (&self->rest, mtv_rest_unref); /* and its connection */
      narrow.max_connections = self->connections;
      self->rest = mtv_rest_new (&narrow, error);
      if (self->rest == NULL)
        return NULL;
    }
  self->owner = owner == NULL ? NULL : g_object_ref (owner);
  return g_steal_pointer (&self);
}

/* Extents. */

typedef struct
{
  guint64 start, length;
  gboolean zero, dirty;
} Item;

static void
parse_item (MtvJson *json, Item *item)
{
  const char *name;

  *item = (Item){ 0 };
  if (!mtv_json_begin (json, '{'))
    return;
  while ((name = mtv_json_next_member (json)) != NULL)
    if (g_str_equal (name, "start"))
      item->start = mtv_json_get_number (json);
    else if (g_str_equal (name, "length"))
      item->length = mtv_json_get_number (json);
    else if (g_str_equal (name, "zero"))
      item->zero = mtv_json_get_flag (json);
    else if (g_str_equal (name, "dirty"))
      item->dirty = mtv_json_get_flag (json);
    else
      mtv_json_skip (json);
}

GArray *
mtv_ovirt_imageio_parse_extents (const char *text, gsize length, gboolean dirty, guint64 size,
                                 const char *label, GError **error)
{
  g_autofree char *what = g_strdup_printf ("what %s says of its extents", label);
  g_autoptr (MtvJson) json = mtv_json_new_for_text (text, length, what);
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  guint64 at = 0;

  if (mtv_json_begin (json, '['))
    while (mtv_json_next_item (json))
      {
        Item item;

        parse_item (json, &item);
        MtvExtent extent = { item.start, item.length, item.zero };
        if (item.start != at || item.length == 0 || item.length > size - at)
          mtv_json_refuse (json, "not the extent that follows, within %" G_GUINT64_FORMAT " bytes",
                           size);
        else if (!dirty || item.dirty)
          g_array_append_val (extents, extent);
        at += item.length;
      }
  if (!mtv_json_end (json, error))
    return NULL;
  if (at == size)
    return g_steal_pointer (&extents);
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
               "%s: Its extents end at %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " bytes", label,
               at, size);
  return NULL;
}

static GArray *
ask_extents (MtvOvirtImageio *self, gboolean dirty, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvRestAnswer) answer
      = mtv_rest_call (self->rest, "GET", dirty ? "/extents?context=dirty" : "/extents", NULL, NULL,
                       NULL, cancellable, error);
  gsize size;

  if (answer == NULL)
    return NULL;
  if (answer->status != 200)
    {
      mtv_rest_answer_fail (self->rest, answer, "cannot read the extents", NULL, error);
      return NULL;
    }
  const char *text = g_bytes_get_data (answer->body, &size);
  return mtv_ovirt_imageio_parse_extents (text, size, dirty, self->size, self->label, error);
}

GArray *
mtv_ovirt_imageio_get_changes (MtvOvirtImageio *self, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_OVIRT_IMAGEIO (self), NULL);

  return ask_extents (self, TRUE, cancellable, error);
}

static guint64
imageio_get_size (MtvReader *reader)
{
  return MTV_OVIRT_IMAGEIO (reader)->size;
}

/* Appends what of @all lies in [@offset, @end). */
static void
cut_extents (const GArray *all, guint64 offset, guint64 end, GArray *extents)
{
  guint low = 0, high = all->len;

  while (low < high) /* the first that ends behind @offset */
    {
      guint middle = (low + high) / 2;
      const MtvExtent *extent = &g_array_index (all, MtvExtent, middle);

      if (extent->offset + extent->length <= offset)
        low = middle + 1;
      else
        high = middle;
    }
  for (; low < all->len; low++)
    {
      MtvExtent extent = g_array_index (all, MtvExtent, low);
      guint64 stop = MIN (extent.offset + extent.length, end);

      if (extent.offset >= end)
        return;
      extent.offset = MAX (extent.offset, offset);
      extent.length = stop - extent.offset;
      g_array_append_val (extents, extent);
    }
}

static gboolean
imageio_extents (MtvReader *reader, guint64 offset, guint64 length, GArray *extents,
                 GCancellable *cancellable, GError **error)
{
  MtvOvirtImageio *self = MTV_OVIRT_IMAGEIO (reader);
  MtvExtent all = { offset, length, FALSE };

  if (!self->has_extents)
    {
      g_array_append_val (extents, all);
      return TRUE;
    }
  g_mutex_lock (&self->lock);
  if (self->zeroes == NULL)
    self->zeroes = ask_extents (self, FALSE, cancellable, error);
  gboolean good = self->zeroes != NULL;
  g_mutex_unlock (&self->lock);
  if (good)
    cut_extents (self->zeroes, offset, offset + length, extents);
  return good;
}

/* Data. */

static gboolean
check_range (MtvOvirtImageio *self, const MtvRestAnswer *answer, guint64 offset, gsize length,
             GError **error)
{
  goffset start, end, total;

  if (answer->status == 403 || answer->status == 404 || answer->status >= 500)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                 "%s: The image ticket is not good any more (the server answers %u)", self->label,
                 answer->status); /* ended by a timeout, or its host: another transfer may do */
  else if (answer->status != 206)
    mtv_rest_answer_fail (self->rest, answer, "cannot read the disk", NULL, error);
  else if (!soup_message_headers_get_content_range (answer->headers, &start, &end, &total)
           || (guint64) start != offset || (guint64) (end - start) + 1 != length)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                 "%s: The server sends another range than was asked for", self->label);
  else if (total >= 0 && (guint64) total != self->size)
    g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                 "%s has %" G_GOFFSET_FORMAT " bytes, not %" G_GUINT64_FORMAT, self->label, total,
                 self->size);
  else
    return TRUE;
  return FALSE;
}

static gboolean
read_once (MtvOvirtImageio *self, guint64 offset, gpointer buffer, gsize length,
           GCancellable *cancellable, GError **error)
{
  g_autofree char *range = g_strdup_printf ("Range: bytes=%" G_GUINT64_FORMAT "-%" G_GUINT64_FORMAT,
                                            offset, offset + length - 1);
  const char *const headers[] = { range, NULL };
  g_autoptr (MtvRestAnswer) answer = NULL;
  g_autoptr (GInputStream) stream
      = mtv_rest_open (self->rest, "GET", "", headers, NULL, NULL, &answer, cancellable, error);
  gsize done = 0;

  if (stream == NULL || !check_range (self, answer, offset, length, error)
      || !g_input_stream_read_all (stream, buffer, length, &done, cancellable, error))
    return FALSE;
  if (done == length)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
               "%s: The server sends %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT " bytes", self->label,
               done, length);
  return FALSE;
}

/* An idle connection is closed by the server after its timeout, which shows at the next request. */
static gboolean
imageio_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
              GCancellable *cancellable, GError **error)
{
  MtvOvirtImageio *self = MTV_OVIRT_IMAGEIO (reader);

  for (guint i = 1;; i++)
    {
      g_autoptr (GError) problem = NULL;

      if (read_once (self, offset, buffer, length, cancellable, &problem))
        return TRUE;
      if (i == TRIES || !g_error_matches (problem, MTV_ERROR, MTV_ERROR_UNREACHABLE))
        {
          g_propagate_error (error, g_steal_pointer (&problem));
          return FALSE;
        }
    }
}

static void
imageio_get_hints (MtvReader *reader, MtvHints *hints)
{
  hints->max_channels = MTV_OVIRT_IMAGEIO (reader)->connections;
}

static void
mtv_ovirt_imageio_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = imageio_get_size;
  iface->read = imageio_read;
  iface->extents = imageio_extents;
  iface->get_hints = imageio_get_hints;
}
