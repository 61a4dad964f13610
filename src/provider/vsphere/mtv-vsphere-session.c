/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/vsphere/mtv-vsphere-session.h"

#include "base/mtv-error.h"
#include "provider/mtv-rest.h"

#include <stdlib.h>
#include <string.h>

/* A server forgets a session that was idle for half an hour. */
#define KEEPALIVE_USEC (8 * 60 * G_USEC_PER_SEC)
/* A wrong password is not tried again and again: accounts are locked for that. */
#define DENIED_USEC (30 * G_USEC_PER_SEC)
#define LOGOUT_USEC (3 * G_USEC_PER_SEC)
#define SERVER_SILENCE 120 /* seconds: a query of changed areas may take its time */
#define MAX_CONNECTIONS 64 /* each wait for a task is one */
/* The newest version of the API whose types we know of, where the server has it. */
#define API_MAJOR 6
#define API_MINOR 7

struct _MtvVsphereSession
{
  gint users; /* (atomic) of the public references; the memory is the keeper's as well */
  MtvVsphereAccess access; /* (owned) its strings */

  GMutex mutex; /* of all that follows */
  GCond cond;
  GThread *keeper;            /* (owned) (nullable) logs in, out, and keeps the session alive */
  MtvRest *rest;              /* (owned) (nullable) with the cookie of the session */
  MtvVsphereService *service; /* (owned) (nullable) set once */
  char *action;               /* (owned) (nullable) likewise: the value of SOAPAction */
  char *cookie;               /* (owned) (nullable) */
  char *key;                  /* (owned) (nullable) */
  guint64 generation;         /* how many logins there were */
  gboolean logged_in;
  gboolean wanted; /* somebody waits for a login */
  guint attempts;  /* to log in, that have ended */
  GError *failed;  /* (owned) (nullable) how the last one ended */
  gint64 denied_until;
  gint64 last_call;
  gboolean stopping;
  gboolean stopped;
};

static void
service_free (MtvVsphereService *service)
{
  g_free (service->api_version);
  g_free (service->full_name);
  g_free (service->instance_uuid);
  g_free (service->root_folder);
  g_free (service->property_collector);
  g_free (service->view_manager);
  g_free (service->session_manager);
  g_free (service->search_index);
  g_free (service->authorization_manager);
  g_free (service);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVsphereService, service_free)

/* One request, and its answer. */

/* The headers of the answer are wanted only of a Login. */
static xmlDoc *
exchange (MtvRest *rest, const char *action, const MtvSoapCall *call,
          const MtvVsphereXmlItems *items, xmlNode **response, char **fault,
          MtvRestAnswer **answer_out, GCancellable *cancellable, GError **error)
{
  g_autofree char *header
      = g_strdup_printf ("SOAPAction: \"%s\"", action != NULL ? action : "urn:vim25/6.0");
  const char *const headers[] = { header, NULL };
  g_autoptr (GBytes) body = mtv_soap_call_to_bytes (call);
  g_autoptr (MtvRestAnswer) answer = NULL;
  g_autoptr (GInputStream) stream
      = mtv_rest_open (rest, "POST", "/sdk", headers, "text/xml; charset=\"utf-8\"", body, &answer,
                       cancellable, error);

  if (stream == NULL)
    return NULL;
  if (answer->status != SOUP_STATUS_OK && answer->status != SOUP_STATUS_INTERNAL_SERVER_ERROR)
    {
      mtv_rest_answer_fail (rest, answer, call->method, NULL, error);
      return NULL;
    }
  g_autoptr (xmlDoc) document = mtv_vsphere_xml_read (stream, items, cancellable, error);
  if (document == NULL)
    g_prefix_error (error, "%s of %s: HTTP status %u: ", call->method, call->subject,
                    answer->status);
  xmlNode *found = document == NULL ? NULL : mtv_soap_get_response (document, call, fault, error);
  if (response != NULL)
    *response = found;
  if (answer_out != NULL)
    *answer_out = g_steal_pointer (&answer);
  return found != NULL ? g_steal_pointer (&document) : NULL;
}

/* "provider 'vc1': …", once. */
static void
put_label (MtvVsphereSession *self, GError **error)
{
  if (error != NULL && *error != NULL && !g_str_has_prefix ((*error)->message, self->access.label))
    g_prefix_error (error, "%s: ", self->access.label);
}

/* Logging in and out: on the keeper's thread. */

static char *
take_id (xmlNode *content, const char *name, const char *otherwise)
{
  const char *id = mtv_vsphere_xml_text (content, name);

  return g_strdup (id != NULL ? id : otherwise);
}

