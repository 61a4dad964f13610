/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Sets @error for an answer that is no success: "<label>: cannot <what>: <message> (<reason>)".
 * @http: HTTP's status code. @status: (nullable) the Status object of the body.
 *
 * NotFound: MTV_ERROR_NOT_FOUND. AlreadyExists: EXISTS. Conflict: IN_USE. Unauthorized:
 * AUTH_REQUIRED. Forbidden: PERMISSION_DENIED, but NO_SPACE for a quota that is used up. Invalid:
 * INVALID_ARGUMENT, with the fields. Gone, Expired: SOURCE_CHANGED. What another try may cure:
 * UNREACHABLE. Others: FAILED. */
void mtv_kube_status_fail (guint http, JsonObject *status, const char *label, const char *what,
                           GError **error);

/* Is the same request worth to be made again, and after how many seconds (0: as one likes)?
 * @header: (nullable) Retry-After. */
gboolean mtv_kube_status_is_transient (guint http, JsonObject *status);
guint mtv_kube_status_retry_after (const char *header, JsonObject *status);

G_END_DECLS
