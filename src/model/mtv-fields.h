/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Passive objects are described by a table of their fields; from it come their form on the bus and
 * in the store (one a{sv}, kebab-case keys) and their end. */
typedef struct
{
  const char *key;
  char type; /* 's' char *, 'b' gboolean, 'u' guint, 't' guint64, 'v' GVariant * of any type,
                'a' GPtrArray * of objects that have a table (see below) */
  gsize offset;
  const struct _MtvFields *element; /* of 'a' */
} MtvField;

typedef struct _MtvFields
{
  const MtvField *fields;
  guint n_fields;
  gsize size;           /* of the object */
  GDestroyNotify clear; /* (nullable) what the table does not know of; then the memory is freed */
} MtvFields;

#define MTV_FIELD(Type, member, key, type)          \
  {                                                 \
    key, type, G_STRUCT_OFFSET (Type, member), NULL \
  }
#define MTV_FIELD_ARRAY(Type, member, key, element)    \
  {                                                    \
    key, 'a', G_STRUCT_OFFSET (Type, member), &element \
  }

/* Appends the fields to @builder, an a{sv}. Empty strings, zeroes, FALSE and empty arrays are left
 * out: they are what a missing key means. */
void mtv_fields_add (const MtvFields *fields, gconstpointer object, GVariantBuilder *builder);
/* (transfer floating) */
GVariant *mtv_fields_to_variant (const MtvFields *fields, gconstpointer object);

/* A new object, every 'a' an array, every 's' (nullable). Keys that are unknown are passed over
 * (they are of a later version), a known one of the wrong type is MTV_ERROR_BAD_DATA. (transfer
 * full) */
gpointer mtv_fields_new (const MtvFields *fields);
gpointer mtv_fields_from_variant (const MtvFields *fields, GVariant *variant, GError **error);
void mtv_fields_free (const MtvFields *fields, gpointer object);

G_END_DECLS
