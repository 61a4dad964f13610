/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-reader.h"

#include "base/mtv-error.h"
#include "transfer/mtv-http-link.h"
#include "transfer/mtv-http-url.h"

#include <libsoup/soup.h>
#include <string.h>

#define RUN (64 * 1024 * 1024)
#define MAX_GAP (1024 * 1024) /* read over, rather than to connect anew */
#define MAX_LINKS 2           /* unless told otherwise: to a server nearby, more bring nothing */
#define TIMEOUT 60            /* seconds, as are the following */
#define OPEN_TIMEOUT 5
#define MAX_RETRY_AFTER 60
#define FIRST_PAUSE_MSEC 200
#define MAX_PAUSE_MSEC 5000

struct _MtvHttpReader
{
  GObject parent;

  MtvHttpTarget target;
  guint64 run;
  guint timeout;   /* seconds */
  guint max_links; /* at rest */

  /* Constant once it is open. */
  GUri *url; /* (owned) (nullable) where target.url leads to */
  guint64 size;
  gboolean in_order;
  char *etag;          /* (owned) (nullable) */
  char *last_modified; /* (owned) (nullable) */

  GMutex lock;
  GPtrArray *links; /* (owned) (element-type MtvHttpLink) at rest, the latest used last */
};

static void mtv_http_reader_reader_init (MtvReaderInterface *iface);
G_DEFINE_FINAL_TYPE_WITH_CODE (MtvHttpReader, mtv_http_reader, G_TYPE_OBJECT,
                               G_IMPLEMENT_INTERFACE (MTV_TYPE_READER, mtv_http_reader_reader_init))

/* --- patience --- */

typedef struct
{
  gint64 deadline_usec; /* of the monotonic clock */
  guint64 furthest;     /* byte that was reached */
  guint pause_msec;
} Patience;

static void
renew (Patience *patience, guint timeout)
{
  patience->deadline_usec = g_get_monotonic_time () + timeout * G_USEC_PER_SEC;
  patience->pause_msec = FIRST_PAUSE_MSEC;
}

static gboolean
wait_for (guint msec, GCancellable *cancellable, GError **error)
{
  GPollFD fd;
  g_autoptr (GError) cancelled = NULL;

  if (g_cancellable_make_pollfd (cancellable, &fd))
    {
      g_poll (&fd, 1, msec);
      g_cancellable_release_fd (cancellable);
    }
  else
    g_poll (NULL, 0, msec);
  if (!g_cancellable_set_error_if_cancelled (cancellable, &cancelled))
    return TRUE;
  g_propagate_error (error, mtv_error_normalize (g_steal_pointer (&cancelled)));
  return FALSE;
}

/* TRUE, after a while, when there is to be another try. @problem: (transfer full). @reached: as far
 * as the reading has come. */
static gboolean
try_again (Patience *patience, guint timeout, guint64 reached, guint retry_after, GError *problem,
           GCancellable *cancellable, GError **error)
{
  if (reached > patience->furthest)
    {
      patience->furthest = reached;
      renew (patience, timeout);
    }
  if (!g_error_matches (problem, MTV_ERROR, MTV_ERROR_UNREACHABLE)
      || g_get_monotonic_time () >= patience->deadline_usec)
    {
      g_propagate_error (error, problem);
      return FALSE;
    }
  g_debug ("%s, trying again", problem->message);
  g_error_free (problem);

  guint msec = patience->pause_msec;
  patience->pause_msec = MIN (2 * msec, MAX_PAUSE_MSEC);
  return wait_for (MAX (msec, MIN (retry_after, MAX_RETRY_AFTER) * 1000), cancellable, error);
}

/* --- the connections --- */

/* How far ahead of a connection's place a read may be to be served by it. */
static guint64
max_gap (MtvHttpReader *self)
{
  return self->in_order ? G_MAXUINT64 : MAX_GAP;
}

static gboolean
can_go_on (MtvHttpReader *self, MtvHttpLink *link, guint64 offset)
{
  guint64 at = mtv_http_link_get_offset (link);

  return at <= offset && offset - at <= max_gap (self)
         && offset - at < mtv_http_link_get_left (link);
}

/* The best connection at rest, for the caller alone: one that is there, one that has ended there,
 * one that is idle, a new one, or the one that was not used for longest. */
static MtvHttpLink *
take_link (MtvHttpReader *self, guint64 offset)
{
  guint max_links = self->in_order ? 1 : self->max_links;
  guint best = G_MAXUINT;
  guint best_rank = 0;
  MtvHttpLink *taken = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->links->len; i++)
    {
      MtvHttpLink *link = self->links->pdata[i];
      guint rank = can_go_on (self, link, offset)              ? 4
                   : mtv_http_link_get_left (link) > 0         ? 0
                   : mtv_http_link_get_offset (link) == offset ? 3
                                                               : 2;

      if (rank == 0 && self->links->len == max_links)
        rank = 1;
      if (rank > best_rank)
        {
          best = i;
          best_rank = rank;
        }
    }
  if (best != G_MAXUINT)
    taken = g_ptr_array_steal_index (self->links, best);
  g_mutex_unlock (&self->lock);
  return taken ? taken : mtv_http_link_new (&self->target, self->url);
}

