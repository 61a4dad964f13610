/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-client-private.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-login.h"
#include "provider/kubevirt/mtv-kube-status.h"

#include <string.h>

#define TRIES 6
#define PACE_MSEC 500
#define MAX_PAUSE_MSEC 10000
#define PAGE "limit=500"
#define MANAGER "fieldManager=mtvd"
#define JSON "application/json"
#define APPLY "application/apply-patch+yaml" /* any JSON without escapes that are its alone */

struct _MtvKubeClient
{
  gint ref_count; /* (atomic) */
  MtvKubeLogin *login;
  char *label; /* (owned) */
  guint pace_msec;
};

MtvKubeClient *
mtv_kube_client_new (MtvKubeConfig *config, const char *label)
{
  MtvKubeClient *self = g_new0 (MtvKubeClient, 1);

  self->ref_count = 1;
  self->login = mtv_kube_login_new (config, label);
  self->label = g_strdup (label);
  self->pace_msec = PACE_MSEC;
  return self;
}

MtvKubeClient *
mtv_kube_client_ref (MtvKubeClient *self)
{
  g_atomic_int_inc (&self->ref_count);
  return self;
}

void
mtv_kube_client_unref (MtvKubeClient *self)
{
  if (!g_atomic_int_dec_and_test (&self->ref_count))
    return;
  mtv_kube_login_free (self->login);
  g_free (self->label);
  g_free (self);
}

const char *
mtv_kube_client_get_label (MtvKubeClient *self)
{
  return self->label;
}

void
mtv_kube_client_set_pace (MtvKubeClient *self, guint msec)
{
  self->pace_msec = msec;
}

gboolean
mtv_kube_pause (guint msec, GCancellable *cancellable, GError **error)
{
  GPollFD fd = { .fd = -1 };
  g_autoptr (GError) failed = NULL;
  gboolean has_fd = g_cancellable_make_pollfd (cancellable, &fd);

  g_poll (&fd, has_fd, (gint) msec);
  if (has_fd)
    g_cancellable_release_fd (cancellable);
  if (!g_cancellable_set_error_if_cancelled (cancellable, &failed))
    return TRUE;
  g_propagate_error (error, mtv_error_normalize (g_steal_pointer (&failed)));
  return FALSE;
}

/* Before try @n, counted from 1. */
static gboolean
pause_before (MtvKubeClient *self, guint n, guint at_least_sec, GCancellable *cancellable,
              GError **error)
{
  guint msec = MIN (self->pace_msec << (n - 1), MAX_PAUSE_MSEC);

  return mtv_kube_pause (MAX (msec, at_least_sec * 1000), cancellable, error);
}

char *
mtv_kube_path (const char *version, const char *name_space, const char *plural, const char *name)
{
  g_autoptr (GString) path = g_string_new (strchr (version, '/') == NULL ? "/api/" : "/apis/");

  g_string_append (path, version);
  if (name_space != NULL)
    {
      g_string_append (path, "/namespaces/");
      g_string_append_uri_escaped (path, name_space, NULL, FALSE);
    }
  g_string_append_printf (path, "/%s", plural);
  if (name != NULL)
    {
      g_string_append_c (path, '/');
      g_string_append_uri_escaped (path, name, "/", FALSE);
    }
  return g_string_free (g_steal_pointer (&path), FALSE);
}

/* The body of a failure, which often is a Status. */
static JsonObject *
parse_status (const MtvRestAnswer *answer)
{
  gsize length;
  const char *text = g_bytes_get_data (answer->body, &length);

  return length == 0 ? NULL : mtv_kube_json_parse (text, length, "", NULL);
}

static void
fail (MtvKubeClient *self, const char *verb, const char *path, guint http, JsonObject *status,
      GError **error)
{
  g_autofree char *what = g_strdup_printf ("%s '%.*s'", verb, (int) strcspn (path, "?"), path);

  mtv_kube_status_fail (http, status, self->label, what, error);
}

/* A request, with all that is needed to make it again. */
typedef struct
{
  const char *method;
  const char *path;
  const char *type;
  GBytes *body;     /* (nullable) */
  const char *verb; /* for messages: "read" */
} Request;

static gboolean
is_worth_another (const Request *request, const MtvRestAnswer *answer, JsonObject *status)
{
  if (mtv_kube_status_is_transient (answer->status, status))
    return TRUE;
  /* Two writers met; what we patch and delete does not depend on what the other did. */
  return answer->status == 409
         && g_strcmp0 (mtv_kube_json_string (status, "reason", NULL), "Conflict") == 0
         && (g_str_equal (request->method, "PATCH") || g_str_equal (request->method, "DELETE"));
}

