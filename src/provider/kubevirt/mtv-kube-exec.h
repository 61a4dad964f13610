/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-config.h"

G_BEGIN_DECLS

/* What we show to the API server to say who we are. Strings are (owned) (nullable). */
typedef struct
{
  char *token;
  char *certificate; /* PEM */
  char *key;         /* PEM */
  gint64 expires;    /* µs since the epoch; 0: not told */
} MtvKubeCredentials;

void mtv_kube_credentials_free (MtvKubeCredentials *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvKubeCredentials, mtv_kube_credentials_free)

/* What the command says on its standard output: an ExecCredential of @api_version.
 * MTV_ERROR_BAD_DATA shows nothing of it. (transfer full) */
MtvKubeCredentials *mtv_kube_exec_parse (const char *text, gsize length, const char *command,
                                         const char *api_version, GError **error);

/* Runs the command of @config, without a shell. It has @deadline_msec. MTV_ERROR_NOT_FOUND: it is
 * not installed; PERMISSION_DENIED: it did not succeed, with what it said last on its standard
 * error; UNREACHABLE: it took too long. (transfer full) */
MtvKubeCredentials *mtv_kube_exec_run (const MtvKubeConfig *config, guint deadline_msec,
                                       GCancellable *cancellable, GError **error);

G_END_DECLS