static void
give_back (MtvHttpReader *self, MtvHttpLink *link)
{
  MtvHttpLink *surplus = NULL;

  g_mutex_lock (&self->lock);
  if (self->links->len == (self->in_order ? 1 : self->max_links))
    surplus = g_ptr_array_steal_index (self->links, 0);
  g_ptr_array_add (self->links, link);
  g_mutex_unlock (&self->lock);
  g_clear_pointer (&surplus, mtv_http_link_free);
}

/* --- reading --- */

/* To the end of the run when that seems to be wanted; a single look somewhere is for its bytes
 * alone, since what is not read costs the connection. */
static guint64
end_of_request (MtvHttpReader *self, MtvHttpLink *link, guint64 offset, guint64 length)
{
  guint64 run_end = MIN (self->size, (offset / self->run + 1) * self->run);

  if (self->in_order)
    return 0;
  if (offset % self->run == 0 || offset == mtv_http_link_get_offset (link))
    return run_end;
  return offset + length;
}

static gboolean
check_version (MtvHttpReader *self, guint64 offset, const MtvHttpAnswer *answer, GError **error)
{
  const MtvHttpRange *range = &answer->range;

  if (range->total != self->size || mtv_http_validator_differs (self->etag, answer->etag)
      || mtv_http_validator_differs (self->last_modified, answer->last_modified))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED,
                   "%s: The file has changed since it was opened", self->target.label);
      return FALSE;
    }
  if (answer->partial && (range->start != offset || range->end == range->start))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s: The server sends another range than that from byte %" G_GUINT64_FORMAT,
                   self->target.label, offset);
      return FALSE;
    }
  return TRUE;
}

/* Brings @link to @offset, with at least one byte to be read there. */
static gboolean
go_to (MtvHttpReader *self, MtvHttpLink *link, guint64 offset, guint64 length, guint *retry_after,
       GCancellable *cancellable, GError **error)
{
  if (!can_go_on (self, link, offset))
    {
      const char *if_range = mtv_http_etag_is_strong (self->etag) ? self->etag : NULL;
      g_auto (MtvHttpAnswer) answer = { 0 };

      if (!mtv_http_link_get (link, offset, end_of_request (self, link, offset, length), if_range,
                              &answer, retry_after, cancellable, error)
          || !check_version (self, offset, &answer, error))
        return FALSE;
    }
  return mtv_http_link_read (link, NULL, offset - mtv_http_link_get_offset (link), cancellable,
                             error);
}

