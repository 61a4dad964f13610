/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-config.h"

#include "base/mtv-error.h"

#include <glib/gstdio.h>
#include <string.h>

/* "CA PEM", "CERT", "KEY" */
static const char complete[]
    = "apiVersion: v1\n"
      "kind: Config\n"
      "current-context: lab\n"
      "clusters:\n"
      "- name: lab\n"
      "  cluster:\n"
      "    server: https://api.lab.example:6443/k8s/clusters/c-1\n"
      "    certificate-authority-data: Q0EgUEVN\n"
      "    certificate-authority: /ignored/ca.pem\n"
      "    tls-server-name: kubernetes\n"
      "    proxy-url: http://proxy.example:3128\n"
      "- name: open\n"
      "  cluster: {server: 'http://127.0.0.1:8001', insecure-skip-tls-verify: true}\n"
      "users:\n"
      "- name: cert\n"
      "  user: {client-certificate-data: Q0VSVA==, client-key-data: S0VZ}\n"
      "- name: token\n"
      "  user: {token: s3cret}\n"
      "- name: file\n"
      "  user: {tokenFile: /run/token, token: s3cret}\n"
      "- name: plugin\n"
      "  user:\n"
      "    exec:\n"
      "      apiVersion: client.authentication.k8s.io/v1\n"
      "      command: oc\n"
      "      args: [get-token, --oidc]\n"
      "      env: [{name: A, value: 'b=c'}]\n"
      "      installHint: see the manual\n"
      "      provideClusterInfo: true\n"
      "contexts:\n"
      "- name: lab\n"
      "  context: {cluster: lab, user: cert, namespace: vms}\n"
      "- name: token\n"
      "  context: {cluster: open, user: token}\n"
      "- name: file\n"
      "  context: {cluster: lab, user: file}\n"
      "- name: plugin\n"
      "  context: {cluster: lab, user: plugin}\n"
      "- name: anonymous\n"
      "  context: {cluster: open}\n";

static MtvKubeConfig *
parse (const char *context)
{
  g_autoptr (GError) error = NULL;
  MtvKubeConfig *config = mtv_kube_config_parse (complete, context, &error);

  g_assert_no_error (error);
  return config;
}

static void
test_contexts (void)
{
  g_autoptr (MtvKubeConfig) lab = parse (NULL);
  g_autoptr (MtvKubeConfig) token = parse ("token");
  g_autoptr (MtvKubeConfig) file = parse ("file");
  g_autoptr (MtvKubeConfig) anonymous = parse ("anonymous");

  g_assert_cmpstr (lab->context, ==, "lab");
  g_assert_cmpstr (lab->server, ==, "https://api.lab.example:6443/k8s/clusters/c-1");
  g_assert_cmpstr (lab->ca, ==, "CA PEM");
  g_assert_null (lab->ca_file);
  g_assert_cmpstr (lab->server_name, ==, "kubernetes");
  g_assert_cmpstr (lab->proxy, ==, "http://proxy.example:3128");
  g_assert_cmpstr (lab->certificate, ==, "CERT");
  g_assert_cmpstr (lab->key, ==, "KEY");
  g_assert_cmpstr (lab->name_space, ==, "vms");
  g_assert_false (lab->insecure);
  g_assert_true (token->insecure);
  g_assert_cmpstr (token->token, ==, "s3cret");
  g_assert_cmpstr (file->token_file, ==, "/run/token");
  g_assert_null (file->token); /* the file wins */
  g_assert_null (anonymous->token);
}

static void
test_exec (void)
{
  g_autoptr (MtvKubeConfig) config = parse ("plugin");

  g_assert_nonnull (config->exec);
  g_autofree char *argv = g_strjoinv (" ", config->exec->argv);
  g_assert_cmpstr (argv, ==, "oc get-token --oidc");
  g_assert_cmpstr (config->exec->env[0], ==, "A=b=c");
  g_assert_cmpstr (config->exec->hint, ==, "see the manual");
  g_assert_true (config->exec->tell_cluster);
}

#define ONE(cluster, user)                                  \
  "current-context: c\n"                                    \
  "contexts: [{name: c, context: {cluster: k, user: u}}]\n" \
  "clusters: [{name: k, cluster: " cluster "}]\n"           \
  "users: [{name: u, user: " user "}]\n"
#define GOOD "{server: 'https://h'}"

