/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "store/mtv-store-private.h"

static void
statement_clear (gpointer data)
{
  g_ptr_array_unref (((MtvStoreStatement *) data)->parameters);
}

MtvStoreBatch *
mtv_store_batch_new (void)
{
  MtvStoreBatch *self = g_new (MtvStoreBatch, 1);

  self->ref_count = 1;
  self->statements = g_array_new (FALSE, FALSE, sizeof (MtvStoreStatement));
  g_array_set_clear_func (self->statements, statement_clear);
  return self;
}

MtvStoreBatch *
mtv_store_batch_ref (MtvStoreBatch *batch)
{
  g_return_val_if_fail (batch != NULL, NULL);

  g_atomic_int_inc (&batch->ref_count);
  return batch;
}

void
mtv_store_batch_free (MtvStoreBatch *batch)
{
  if (!g_atomic_int_dec_and_test (&batch->ref_count))
    return;
  g_array_unref (batch->statements);
  g_free (batch);
}

gboolean
mtv_store_batch_is_empty (MtvStoreBatch *batch)
{
  g_return_val_if_fail (batch != NULL, TRUE);

  return batch->statements->len == 0;
}

void
mtv_store_batch_add (MtvStoreBatch *batch, const char *sql, ...)
{
  g_return_if_fail (batch != NULL);
  g_return_if_fail (sql != NULL);

  MtvStoreStatement statement
      = { sql, g_ptr_array_new_with_free_func ((GDestroyNotify) g_variant_unref) };
  va_list args;

  va_start (args, sql);
  for (GVariant *value = va_arg (args, GVariant *); value != NULL;
       value = va_arg (args, GVariant *))
    g_ptr_array_add (statement.parameters, g_variant_ref_sink (value));
  va_end (args);
  g_array_append_val (batch->statements, statement);
}
