/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A command that makes credentials (client.authentication.k8s.io). */
typedef struct
{
  char **argv;           /* (owned) */
  char **env;            /* (owned) "NAME=value" */
  char *api_version;     /* (owned) */
  char *hint;            /* (owned) (nullable) how it is installed */
  gboolean tell_cluster; /* it wants to know which cluster it is for */
} MtvKubeExec;

/* How to reach a cluster, and who we are there. Strings are (owned) (nullable). Of the pairs of
 * text and file, at most one is set. */
typedef struct
{
  char *context; /* its name */
  char *server;  /* never NULL: URL, perhaps with a path */
  char *server_name;
  char *proxy;
  char *ca; /* PEM */
  char *ca_file;
  gboolean insecure;
  char *name_space; /* of the context */

  char *token;
  char *token_file;  /* read again now and then: it changes */
  char *certificate; /* PEM */
  char *certificate_file;
  char *key; /* PEM */
  char *key_file;
  char *user; /* with @password: of HTTP's basic scheme */
  char *password;
  MtvKubeExec *exec; /* (owned) (nullable) */
} MtvKubeConfig;

/* @text: a kubeconfig. @context: (nullable) the one to take instead of the current one. Opens no
 * file; those that it names have to have absolute paths. Errors are MTV_ERROR_INVALID_ARGUMENT and
 * name the entry, never a value. (transfer full) */
MtvKubeConfig *mtv_kube_config_parse (const char *text, const char *context, GError **error);

/* For @token at @server. (transfer full) */
MtvKubeConfig *mtv_kube_config_new (const char *server, const char *token);

/* The service account of the pod that this is, by $KUBERNETES_SERVICE_HOST and -PORT and the
 * files in @directory. MTV_ERROR_NOT_FOUND: it is none. (transfer full) */
#define MTV_KUBE_ACCOUNT_DIRECTORY "/var/run/secrets/kubernetes.io/serviceaccount"
MtvKubeConfig *mtv_kube_config_in_cluster (const char *host, const char *port,
                                           const char *directory, GError **error);

void mtv_kube_config_free (MtvKubeConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvKubeConfig, mtv_kube_config_free)

/* What the file of a pair holds, or else its text; NULL without @error when there is neither.
 * (transfer full) */
char *mtv_kube_config_read (const char *text, const char *file, const char *what, GError **error);

G_END_DECLS
