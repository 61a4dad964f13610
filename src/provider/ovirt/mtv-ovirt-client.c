/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-client.h"

#include "base/mtv-error.h"

#include <string.h>

#define PAGE 100
#define LOCKED_USEC (5 * 60 * G_TIME_SPAN_SECOND)

struct _MtvOvirtClient
{
  gint ref_count; /* (atomic) */
  MtvRest *rest;  /* (owned) at the root of the engine */
  char *label;    /* (owned) */
  char *user;     /* (owned) */
  char *password; /* (owned) */
  GMutex login;   /* held while somebody logs in */
  GMutex lock;    /* of what follows */
  char *token;    /* (owned) (nullable) */
};

/* The URL of the engine's host, whatever path of it the user copied. */
static char *
root_of (const char *url)
{
  const char *path = strstr (url, "/ovirt-engine");

  return path == NULL ? g_strdup (url) : g_strndup (url, path - url);
}

MtvOvirtClient *
mtv_ovirt_client_new (const MtvRestOptions *options, const char *user, const char *password,
                      GError **error)
{
  g_autofree char *root = root_of (options->url);
  MtvRestOptions at_root = *options;

  at_root.url = root;
  MtvRest *rest = mtv_rest_new (&at_root, error);
  if (rest == NULL)
    return NULL;

  MtvOvirtClient *self = g_new0 (MtvOvirtClient, 1);
  self->ref_count = 1;
  self->rest = rest;
  self->label = g_strdup (options->label);
  self->user = g_strdup (user);
  self->password = g_strdup (password);
  g_mutex_init (&self->login);
  g_mutex_init (&self->lock);
  return self;
}

MtvOvirtClient *
mtv_ovirt_client_ref (MtvOvirtClient *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

const char *
mtv_ovirt_client_get_label (MtvOvirtClient *self)
{
  return self->label;
}

/* Sessions. */

static char *
make_form (const char *name, ...)
{
  g_autoptr (GString) form = g_string_new (NULL);
  va_list args;

  va_start (args, name);
  for (; name != NULL; name = va_arg (args, const char *))
    {
      const char *value = va_arg (args, const char *);
      g_autofree char *escaped = g_uri_escape_string (value, NULL, FALSE);

      g_string_append_printf (form, "%s%s=%s", form->len > 0 ? "&" : "", name, escaped);
    }
  va_end (args);
  return g_string_free (g_steal_pointer (&form), FALSE);
}

static MtvRestAnswer *
post_form (MtvOvirtClient *self, const char *path, char *form, GCancellable *cancellable,
           GError **error)
{
  /* The sign-on page refuses any other Accept, also one that lists this. */
  const char *const headers[] = { "Accept: application/json", NULL };
  g_autoptr (GBytes) body = g_bytes_new_take (form, strlen (form));

  return mtv_rest_call (self->rest, "POST", path, headers, "application/x-www-form-urlencoded",
                        body, cancellable, error);
}

static void
client_free (MtvOvirtClient *self)
{
  mtv_rest_unref (self->rest);
  g_free (self->label);
  g_free (self->user);
  g_free (self->password);
  g_free (self->token);
  g_mutex_clear (&self->login);
  g_mutex_clear (&self->lock);
  g_free (self);
}

static gpointer
log_out_thread (gpointer data)
{
  MtvOvirtClient *self = data;
  g_autoptr (MtvRestAnswer) ignored G_GNUC_UNUSED
      = post_form (self, "/ovirt-engine/services/sso-logout",
                   make_form ("scope", "ovirt-app-api", "token", self->token, NULL), NULL, NULL);

  client_free (self);
  return NULL;
}

/* Nobody waits for the end of a session. */
void
mtv_ovirt_client_unref (MtvOvirtClient *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  if (self->token == NULL)
    client_free (self);
  else
    g_thread_unref (g_thread_new ("mtv-log-out", log_out_thread, self));
}

/* (transfer full) (nullable) what is no JSON object */
static JsonNode *
parse (GBytes *body)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  gsize size;
  const char *text = g_bytes_get_data (body, &size);

  if (size == 0 || !json_parser_load_from_data (parser, text, (gssize) size, NULL)
      || json_parser_get_root (parser) == NULL
      || !JSON_NODE_HOLDS_OBJECT (json_parser_get_root (parser)))
    return NULL;
  return json_node_copy (json_parser_get_root (parser));
}

