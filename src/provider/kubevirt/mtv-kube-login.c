/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-login.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-exec.h"

#include <string.h>

#define TOKEN_FILE_USEC (60 * G_USEC_PER_SEC) /* kubelet renews a pod's long before it ends */
#define EXEC_DEADLINE_MSEC 60000
#define BEFORE_EXPIRY_USEC (30 * G_USEC_PER_SEC)
#define MAX_CONNECTIONS 32 /* watches keep one each */

struct _MtvKubeLogin
{
  MtvKubeConfig *config; /* (owned) */
  char *label;           /* (owned) */

  GMutex lock;
  MtvRest *rest; /* (owned) (nullable) */
  gint64 due;    /* when credentials are to be looked at again; µs, wall clock */
};

MtvKubeLogin *
mtv_kube_login_new (MtvKubeConfig *config, const char *label)
{
  MtvKubeLogin *self = g_new0 (MtvKubeLogin, 1);

  self->config = config;
  self->label = g_strdup (label);
  g_mutex_init (&self->lock);
  return self;
}

void
mtv_kube_login_free (MtvKubeLogin *self)
{
  g_clear_pointer (&self->rest, mtv_rest_unref);
  mtv_kube_config_free (self->config);
  g_mutex_clear (&self->lock);
  g_free (self->label);
  g_free (self);
}

gboolean
mtv_kube_login_can_renew (MtvKubeLogin *self)
{
  return self->config->exec != NULL || self->config->token_file != NULL;
}

/* NULL without @error: there is none. */
static GTlsCertificate *
load_certificate (MtvKubeLogin *self, const MtvKubeCredentials *credentials, GError **error)
{
  const MtvKubeConfig *config = self->config;
  gboolean made = credentials != NULL && credentials->certificate != NULL;
  g_autoptr (GError) failed = NULL;
  g_autofree char *certificate = mtv_kube_config_read (
      made ? credentials->certificate : config->certificate, made ? NULL : config->certificate_file,
      "the client certificate", &failed);
  g_autofree char *key
      = failed != NULL
            ? NULL
            : mtv_kube_config_read (made ? credentials->key : config->key,
                                    made ? NULL : config->key_file, "the client key", &failed);

  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return NULL;
    }
  if (certificate == NULL || key == NULL)
    return NULL;

  g_autofree char *both = g_strconcat (certificate, "\n", key, NULL);
  GTlsCertificate *pair = g_tls_certificate_new_from_pem (both, -1, NULL);
  explicit_bzero (key, strlen (key));
  explicit_bzero (both, strlen (both));
  if (pair == NULL)
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                 "%s: the client certificate and its key cannot be used", self->label);
  return pair;
}

static MtvRest *
connect_to (MtvKubeLogin *self, const MtvKubeCredentials *credentials, GError **error)
{
  const MtvKubeConfig *config = self->config;
  g_autoptr (GError) failed = NULL;
  g_autofree char *ca
      = mtv_kube_config_read (config->ca, config->ca_file, "the certificate authority", &failed);
  g_autoptr (GTlsCertificate) certificate
      = failed != NULL ? NULL : load_certificate (self, credentials, &failed);
  const MtvRestOptions options = {
    .url = config->server,
    .label = self->label,
    .ca = ca,
    .insecure = config->insecure,
    .client_certificate = certificate,
    .server_name = config->server_name,
    .proxy = config->proxy,
    .max_connections = MAX_CONNECTIONS,
  };

  if (failed == NULL)
    return mtv_rest_new (&options, error);
  g_propagate_error (error, g_steal_pointer (&failed));
  return NULL;
}

/* The value of Authorization; NULL without @error: there is none. */
static char *
authorization (MtvKubeLogin *self, const MtvKubeCredentials *credentials, GError **error)
{
  const MtvKubeConfig *config = self->config;
  g_autoptr (GError) failed = NULL;
  g_autofree char *token
      = credentials != NULL && credentials->token != NULL
            ? g_strdup (credentials->token)
            : mtv_kube_config_read (config->token, config->token_file, "the token", &failed);

  if (failed != NULL)
    g_propagate_error (error, g_steal_pointer (&failed));
  else if (token != NULL)
    return g_strconcat ("Bearer ", g_strstrip (token), NULL);
  else if (config->user != NULL && config->password != NULL)
    {
      g_autofree char *both = g_strconcat (config->user, ":", config->password, NULL);
      g_autofree char *text = g_base64_encode ((const guchar *) both, strlen (both));
      return g_strconcat ("Basic ", text, NULL);
    }
  return NULL;
}

static gboolean
renew (MtvKubeLogin *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (MtvKubeCredentials) credentials = NULL;
  g_autoptr (GError) failed = NULL;
  gint64 now = g_get_real_time ();

  if (self->config->exec != NULL)
    {
      credentials = mtv_kube_exec_run (self->config, EXEC_DEADLINE_MSEC, cancellable, error);
      if (credentials == NULL)
        return FALSE;
    }

  g_autofree char *header = authorization (self, credentials, &failed);
  if (failed == NULL
      && (self->rest == NULL || (credentials != NULL && credentials->certificate != NULL)))
    {
      MtvRest *rest = connect_to (self, credentials, &failed);

      if (rest != NULL)
        {
          g_clear_pointer (&self->rest, mtv_rest_unref);
          self->rest = rest;
        }
    }
  if (failed != NULL)
    {
      g_propagate_error (error, g_steal_pointer (&failed));
      return FALSE;
    }
  mtv_rest_set_header (self->rest, "Authorization", header);
  self->due = G_MAXINT64;
  if (credentials != NULL && credentials->expires != 0)
    self->due = MAX (credentials->expires - BEFORE_EXPIRY_USEC, now + G_USEC_PER_SEC);
  else if (credentials == NULL && self->config->token_file != NULL)
    self->due = now + TOKEN_FILE_USEC;
  return TRUE;
}

MtvRest *
mtv_kube_login_get (MtvKubeLogin *self, gboolean refused, GCancellable *cancellable, GError **error)
{
  MtvRest *rest = NULL;

  g_mutex_lock (&self->lock);
  if ((self->rest != NULL && !refused && g_get_real_time () < self->due)
      || renew (self, cancellable, error))
    rest = mtv_rest_ref (self->rest);
  g_mutex_unlock (&self->lock);
  return rest;
}
