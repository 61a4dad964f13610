/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MTV_NAME_MAX 63 /* bytes: a DNS-1123 label, and what a label value in Kubernetes holds */

/* @name as Kubernetes would take it for an object: itself when it is good already, else lower-case
 * with what is not allowed dropped or made a dash. The same name always gives the same answer; when
 * nothing is left of it, "vm-" and four characters. (transfer full) */
char *mtv_name_to_dns (const char *name);

gboolean mtv_name_is_dns (const char *name);

/* Another name for when @name is taken: with a dash and four random characters. (transfer full) */
char *mtv_name_with_suffix (const char *name);

G_END_DECLS
