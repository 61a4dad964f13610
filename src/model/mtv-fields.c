/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-fields.h"

#include "base/mtv-error.h"

#define MEMBER(object, field, Type) (*(Type *) ((char *) (object) + (field)->offset))

static GVariant *
array_to_variant (const MtvField *field, GPtrArray *array)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < array->len; i++)
    g_variant_builder_add_value (
        &builder, mtv_fields_to_variant (field->element, g_ptr_array_index (array, i)));
  return g_variant_builder_end (&builder);
}

/* A file's name may be any bytes; what leaves here is UTF-8. */
static GVariant *
string_to_variant (const char *string)
{
  return g_utf8_validate (string, -1, NULL)
             ? g_variant_new_string (string)
             : g_variant_new_take_string (g_utf8_make_valid (string, -1));
}

/* NULL: nothing worth saying. */
static GVariant *
field_to_variant (const MtvField *field, gconstpointer object)
{
  switch (field->type)
    {
    case 's':
      {
        const char *string = MEMBER (object, field, char *);
        return string == NULL || *string == '\0' ? NULL : string_to_variant (string);
      }
    case 'b':
      return MEMBER (object, field, gboolean) ? g_variant_new_boolean (TRUE) : NULL;
    case 'u':
      {
        guint value = MEMBER (object, field, guint);
        return value == 0 ? NULL : g_variant_new_uint32 (value);
      }
    case 't':
      {
        guint64 value = MEMBER (object, field, guint64);
        return value == 0 ? NULL : g_variant_new_uint64 (value);
      }
    case 'v':
      return MEMBER (object, field, GVariant *);
    case 'a':
      {
        GPtrArray *array = MEMBER (object, field, GPtrArray *);
        return array->len == 0 ? NULL : array_to_variant (field, array);
      }
    default:
      g_assert_not_reached ();
    }
}

void
mtv_fields_add (const MtvFields *fields, gconstpointer object, GVariantBuilder *builder)
{
  for (guint i = 0; i < fields->n_fields; i++)
    {
      GVariant *value = field_to_variant (&fields->fields[i], object);

      if (value != NULL)
        g_variant_builder_add (builder, "{sv}", fields->fields[i].key, value);
    }
}

GVariant *
mtv_fields_to_variant (const MtvFields *fields, gconstpointer object)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  mtv_fields_add (fields, object, &builder);
  return g_variant_builder_end (&builder);
}

gpointer
mtv_fields_new (const MtvFields *fields)
{
  gpointer object = g_malloc0 (fields->size);

  for (guint i = 0; i < fields->n_fields; i++)
    if (fields->fields[i].type == 'a')
      MEMBER (object, &fields->fields[i], GPtrArray *) = g_ptr_array_new ();
  return object;
}

static gboolean
array_from_variant (const MtvField *field, GPtrArray *array, GVariant *value, GError **error)
{
  for (gsize i = 0; i < g_variant_n_children (value); i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      gpointer element = mtv_fields_from_variant (field->element, child, error);

      if (element == NULL)
        return FALSE;
      g_ptr_array_add (array, element);
    }
  return TRUE;
}

static const GVariantType *
type_of (const MtvField *field)
{
  switch (field->type)
    {
    case 's':
      return G_VARIANT_TYPE_STRING;
    case 'b':
      return G_VARIANT_TYPE_BOOLEAN;
    case 'u':
      return G_VARIANT_TYPE_UINT32;
    case 't':
      return G_VARIANT_TYPE_UINT64;
    case 'a':
      return G_VARIANT_TYPE ("aa{sv}");
    default:
      return G_VARIANT_TYPE_ANY;
    }
}

static gboolean
field_from_variant (const MtvField *field, gpointer object, GVariant *value, GError **error)
{
  if (!g_variant_is_of_type (value, type_of (field)))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' has the wrong type '%s'", field->key,
                   g_variant_get_type_string (value));
      return FALSE;
    }

  if (field->type == 's')
    MEMBER (object, field, char *) = g_variant_dup_string (value, NULL);
  else if (field->type == 'b')
    MEMBER (object, field, gboolean) = g_variant_get_boolean (value);
  else if (field->type == 'u')
    MEMBER (object, field, guint) = g_variant_get_uint32 (value);
  else if (field->type == 't')
    MEMBER (object, field, guint64) = g_variant_get_uint64 (value);
  else if (field->type == 'v')
    MEMBER (object, field, GVariant *) = g_variant_ref (value);
  else
    return array_from_variant (field, MEMBER (object, field, GPtrArray *), value, error);
  return TRUE;
}

static const MtvField *
find_field (const MtvFields *fields, const char *key)
{
  for (guint i = 0; i < fields->n_fields; i++)
    if (g_str_equal (fields->fields[i].key, key))
      return &fields->fields[i];
  return NULL;
}

/* The dictionary is gone through once: looking up each key would go through it for each. */
gpointer
mtv_fields_from_variant (const MtvFields *fields, GVariant *variant, GError **error)
{
  gpointer object = mtv_fields_new (fields);
  guint64 seen = 0;
  GVariantIter iter;
  const char *key;
  GVariant *child;

  g_assert (fields->n_fields <= 64);
  g_variant_iter_init (&iter, variant);
  while (g_variant_iter_next (&iter, "{&sv}", &key, &child))
    {
      g_autoptr (GVariant) value = child;
      const MtvField *field = find_field (fields, key);
      guint64 bit = field != NULL ? G_GUINT64_CONSTANT (1) << (field - fields->fields) : 0;

      /* Of a key that is there twice the first counts. */
      if (field == NULL || (seen & bit) != 0)
        continue;
      seen |= bit;
      if (!field_from_variant (field, object, value, error))
        {
          mtv_fields_free (fields, object);
          return NULL;
        }
    }
  return object;
}

static void
free_array (const MtvField *field, GPtrArray *array)
{
  for (guint i = 0; array != NULL && i < array->len; i++)
    mtv_fields_free (field->element, g_ptr_array_index (array, i));
  g_clear_pointer (&array, g_ptr_array_unref);
}

void
mtv_fields_free (const MtvFields *fields, gpointer object)
{
  if (object == NULL)
    return;

  for (guint i = 0; i < fields->n_fields; i++)
    {
      const MtvField *field = &fields->fields[i];

      if (field->type == 's')
        g_free (MEMBER (object, field, char *));
      else if (field->type == 'v')
        g_clear_pointer (&MEMBER (object, field, GVariant *), g_variant_unref);
      else if (field->type == 'a')
        free_array (field, MEMBER (object, field, GPtrArray *));
    }
  if (fields->clear != NULL)
    fields->clear (object);
  g_free (object);
}
