/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* Objects of an API: whatever is in them, asking is safe. */

/* @what, for messages. Anything but one object, or one that is nested deeper than 64: see
 * MTV_ERROR_BAD_DATA. (transfer full) */
JsonObject *mtv_kube_json_parse (const char *text, gsize length, const char *what, GError **error);
GBytes *mtv_kube_json_to_bytes (JsonObject *object);

/* What is below @object by the names that follow, up to NULL; NULL where there is none of that
 * type. @object: (nullable). (transfer none) */
const char *mtv_kube_json_string (JsonObject *object, ...) G_GNUC_NULL_TERMINATED;
JsonObject *mtv_kube_json_object (JsonObject *object, ...) G_GNUC_NULL_TERMINATED;
JsonArray *mtv_kube_json_array (JsonObject *object, ...) G_GNUC_NULL_TERMINATED;
/* FALSE and 0 likewise. */
gboolean mtv_kube_json_boolean (JsonObject *object, ...) G_GNUC_NULL_TERMINATED;
gint64 mtv_kube_json_int (JsonObject *object, ...) G_GNUC_NULL_TERMINATED;

/* Element @index, if it is an object; else NULL. @array: (nullable). (transfer none) */
JsonObject *mtv_kube_json_item (JsonArray *array, guint index);
guint mtv_kube_json_length (JsonArray *array); /* 0 for NULL */

G_END_DECLS
