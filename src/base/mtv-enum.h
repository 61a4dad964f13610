/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Names of enumerations: kebab-case, the same on the bus, on disk and in mtvctl. */
gboolean mtv_enum_from_string (const char *const *names, guint n_names, const char *string,
                               guint *value);

G_END_DECLS
