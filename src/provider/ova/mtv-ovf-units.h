/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* @number times @unit in bytes: "byte * 2^30" (DSP0004, programmatic units), "MegaBytes" … A NULL
 * @unit is @default_factor. FALSE when either cannot be read or the product passes 2^63. */
gboolean mtv_ovf_units_parse (const char *number, const char *unit, guint64 default_factor,
                              guint64 *bytes);

/* Twelve hexadecimal digits, however they are separated, as "00:50:56:aa:bb:cc"; NULL when @address
 * is no MAC address. (transfer full) */
char *mtv_ovf_units_normalize_mac (const char *address);

G_END_DECLS
