/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-https.h"

#include "base/mtv-error.h"
#include "transfer/mtv-http-reader.h"

#include <string.h>

#define CONNECTIONS 6
#define MIN_CONNECTIONS 4
#define MAX_CONNECTIONS 8
#define RUN (16 * 1024 * 1024) /* what one request asks for: a lost one costs little */

struct _MtvVsphereFiles
{
  gint ref_count; /* (atomic) */
  char *place;    /* (owned) */
  char *base;     /* (owned) scheme, host and port */
  char *ca, *thumbprint;
  gboolean insecure;
  gboolean is_vcenter;
  char *datacenter;      /* (owned) (nullable) */
  char *user, *password; /* (owned) (nullable) */
  gboolean by_ticket;
  guint connections;
  gpointer session; /* (owned) */
  const MtvVsphereSessionFuncs *funcs;
};

/* A file of it. It lives in the reader's data. */
typedef struct
{
  MtvVsphereFiles *files; /* (owned) */
  char *url;              /* (owned) */
} Access;

static void
access_free (gpointer data)
{
  Access *access = data;

  mtv_vsphere_files_unref (access->files);
  g_free (access->url);
  g_free (access);
}

/* --- names --- */

gboolean
mtv_vsphere_file_split (const char *file, char **datastore, char **path, GError **error)
{
  const char *end = *file == '[' ? strchr (file, ']') : NULL;
  const char *rest = end ? end + 1 + strspn (end + 1, " ") : "";
  g_auto (GStrv) parts = g_strsplit (rest, "/", -1);
  gboolean good = end && end > file + 1 && g_utf8_validate (file, -1, NULL);

  for (guint i = 0; parts[i]; i++)
    good = good && *parts[i] && strcmp (parts[i], ".") != 0 && strcmp (parts[i], "..") != 0;
  if (!good || !parts[0])
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "'%s' is not the path of a file on a datastore", file);
      return FALSE;
    }
  *datastore = g_strndup (file + 1, end - file - 1);
  *path = g_strdup (rest);
  return TRUE;
}

/* A vCenter unescapes what stands in the query twice (libvirt and virt-v2v say), so that what the
 * first time leaves behind would be taken for an escape: only names with these are in danger. */
static char *
escape_name (const char *name, gboolean twice)
{
  g_autofree char *once = g_uri_escape_string (name, NULL, FALSE);

  return twice && strpbrk (name, "%+") ? g_uri_escape_string (once, NULL, FALSE)
                                       : g_steal_pointer (&once);
}

char *
mtv_vsphere_folder_url (const char *base, const char *datacenter, const char *datastore,
                        const char *path, gboolean twice)
{
  g_autofree char *escaped_path = g_uri_escape_string (path, "/", FALSE);
  g_autofree char *escaped_store = escape_name (datastore, twice);

  if (!datacenter)
    return g_strdup_printf ("%s/folder/%s?dsName=%s", base, escaped_path, escaped_store);

  const char *plain = datacenter + strspn (datacenter, "/"); /* "/DC0", as a path is written */
  g_autofree char *escaped_datacenter = escape_name (plain, twice);
  return g_strdup_printf ("%s/folder/%s?dcPath=%s&dsName=%s", base, escaped_path,
                          escaped_datacenter, escaped_store);
}

/* --- the way in --- */

static gboolean
use_host (MtvVsphereFiles *self, const MtvVsphereDiskRequest *request)
{
  if (!request->host_url)
    return FALSE;
  self->user = g_strdup (request->host_user);
  self->password = g_strdup (request->host_password);
  self->by_ticket = !self->user && request->funcs->get_ticket;
  return self->user || self->by_ticket;
}

static char *
name_place (const char *kind, const char *url)
{
  g_autoptr (GUri) uri = g_uri_parse (url, G_URI_FLAGS_PARSE_RELAXED, NULL);

  return g_strdup_printf ("%s %s", kind, uri && g_uri_get_host (uri) ? g_uri_get_host (uri) : "");
}

