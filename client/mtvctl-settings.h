/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mtvctl.h"

G_BEGIN_DECLS

/* Adds to @options what the command line says of a provider of @type: "settings" and "secrets".
 * Files are read here. @asking_for: (nullable) its name, if a password that a user needs and that
 * was not given may be asked for on the terminal. */
gboolean mtvctl_add_settings (Mtvctl *ctl, const char *type, const char *asking_for,
                              GVariantBuilder *options, GError **error);

G_END_DECLS
