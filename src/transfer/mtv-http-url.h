/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* URLs of the schemes http and https (RFC 9110 §4.2). Pure functions; no error repeats a URL, which
 * may hold secrets. */

/* Anything else is MTV_ERROR_INVALID_ARGUMENT. (transfer full) */
GUri *mtv_http_url_parse (const char *url, GError **error);

/* For people: without userinfo, query and fragment. (transfer full) */
char *mtv_http_url_to_label (GUri *url);

/* Where a Location header leads from @from. From https to http: MTV_ERROR_PERMISSION_DENIED; no
 * http URL at all: MTV_ERROR_BAD_DATA. @label is what errors call the source. (transfer full) */
GUri *mtv_http_url_redirect (GUri *from, const char *location, const char *label, GError **error);

/* Scheme, host and port: whom a secret was meant for (RFC 6454). */
gboolean mtv_http_url_same_origin (GUri *a, GUri *b);

G_END_DECLS