static char *
without_slash (const char *url)
{
  gsize length = strlen (url);

  while (length > 0 && url[length - 1] == '/')
    length--;
  return g_strndup (url, length);
}

MtvVsphereFiles *
mtv_vsphere_files_new (const MtvVsphereDiskRequest *request)
{
  MtvVsphereFiles *self = g_new0 (MtvVsphereFiles, 1);
  gboolean host = use_host (self, request);

  self->ref_count = 1;
  self->base = without_slash (host ? request->host_url : request->url);
  self->is_vcenter = !host && !request->is_host;
  self->place = name_place (self->is_vcenter ? "vCenter" : "host", self->base);
  self->ca = g_strdup (request->ca);
  self->insecure = request->insecure;
  self->thumbprint = g_strdup (host ? request->host_thumbprint : request->thumbprint);
  self->datacenter = g_strdup (self->is_vcenter ? request->datacenter : NULL);
  self->connections = request->connections > 0
                          ? CLAMP (request->connections, MIN_CONNECTIONS, MAX_CONNECTIONS)
                          : CONNECTIONS;
  self->funcs = request->funcs;
  self->session = self->funcs->ref (request->session);
  return self;
}

MtvVsphereFiles *
mtv_vsphere_files_ref (MtvVsphereFiles *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mtv_vsphere_files_unref (MtvVsphereFiles *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  self->funcs->unref (self->session);
  g_free (self->place);
  g_free (self->base);
  g_free (self->ca);
  g_free (self->thumbprint);
  g_free (self->datacenter);
  g_free (self->user);
  g_free (self->password);
  g_free (self);
}

const char *
mtv_vsphere_files_get_place (MtvVsphereFiles *self)
{
  return self->place;
}

/* A ticket is good for one request; a cookie until the session is forgotten. */
static char *
get_cookie (gpointer data, const char *refused, GCancellable *cancellable, GError **error)
{
  static const char name[] = "Cookie: ";
  Access *access = data;
  MtvVsphereFiles *self = access->files;
  const char *old = refused ? refused + strlen (name) : NULL;
  g_autofree char *cookie
      = self->by_ticket ? self->funcs->get_ticket (self->session, access->url, cancellable, error)
                        : self->funcs->get_cookie (self->session, old, cancellable, error);

  return cookie ? g_strconcat (name, cookie, NULL) : NULL;
}

/* ESXi answers 500 for a file that a running VM holds. */
static void
explain (GError *problem, const char *file)
{
  if (!problem || !g_error_matches (problem, MTV_ERROR, MTV_ERROR_UNREACHABLE)
      || !strstr (problem->message, " 500 "))
    return;
  g_autofree char *old = problem->message;
  problem->message
      = g_strdup_printf ("%s; '%s' may be in use by a running VM, or by an export", old, file);
}

MtvReader *
mtv_vsphere_files_open (MtvVsphereFiles *self, const char *file, GCancellable *cancellable,
                        GError **error)
{
  g_autofree char *datastore = NULL;
  g_autofree char *path = NULL;
  g_autofree char *label = g_strdup_printf ("'%s' at %s", file, self->place);
  GError *problem = NULL;

  if (!mtv_vsphere_file_split (file, &datastore, &path, error))
    return NULL;

  Access *access = g_new0 (Access, 1);
  access->files = mtv_vsphere_files_ref (self);
  access->url
      = mtv_vsphere_folder_url (self->base, self->datacenter, datastore, path, self->is_vcenter);
  MtvHttpOptions options = {
    .ca = self->ca,
    .thumbprint = self->thumbprint,
    .insecure = self->insecure,
    .user = self->user,
    .password = self->password,
    .get_header = self->user ? NULL : get_cookie,
    .header_data = access,
    .free_header_data = access_free,
    .connections = self->connections,
    .run = RUN,
  };
  MtvHttpReader *reader = mtv_http_reader_new (access->url, &options, label, cancellable, &problem);
  explain (problem, file);
  if (problem)
    g_propagate_error (error, problem);
  return reader ? MTV_READER (reader) : NULL;
}
