/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-url.h"

#include "base/mtv-error.h"

#include <libsoup/soup.h>

/* Blanks and controls would end the request line that the URL becomes part of. */
static gboolean
is_clean (const char *url)
{
  for (const char *c = url; *c; c++)
    if (g_ascii_iscntrl (*c) || *c == ' ')
      return FALSE;
  return TRUE;
}

static gboolean
is_http (GUri *url)
{
  const char *scheme = g_uri_get_scheme (url);
  const char *host = g_uri_get_host (url);

  return (g_str_equal (scheme, "http") || g_str_equal (scheme, "https")) && host && *host;
}

GUri *
mtv_http_url_parse (const char *url, GError **error)
{
  g_autoptr (GUri) parsed = is_clean (url) ? g_uri_parse (url, SOUP_HTTP_URI_FLAGS, NULL) : NULL;

  if (parsed && is_http (parsed))
    return g_steal_pointer (&parsed);
  g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "What should be a URL of the kind http:// or https:// is none");
  return NULL;
}

char *
mtv_http_url_to_label (GUri *url)
{
  return g_uri_to_string_partial (url,
                                  G_URI_HIDE_USERINFO | G_URI_HIDE_QUERY | G_URI_HIDE_FRAGMENT);
}

GUri *
mtv_http_url_redirect (GUri *from, const char *location, const char *label, GError **error)
{
  g_autoptr (GUri) to = NULL;

  if (location && is_clean (location))
    to = g_uri_parse_relative (from, location, SOUP_HTTP_URI_FLAGS, NULL);
  if (!to || !is_http (to))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                   "%s: The server redirects to something that is no http or https URL", label);
      return NULL;
    }
  if (g_str_equal (g_uri_get_scheme (from), "https") && g_str_equal (g_uri_get_scheme (to), "http"))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED,
                   "%s: The server redirects from https to http", label);
      return NULL;
    }
  return g_steal_pointer (&to);
}

static int
port_of (GUri *url)
{
  int port = g_uri_get_port (url);

  return port > 0 ? port : g_str_equal (g_uri_get_scheme (url), "https") ? 443 : 80;
}

gboolean
mtv_http_url_same_origin (GUri *a, GUri *b)
{
  return g_str_equal (g_uri_get_scheme (a), g_uri_get_scheme (b))
         && g_ascii_strcasecmp (g_uri_get_host (a), g_uri_get_host (b)) == 0
         && port_of (a) == port_of (b);
}
