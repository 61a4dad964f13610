/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-exec.h"

#include "base/mtv-error.h"

#include <string.h>

#define V1 "client.authentication.k8s.io/v1"
#define CREDENTIAL "{\"apiVersion\":\"" V1 "\",\"kind\":\"ExecCredential\",\"status\":"

static void
test_parse (void)
{
  static const char text[]
      = CREDENTIAL "{\"token\":\"t\",\"expirationTimestamp\":\"2026-01-02T03:04:05Z\"}}";
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvKubeCredentials) credentials
      = mtv_kube_exec_parse (text, strlen (text), "oc", V1, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (credentials->token, ==, "t");
  g_assert_cmpint (credentials->expires, ==, G_GINT64_CONSTANT (1767323045000000));
}

static void
test_bad (void)
{
  static const char *const cases[][2] = {
    { "", "no object" },
    { "s3cret", "does not parse" },
    { "[]", "no object" },
    { "{}", "another apiVersion" },
    { CREDENTIAL "{}}", "neither a token" },
    { CREDENTIAL "{\"clientCertificateData\":\"s3cret\"}}", "neither a token" },
    { CREDENTIAL "{\"token\":\"s3cret\",\"expirationTimestamp\":\"soon\"}}", "no time" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      g_assert_null (mtv_kube_exec_parse (cases[i][0], strlen (cases[i][0]), "oc", V1, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
      g_assert_nonnull (strstr (error->message, "'oc'"));
      if (strstr (error->message, cases[i][1]) == NULL || strstr (error->message, "s3cret") != NULL)
        g_error ("case %zu says: %s", i, error->message);
    }
}

static MtvKubeConfig *
config_for (const char *command, const char *argument)
{
  MtvKubeConfig *config = mtv_kube_config_new ("https://h", NULL);

  config->exec = g_new0 (MtvKubeExec, 1);
  config->exec->argv = g_new0 (char *, 4);
  config->exec->argv[0] = g_strdup (command);
  config->exec->argv[1] = argument == NULL ? NULL : g_strdup ("-c");
  config->exec->argv[2] = g_strdup (argument);
  config->exec->env = g_strdupv ((char *[]){ (char *) "WHO=world", NULL });
  config->exec->api_version = g_strdup (V1);
  config->exec->tell_cluster = TRUE;
  return config;
}

static void
test_run (void)
{
  /* The command gets its environment, and says what it was told. */
  g_autoptr (MtvKubeConfig) config = config_for (
      "/bin/sh", "case $KUBERNETES_EXEC_INFO in *'\"server\":\"https://h\"'*) ;; *) exit 1;; esac\n"
                 "printf '" CREDENTIAL "{\"token\":\"hello %s\"}}' \"$WHO\"");
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvKubeCredentials) credentials = mtv_kube_exec_run (config, 60000, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (credentials->token, ==, "hello world");
}

static void
assert_fails (const char *command, const char *argument, guint deadline, MtvError code,
              const char *message)
{
  g_autoptr (MtvKubeConfig) config = config_for (command, argument);
  g_autoptr (GError) error = NULL;

  config->exec->hint = g_strdup ("dnf install it");
  g_assert_null (mtv_kube_exec_run (config, deadline, NULL, &error));
  g_assert_error (error, MTV_ERROR, (gint) code);
  g_assert_nonnull (strstr (error->message, command));
  g_assert_nonnull (strstr (error->message, message));
}

static void
test_fails (void)
{
  assert_fails ("/nowhere/oc", NULL, 1000, MTV_ERROR_NOT_FOUND, "dnf install it");
  assert_fails ("/bin/sh", "echo no ticket >&2; exit 1", 60000, MTV_ERROR_PERMISSION_DENIED,
                "no ticket");
  assert_fails ("/bin/sh", "exec cat /dev/zero > /dev/null", 50, MTV_ERROR_UNREACHABLE, "too long");
}

static void
test_cancel (void)
{
  g_autoptr (MtvKubeConfig) config = config_for ("/bin/sh", "exec cat /dev/zero > /dev/null");
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  g_cancellable_cancel (cancellable);
  g_assert_null (mtv_kube_exec_run (config, 60000, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kube-exec/parse", test_parse);
  g_test_add_func ("/kube-exec/bad", test_bad);
  g_test_add_func ("/kube-exec/run", test_run);
  g_test_add_func ("/kube-exec/fails", test_fails);
  g_test_add_func ("/kube-exec/cancel", test_cancel);
  return g_test_run ();
}
