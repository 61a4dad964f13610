/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* Adds a provider; @fd >= 0 passes that file in place of @url. Its path. (transfer full) */
char *mtvctl_provider_new (Mtvctl *ctl, const char *name, const char *type, const char *url, int fd,
                           GError **error);

/* The provider type "local" for the folder at @path, opened here: the service may have no view of
 * the path that can be written to, but may write to what it is handed. */
char *mtvctl_provider_new_local (Mtvctl *ctl, const char *name, const char *path, GError **error);

/* Waits until the inventory of the provider at @path has been read; its failure is an error. */
MtvDBusProvider *mtvctl_provider_await (Mtvctl *ctl, const char *path, GError **error);

gboolean mtvctl_provider_delete (Mtvctl *ctl, gpointer provider, GError **error);

G_END_DECLS
