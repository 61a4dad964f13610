/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-target.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* The folder of one VM below the destination's own (@dirfd): until it is whole it has a name that
 * tells whose work it is, then the VM's. No symbolic link is ever followed below @dirfd. */

/* ".mtv-RUN-NUMBER.partial". (transfer full) */
char *mtv_local_work_name (const MtvTarget *target);
gboolean mtv_local_is_work_name (const char *name);

/* Can @name stand for a folder here? MTV_ERROR_INVALID_ARGUMENT says what is wrong with it. */
gboolean mtv_local_check_name (const char *name, GError **error);

/* The file name of a disk: "disk-0.raw". (transfer full) */
char *mtv_local_disk_file (const MtvTarget *target, guint index);

/* The opened work folder, or -1. */
int mtv_local_work_open (int dirfd, const MtvTarget *target, GError **error);
/* Makes it, with the volumes in it, unless they are there. */
gboolean mtv_local_work_create (int dirfd, const MtvTarget *target, GCancellable *cancellable,
                                GError **error);

/* Adds the definitions, makes it all durable and gives it the VM's name, if that is free. @path:
 * of @dirfd. */
gboolean mtv_local_work_finish (int dirfd, const char *path, const MtvTarget *target,
                                GError **error);

/* Is the VM's folder there, and of this very run and VM? */
gboolean mtv_local_is_finished (int dirfd, const MtvTarget *target);

G_END_DECLS
