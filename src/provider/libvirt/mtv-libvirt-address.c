/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/libvirt/mtv-libvirt-address.h"

#include "base/mtv-error.h"

#include <string.h>

/* Other transports (ext) and parameters (command, netcat) name programs to be run here or there. */
static const char *const transports[]
    = { "qemu", "qemu+unix", "qemu+ssh", "qemu+tls", "qemu+tcp", NULL };
static const char *const parameters[]
    = { "keyfile", "mode", "no_verify", "pkipath", "proxy", "socket", "tls_priority", NULL };

void
mtv_libvirt_address_clear (MtvLibvirtAddress *self)
{
  g_clear_pointer (&self->uri, g_free);
  g_clear_pointer (&self->label, g_free);
}

static gboolean
refuse (GError **error, const char *label, const char *why)
{
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' %s", label, why);
  return FALSE;
}

static gboolean
check_place (GUri *uri, const char *label, gboolean insecure, GError **error)
{
  const char *scheme = g_uri_get_scheme (uri);
  const char *path = g_uri_get_path (uri);
  gboolean has_host = g_uri_get_host (uri) != NULL && *g_uri_get_host (uri) != '\0';

  if (!g_strv_contains (transports, scheme))
    return refuse (error, label,
                   "is not the address of a QEMU daemon of libvirt: qemu, qemu+ssh "
                   "and qemu+tls are");
  if (strcmp (path, "/system") != 0 && strcmp (path, "/session") != 0)
    return refuse (error, label, "must end in /system or /session");
  if (g_uri_get_userinfo (uri) != NULL && strchr (g_uri_get_userinfo (uri), ':') != NULL)
    return refuse (error, label, "must not hold a password");
  if (strcmp (scheme, "qemu+ssh") == 0 && !has_host)
    return refuse (error, label, "names no host");
  if (strcmp (scheme, "qemu+tcp") == 0 && !insecure)
    return refuse (error, label, "is not encrypted: use qemu+tls, or say 'insecure'");
  return TRUE;
}

static gboolean
check_parameters (const char *query, const char *label, gboolean insecure, GError **error)
{
  GUriParamsIter iter;
  char *key, *value;
  g_autoptr (GError) local = NULL;

  g_uri_params_iter_init (&iter, query != NULL ? query : "", -1, "&", G_URI_PARAMS_NONE);
  while (g_uri_params_iter_next (&iter, &key, &value, &local))
    {
      g_autofree char *name = key;
      g_autofree char *unused G_GNUC_UNUSED = value;

      if (!g_strv_contains (parameters, name))
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                       "The parameter '%s' of '%s' is not allowed", name, label);
          return FALSE;
        }
      if (strcmp (name, "no_verify") == 0 && strcmp (value, "0") != 0 && !insecure)
        return refuse (error, label, "is not to be verified (no_verify): say 'insecure' for that");
    }
  return local == NULL || refuse (error, label, "has broken parameters");
}

/* Nobody is at a terminal who could be asked for a password. */
static char *
add_parameters (const char *query)
{
  return query != NULL && *query != '\0' ? g_strconcat (query, "&no_tty=1", NULL)
                                         : g_strdup ("no_tty=1");
}

static char *
make_label (GUri *uri)
{
  g_autoptr (GUri) plain
      = g_uri_build (G_URI_FLAGS_NONE, g_uri_get_scheme (uri), NULL, g_uri_get_host (uri),
                     g_uri_get_port (uri), g_uri_get_path (uri), NULL, NULL);

  return g_uri_to_string (plain);
}

gboolean
mtv_libvirt_address_parse (const char *text, const char *user, gboolean insecure,
                           MtvLibvirtAddress *self, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (text != NULL ? text : "", G_URI_FLAGS_ENCODED_QUERY, NULL);

  if (uri == NULL)
    {
      g_set_error_literal (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                           "A libvirt provider needs an address such as qemu:///system or "
                           "qemu+ssh://host/system");
      return FALSE;
    }
  g_autofree char *label = make_label (uri);
  if (!check_place (uri, label, insecure, error)
      || !check_parameters (g_uri_get_query (uri), label, insecure, error))
    return FALSE;

  gboolean is_ssh = strcmp (g_uri_get_scheme (uri), "qemu+ssh") == 0;
  g_autofree char *query = is_ssh ? add_parameters (g_uri_get_query (uri)) : NULL;
  const char *host = g_uri_get_host (uri);
  const char *who = g_uri_get_user (uri) != NULL ? g_uri_get_user (uri) : is_ssh ? user : NULL;
  g_autoptr (GUri) whole = g_uri_build_with_user (
      G_URI_FLAGS_ENCODED_QUERY, g_uri_get_scheme (uri), who, NULL, NULL, host,
      g_uri_get_port (uri), g_uri_get_path (uri), is_ssh ? query : g_uri_get_query (uri), NULL);
  self->uri = g_uri_to_string (whole);
  self->label = g_steal_pointer (&label);
  self->is_local = (host == NULL || *host == '\0');
  self->is_session = strcmp (g_uri_get_path (uri), "/session") == 0;
  return TRUE;
}
