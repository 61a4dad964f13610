/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/kubevirt/mtv-kube-yaml.h"

#include "base/mtv-error.h"

#include <string.h>
#include <yaml.h>

#define MAX_LENGTH (1 << 20)
#define MAX_DEPTH 32
#define MAX_VALUES 10000

/* A document on its way to JSON. */
typedef struct
{
  yaml_document_t document;
  guint values;
  const char *problem; /* static (nullable) */
} Conversion;

static JsonNode *convert (Conversion *self, int id, guint depth);

static JsonNode *
convert_scalar (Conversion *self, const yaml_node_t *node)
{
  const char *value = (const char *) node->data.scalar.value;

  if (strlen (value) == node->data.scalar.length && g_utf8_validate (value, -1, NULL))
    return json_node_init_string (json_node_alloc (), value);
  self->problem = "it has a value that is no text";
  return NULL;
}

static JsonNode *
convert_sequence (Conversion *self, const yaml_node_t *node, guint depth)
{
  g_autoptr (JsonArray) array = json_array_new ();

  for (yaml_node_item_t *item = node->data.sequence.items.start;
       item < node->data.sequence.items.top; item++)
    {
      JsonNode *value = convert (self, *item, depth + 1);

      if (value == NULL)
        return NULL;
      json_array_add_element (array, value);
    }
  return json_node_init_array (json_node_alloc (), array);
}

static JsonNode *
convert_mapping (Conversion *self, const yaml_node_t *node, guint depth)
{
  g_autoptr (JsonObject) object = json_object_new ();

  for (yaml_node_pair_t *pair = node->data.mapping.pairs.start; pair < node->data.mapping.pairs.top;
       pair++)
    {
      const yaml_node_t *key = yaml_document_get_node (&self->document, pair->key);

      if (key == NULL || key->type != YAML_SCALAR_NODE
          || !g_utf8_validate ((const char *) key->data.scalar.value, -1, NULL))
        {
          self->problem = "it has a name that is no text";
          return NULL;
        }
      JsonNode *value = convert (self, pair->value, depth + 1);
      if (value == NULL)
        return NULL;
      json_object_set_member (object, (const char *) key->data.scalar.value, value);
    }
  return json_node_init_object (json_node_alloc (), object);
}

static JsonNode *
convert (Conversion *self, int id, guint depth)
{
  const yaml_node_t *node = yaml_document_get_node (&self->document, id);

  if (node == NULL || depth > MAX_DEPTH || ++self->values > MAX_VALUES)
    {
      self->problem = node == NULL ? "it is empty" : "it has too many values or levels";
      return NULL;
    }
  switch (node->type)
    {
    case YAML_SCALAR_NODE:
      return convert_scalar (self, node);
    case YAML_SEQUENCE_NODE:
      return convert_sequence (self, node, depth);
    case YAML_MAPPING_NODE:
      return convert_mapping (self, node, depth);
    case YAML_NO_NODE:
      break;
    }
  self->problem = "it has a value of no known kind";
  return NULL;
}

JsonNode *
mtv_kube_yaml_parse (const char *text, const char *what, GError **error)
{
  Conversion self = { .problem = NULL };
  yaml_parser_t parser;
  JsonNode *root = NULL;
  gsize length = strlen (text);

  if (length > MAX_LENGTH || !yaml_parser_initialize (&parser))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "%s is too large", what);
      return NULL;
    }
  yaml_parser_set_input_string (&parser, (const unsigned char *) text, length);
  if (yaml_parser_load (&parser, &self.document))
    {
      const yaml_node_t *first = yaml_document_get_root_node (&self.document);

      if (first == NULL)
        self.problem = "it is empty";
      else
        root = convert (&self, 1, 0);
      yaml_document_delete (&self.document);
      if (root == NULL)
        g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "%s cannot be used: %s", what,
                     self.problem);
    }
  else
    g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "%s is no YAML: line %lu: %s", what,
                 (unsigned long) parser.problem_mark.line + 1,
                 parser.problem != NULL ? parser.problem : "not readable");
  yaml_parser_delete (&parser);
  return root;
}