static void
test_bad (void)
{
  static const struct
  {
    const char *text;
    const char *message;
  } cases[] = {
    { "", "it is empty" },
    { "a: [", "is no YAML: line" },
    { "a: *b", "is no YAML: line" },
    { "[]", "no current context" },
    { "{}", "no current context" },
    { "current-context: nowhere", "there is no context 'nowhere'" },
    { "current-context: c\ncontexts: [{name: c, context: {cluster: gone}}]",
      "there is no cluster 'gone'" },
    { "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: gone}}]\n"
      "clusters: [{name: k, cluster: {server: 'https://h'}}]",
      "there is no user 'gone'" },
    { ONE ("{}", "{}"), "no http or https URL" },
    { ONE ("{server: 'ftp://h'}", "{}"), "no http or https URL" },
    { ONE ("{server: 'https://me:s3cret@h'}", "{}"), "does not belong" },
    { ONE ("{server: 'https://h', certificate-authority-data: 's3cret!'}", "{}"),
      "certificate-authority-data is no base64" },
    { ONE ("{server: 'https://h', certificate-authority-data: 'QUE=='}", "{}"),
      "certificate-authority-data is no base64" },
    { ONE ("{server: 'https://h', certificate-authority-data: 'AAAA'}", "{}"),
      "certificate-authority-data is no base64" },
    { ONE ("{server: 'https://h', certificate-authority: ca.pem}", "{}"), "'ca.pem'" },
    { ONE (GOOD, "{client-certificate: /c}"), "only one of client-certificate and client-key" },
    { ONE (GOOD, "{client-certificate-data: Q0VSVA==, client-key-data: s3cret-}"),
      "client-key-data is no base64" },
    { ONE (GOOD, "{tokenFile: token}"), "tokenFile is 'token'" },
    { ONE (GOOD, "{auth-provider: {name: gcp}}"), "'auth-provider' is not supported" },
    { ONE (GOOD, "{as: admin}"), "impersonation" },
    { ONE (GOOD, "{exec: {args: [x]}}"), "'exec' has no command" },
    { ONE (GOOD, "{exec: {command: ./oc}}"), "'./oc' of 'exec'" },
    { ONE (GOOD, "{exec: {command: oc, apiVersion: v9}}"), "unknown apiVersion 'v9'" },
    { ONE (GOOD, "{exec: {command: oc, apiVersion: client.authentication.k8s.io/v1, "
                 "interactiveMode: Always}}"),
      "needs somebody at a terminal" },
    { ONE (GOOD, "{exec: {command: oc, apiVersion: client.authentication.k8s.io/v1, "
                 "args: [[x]]}}"),
      "argument 1 of 'oc'" },
    { "a: &a [x,x,x,x,x,x,x,x]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a]\nc: &c "
      "[*b,*b,*b,*b,*b,*b,*b,*b]\nf: &f [*c,*c,*c,*c,*c,*c,*c,*c]\ne: [*f,*f,*f,*f,*f,*f,*f,*f]",
      "too many values" },
    { "a: &a [*a]", "too many values or levels" },
    { "\"a\\0b\": c", "no current context" },
    { "a: \"x\\0y\"", "a value that is no text" },
    { "? [a]\n: b", "a name that is no text" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvKubeConfig) config = mtv_kube_config_parse (cases[i].text, NULL, &error);

      g_assert_null (config);
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      if (strstr (error->message, cases[i].message) == NULL
          || strstr (error->message, "s3cret") != NULL)
        g_error ("case %zu says: %s", i, error->message);
    }
}

static void
test_unknown_context (void)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_kube_config_parse (complete, "prod", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "'prod'"));
}

static void
test_json (void)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvKubeConfig) config = mtv_kube_config_parse (
      "{\"current-context\":\"c\",\"contexts\":[{\"name\":\"c\",\"context\":{\"cluster\":\"k\"}}],"
      "\"clusters\":[{\"name\":\"k\",\"cluster\":{\"server\":\"https://h\","
      "\"insecure-skip-tls-verify\":true}}]}",
      NULL, &error);

  g_assert_no_error (error);
  g_assert_true (config->insecure);
}

static void
put (const char *directory, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (directory, name, NULL);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static void
test_in_cluster (void)
{
  g_autofree char *directory = g_dir_make_tmp ("mtv-test-XXXXXX", NULL);
  g_autofree char *token = g_build_filename (directory, "token", NULL);
  g_autofree char *space = g_build_filename (directory, "namespace", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_kube_config_in_cluster ("10.0.0.1", "443", directory, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_clear_error (&error);
  put (directory, "token", "abc\n");
  put (directory, "namespace", "mtv\n");
  g_autoptr (MtvKubeConfig) config
      = mtv_kube_config_in_cluster ("fd00::1", "443", directory, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (config->server, ==, "https://[fd00::1]:443");
  g_assert_cmpstr (config->name_space, ==, "mtv");
  g_autofree char *read = mtv_kube_config_read (config->token, config->token_file, "it", &error);
  g_assert_cmpstr (read, ==, "abc\n");
  g_unlink (token);
  g_assert_null (mtv_kube_config_read (NULL, config->token_file, "the token file", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, config->token_file));
  g_unlink (space);
  g_rmdir (directory);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/kube-config/contexts", test_contexts);
  g_test_add_func ("/kube-config/exec", test_exec);
  g_test_add_func ("/kube-config/bad", test_bad);
  g_test_add_func ("/kube-config/unknown-context", test_unknown_context);
  g_test_add_func ("/kube-config/json", test_json);
  g_test_add_func ("/kube-config/in-cluster", test_in_cluster);
  return g_test_run ();
}
