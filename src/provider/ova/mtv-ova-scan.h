/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef struct
{
  char *path;    /* below the folder; valid UTF-8 */
  char *problem; /* (nullable) why it cannot even be tried */
} MtvOvaEntry;

/* The .ova and .ovf files in folder @dirfd and two levels of folders below it, sorted. Neither
 * symbolic links nor hidden names are followed. A subfolder that cannot be read is an entry with a
 * problem. (element-type MtvOvaEntry) (transfer full) */
GPtrArray *mtv_ova_scan (int dirfd, const char *label, GCancellable *cancellable, GError **error);

G_END_DECLS
