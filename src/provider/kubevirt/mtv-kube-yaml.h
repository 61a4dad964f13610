/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The one document in @text, YAML or JSON, as objects and arrays in which all scalars are strings.
 * At most 1 MiB, 32 levels and 10000 values, aliases counted as often as they stand. @what, for
 * messages: MTV_ERROR_INVALID_ARGUMENT. (transfer full) */
JsonNode *mtv_kube_yaml_parse (const char *text, const char *what, GError **error);

G_END_DECLS