static MtvVsphereService *
retrieve_service (MtvRest *rest, GError **error)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("RetrieveServiceContent", "ServiceInstance", "ServiceInstance");
  xmlNode *response = NULL;
  g_autoptr (xmlDoc) document
      = exchange (rest, NULL, call, NULL, &response, NULL, NULL, NULL, error);

  if (document == NULL)
    return NULL;

  xmlNode *content = mtv_vsphere_xml_child (response, "returnval");
  g_autoptr (MtvVsphereService) service = g_new0 (MtvVsphereService, 1);
  const char *type = mtv_vsphere_xml_text (content, "about/apiType");
  service->is_vcenter = g_strcmp0 (type, "VirtualCenter") == 0;
  service->api_version = take_id (content, "about/apiVersion", "0");
  service->full_name = take_id (content, "about/fullName", "");
  service->instance_uuid = take_id (content, "about/instanceUuid", NULL);
  service->root_folder = take_id (content, "rootFolder", NULL);
  service->property_collector = take_id (content, "propertyCollector", NULL);
  service->view_manager = take_id (content, "viewManager", "ViewManager");
  service->session_manager = take_id (content, "sessionManager", NULL);
  service->search_index = take_id (content, "searchIndex", "SearchIndex");
  service->authorization_manager
      = take_id (content, "authorizationManager", "AuthorizationManager");
  if ((service->is_vcenter || g_strcmp0 (type, "HostAgent") == 0) && service->root_folder != NULL
      && service->property_collector != NULL && service->session_manager != NULL)
    return g_steal_pointer (&service);
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "It calls itself '%s', of type '%s', and is neither a vCenter nor an ESXi",
               service->full_name, type != NULL ? type : "");
  return NULL;
}

static gboolean
version_is_at_least (const char *version, guint major, guint minor)
{
  char *end = NULL;
  guint64 has_major = g_ascii_strtoull (version, &end, 10);
  guint64 has_minor = *end == '.' ? g_ascii_strtoull (end + 1, NULL, 10) : 0;

  return has_major > major || (has_major == major && has_minor >= minor);
}

static char *
action_for (const MtvVsphereService *service)
{
  if (version_is_at_least (service->api_version, API_MAJOR, API_MINOR))
    return g_strdup_printf ("urn:vim25/%d.%d", API_MAJOR, API_MINOR);
  return g_strconcat ("urn:vim25/", service->api_version, NULL);
}

/* What a cookie is called differs between products, and readers need it as it is. */
static char *
find_cookie (const MtvRestAnswer *answer)
{
  SoupMessageHeadersIter iter;
  const char *name, *value;

  soup_message_headers_iter_init (&iter, answer->headers);
  while (soup_message_headers_iter_next (&iter, &name, &value))
    if (g_ascii_strcasecmp (name, "Set-Cookie") == 0
        && g_str_has_prefix (value, "vmware_soap_session="))
      return g_strndup (value, strcspn (value, "; "));
  return NULL;
}

static MtvRest *
new_rest (MtvVsphereSession *self, GError **error)
{
  const MtvRestOptions options = {
    .url = self->access.url,
    .label = self->access.label,
    .ca = self->access.ca,
    .thumbprint = self->access.thumbprint,
    .insecure = self->access.insecure,
    .timeout = SERVER_SILENCE,
    .max_connections = MAX_CONNECTIONS,
  };

  return mtv_rest_new (&options, error);
}

typedef struct
{
  MtvRest *rest;              /* (owned) (nullable) */
  MtvVsphereService *service; /* (owned) (nullable) */
  char *cookie;               /* (owned) (nullable) */
  char *key;                  /* (owned) (nullable) */
} Login;

static void
login_clear (Login *login)
{
  g_clear_pointer (&login->rest, mtv_rest_unref);
  g_clear_pointer (&login->service, service_free);
  g_clear_pointer (&login->cookie, g_free);
  g_clear_pointer (&login->key, g_free);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Login, login_clear)

/* A Login with the cookie of a session that lives is refused (InvalidLogin): a new MtvRest has no
 * cookies. @service: (nullable) what is known already. */
