/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-config.h"

#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-json.h"
#include "provider/kubevirt/mtv-kube-yaml.h"

#include <string.h>

#define MAX_FILE (1 << 20)

static void
exec_free (MtvKubeExec *exec)
{
  g_strfreev (exec->argv);
  g_strfreev (exec->env);
  g_free (exec->api_version);
  g_free (exec->hint);
  g_free (exec);
}

void
mtv_kube_config_free (MtvKubeConfig *self)
{
  char *const strings[]
      = { self->context,    self->server,      self->server_name,      self->proxy,
          self->ca,         self->ca_file,     self->name_space,       self->token,
          self->token_file, self->certificate, self->certificate_file, self->key,
          self->key_file,   self->user,        self->password };

  for (gsize i = 0; i < G_N_ELEMENTS (strings); i++)
    g_free (strings[i]);
  g_clear_pointer (&self->exec, exec_free);
  g_free (self);
}

static gboolean refuse (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* Always FALSE. */
static gboolean
refuse (GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "The kubeconfig: %s", text);
  return FALSE;
}

/* The object @kind of the entry @name in the list of those; an empty one for a missing @kind. */
static JsonObject *
find_entry (JsonObject *root, const char *kind, const char *name, GError **error)
{
  g_autofree char *list = g_strconcat (kind, "s", NULL);
  JsonArray *entries = mtv_kube_json_array (root, list, NULL);

  for (guint i = 0; i < mtv_kube_json_length (entries); i++)
    {
      JsonObject *entry = mtv_kube_json_item (entries, i);

      if (g_strcmp0 (mtv_kube_json_string (entry, "name", NULL), name) != 0)
        continue;
      JsonObject *object = mtv_kube_json_object (entry, kind, NULL);
      return object != NULL ? json_object_ref (object) : json_object_new ();
    }
  refuse (error, "there is no %s '%s' in it", kind, name);
  return NULL;
}

static gboolean
is_true (JsonObject *object, const char *name)
{
  return g_strcmp0 (mtv_kube_json_string (object, name, NULL), "true") == 0;
}

/* g_base64_decode() takes everything. */
static gboolean
decode (const char *text, char **plain)
{
  gsize digits = 0, padding = 0, length = 0;

  for (const char *c = text; *c != '\0'; c++)
    if (*c == '=')
      padding++;
    else if ((g_ascii_isalnum (*c) || *c == '+' || *c == '/') && padding == 0)
      digits++;
    else if (!g_ascii_isspace (*c))
      return FALSE;
  if (padding > 2 || (digits + padding) % 4 != 0)
    return FALSE;

  g_autofree guchar *data = g_base64_decode (text, &length);
  *plain = g_strndup ((const char *) data, length);
  return length > 0 && strlen (*plain) == length;
}

/* One of the pairs NAME-data and NAME. */
static gboolean
take_pair (JsonObject *object, const char *name, char **text, char **file, GError **error)
{
  g_autofree char *data_name = g_strconcat (name, "-data", NULL);
  const char *data = mtv_kube_json_string (object, data_name, NULL);
  const char *path = mtv_kube_json_string (object, name, NULL);

  if (data != NULL && *data != '\0')
    return decode (data, text) || refuse (error, "%s is no base64 of a text", data_name);
  if (path == NULL || *path == '\0')
    return TRUE;
  if (!g_path_is_absolute (path))
    return refuse (error,
                   "%s is '%s', which is no absolute path; embed it (kubectl config view "
                   "--raw --flatten)",
                   name, path);
  *file = g_strdup (path);
  return TRUE;
}

static gboolean
check_server (const char *url, GError **error)
{
  g_autoptr (GUri) uri = url == NULL ? NULL : g_uri_parse (url, G_URI_FLAGS_NONE, NULL);

  if (uri == NULL || g_uri_get_host (uri) == NULL || *g_uri_get_host (uri) == '\0'
      || (g_strcmp0 (g_uri_get_scheme (uri), "https") != 0
          && g_strcmp0 (g_uri_get_scheme (uri), "http") != 0))
    return refuse (error, "the cluster's server is no http or https URL");
  if (g_uri_get_userinfo (uri) != NULL)
    return refuse (error, "a password does not belong into the server's URL");
  return TRUE;
}