static gboolean
fail_login (MtvOvirtClient *self, const MtvRestAnswer *answer, JsonNode *node, GError **error)
{
  JsonObject *object = node == NULL ? NULL : json_node_get_object (node);
  const char *detail = mtv_ovirt_text (object, "error_description");

  if (detail == NULL)
    detail = mtv_ovirt_text (object, "error");
  if (node == NULL && answer->status != 502 && answer->status != 503)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "%s: What answers there (HTTP status %u) is not an oVirt engine", self->label,
                 answer->status);
  else if (detail != NULL) /* refused logins are 400, never 401 */
    g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED, "%s: Cannot log in as '%s': %s",
                 self->label, self->user, detail);
  else
    mtv_rest_answer_fail (self->rest, answer, "Cannot log in", NULL, error);
  return FALSE;
}

static gboolean
log_in (MtvOvirtClient *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvRestAnswer) answer
      = post_form (self, "/ovirt-engine/sso/oauth/token",
                   make_form ("grant_type", "password", "scope", "ovirt-app-api", "username",
                              self->user, "password", self->password, NULL),
                   cancellable, error);
  if (answer == NULL)
    return FALSE;

  g_autoptr (JsonNode) node = parse (answer->body);
  const char *token
      = node == NULL ? NULL : mtv_ovirt_text (json_node_get_object (node), "access_token");
  if (token == NULL)
    return fail_login (self, answer, node, error);

  g_mutex_lock (&self->lock);
  g_free (self->token);
  self->token = g_strdup (token);
  g_mutex_unlock (&self->lock);
  return TRUE;
}

static char *
get_token (MtvOvirtClient *self)
{
  g_mutex_lock (&self->lock);
  char *token = g_strdup (self->token);
  g_mutex_unlock (&self->lock);
  return token;
}

/* A token that is not @dead (nullable). One logs in, the others wait for that. (transfer full) */
static char *
need_token (MtvOvirtClient *self, const char *dead, GCancellable *cancellable, GError **error)
{
  g_autofree char *token = NULL;
  gboolean good = TRUE;

  g_mutex_lock (&self->login);
  token = get_token (self);
  if (token == NULL || g_strcmp0 (token, dead) == 0)
    {
      good = log_in (self, cancellable, error);
      g_free (token);
      token = get_token (self);
    }
  g_mutex_unlock (&self->login);
  return good ? g_steal_pointer (&token) : NULL;
}

/* Calls. */

static MtvRestAnswer *
call_once (MtvOvirtClient *self, const char *token, const char *method, const char *path,
           const char *body, GCancellable *cancellable, GError **error)
{
  g_autofree char *authorization = g_strdup_printf ("Authorization: Bearer %s", token);
  g_autofree char *whole = g_strconcat ("/ovirt-engine/api", path, NULL);
  const char *const headers[] = { authorization, "Accept: application/json", "Version: 4", NULL };
  g_autoptr (GBytes) bytes = body == NULL ? NULL : g_bytes_new_static (body, strlen (body));

  return mtv_rest_call (self->rest, method, whole, headers, "application/json", bytes, cancellable,
                        error);
}

static MtvRestAnswer *
call (MtvOvirtClient *self, const char *method, const char *path, const char *body,
      GCancellable *cancellable, GError **error)
{
  g_autofree char *token = need_token (self, NULL, cancellable, error);
  MtvRestAnswer *answer
      = token == NULL ? NULL : call_once (self, token, method, path, body, cancellable, error);

  if (answer == NULL || answer->status != 401)
    return answer;
  mtv_rest_answer_free (answer);
  g_autofree char *fresh = need_token (self, token, cancellable, error);
  return fresh == NULL ? NULL : call_once (self, fresh, method, path, body, cancellable, error);
}

/* "Operation Failed: [Cannot run VM …]". (transfer full) (nullable) */
static char *
describe_fault (JsonNode *node)
{
  JsonObject *object = node == NULL ? NULL : json_node_get_object (node);
  JsonObject *fault = mtv_ovirt_object (object, "fault");
  const char *reason = mtv_ovirt_text (fault != NULL ? fault : object, "reason");
  const char *detail = mtv_ovirt_text (fault != NULL ? fault : object, "detail");

  if (reason != NULL && detail != NULL)
    return g_strdup_printf ("%s: %s", reason, detail);
  return g_strdup (detail != NULL ? detail : reason);
}

