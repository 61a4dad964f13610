/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-site.h"

G_BEGIN_DECLS

/* What the cluster would say to the VirtualMachine of @target: a server dry run. @preference: (out)
 * (nullable) (transfer none) the preference that it can have. */
gboolean mtv_kube_define_try (const MtvKubeSite *site, const MtvTarget *target,
                              const char **preference, GCancellable *cancellable, GError **error);

/* Makes it, unless it was made; hands the volumes to it, so that they go with it; and waits until
 * it runs, if it shall. */
gboolean mtv_kube_define (const MtvKubeSite *site, const MtvTarget *target,
                          GCancellable *cancellable, GError **error);

G_END_DECLS