static gboolean
take_cluster (MtvKubeConfig *self, JsonObject *cluster, GError **error)
{
  const char *server = mtv_kube_json_string (cluster, "server", NULL);

  if (!check_server (server, error))
    return FALSE;
  self->server = g_strdup (server);
  self->server_name = g_strdup (mtv_kube_json_string (cluster, "tls-server-name", NULL));
  self->proxy = g_strdup (mtv_kube_json_string (cluster, "proxy-url", NULL));
  self->insecure = is_true (cluster, "insecure-skip-tls-verify");
  return take_pair (cluster, "certificate-authority", &self->ca, &self->ca_file, error);
}

static char **
take_env (JsonObject *object)
{
  g_autoptr (GStrvBuilder) env = g_strv_builder_new ();
  JsonArray *entries = mtv_kube_json_array (object, "env", NULL);

  for (guint i = 0; i < mtv_kube_json_length (entries); i++)
    {
      JsonObject *entry = mtv_kube_json_item (entries, i);
      const char *name = mtv_kube_json_string (entry, "name", NULL);
      const char *value = mtv_kube_json_string (entry, "value", NULL);
      g_autofree char *both = g_strdup_printf ("%s=%s", name, value != NULL ? value : "");

      if (name != NULL && *name != '\0' && strchr (name, '=') == NULL)
        g_strv_builder_add (env, both);
    }
  return g_strv_builder_end (env);
}

static gboolean
take_exec (MtvKubeConfig *self, JsonObject *object, GError **error)
{
  const char *command = mtv_kube_json_string (object, "command", NULL);
  const char *version = mtv_kube_json_string (object, "apiVersion", NULL);
  JsonArray *args = mtv_kube_json_array (object, "args", NULL);
  g_autoptr (GStrvBuilder) argv = g_strv_builder_new ();

  if (command == NULL || *command == '\0')
    return refuse (error, "the user's 'exec' has no command");
  if (strchr (command, '/') != NULL && !g_path_is_absolute (command))
    return refuse (error, "the command '%s' of 'exec' is no absolute path", command);
  if (g_strcmp0 (version, "client.authentication.k8s.io/v1") != 0
      && g_strcmp0 (version, "client.authentication.k8s.io/v1beta1") != 0)
    return refuse (error, "'exec' is of the unknown apiVersion '%s'", version);
  if (g_strcmp0 (mtv_kube_json_string (object, "interactiveMode", NULL), "Always") == 0)
    return refuse (error, "the command '%s' of 'exec' needs somebody at a terminal", command);

  g_strv_builder_add (argv, command);
  for (guint i = 0; i < mtv_kube_json_length (args); i++)
    {
      JsonNode *arg = json_array_get_element (args, i);

      if (json_node_get_value_type (arg) != G_TYPE_STRING)
        return refuse (error, "argument %u of '%s' is no text", i + 1, command);
      g_strv_builder_add (argv, json_node_get_string (arg));
    }
  self->exec = g_new0 (MtvKubeExec, 1);
  self->exec->argv = g_strv_builder_end (argv);
  self->exec->env = take_env (object);
  self->exec->api_version = g_strdup (version);
  self->exec->hint = g_strdup (mtv_kube_json_string (object, "installHint", NULL));
  self->exec->tell_cluster = is_true (object, "provideClusterInfo");
  return TRUE;
}

static gboolean
take_user (MtvKubeConfig *self, JsonObject *user, GError **error)
{
  JsonObject *exec = mtv_kube_json_object (user, "exec", NULL);
  const char *token_file = mtv_kube_json_string (user, "tokenFile", NULL);

  if (mtv_kube_json_object (user, "auth-provider", NULL) != NULL)
    return refuse (error, "'auth-provider' is not supported any more; use 'exec' or a token");
  if (json_object_has_member (user, "as"))
    return refuse (error, "impersonation ('as') is not supported; use the account itself");
  if (token_file != NULL && !g_path_is_absolute (token_file))
    return refuse (error, "tokenFile is '%s', which is no absolute path", token_file);
  self->token_file = g_strdup (token_file);
  if (token_file == NULL)
    self->token = g_strdup (mtv_kube_json_string (user, "token", NULL));
  self->user = g_strdup (mtv_kube_json_string (user, "username", NULL));
  self->password = g_strdup (mtv_kube_json_string (user, "password", NULL));
  if (!take_pair (user, "client-certificate", &self->certificate, &self->certificate_file, error)
      || !take_pair (user, "client-key", &self->key, &self->key_file, error))
    return FALSE;
  if ((self->certificate == NULL && self->certificate_file == NULL)
      != (self->key == NULL && self->key_file == NULL))
    return refuse (error, "the user has only one of client-certificate and client-key");
  return exec == NULL || take_exec (self, exec, error);
}

