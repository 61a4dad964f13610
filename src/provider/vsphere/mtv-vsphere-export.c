/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-export.h"

#include "base/mtv-error.h"
#include "provider/mtv-rest.h"
#include "provider/vsphere/mtv-vsphere-lease.h"
#include "provider/vsphere/mtv-vsphere-stream.h"
#include "transfer/mtv-http-url.h"

#include <string.h>

struct _MtvVsphereExport
{
  GObject parent;

  char *label;             /* (owned) */
  guint64 size;            /* bytes */
  MtvVsphereLeaseUse *use; /* (owned) */
  gpointer session;        /* (owned) */
  const MtvVsphereSessionFuncs *funcs;
  MtvRest *rest;     /* (owned) */
  char *path;        /* (owned) with its query */
  gboolean our_host; /* the cookie is for it */

  GMutex lock;              /* for all below: it is one stream */
  MtvVsphereStream *stream; /* (owned) (nullable) */
  guint64 before;           /* where the grain before the last one ended */
  guint64 grain_offset;     /* of the grain that came last, or the end of the disk */
  const guint8 *grain;      /* (unowned) (nullable) */
  gsize grain_length;
  gboolean complete;
};

static void mtv_vsphere_export_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvVsphereExport, mtv_vsphere_export, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER,
                                                      mtv_vsphere_export_reader_init))

/* --- the stream --- */

/* One request; a session that was forgotten is tried again with a new @cookie. */
static GInputStream *
ask (MtvVsphereExport *self, const char *cookie, guint *status, GCancellable *cancellable,
     GError **error)
{
  g_autofree char *header = cookie ? g_strconcat ("Cookie: ", cookie, NULL) : NULL;
  const char *headers[] = { header, NULL };
  g_autoptr (MtvRestAnswer) answer = NULL;
  g_autoptr (GInputStream) body = mtv_rest_open (self->rest, "GET", self->path, headers, NULL, NULL,
                                                 &answer, cancellable, error);

  *status = body ? answer->status : 0;
  if (!body || mtv_rest_answer_is_good (answer))
    return g_steal_pointer (&body);
  mtv_rest_answer_fail (self->rest, answer, "exporting the disk", NULL, error);
  return NULL;
}

static GInputStream *
ask_with_cookie (MtvVsphereExport *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GError) problem = NULL;
  guint status;

  if (!self->our_host)
    return ask (self, NULL, &status, cancellable, error);

  g_autofree char *cookie = self->funcs->get_cookie (self->session, NULL, cancellable, error);
  if (!cookie)
    return NULL;
  GInputStream *body = ask (self, cookie, &status, cancellable, &problem);
  if (body)
    return body;
  if (status != SOUP_STATUS_UNAUTHORIZED && status != SOUP_STATUS_FORBIDDEN)
    {
      g_propagate_error (error, g_steal_pointer (&problem));
      return NULL;
    }
  g_autofree char *other = self->funcs->get_cookie (self->session, cookie, cancellable, error);
  return other ? ask (self, other, &status, cancellable, error) : NULL;
}

static gboolean
start_stream (MtvVsphereExport *self, GCancellable *cancellable, GError **error)
{
  g_clear_pointer (&self->stream, mtv_vsphere_stream_free); /* there is but one connection */
  self->grain = NULL;
  self->before = 0;
  self->grain_offset = 0;
  self->grain_length = 0;
  g_autoptr (GInputStream) body = ask_with_cookie (self, cancellable, error);
  if (!body)
    return FALSE;
  self->stream = mtv_vsphere_stream_new (body, self->label, cancellable, error);
  if (!self->stream)
    return FALSE;
  if (mtv_vsphere_stream_get_capacity (self->stream) == self->size)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "%s is exported with %" G_GUINT64_FORMAT " bytes, and not %" G_GUINT64_FORMAT
               " as before",
               self->label, mtv_vsphere_stream_get_capacity (self->stream), self->size);
  return FALSE;
}

/* A stream that failed once is not gone on with. */
static gboolean
next_grain (MtvVsphereExport *self, GCancellable *cancellable, GError **error)
{
  self->before = self->grain_offset + self->grain_length;
  if (mtv_vsphere_stream_next (self->stream, &self->grain_offset, &self->grain, &self->grain_length,
                               cancellable, error))
    return TRUE;
  g_clear_pointer (&self->stream, mtv_vsphere_stream_free);
  return FALSE;
}

/* What is at @at, for at most @length bytes: a part of the last grain, or zeroes before it. */
static guint64
take_part (MtvVsphereExport *self, guint64 at, guint64 length, guint8 *to)
{
  if (at < self->grain_offset)
    {
      length = MIN (length, self->grain_offset - at);
      memset (to, 0, length);
      return length;
    }
  guint64 within = at - self->grain_offset;
  length = MIN (length, self->grain_length - within);
  memcpy (to, self->grain + within, length);
  return length;
}

/* With the last byte of the disk also the end of the stream must come. */
static gboolean
read_on (MtvVsphereExport *self, guint64 offset, guint8 *buffer, guint64 length,
         GCancellable *cancellable, GError **error)
{
  guint64 end = offset + length;

  for (guint64 at = offset; at < end;)
    {
      if (at >= self->grain_offset + self->grain_length)
        {
          if (!next_grain (self, cancellable, error))
            return FALSE;
          continue;
        }
      at += take_part (self, at, end - at, buffer + (at - offset));
    }
  while (end == self->size && self->grain_offset < self->size)
    if (!next_grain (self, cancellable, error))
      return FALSE;
  self->complete = self->complete || end == self->size;
  mtv_vsphere_lease_set_percent (self->use, self->size == 0 ? 100 : end * 100 / self->size);
  return TRUE;
}

