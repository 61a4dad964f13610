/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-client.h"

G_BEGIN_DECLS

/* Called before every connection, perhaps by several threads one after the other: makes that there
 * is something to connect to. */
typedef gboolean (*MtvKubeTunnelReady) (gpointer data, GCancellable *cancellable, GError **error);

/* A local socket that leads to a port of a pod, by the API server's port-forward over WebSockets:
 * every connection that is made to it has one of its own. When that breaks, so does the connection;
 * whoever connects again gets another. The other side has to speak first. */
#define MTV_TYPE_KUBE_TUNNEL (mtv_kube_tunnel_get_type ())
G_DECLARE_FINAL_TYPE (MtvKubeTunnel, mtv_kube_tunnel, MTV, KUBE_TUNNEL, GObject)

/* @path: of the pod. */
MtvKubeTunnel *mtv_kube_tunnel_new (MtvKubeClient *client, const char *path, guint16 port,
                                    MtvKubeTunnelReady ready, gpointer data, GDestroyNotify destroy,
                                    GError **error);

const char *mtv_kube_tunnel_get_socket (MtvKubeTunnel *self);

/* Why the last connection could not be made or broke; NULL if all is well. (transfer full) */
char *mtv_kube_tunnel_get_problem (MtvKubeTunnel *self);

G_END_DECLS