static gboolean
take_context (MtvKubeConfig *self, JsonObject *root, GError **error)
{
  g_autoptr (JsonObject) context = find_entry (root, "context", self->context, error);

  if (context == NULL)
    return FALSE;

  const char *cluster_name = mtv_kube_json_string (context, "cluster", NULL);
  const char *user_name = mtv_kube_json_string (context, "user", NULL);
  g_autoptr (JsonObject) cluster
      = find_entry (root, "cluster", cluster_name != NULL ? cluster_name : "", error);
  if (cluster == NULL || !take_cluster (self, cluster, error))
    return FALSE;
  self->name_space = g_strdup (mtv_kube_json_string (context, "namespace", NULL));
  if (user_name == NULL || *user_name == '\0')
    return TRUE;

  g_autoptr (JsonObject) user = find_entry (root, "user", user_name, error);
  return user != NULL && take_user (self, user, error);
}

MtvKubeConfig *
mtv_kube_config_parse (const char *text, const char *context, GError **error)
{
  g_autoptr (MtvKubeConfig) self = g_new0 (MtvKubeConfig, 1);
  g_autoptr (JsonNode) node = mtv_kube_yaml_parse (text, "The kubeconfig", error);

  if (node == NULL)
    return NULL;
  JsonObject *root = JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  if (context == NULL)
    context = mtv_kube_json_string (root, "current-context", NULL);
  if (context == NULL || *context == '\0')
    {
      refuse (error, "it has no current context, and none was asked for");
      return NULL;
    }
  self->context = g_strdup (context);
  return take_context (self, root, error) ? g_steal_pointer (&self) : NULL;
}

MtvKubeConfig *
mtv_kube_config_new (const char *server, const char *token)
{
  MtvKubeConfig *self = g_new0 (MtvKubeConfig, 1);

  self->server = g_strdup (server);
  self->token = g_strdup (token);
  return self;
}

MtvKubeConfig *
mtv_kube_config_in_cluster (const char *host, const char *port, const char *directory,
                            GError **error)
{
  g_autofree char *token = g_build_filename (directory, "token", NULL);
  g_autofree char *space = g_build_filename (directory, "namespace", NULL);

  if (host == NULL || port == NULL || !g_file_test (token, G_FILE_TEST_EXISTS))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "This is no pod of a cluster: give the cluster's URL and a token, or a "
                   "kubeconfig");
      return NULL;
    }

  MtvKubeConfig *self = g_new0 (MtvKubeConfig, 1);
  self->server = g_strdup_printf (strchr (host, ':') != NULL ? "https://[%s]:%s" : "https://%s:%s",
                                  host, port);
  self->token_file = g_steal_pointer (&token);
  self->ca_file = g_build_filename (directory, "ca.crt", NULL);
  if (g_file_get_contents (space, &self->name_space, NULL, NULL))
    g_strchomp (self->name_space);
  return self;
}

char *
mtv_kube_config_read (const char *text, const char *file, const char *what, GError **error)
{
  g_autofree char *content = NULL;
  g_autoptr (GError) failed = NULL;
  gsize length = 0;

  if (file == NULL)
    return g_strdup (text);
  if (g_file_get_contents (file, &content, &length, &failed) && length <= MAX_FILE
      && strlen (content) == length)
    return g_steal_pointer (&content);
  g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "Cannot read %s '%s': %s", what, file,
               failed != NULL ? failed->message : "it is too large, or no text");
  return NULL;
}