static gboolean
export_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
             GCancellable *cancellable, GError **error)
{
  MtvVsphereExport *self = MTV_VSPHERE_EXPORT (reader);
  g_autoptr (GMutexLocker) locker G_GNUC_UNUSED = g_mutex_locker_new (&self->lock);

  if (length == 0)
    return TRUE;
  if ((!self->stream || offset < self->before) && !start_stream (self, cancellable, error))
    return FALSE;
  return read_on (self, offset, buffer, length, cancellable, error);
}

static guint64
export_get_size (MtvReader *reader)
{
  return MTV_VSPHERE_EXPORT (reader)->size;
}

static void
export_get_hints (MtvReader *reader, MtvHints *hints)
{
  (void) reader;
  hints->max_channels = 1;
  hints->in_order = TRUE;
}

static void
mtv_vsphere_export_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = export_get_size;
  iface->read = export_read;
  iface->get_hints = export_get_hints;
}

static void
mtv_vsphere_export_finalize (GObject *object)
{
  MtvVsphereExport *self = MTV_VSPHERE_EXPORT (object);

  g_clear_pointer (&self->stream, mtv_vsphere_stream_free);
  g_clear_pointer (&self->rest, mtv_rest_unref);
  if (self->use)
    mtv_vsphere_lease_release (self->use, self->complete);
  self->funcs->unref (self->session);
  g_free (self->label);
  g_free (self->path);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_vsphere_export_parent_class)->finalize (object);
}

static void
mtv_vsphere_export_class_init (MtvVsphereExportClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_vsphere_export_finalize;
}

static void
mtv_vsphere_export_init (MtvVsphereExport *self)
{
  g_mutex_init (&self->lock);
}

/* --- opening --- */

/* By its address where the key tells it, else by its number. */
static const MtvVsphereLeaseDisk *
find_disk (const MtvVsphereLease *lease, const MtvVsphereDiskRequest *request, GError **error)
{
  for (guint i = 0; request->disk_address && i < lease->disks->len; i++)
    {
      const MtvVsphereLeaseDisk *disk = lease->disks->pdata[i];
      const char *slash = strrchr (disk->key, '/');

      if (strcmp (slash ? slash + 1 : disk->key, request->disk_address) == 0)
        return disk;
    }
  if (request->disk_index < lease->disks->len)
    return lease->disks->pdata[request->disk_index];
  g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
               "%s is not among the %u disks that the server exports", request->label,
               lease->disks->len);
  return NULL;
}

/* The server writes "*" for the host that it was asked at. */
static char *
complete_url (const char *url, const char *base)
{
  g_autoptr (GUri) to = g_uri_parse (base, SOUP_HTTP_URI_FLAGS, NULL);
  const char *star = strstr (url, "://*");
  const char *rest = star ? star + strlen ("://*") : NULL;

  if (!to || !star || (*rest != '/' && *rest != ':'))
    return g_strdup (url);
  if (*rest == ':')
    rest += strcspn (rest, "/");
  return g_strconcat (base, rest, NULL);
}

static char *
path_with_query (GUri *uri)
{
  const char *query = g_uri_get_query (uri);

  return query ? g_strconcat (g_uri_get_path (uri), "?", query, NULL)
               : g_strdup (g_uri_get_path (uri));
}

/* Another host than ours is trusted by the thumbprint that the server gave for it, and gets no
 * cookie: its URL is a ticket. */
static gboolean
set_peer (MtvVsphereExport *self, const MtvVsphereDiskRequest *request,
          const MtvVsphereLeaseDisk *disk, GError **error)
{
  g_autofree char *url = complete_url (disk->url, request->url);
  g_autoptr (GUri) uri = g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL);
  g_autoptr (GUri) ours = g_uri_parse (request->url, SOUP_HTTP_URI_FLAGS, NULL);

  if (!uri || !ours || !g_uri_get_host (uri))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is exported at what is no URL",
                   self->label);
      return FALSE;
    }
  self->our_host = mtv_http_url_same_origin (uri, ours);
  self->path = path_with_query (uri);
  g_autofree char *origin = g_uri_join (G_URI_FLAGS_NONE, g_uri_get_scheme (uri), NULL,
                                        g_uri_get_host (uri), g_uri_get_port (uri), "", NULL, NULL);
  MtvRestOptions options = {
    .url = origin,
    .label = self->label,
    .ca = request->ca,
    .insecure = request->insecure,
    .thumbprint = self->our_host || !disk->thumbprint || !*disk->thumbprint ? request->thumbprint
                                                                            : disk->thumbprint,
    .max_connections = 1,
  };
  self->rest = mtv_rest_new (&options, error);
  return self->rest != NULL;
}

MtvVsphereExport *
mtv_vsphere_export_open (const MtvVsphereDiskRequest *request, GCancellable *cancellable,
                         GError **error)
{
  g_autoptr (MtvVsphereExport) self = g_object_new (MTV_TYPE_VSPHERE_EXPORT, NULL);

  self->label = g_strdup (request->label);
  self->size = request->capacity;
  self->funcs = request->funcs;
  self->session = self->funcs->ref (request->session);
  self->use = mtv_vsphere_lease_use (request, cancellable, error);
  if (!self->use)
    return NULL;
  const MtvVsphereLeaseDisk *disk = find_disk (mtv_vsphere_lease_get (self->use), request, error);
  if (!disk || !set_peer (self, request, disk, error))
    return NULL;
  g_mutex_lock (&self->lock);
  gboolean good = start_stream (self, cancellable, error);
  g_mutex_unlock (&self->lock);
  return good ? g_steal_pointer (&self) : NULL;
}