static JsonNode *
judge (MtvOvirtClient *self, const MtvRestAnswer *answer, const char *what, GError **error)
{
  g_autoptr (JsonNode) node = parse (answer->body);
  gboolean good = mtv_rest_answer_is_good (answer);

  if (good && node == NULL && g_bytes_get_size (answer->body) == 0)
    {
      g_autoptr (JsonObject) empty = json_object_new ();

      return json_node_init_object (json_node_alloc (), empty);
    }
  if (good && node != NULL && !mtv_ovirt_is (json_node_get_object (node), "status", "failed"))
    return g_steal_pointer (&node);

  g_autofree char *fault = describe_fault (node);
  if (good && node != NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_FAILED, "%s: %s: %s", self->label, what,
                 fault != NULL ? fault : "the action failed");
  else if (node == NULL && answer->status != 404 && answer->status != 403)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                 "%s: %s: what answers (HTTP status %u) is not the engine, or not yet", self->label,
                 what, answer->status);
  else
    mtv_rest_answer_fail (self->rest, answer, what, fault, error);
  return NULL;
}

JsonNode *
mtv_ovirt_client_get (MtvOvirtClient *self, const char *path, GCancellable *cancellable,
                      GError **error)
{
  g_autoptr (MtvRestAnswer) answer = call (self, "GET", path, NULL, cancellable, error);
  g_autofree char *what = g_strndup (path, strcspn (path, "?"));

  return answer == NULL ? NULL : judge (self, answer, what, error);
}

char *
mtv_ovirt_client_get_authority (MtvOvirtClient *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvRestAnswer) answer = mtv_rest_call (
      self->rest, "GET",
      "/ovirt-engine/services/pki-resource?resource=ca-certificate&format=X509-PEM-CA", NULL, NULL,
      NULL, cancellable, error);
  gsize size;

  if (answer == NULL)
    return NULL;
  if (!mtv_rest_answer_is_good (answer))
    {
      mtv_rest_answer_fail (self->rest, answer, "cannot read the engine's authority", NULL, error);
      return NULL;
    }
  const char *text = g_bytes_get_data (answer->body, &size);
  return g_strndup (text != NULL ? text : "", size);
}

gboolean
mtv_ovirt_wait (guint *pause_msec, GCancellable *cancellable, GError **error)
{
  gint msec = (gint) *pause_msec;
  GPollFD fd;
  g_autoptr (GError) cancelled = NULL;

  *pause_msec = MIN (2 * *pause_msec, MTV_OVIRT_LAST_PAUSE);

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

/* The engine says of most things that they stand in the way for a while by 409, and of some that
 * they do for good; only its words differ. */
static gboolean
is_locked (const MtvRestAnswer *answer)
{
  static const char *const signs[]
      = { "locked", "is being", "during backup", "in progress", "Related operation" };
  g_autofree char *text = NULL;
  gsize size;
  const char *body = g_bytes_get_data (answer->body, &size);

  if (answer->status != 409 || size == 0)
    return FALSE;
  text = g_strndup (body, size);
  for (gsize i = 0; i < G_N_ELEMENTS (signs); i++)
    if (strstr (text, signs[i]) != NULL)
      return TRUE;
  return FALSE;
}

JsonNode *
mtv_ovirt_client_send (MtvOvirtClient *self, const char *method, const char *path, const char *body,
                       GCancellable *cancellable, GError **error)
{
  gint64 deadline = g_get_monotonic_time () + LOCKED_USEC;
  guint pause = MTV_OVIRT_FIRST_PAUSE;
  g_autofree char *what = g_strdup_printf ("%s %.*s", method, (int) strcspn (path, "?"), path);

  for (;;)
    {
      g_autoptr (MtvRestAnswer) answer = call (self, method, path, body, cancellable, error);

      if (answer == NULL)
        return NULL;
      if (!is_locked (answer) || g_get_monotonic_time () >= deadline)
        return judge (self, answer, what, error);
      if (!mtv_ovirt_wait (&pause, cancellable, error))
        return NULL;
    }
}

GPtrArray *
mtv_ovirt_client_list (MtvOvirtClient *self, const char *path, const char *name,
                       GCancellable *cancellable, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func ((GDestroyNotify) json_node_unref);
  guint n = PAGE;

  for (guint page = 1; n == PAGE; page++)
    {
      g_autofree char *at = g_strdup_printf ("%s%csearch=page%%20%u&max=%d", path,
                                             strchr (path, '?') != NULL ? '&' : '?', page, PAGE);
      g_autoptr (JsonNode) node = mtv_ovirt_client_get (self, at, cancellable, error);

      if (node == NULL)
        return NULL;
      n = mtv_ovirt_count (json_node_get_object (node), name);
      for (guint i = 0; i < n; i++)
        {
          JsonObject *item = mtv_ovirt_item (json_node_get_object (node), name, i);

          if (item != NULL)
            g_ptr_array_add (all, json_node_init_object (json_node_alloc (), item));
        }
    }
  return g_steal_pointer (&all);
}
