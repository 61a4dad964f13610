/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* What the engine answers, read leniently: numbers and booleans come as strings, and some versions
 * send them as what they are. @path: members of members, "cluster.id". What is not there, or is
 * something else, is NULL, 0 or FALSE. Pure functions. */

const char *mtv_ovirt_text (JsonObject *object, const char *path); /* (nullable) */
guint64 mtv_ovirt_number (JsonObject *object, const char *path);
gboolean mtv_ovirt_flag (JsonObject *object, const char *path);
JsonObject *mtv_ovirt_object (JsonObject *object, const char *path); /* (nullable) */

/* A list: its length, and one of its items. An empty one is left out by the engine. */
guint mtv_ovirt_count (JsonObject *object, const char *path);
JsonObject *mtv_ovirt_item (JsonObject *object, const char *path, guint index); /* (nullable) */

/* Is the text at @path @value? */
gboolean mtv_ovirt_is (JsonObject *object, const char *path, const char *value);

G_END_DECLS