/* A good answer. */
static MtvRestAnswer *
perform (MtvKubeClient *self, const Request *request, GCancellable *cancellable, GError **error)
{
  gboolean refused = FALSE, renewed = FALSE;

  for (guint n = 1;; n++)
    {
      g_autoptr (MtvRest) rest = mtv_kube_login_get (self->login, refused, cancellable, error);
      const char *const headers[] = { "Accept: " JSON, NULL };
      g_autoptr (MtvRestAnswer) answer
          = rest == NULL ? NULL
                         : mtv_rest_call (rest, request->method, request->path, headers,
                                          request->type, request->body, cancellable, error);

      if (answer == NULL)
        return NULL;
      if (mtv_rest_answer_is_good (answer))
        return g_steal_pointer (&answer);

      g_autoptr (JsonObject) status = parse_status (answer);
      refused = answer->status == 401 && !renewed && mtv_kube_login_can_renew (self->login);
      renewed = renewed || refused;
      if (!refused && (n == TRIES || !is_worth_another (request, answer, status)))
        {
          fail (self, request->verb, request->path, answer->status, status, error);
          return NULL;
        }
      guint seconds = mtv_kube_status_retry_after (
          soup_message_headers_get_one (answer->headers, "Retry-After"), status);
      if (!refused && !pause_before (self, n, seconds, cancellable, error))
        return NULL;
    }
}

static JsonObject *
perform_for_object (MtvKubeClient *self, const Request *request, GCancellable *cancellable,
                    GError **error)
{
  g_autoptr (MtvRestAnswer) answer = perform (self, request, cancellable, error);
  gsize length;

  if (answer == NULL)
    return NULL;

  const char *text = g_bytes_get_data (answer->body, &length);
  g_autofree char *what = g_strdup_printf ("%s: the answer to '%.*s'", self->label,
                                           (int) strcspn (request->path, "?"), request->path);
  return mtv_kube_json_parse (length == 0 ? "" : text, length, what, error);
}

JsonObject *
mtv_kube_client_get (MtvKubeClient *self, const char *path, GCancellable *cancellable,
                     GError **error)
{
  const Request request = { .method = "GET", .path = path, .verb = "read" };

  return perform_for_object (self, &request, cancellable, error);
}

static void
append_items (JsonArray *items, JsonObject *page)
{
  JsonArray *some = mtv_kube_json_array (page, "items", NULL);

  for (guint i = 0; i < mtv_kube_json_length (some); i++)
    {
      JsonObject *item = mtv_kube_json_item (some, i);

      if (item != NULL)
        json_array_add_object_element (items, json_object_ref (item));
    }
}

/* One pass over all pages. */
static JsonArray *
list_pages (MtvKubeClient *self, const char *path, const char *selector, char **version,
            GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonArray) items = json_array_new ();
  g_autofree char *next = g_strdup ("");

  do
    {
      g_autofree char *url = g_strdup_printf (
          "%s?" PAGE "%s%s%s%s", path, selector != NULL ? "&" : "",
          selector != NULL ? selector : "", *next != '\0' ? "&continue=" : "", next);
      const Request request = { .method = "GET", .path = url, .verb = "list" };
      g_autoptr (JsonObject) page = perform_for_object (self, &request, cancellable, error);

      if (page == NULL)
        return NULL;
      const char *token = mtv_kube_json_string (page, "metadata", "continue", NULL);
      append_items (items, page);
      g_free (next);
      next = g_uri_escape_string (token != NULL ? token : "", NULL, FALSE);
      if (*next == '\0' && version != NULL)
        *version = g_strdup (mtv_kube_json_string (page, "metadata", "resourceVersion", NULL));
    }
  while (*next != '\0');
  return g_steal_pointer (&items);
}

JsonArray *
mtv_kube_client_list (MtvKubeClient *self, const char *path, const char *selector, char **version,
                      GCancellable *cancellable, GError **error)
{
  for (guint n = 1;; n++)
    {
      g_autoptr (GError) failed = NULL;
      JsonArray *items = list_pages (self, path, selector, version, cancellable, &failed);

      if (items != NULL)
        return items;
      /* The pages are of one moment, which the server does not remember for ever. */
      if (n < TRIES && g_error_matches (failed, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED))
        continue;
      g_propagate_error (error, g_steal_pointer (&failed));
      return NULL;
    }
}

JsonObject *
mtv_kube_client_create (MtvKubeClient *self, const char *path, JsonObject *object, gboolean dry_run,
                        GCancellable *cancellable, GError **error)
{
  g_autofree char *url = g_strconcat (path, "?" MANAGER, dry_run ? "&dryRun=All" : "", NULL);
  g_autoptr (GBytes) body = mtv_kube_json_to_bytes (object);
  const char *name = mtv_kube_json_string (object, "metadata", "name", NULL);
  g_autofree char *verb = g_strdup_printf ("make '%s' in", name != NULL ? name : "");
  const Request request
      = { .method = "POST", .path = url, .type = JSON, .body = body, .verb = verb };

  return perform_for_object (self, &request, cancellable, error);
}

