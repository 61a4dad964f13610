/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-json.h"

#include "base/mtv-error.h"

#include <string.h>

#define MAX_DEPTH 64 /* the parser calls itself for every level */

/* Deeper than what follows a bracket outside of strings could be? */
static gboolean
is_too_deep (const char *text, gsize length)
{
  gboolean in_string = FALSE;
  guint depth = 0;

  for (gsize i = 0; i < length; i++)
    {
      if (in_string && text[i] == '\\')
        i++;
      else if (text[i] == '"')
        in_string = !in_string;
      else if (!in_string && (text[i] == '{' || text[i] == '['))
        depth++;
      else if (!in_string && (text[i] == '}' || text[i] == ']') && depth > 0)
        depth--;
      if (depth > MAX_DEPTH)
        return TRUE;
    }
  return FALSE;
}

JsonObject *
mtv_kube_json_parse (const char *text, gsize length, const char *what, GError **error)
{
  g_autoptr (JsonParser) parser = json_parser_new_immutable ();
  g_autoptr (GError) failed = NULL;

  if (!g_utf8_validate_len (text, length, NULL) || is_too_deep (text, length))
    g_set_error (&failed, MTV_ERROR, MTV_ERROR_BAD_DATA, "it is not text, or nested too deeply");
  else if (json_parser_load_from_data (parser, text, length, &failed))
    {
      JsonNode *root = json_parser_get_root (parser);

      if (root != NULL && JSON_NODE_HOLDS_OBJECT (root))
        return json_object_ref (json_node_get_object (root));
      g_set_error (&failed, MTV_ERROR, MTV_ERROR_BAD_DATA, "it is no object");
    }
  /* The parser's own message quotes what it read, which may be a secret. */
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is not the JSON that it should be: %s",
               what, failed->domain == MTV_ERROR ? failed->message : "it does not parse");
  return NULL;
}

GBytes *
mtv_kube_json_to_bytes (JsonObject *object)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);

  json_node_set_object (node, object);
  char *text = json_to_string (node, FALSE);
  return g_bytes_new_take (text, strlen (text));
}

static JsonNode *
find (JsonObject *object, va_list names)
{
  JsonNode *node = NULL;
  const char *name;

  while ((name = va_arg (names, const char *)) != NULL)
    {
      node = object == NULL ? NULL : json_object_get_member (object, name);
      object = node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
    }
  return node;
}

#define FIND(node, object)               \
  va_list names;                         \
  va_start (names, object);              \
  JsonNode *node = find (object, names); \
  va_end (names)

const char *
mtv_kube_json_string (JsonObject *object, ...)
{
  FIND (node, object);
  return node != NULL && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

JsonObject *
mtv_kube_json_object (JsonObject *object, ...)
{
  FIND (node, object);
  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}

JsonArray *
mtv_kube_json_array (JsonObject *object, ...)
{
  FIND (node, object);
  return node != NULL && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
}

gboolean
mtv_kube_json_boolean (JsonObject *object, ...)
{
  FIND (node, object);
  return node != NULL && json_node_get_value_type (node) == G_TYPE_BOOLEAN
         && json_node_get_boolean (node);
}

gint64
mtv_kube_json_int (JsonObject *object, ...)
{
  FIND (node, object);
  return node != NULL && json_node_get_value_type (node) == G_TYPE_INT64 ? json_node_get_int (node)
                                                                         : 0;
}

guint
mtv_kube_json_length (JsonArray *array)
{
  return array == NULL ? 0 : json_array_get_length (array);
}

JsonObject *
mtv_kube_json_item (JsonArray *array, guint index)
{
  JsonNode *node
      = index < mtv_kube_json_length (array) ? json_array_get_element (array, index) : NULL;

  return node != NULL && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
}
