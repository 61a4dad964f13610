/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "provider/kubevirt/mtv-kube-exec.h"

#include <string.h>

int LLVMFuzzerTestOneInput (const guint8 *data, size_t size);

/* A kubeconfig, and what a command of one may say. */
int
LLVMFuzzerTestOneInput (const guint8 *data, size_t size)
{
  g_autofree char *text = g_strndup ((const char *) data, size);
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) exec_error = NULL;
  g_autoptr (MtvKubeConfig) config = mtv_kube_config_parse (text, NULL, &error);
  g_autoptr (MtvKubeCredentials) credentials = mtv_kube_exec_parse (
      (const char *) data, size, "it", "client.authentication.k8s.io/v1", &exec_error);

  g_assert_true ((config == NULL) == (error != NULL));
  g_assert_true (config == NULL || config->server != NULL);
  g_assert_true ((credentials == NULL) == (exec_error != NULL));
  return 0;
}