static gboolean
try_login (MtvVsphereSession *self, const MtvVsphereService *service, Login *login, GError **error)
{
  login->rest = new_rest (self, error);
  if (login->rest == NULL)
    return FALSE;
  if (service == NULL)
    service = login->service = retrieve_service (login->rest, error);
  if (service == NULL)
    return FALSE;

  g_autofree char *action = action_for (service);
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("Login", "SessionManager", service->session_manager);
  g_autoptr (MtvRestAnswer) answer = NULL;
  xmlNode *response = NULL;
  mtv_soap_call_add (call, "userName", self->access.user);
  mtv_soap_call_add (call, "password", self->access.password);
  g_autoptr (xmlDoc) document
      = exchange (login->rest, action, call, NULL, &response, NULL, &answer, NULL, error);
  if (document == NULL)
    return FALSE;
  login->cookie = find_cookie (answer);
  login->key = g_strdup (mtv_vsphere_xml_text (response, "returnval/key"));
  return TRUE;
}

static void
take_login (MtvVsphereSession *self, Login *login)
{
  g_clear_pointer (&self->rest, mtv_rest_unref);
  self->rest = g_steal_pointer (&login->rest);
  g_free (self->cookie);
  self->cookie = g_steal_pointer (&login->cookie);
  g_free (self->key);
  self->key = g_steal_pointer (&login->key);
  if (self->service == NULL)
    {
      self->service = g_steal_pointer (&login->service);
      self->action = action_for (self->service);
    }
  self->logged_in = TRUE;
  self->wanted = FALSE;
  self->generation++;
  self->last_call = g_get_monotonic_time ();
}

/* With the mutex held, which is let go of meanwhile. @fault: (out) */
static void
call_unlocked (MtvVsphereSession *self, const MtvSoapCall *call, char **fault)
{
  g_autoptr (MtvRest) rest = mtv_rest_ref (self->rest);
  const char *action = self->action;

  g_mutex_unlock (&self->mutex);
  g_autoptr (xmlDoc) ignored G_GNUC_UNUSED
      = exchange (rest, action, call, NULL, NULL, fault, NULL, NULL, NULL);
  g_mutex_lock (&self->mutex);
  self->last_call = g_get_monotonic_time ();
}

/* Likewise. */
static void
log_out (MtvVsphereSession *self)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("Logout", "SessionManager", self->service->session_manager);
  g_autofree char *fault = NULL;

  call_unlocked (self, call, &fault);
  self->logged_in = FALSE;
}

/* With the mutex held, which is let go of meanwhile. */
static void
log_in (MtvVsphereSession *self)
{
  const MtvVsphereService *service = self->service;
  g_autoptr (GError) error = NULL;
  g_auto (Login) login = { .rest = NULL };

  self->wanted = FALSE;
  if (self->rest != NULL)
    {
      log_out (self); /* it may live: some refusals only look as if it did not */
      g_clear_pointer (&self->rest, mtv_rest_unref);
    }
  if (g_get_monotonic_time () >= self->denied_until)
    {
      g_mutex_unlock (&self->mutex);
      gboolean done = try_login (self, service, &login, &error);
      g_mutex_lock (&self->mutex);
      if (done)
        take_login (self, &login);
      put_label (self, &error);
      g_clear_error (&self->failed);
      self->failed = g_steal_pointer (&error);
      if (g_error_matches (self->failed, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED))
        self->denied_until = g_get_monotonic_time () + DENIED_USEC;
    }
  self->attempts++;
  g_cond_broadcast (&self->cond);
}

static void
keep_alive (MtvVsphereSession *self)
{
  g_autoptr (MtvSoapCall) call
      = mtv_soap_call_new ("CurrentTime", "ServiceInstance", "ServiceInstance");
  g_autofree char *fault = NULL;
  guint64 generation = self->generation;

  call_unlocked (self, call, &fault);
  if (g_strcmp0 (fault, "NotAuthenticated") == 0 && generation == self->generation)
    self->logged_in = FALSE;
}

static void
session_clear (gpointer data)
{
  MtvVsphereSession *self = data;

  g_clear_pointer (&self->rest, mtv_rest_unref);
  g_clear_pointer (&self->service, service_free);
  g_clear_pointer (&self->keeper, g_thread_unref);
  g_clear_error (&self->failed);
  g_free (self->action);
  g_free (self->cookie);
  g_free (self->key);
  g_free ((char *) self->access.url);
  g_free ((char *) self->access.label);
  g_free ((char *) self->access.user);
  g_free ((char *) self->access.password);
  g_free ((char *) self->access.ca);
  g_free ((char *) self->access.thumbprint);
  g_mutex_clear (&self->mutex);
  g_cond_clear (&self->cond);
}

