/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* All virtual machines of @provider that @filter (nullable) lets through: GVariants of type
 * a{sv}, fetched page by page. (transfer full) */
GPtrArray *mtvctl_vm_fetch (Mtvctl *ctl, MtvDBusProvider *provider, const char *filter,
                            GError **error);

/* The values of a dictionary of the bus: "" and 0 for what is not there. */
const char *mtvctl_dict_string (GVariant *dict, const char *key);
guint64 mtvctl_dict_number (GVariant *dict, const char *key);
gboolean mtvctl_dict_boolean (GVariant *dict, const char *key);

G_END_DECLS
