/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Makes the qcow2 image @name with @size bytes below @dirfd, whole or not at all, unless it is
 * there already. Runs qemu-img. */
gboolean mtv_local_qcow2_create (int dirfd, const char *name, guint64 size,
                                 GCancellable *cancellable, GError **error);

G_END_DECLS
