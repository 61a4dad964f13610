/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-client.h"

G_BEGIN_DECLS

/* One try to open the watch @path. @gone: (out) what it was to begin from is not remembered any
 * more. */
GInputStream *mtv_kube_client_open_watch (MtvKubeClient *self, const char *path, gboolean *gone,
                                          GCancellable *cancellable, GError **error);
guint mtv_kube_client_get_pace (MtvKubeClient *self);

G_END_DECLS