JsonObject *
mtv_kube_client_apply (MtvKubeClient *self, const char *path, JsonObject *object,
                       GCancellable *cancellable, GError **error)
{
  g_autofree char *url = g_strconcat (path, "?" MANAGER "&force=true", NULL);
  g_autoptr (GBytes) body = mtv_kube_json_to_bytes (object);
  const Request request
      = { .method = "PATCH", .path = url, .type = APPLY, .body = body, .verb = "change" };

  return perform_for_object (self, &request, cancellable, error);
}

gboolean
mtv_kube_client_delete (MtvKubeClient *self, const char *path, const char *uid, guint grace,
                        GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonObject) options = json_object_new ();
  JsonObject *preconditions = json_object_new ();
  g_autoptr (GError) failed = NULL;

  json_object_set_string_member (options, "kind", "DeleteOptions");
  json_object_set_string_member (options, "apiVersion", "v1");
  json_object_set_int_member (options, "gracePeriodSeconds", grace);
  json_object_set_string_member (options, "propagationPolicy", "Background");
  json_object_set_object_member (options, "preconditions", preconditions);
  json_object_set_string_member (preconditions, "uid", uid);

  g_autoptr (GBytes) body = mtv_kube_json_to_bytes (options);
  const Request request
      = { .method = "DELETE", .path = path, .type = JSON, .body = body, .verb = "delete" };
  g_autoptr (MtvRestAnswer) answer = perform (self, &request, cancellable, &failed);
  if (answer != NULL || g_error_matches (failed, MTV_ERROR, MTV_ERROR_NOT_FOUND))
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&failed));
  return FALSE;
}

gboolean
mtv_kube_client_can (MtvKubeClient *self, const char *name_space, const char *verb,
                     const char *group, const char *resource, gboolean *allowed,
                     GCancellable *cancellable, GError **error)
{
  g_autoptr (JsonObject) review = json_object_new ();
  JsonObject *spec = json_object_new ();
  JsonObject *attributes = json_object_new ();
  g_auto (GStrv) parts = g_strsplit (resource, "/", 2);

  json_object_set_string_member (review, "apiVersion", "authorization.k8s.io/v1");
  json_object_set_string_member (review, "kind", "SelfSubjectAccessReview");
  json_object_set_object_member (review, "spec", spec);
  json_object_set_object_member (spec, "resourceAttributes", attributes);
  if (name_space != NULL)
    json_object_set_string_member (attributes, "namespace", name_space);
  json_object_set_string_member (attributes, "verb", verb);
  json_object_set_string_member (attributes, "group", group);
  json_object_set_string_member (attributes, "resource", parts[0]);
  if (parts[1] != NULL)
    json_object_set_string_member (attributes, "subresource", parts[1]);

  g_autoptr (JsonObject) answer
      = mtv_kube_client_create (self, "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
                                review, FALSE, cancellable, error);
  *allowed = mtv_kube_json_boolean (answer, "status", "allowed", NULL);
  return answer != NULL;
}

SoupWebsocketConnection *
mtv_kube_client_open_websocket (MtvKubeClient *self, const char *path, const char *const *protocols,
                                GCancellable *cancellable, GError **error)
{
  for (gboolean refused = FALSE;; refused = TRUE)
    {
      g_autoptr (MtvRest) rest = mtv_kube_login_get (self->login, refused, cancellable, error);
      g_autoptr (GError) failed = NULL;
      SoupWebsocketConnection *connection
          = rest == NULL ? NULL
                         : mtv_rest_open_websocket (rest, path, protocols, cancellable, &failed);

      if (connection != NULL || rest == NULL)
        return connection;
      if (!refused && g_error_matches (failed, MTV_ERROR, MTV_ERROR_AUTH_REQUIRED)
          && mtv_kube_login_can_renew (self->login))
        continue;
      g_propagate_error (error, g_steal_pointer (&failed));
      return NULL;
    }
}

/* Watching. */

GInputStream *
mtv_kube_client_open_watch (MtvKubeClient *self, const char *path, gboolean *gone,
                            GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvRest) rest = mtv_kube_login_get (self->login, FALSE, cancellable, error);
  g_autoptr (MtvRestAnswer) answer = NULL;
  const char *const headers[] = { "Accept: " JSON, NULL };
  g_autoptr (GInputStream) stream
      = rest == NULL
            ? NULL
            : mtv_rest_open (rest, "GET", path, headers, NULL, NULL, &answer, cancellable, error);

  *gone = FALSE;
  if (stream == NULL || mtv_rest_answer_is_good (answer))
    return g_steal_pointer (&stream);
  *gone = answer->status == 410;
  fail (self, "watch", path, answer->status, NULL, error);
  return NULL;
}

guint
mtv_kube_client_get_pace (MtvKubeClient *self)
{
  return self->pace_msec;
}
