/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-concern.h"
#include "provider/mtv-target.h"

G_BEGIN_DECLS

/* Is @dirfd, the folder @path, one that VMs can be put into? */
gboolean mtv_local_check_writable (int dirfd, const char *path, GError **error);

gboolean mtv_local_is_taken (int dirfd, const char *name);

/* Bytes that can still be written below @dirfd; G_MAXUINT64 when it cannot be told. */
guint64 mtv_local_free_space (int dirfd);

/* Adds what stands against @target in the folder @dirfd, that @path names. */
void mtv_local_check (int dirfd, const char *path, const MtvTarget *target, GPtrArray *concerns);

G_END_DECLS
