/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-budget.h"

struct _MtvBudget
{
  gatomicrefcount refs;
  guint64 bytes;
  gint n_threads; /* (atomic) */
};

MtvBudget *
mtv_budget_new (guint64 bytes)
{
  MtvBudget *self = g_new0 (MtvBudget, 1);

  g_atomic_ref_count_init (&self->refs);
  self->bytes = bytes;
  return self;
}

MtvBudget *
mtv_budget_ref (MtvBudget *self)
{
  g_return_val_if_fail (self != NULL, NULL);

  g_atomic_ref_count_inc (&self->refs);
  return self;
}

void
mtv_budget_unref (MtvBudget *self)
{
  g_return_if_fail (self != NULL);

  if (g_atomic_ref_count_dec (&self->refs))
    g_free (self);
}

void
mtv_budget_join (MtvBudget *self)
{
  g_atomic_int_inc (&self->n_threads);
}

void
mtv_budget_leave (MtvBudget *self)
{
  g_atomic_int_add (&self->n_threads, -1);
}

guint64
mtv_budget_get_share (MtvBudget *self)
{
  return self->bytes / MAX (1, g_atomic_int_get (&self->n_threads));
}
