/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-status.h"

#include "base/mtv-error.h"
#include "base/mtv-text.h"
#include "provider/kubevirt/mtv-kube-json.h"

#include <string.h>

#define MAX_RETRY_AFTER 60 /* seconds that a server may have us wait */
#define MAX_CAUSES 5

/* What a reason of the API (apimachinery's metav1.StatusReason) or, without one, HTTP's code is to
 * us. */
static const struct
{
  const char *reason;
  guint http;
  MtvError code;
} meanings[] = {
  { "NotFound", 404, MTV_ERROR_NOT_FOUND },
  { "AlreadyExists", 0, MTV_ERROR_EXISTS },
  { "Conflict", 409, MTV_ERROR_IN_USE },
  { "Unauthorized", 401, MTV_ERROR_AUTH_REQUIRED },
  { "Forbidden", 403, MTV_ERROR_PERMISSION_DENIED },
  { "Invalid", 422, MTV_ERROR_INVALID_ARGUMENT },
  { "BadRequest", 400, MTV_ERROR_INVALID_ARGUMENT },
  { "Gone", 410, MTV_ERROR_SOURCE_CHANGED },
  { "Expired", 0, MTV_ERROR_SOURCE_CHANGED },
  { "TooManyRequests", 429, MTV_ERROR_UNREACHABLE },
  { "ServerTimeout", 0, MTV_ERROR_UNREACHABLE },
  { "Timeout", 504, MTV_ERROR_UNREACHABLE },
  { "InternalError", 500, MTV_ERROR_UNREACHABLE },
  { "ServiceUnavailable", 503, MTV_ERROR_UNREACHABLE },
  { NULL, 502, MTV_ERROR_UNREACHABLE },
};

static MtvError
meaning_of (guint http, JsonObject *status)
{
  const char *reason = mtv_kube_json_string (status, "reason", NULL);
  const char *message = mtv_kube_json_string (status, "message", NULL);

  /* ResourceQuota's admission; the code is the one of missing rights. */
  if (http == 403 && message != NULL && strstr (message, "exceeded quota") != NULL)
    return MTV_ERROR_NO_SPACE;
  for (gsize i = 0; reason != NULL && i < G_N_ELEMENTS (meanings); i++)
    if (g_strcmp0 (reason, meanings[i].reason) == 0)
      return meanings[i].code;
  for (gsize i = 0; i < G_N_ELEMENTS (meanings); i++)
    if (http == meanings[i].http)
      return meanings[i].code;
  return MTV_ERROR_FAILED;
}

static void
append_causes (GString *text, JsonObject *status)
{
  JsonArray *causes = mtv_kube_json_array (status, "details", "causes", NULL);

  for (guint i = 0; i < MIN (mtv_kube_json_length (causes), MAX_CAUSES); i++)
    {
      JsonObject *cause = mtv_kube_json_item (causes, i);
      const char *field = mtv_kube_json_string (cause, "field", NULL);
      const char *why = mtv_kube_json_string (cause, "message", NULL);

      if (field != NULL && (strstr (text->str, field) == NULL))
        g_string_append_printf (text, "; %s: %s", field, why != NULL ? why : "not valid");
    }
}

void
mtv_kube_status_fail (guint http, JsonObject *status, const char *label, const char *what,
                      GError **error)
{
  const char *message = mtv_kube_json_string (status, "message", NULL);
  const char *reason = mtv_kube_json_string (status, "reason", NULL);
  g_autoptr (GString) text = g_string_new (message);

  if (text->len == 0)
    g_string_printf (text, "status %u", http);
  append_causes (text, status);
  if (reason != NULL && *reason != '\0')
    g_string_append_printf (text, " (%s)", reason);

  g_autofree char *line = mtv_text_one_line (text->str);
  g_set_error (error, MTV_ERROR, meaning_of (http, status), "%s: cannot %s: %s", label, what, line);
}

gboolean
mtv_kube_status_is_transient (guint http, JsonObject *status)
{
  return meaning_of (http, status) == MTV_ERROR_UNREACHABLE;
}

guint
mtv_kube_status_retry_after (const char *header, JsonObject *status)
{
  gint64 seconds = mtv_kube_json_int (status, "details", "retryAfterSeconds", NULL);
  guint64 told;

  if (header != NULL && g_ascii_string_to_unsigned (header, 10, 0, G_MAXUINT32, &told, NULL))
    seconds = told;
  return CLAMP (seconds, 0, MAX_RETRY_AFTER);
}
