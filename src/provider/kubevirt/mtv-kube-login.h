/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-config.h"
#include "provider/mtv-rest.h"

G_BEGIN_DECLS

/* The connections to the API server of a configuration, with credentials that are good now. Any
 * thread. */
typedef struct _MtvKubeLogin MtvKubeLogin;

/* Takes @config over. */
MtvKubeLogin *mtv_kube_login_new (MtvKubeConfig *config, const char *label);
void mtv_kube_login_free (MtvKubeLogin *self);

/* Reads token files again, and runs commands that make credentials, when that is due or @refused:
 * the server did not take the last ones. Blocking. (transfer full) */
MtvRest *mtv_kube_login_get (MtvKubeLogin *self, gboolean refused, GCancellable *cancellable,
                             GError **error);

/* May other credentials come of asking again? */
gboolean mtv_kube_login_can_renew (MtvKubeLogin *self);

G_END_DECLS