static gpointer
keeper_thread (gpointer data)
{
  MtvVsphereSession *self = data;

  g_mutex_lock (&self->mutex);
  while (!self->stopping)
    {
      if (!self->logged_in && self->wanted)
        log_in (self);
      else if (!self->logged_in)
        g_cond_wait (&self->cond, &self->mutex);
      else if (g_get_monotonic_time () >= self->last_call + KEEPALIVE_USEC)
        keep_alive (self);
      else
        g_cond_wait_until (&self->cond, &self->mutex, self->last_call + KEEPALIVE_USEC);
    }
  if (self->rest != NULL)
    log_out (self);
  self->stopped = TRUE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
  g_atomic_rc_box_release_full (self, session_clear);
  return NULL;
}

/* For everybody. */

/* "https://vc", "https://vc/", "https://vc/sdk" and "vc" are all the same. (transfer full) */
static char *
normalize_url (const char *url, GError **error)
{
  g_autofree char *full = url == NULL || strstr (url, "://") != NULL
                              ? g_strdup (url)
                              : g_strconcat ("https://", url, NULL);
  g_autoptr (GUri) uri = full == NULL ? NULL : g_uri_parse (full, G_URI_FLAGS_NONE, NULL);
  const char *path = uri == NULL ? NULL : g_uri_get_path (uri);

  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0'
      || (strcmp (g_uri_get_scheme (uri), "https") != 0
          && strcmp (g_uri_get_scheme (uri), "http") != 0)
      || g_uri_get_userinfo (uri) != NULL || g_uri_get_query (uri) != NULL
      || (*path != '\0' && strcmp (path, "/") != 0 && strcmp (path, "/sdk") != 0
          && strcmp (path, "/sdk/") != 0))
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "A vSphere provider needs the URL of a vCenter or an ESXi, such as "
                           "https://vc.example.com, without a user or a query in it");
      return NULL;
    }
  return g_uri_join (G_URI_FLAGS_NONE, g_uri_get_scheme (uri), NULL, g_uri_get_host (uri),
                     g_uri_get_port (uri), "", NULL, NULL);
}

MtvVsphereSession *
mtv_vsphere_session_new (const MtvVsphereAccess *access, GError **error)
{
  g_autofree char *url = normalize_url (access->url, error);

  if (url == NULL)
    return NULL;
  if (access->user == NULL || *access->user == '\0' || access->password == NULL)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "A vSphere provider needs the setting 'user' and the secret 'password'");
      return NULL;
    }

  MtvVsphereSession *self = g_atomic_rc_box_new0 (MtvVsphereSession);
  self->users = 1;
  g_mutex_init (&self->mutex);
  g_cond_init (&self->cond);
  self->access.url = g_steal_pointer (&url);
  self->access.label = g_strdup (access->label);
  self->access.user = g_strdup (access->user);
  self->access.password = g_strdup (access->password);
  self->access.ca = g_strdup (access->ca);
  self->access.thumbprint = g_strdup (access->thumbprint);
  self->access.insecure = access->insecure;
  g_autoptr (MtvRest) rest = new_rest (self, error); /* are CA and thumbprint any good? */
  if (rest == NULL)
    g_clear_pointer (&self, mtv_vsphere_session_unref);
  return self;
}

MtvVsphereSession *
mtv_vsphere_session_ref (MtvVsphereSession *self)
{
  g_atomic_int_inc (&self->users);
  return self;
}

void
mtv_vsphere_session_unref (MtvVsphereSession *self)
{
  if (!g_atomic_int_dec_and_test (&self->users))
    return;

  gint64 deadline = g_get_monotonic_time () + LOGOUT_USEC;
  g_mutex_lock (&self->mutex);
  self->stopping = TRUE;
  g_cond_broadcast (&self->cond);
  while (self->keeper != NULL && !self->stopped
         && g_cond_wait_until (&self->cond, &self->mutex, deadline))
    ;
  g_mutex_unlock (&self->mutex);
  g_atomic_rc_box_release_full (self, session_clear);
}

static void
wake_up (GCancellable *cancellable, gpointer user_data)
{
  MtvVsphereSession *self = user_data;

  (void) cancellable;
  g_mutex_lock (&self->mutex);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->mutex);
}

/* With the mutex held. */
static void
wait_for_login (MtvVsphereSession *self, GCancellable *cancellable)
{
  guint before = self->attempts;

  if (self->keeper == NULL)
    self->keeper = g_thread_new ("mtv-vsphere", keeper_thread, g_atomic_rc_box_acquire (self));
  while (!self->logged_in && !g_cancellable_is_cancelled (cancellable)
         && (self->attempts == before || self->failed == NULL))
    {
      self->wanted = TRUE;
      g_cond_broadcast (&self->cond);
      g_cond_wait (&self->cond, &self->mutex);
    }
}

