/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-concern.h"

static const MtvField fields[] = {
  MTV_FIELD (MtvConcern, id, "id", 's'),
  MTV_FIELD (MtvConcern, category, "category", 's'),
  MTV_FIELD (MtvConcern, vm, "vm", 's'),
  MTV_FIELD (MtvConcern, label, "label", 's'),
  MTV_FIELD (MtvConcern, assessment, "assessment", 's'),
};

const MtvFields mtv_concern_fields = { fields, G_N_ELEMENTS (fields), sizeof (MtvConcern), NULL };

static void
concern_free (gpointer concern)
{
  mtv_fields_free (&mtv_concern_fields, concern);
}

GPtrArray *
mtv_concerns_new (void)
{
  return g_ptr_array_new_with_free_func (concern_free);
}

void
mtv_concerns_add (GPtrArray *concerns, const char *id, const char *category, const char *vm,
                  const char *label, const char *format, ...)
{
  MtvConcern *concern = mtv_fields_new (&mtv_concern_fields);
  va_list args;

  concern->id = g_strdup (id);
  concern->category = g_strdup (category);
  concern->vm = g_strdup (vm);
  concern->label = g_strdup (label);
  va_start (args, format);
  concern->assessment = g_strdup_vprintf (format, args);
  va_end (args);
  g_ptr_array_add (concerns, concern);
}

gboolean
mtv_concerns_has (GPtrArray *concerns, const char *category)
{
  for (guint i = 0; i < concerns->len; i++)
    if (g_str_equal (((MtvConcern *) g_ptr_array_index (concerns, i))->category, category))
      return TRUE;
  return FALSE;
}

GVariant *
mtv_concerns_to_variant (GPtrArray *concerns)
{
  GVariantBuilder builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE ("aa{sv}"));

  for (guint i = 0; i < concerns->len; i++)
    g_variant_builder_add_value (
        &builder, mtv_fields_to_variant (&mtv_concern_fields, g_ptr_array_index (concerns, i)));
  return g_variant_builder_end (&builder);
}
