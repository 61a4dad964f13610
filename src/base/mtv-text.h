/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Foreign strings on their way into files and messages. */

/* A double-quoted string that JSON and YAML 1.1/1.2 both read as @text. What is not UTF-8 in it is
 * replaced. NULL is "null". (transfer full) */
char *mtv_text_quote (const char *text);

/* @text on one line and with no character that XML 1.0 cannot hold; still to be escaped. (transfer
 * full) */
char *mtv_text_one_line (const char *text);

G_END_DECLS
