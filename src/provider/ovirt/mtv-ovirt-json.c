/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ovirt/mtv-ovirt-json.h"

#include <string.h>

static JsonNode *
find (JsonObject *object, const char *path)
{
  const char *dot = object == NULL ? NULL : strchr (path, '.');
  JsonNode *node;

  if (object == NULL)
    return NULL;
  if (dot == NULL)
    return json_object_get_member (object, path);

  g_autofree char *name = g_strndup (path, dot - path);
  node = json_object_get_member (object, name);
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? find (json_node_get_object (node), dot + 1)
                                                       : NULL;
}

const char *
mtv_ovirt_text (JsonObject *object, const char *path)
{
  JsonNode *node = find (object, path);

  return node != NULL && JSON_NODE_HOLDS_VALUE (node)
                 && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

guint64
mtv_ovirt_number (JsonObject *object, const char *path)
{
  JsonNode *node = find (object, path);
  guint64 number = 0;

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node))
    return 0;
  if (json_node_get_value_type (node) == G_TYPE_STRING)
    g_ascii_string_to_unsigned (json_node_get_string (node), 10, 0, G_MAXUINT64, &number, NULL);
  else if (json_node_get_value_type (node) == G_TYPE_INT64)
    number = (guint64) MAX (json_node_get_int (node), 0);
  return number;
}

gboolean
mtv_ovirt_flag (JsonObject *object, const char *path)
{
  JsonNode *node = find (object, path);

  if (node == NULL || !JSON_NODE_HOLDS_VALUE (node))
    return FALSE;
  return json_node_get_value_type (node) == G_TYPE_STRING
             ? g_str_equal (json_node_get_string (node), "true")
             : json_node_get_value_type (node) == G_TYPE_BOOLEAN && json_node_get_boolean (node);
}

JsonObject *
mtv_ovirt_object (JsonObject *object, const char *path)
{
  JsonNode *node = find (object, path);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

static JsonArray *
find_list (JsonObject *object, const char *path)
{
  JsonNode *node = find (object, path);

  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

guint
mtv_ovirt_count (JsonObject *object, const char *path)
{
  JsonArray *list = find_list (object, path);

  return list == NULL ? 0 : json_array_get_length (list);
}

JsonObject *
mtv_ovirt_item (JsonObject *object, const char *path, guint index)
{
  JsonArray *list = find_list (object, path);
  JsonNode *node = list == NULL || index >= json_array_get_length (list)
                       ? NULL
                       : json_array_get_element (list, index);

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

gboolean
mtv_ovirt_is (JsonObject *object, const char *path, const char *value)
{
  return g_strcmp0 (mtv_ovirt_text (object, path), value) == 0;
}
