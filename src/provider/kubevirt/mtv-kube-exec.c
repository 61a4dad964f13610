/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-exec.h"

#include "base/mtv-error.h"
#include "base/mtv-text.h"
#include "provider/kubevirt/mtv-kube-json.h"

#include <string.h>

#define MAX_COMPLAINT 300

void
mtv_kube_credentials_free (MtvKubeCredentials *self)
{
  g_free (self->token);
  g_free (self->certificate);
  g_free (self->key);
  g_free (self);
}

MtvKubeCredentials *
mtv_kube_exec_parse (const char *text, gsize length, const char *command, const char *api_version,
                     GError **error)
{
  g_autofree char *what = g_strdup_printf ("What '%s' says", command);
  g_autoptr (JsonObject) object = mtv_kube_json_parse (text, length, what, error);

  if (object == NULL)
    return NULL;

  const char *version = mtv_kube_json_string (object, "apiVersion", NULL);
  const char *token = mtv_kube_json_string (object, "status", "token", NULL);
  const char *certificate = mtv_kube_json_string (object, "status", "clientCertificateData", NULL);
  const char *key = mtv_kube_json_string (object, "status", "clientKeyData", NULL);
  const char *expires = mtv_kube_json_string (object, "status", "expirationTimestamp", NULL);
  g_autoptr (GDateTime) when
      = expires == NULL ? NULL : g_date_time_new_from_iso8601 (expires, NULL);
  const char *problem = NULL;

  if (g_strcmp0 (version, api_version) != 0)
    problem = "is of another apiVersion than was asked for";
  else if (token == NULL && (certificate == NULL || key == NULL))
    problem = "has neither a token nor a certificate with its key";
  else if (expires != NULL && when == NULL)
    problem = "has an expirationTimestamp that is no time";
  if (problem != NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s %s", what, problem);
      return NULL;
    }

  MtvKubeCredentials *self = g_new0 (MtvKubeCredentials, 1);
  self->token = g_strdup (token);
  self->certificate = key == NULL ? NULL : g_strdup (certificate);
  self->key = certificate == NULL ? NULL : g_strdup (key);
  self->expires = when == NULL ? 0 : g_date_time_to_unix (when) * G_USEC_PER_SEC;
  return self;
}

/* KUBERNETES_EXEC_INFO. (transfer full) */
static char *
exec_info (const MtvKubeConfig *config)
{
  g_autoptr (JsonObject) info = json_object_new ();
  JsonObject *spec = json_object_new ();

  json_object_set_string_member (info, "apiVersion", config->exec->api_version);
  json_object_set_string_member (info, "kind", "ExecCredential");
  json_object_set_object_member (info, "spec", spec);
  json_object_set_boolean_member (spec, "interactive", FALSE);
  if (config->exec->tell_cluster)
    {
      JsonObject *cluster = json_object_new ();

      json_object_set_object_member (spec, "cluster", cluster);
      json_object_set_string_member (cluster, "server", config->server);
      if (config->server_name != NULL)
        json_object_set_string_member (cluster, "tls-server-name", config->server_name);
      if (config->insecure)
        json_object_set_boolean_member (cluster, "insecure-skip-tls-verify", TRUE);
      if (config->ca != NULL)
        {
          g_autofree char *data
              = g_base64_encode ((const guchar *) config->ca, strlen (config->ca));
          json_object_set_string_member (cluster, "certificate-authority-data", data);
        }
    }
  g_autoptr (GBytes) bytes = mtv_kube_json_to_bytes (info);
  return g_strndup (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
}

/* A command that runs. */
typedef struct
{
  GSubprocess *process; /* (owned) */
  GBytes *out;          /* (owned) (nullable) */
  GBytes *err;          /* (owned) (nullable) */
  GError *error;        /* (owned) (nullable) */
  gboolean done;
  gboolean late;
} Run;

static void
communicated_cb (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Run *run = user_data;

  g_subprocess_communicate_finish (G_SUBPROCESS (source), result, &run->out, &run->err,
                                   &run->error);
  run->done = TRUE;
}

static gboolean
too_late (gpointer user_data)
{
  Run *run = user_data;

  run->late = TRUE;
  g_subprocess_force_exit (run->process);
  return G_SOURCE_REMOVE;
}

static void
wait_for (Run *run, guint deadline_msec, GCancellable *cancellable)
{
  g_autoptr (GMainContext) context = g_main_context_new ();
  GSource *alarm = g_timeout_source_new (deadline_msec);

  g_main_context_push_thread_default (context);
  g_source_set_callback (alarm, too_late, run, NULL);
  g_source_attach (alarm, context);
  g_subprocess_communicate_async (run->process, NULL, cancellable, communicated_cb, run);
  while (!run->done)
    g_main_context_iteration (context, TRUE);
  g_source_destroy (alarm);
  g_source_unref (alarm);
  g_main_context_pop_thread_default (context);
  g_subprocess_force_exit (run->process);
}

static void
run_fail (const Run *run, const char *command, GError **error)
{
  gsize length = 0;
  const char *said = run->err == NULL ? "" : g_bytes_get_data (run->err, &length);
  gsize shown = MIN (length, MAX_COMPLAINT);
  g_autofree char *last = g_strndup (said == NULL ? "" : said + length - shown, shown);
  g_autofree char *line = mtv_text_one_line (g_strstrip (last));

  if (run->late)
    g_set_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE,
                 "'%s', which has to tell who we are, took too long", command);
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED,
                 "'%s', which has to tell who we are, failed: %s", command, line);
}

MtvKubeCredentials *
mtv_kube_exec_run (const MtvKubeConfig *config, guint deadline_msec, GCancellable *cancellable,
                   GError **error)
{
  const MtvKubeExec *exec = config->exec;
  const char *command = exec->argv[0];
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autofree char *info = exec_info (config);
  Run run = { .process = NULL };
  MtvKubeCredentials *credentials = NULL;

  for (char **env = exec->env; *env != NULL; env++)
    {
      g_auto (GStrv) parts = g_strsplit (*env, "=", 2);
      g_subprocess_launcher_setenv (launcher, parts[0], parts[1], TRUE);
    }
  g_subprocess_launcher_setenv (launcher, "KUBERNETES_EXEC_INFO", info, TRUE);
  run.process = g_subprocess_launcher_spawnv (launcher, (const char *const *) exec->argv, NULL);
  if (run.process == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND,
                   "Cannot run '%s', which has to tell who we are%s%s", command,
                   exec->hint != NULL ? ": " : "", exec->hint != NULL ? exec->hint : "");
      return NULL;
    }
  wait_for (&run, deadline_msec, cancellable);
  if (run.error != NULL)
    g_propagate_error (error, mtv_error_normalize (run.error));
  else if (run.late || !g_subprocess_get_successful (run.process))
    run_fail (&run, command, error);
  else
    credentials = mtv_kube_exec_parse (g_bytes_get_data (run.out, NULL), g_bytes_get_size (run.out),
                                       command, exec->api_version, error);
  g_clear_pointer (&run.out, g_bytes_unref);
  g_clear_pointer (&run.err, g_bytes_unref);
  g_object_unref (run.process);
  return credentials;
}