/* (transfer full) */
static MtvRest *
ensure_login (MtvVsphereSession *self, guint64 *generation, GCancellable *cancellable,
              GError **error)
{
  MtvRest *rest = NULL;
  gulong handler = cancellable == NULL
                       ? 0
                       : g_cancellable_connect (cancellable, G_CALLBACK (wake_up), self, NULL);

  g_mutex_lock (&self->mutex);
  wait_for_login (self, cancellable);
  if (g_cancellable_is_cancelled (cancellable))
    g_set_error (error, MTV_ERROR, MTV_ERROR_CANCELLED, "%s: cancelled", self->access.label);
  else if (self->logged_in)
    rest = mtv_rest_ref (self->rest);
  else
    g_propagate_error (error, g_error_copy (self->failed));
  *generation = self->generation;
  g_mutex_unlock (&self->mutex);
  if (handler != 0)
    g_cancellable_disconnect (cancellable, handler);
  return rest;
}

const MtvVsphereService *
mtv_vsphere_session_connect (MtvVsphereSession *self, GCancellable *cancellable, GError **error)
{
  guint64 generation;
  g_autoptr (MtvRest) rest = ensure_login (self, &generation, cancellable, error);

  return rest != NULL ? self->service : NULL;
}

const MtvVsphereAccess *
mtv_vsphere_session_get_access (MtvVsphereSession *self)
{
  return &self->access;
}

gboolean
mtv_vsphere_session_has_api (MtvVsphereSession *self, guint major, guint minor)
{
  g_return_val_if_fail (self->service != NULL, FALSE);

  return version_is_at_least (self->service->api_version, major, minor);
}

xmlDoc *
mtv_vsphere_session_call_once (MtvVsphereSession *self, const MtvSoapCall *call,
                               const MtvVsphereXmlItems *items, xmlNode **response, char **fault,
                               GCancellable *cancellable, GError **error)
{
  guint64 generation;
  g_autofree char *name = NULL;
  g_autoptr (MtvRest) rest = ensure_login (self, &generation, cancellable, error);

  if (rest == NULL)
    return NULL;
  xmlDoc *document
      = exchange (rest, self->action, call, items, response, &name, NULL, cancellable, error);
  g_mutex_lock (&self->mutex);
  self->last_call = g_get_monotonic_time ();
  if (g_strcmp0 (name, "NotAuthenticated") == 0 && generation == self->generation)
    self->logged_in = FALSE;
  g_mutex_unlock (&self->mutex);
  put_label (self, error);
  if (fault != NULL)
    *fault = g_steal_pointer (&name);
  return document;
}

xmlDoc *
mtv_vsphere_session_call (MtvVsphereSession *self, const MtvSoapCall *call, xmlNode **response,
                          char **fault, GCancellable *cancellable, GError **error)
{
  g_autofree char *name = NULL;
  g_autoptr (GError) failed = NULL;
  xmlDoc *document
      = mtv_vsphere_session_call_once (self, call, NULL, response, &name, cancellable, &failed);

  if (document == NULL && g_strcmp0 (name, "NotAuthenticated") == 0)
    return mtv_vsphere_session_call_once (self, call, NULL, response, fault, cancellable, error);
  if (document == NULL)
    g_propagate_error (error, g_steal_pointer (&failed));
  if (fault != NULL)
    *fault = g_steal_pointer (&name);
  return document;
}

char *
mtv_vsphere_session_get_cookie (MtvVsphereSession *self, GCancellable *cancellable, GError **error)
{
  guint64 generation;
  g_autoptr (MtvRest) rest = ensure_login (self, &generation, cancellable, error);
  char *cookie = NULL;

  if (rest == NULL)
    return NULL;
  g_mutex_lock (&self->mutex);
  cookie = g_strdup (self->cookie);
  g_mutex_unlock (&self->mutex);
  if (cookie == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                 "%s: the login was answered without a cookie", self->access.label);
  return cookie;
}

void
mtv_vsphere_session_expire (MtvVsphereSession *self, const char *cookie)
{
  g_mutex_lock (&self->mutex);
  if (g_strcmp0 (cookie, self->cookie) == 0)
    self->logged_in = FALSE;
  g_mutex_unlock (&self->mutex);
}

char *
mtv_vsphere_session_get_key (MtvVsphereSession *self)
{
  g_mutex_lock (&self->mutex);
  char *key = g_strdup (self->key);
  g_mutex_unlock (&self->mutex);
  return key;
}
