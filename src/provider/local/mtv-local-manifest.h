/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

G_BEGIN_DECLS

/* Writes the manifest of @target to the empty file @fd: see mtv_manifest_write(). A block that is
 * still pending is MTV_ERROR_WRONG_STATE. @created: µs since the epoch. */
gboolean mtv_local_manifest_write (const MtvTarget *target, guint64 created, int fd,
                                   GError **error);

/* Is what begins the file @fd the manifest of this very run and VM? */
gboolean mtv_local_manifest_is_of (int fd, const MtvTarget *target);

G_END_DECLS
