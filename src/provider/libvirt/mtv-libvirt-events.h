/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Gives libvirt an event loop, in a thread of its own that lives as long as the process: without
 * one there is no keepalive. libvirt's own loop runs the default main context, which is not ours to
 * run in a thread. Once, before the first connection. */
void mtv_libvirt_events_start (void);

G_END_DECLS
