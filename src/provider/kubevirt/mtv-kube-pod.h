/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

#define MTV_KUBE_NBD_PORT 10809

/* The pod that serves the volume of disk @index by NBD on its own loopback, in @image, under the
 * Pod Security Standard "restricted". @with_ids: as the user that CDI uses; else as whom the
 * cluster assigns (OpenShift's SCCs refuse any other). (transfer full) */
JsonObject *mtv_kube_pod_new (const MtvTarget *target, guint index, const char *image,
                              const char *volume_mode, gboolean with_ids);
char *mtv_kube_pod_name (const MtvTarget *target, guint index); /* (transfer full) */

typedef enum
{
  MTV_KUBE_POD_STARTING,
  MTV_KUBE_POD_READY,
  MTV_KUBE_POD_ENDED, /* or on its way to it */
} MtvKubePodState;

/* @reason: (out) (nullable) (transfer full) what it waits for. */
MtvKubePodState mtv_kube_pod_get_state (JsonObject *pod, char **reason);

/* Is it one that does not go away by waiting, such as an image that is not there? */
gboolean mtv_kube_pod_is_stuck (JsonObject *pod);

G_END_DECLS
