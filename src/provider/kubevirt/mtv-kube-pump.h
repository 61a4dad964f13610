/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef enum
{
  MTV_KUBE_PUMP_ENDED,   /* by either side */
  MTV_KUBE_PUMP_REFUSED, /* nothing listens there: not one byte came or went */
} MtvKubePumpResult;

/* Carries bytes between @local and port @port behind @websocket, that speaks v4.channel.k8s.io,
 * until one of them ends it. In each direction it takes no more than the other side lets go of:
 * what is in memory does not grow. On the thread of the thread-default context. @problem: (out)
 * (nullable) (transfer full) what went wrong. */
MtvKubePumpResult mtv_kube_pump_run (SoupWebsocketConnection *websocket, GSocketConnection *local,
                                     guint16 port, GCancellable *cancellable, char **problem);

G_END_DECLS