static gboolean
fetch (MtvHttpReader *self, MtvHttpLink *link, guint64 offset, guint8 *buffer, guint64 length,
       GCancellable *cancellable, GError **error)
{
  guint64 end = offset + length;
  Patience patience = { 0 };

  renew (&patience, self->timeout);
  while (offset < end)
    {
      GError *problem = NULL;
      guint retry_after = 0;
      guint64 before = offset;

      if (go_to (self, link, offset, end - offset, &retry_after, cancellable, &problem))
        {
          mtv_http_link_read (link, buffer, MIN (end - offset, mtv_http_link_get_left (link)),
                              cancellable, &problem);
          offset = mtv_http_link_get_offset (link);
          buffer += offset - before;
        }
      if (problem
          && !try_again (&patience, self->timeout, mtv_http_link_get_offset (link), retry_after,
                         problem, cancellable, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
http_reader_read (MtvReader *reader, guint64 offset, gpointer buffer, gsize length,
                  GCancellable *cancellable, GError **error)
{
  MtvHttpReader *self = MTV_HTTP_READER (reader);

  if (length == 0)
    return TRUE;

  MtvHttpLink *link = take_link (self, offset);
  gboolean good = fetch (self, link, offset, buffer, length, cancellable, error);
  give_back (self, link);
  return good;
}

static guint64
http_reader_get_size (MtvReader *reader)
{
  return MTV_HTTP_READER (reader)->size;
}

static void
http_reader_get_hints (MtvReader *reader, MtvHints *hints)
{
  MtvHttpReader *self = MTV_HTTP_READER (reader);

  hints->max_channels = self->in_order ? 1 : self->max_links;
  hints->run = self->run;
  hints->in_order = self->in_order;
}

static void
mtv_http_reader_reader_init (MtvReaderInterface *iface)
{
  iface->get_size = http_reader_get_size;
  iface->read = http_reader_read;
  iface->get_hints = http_reader_get_hints;
}

static void
mtv_http_reader_finalize (GObject *object)
{
  MtvHttpReader *self = MTV_HTTP_READER (object);

  g_ptr_array_unref (self->links);
  mtv_http_target_clear (&self->target);
  g_clear_pointer (&self->url, g_uri_unref);
  g_free (self->etag);
  g_free (self->last_modified);
  g_mutex_clear (&self->lock);

  G_OBJECT_CLASS (mtv_http_reader_parent_class)->finalize (object);
}

static void
mtv_http_reader_class_init (MtvHttpReaderClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mtv_http_reader_finalize;
}

static void
mtv_http_reader_init (MtvHttpReader *self)
{
  g_mutex_init (&self->lock);
  self->links = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_http_link_free);
}

/* --- opening --- */

/* Neither is told in an error. */
static char *
basic_authorization (const char *user, const char *password)
{
  g_autofree char *both = g_strconcat (user, ":", password ? password : "", NULL);
  g_autofree char *encoded = g_base64_encode ((const guchar *) both, strlen (both));

  return g_strconcat ("Basic ", encoded, NULL);
}

static gboolean
is_field_value (const char *text)
{
  for (; *text; text++)
    if (g_ascii_iscntrl (*text) && *text != '\t')
      return FALSE;
  return TRUE;
}

/* A name is a token: RFC 9110 §5.6.2. */
static gboolean
is_field (const char *text)
{
  gsize name = strcspn (text, ":");

  for (gsize i = 0; i < name; i++)
    if (!g_ascii_isalnum (text[i]) && !strchr ("!#$%&'*+-.^_`|~", text[i]))
      return FALSE;
  return name > 0 && text[name] == ':' && is_field_value (text);
}

static gboolean
set_secrets (MtvHttpTarget *target, const MtvHttpOptions *options, GUri *url, GError **error)
{
  const char *user = options->user ? options->user : g_uri_get_user (url);
  const char *password = options->user ? options->password : g_uri_get_password (url);
  gboolean good = TRUE;

  if (options->bearer_token)
    target->authorization = g_strconcat ("Bearer ", options->bearer_token, NULL);
  else if (user)
    target->authorization = basic_authorization (user, password);
  target->headers = g_strdupv ((GStrv) options->headers);
  good = !target->authorization || is_field_value (target->authorization);
  for (gsize i = 0; target->headers && target->headers[i]; i++)
    good = good && is_field (target->headers[i]);
  if (!good)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "%s: The token or a header is not one that HTTP can carry", target->label);
  return good;
}

static gboolean
set_target (MtvHttpReader *self, const char *url, const MtvHttpOptions *options, const char *label,
            GError **error)
{
  MtvHttpTarget *target = &self->target;
  g_autoptr (GUri) parsed = mtv_http_url_parse (url, error);

  if (!parsed)
    return FALSE;
  target->label = label ? g_strdup (label) : mtv_http_url_to_label (parsed);
  target->url = soup_uri_copy (parsed, SOUP_URI_USER, NULL, SOUP_URI_PASSWORD, NULL,
                               SOUP_URI_FRAGMENT, NULL, SOUP_URI_NONE);
  self->timeout = options->timeout > 0 ? options->timeout : TIMEOUT;
  target->timeout = MAX (1, self->timeout / 2); /* so that there is a second try */
  self->run = options->run > 0 ? options->run : RUN;
  self->max_links = options->connections > 0 ? options->connections : MAX_LINKS;
  target->trust = mtv_http_trust_new (options->ca, options->ca_file, options->thumbprint,
                                      options->insecure, NULL, error);
  return target->trust && set_secrets (target, options, parsed, error);
}

static gboolean
open_file (MtvHttpReader *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvHttpLink) link = mtv_http_link_new (&self->target, self->target.url);
  g_auto (MtvHttpAnswer) answer = { 0 };
  Patience patience = { 0 };
  GError *problem = NULL;
  guint retry_after;

  renew (&patience, MIN (self->timeout, OPEN_TIMEOUT));
  while (
      !mtv_http_link_get (link, 0, self->run, NULL, &answer, &retry_after, cancellable, &problem))
    if (!try_again (&patience, 0, 0, retry_after, g_steal_pointer (&problem), cancellable, error))
      return FALSE;

  self->size = answer.range.total;
  self->in_order = !answer.partial;
  self->etag = g_steal_pointer (&answer.etag);
  self->last_modified = g_steal_pointer (&answer.last_modified);
  self->url = g_uri_ref (mtv_http_link_get_url (link));
  if (self->size > 0 && !check_version (self, 0, &answer, error))
    return FALSE;
  give_back (self, g_steal_pointer (&link));
  return TRUE;
}

MtvHttpReader *
mtv_http_reader_new (const char *url, const MtvHttpOptions *options, const char *label,
                     GCancellable *cancellable, GError **error)
{
  static const MtvHttpOptions defaults = { 0 };

  g_return_val_if_fail (url != NULL, NULL);

  g_autoptr (MtvHttpReader) self = g_object_new (MTV_TYPE_HTTP_READER, NULL);
  if (options)
    {
      self->target.get_header = options->get_header;
      self->target.header_data = options->header_data;
      self->target.free_header_data = options->free_header_data;
    }
  if (!set_target (self, url, options ? options : &defaults, label, error)
      || !open_file (self, cancellable, error))
    return NULL;
  return g_steal_pointer (&self);
}

char *
mtv_http_reader_get_version (MtvHttpReader *self)
{
  g_return_val_if_fail (MTV_IS_HTTP_READER (self), NULL);

  return g_strdup_printf ("%" G_GUINT64_FORMAT " %s %s", self->size, self->etag ? self->etag : "",
                          self->last_modified ? self->last_modified : "");
}
