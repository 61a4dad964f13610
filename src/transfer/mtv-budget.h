/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The memory that all copies have together for what is under way, shared out evenly between their
 * threads. Thread-safe. */
typedef struct _MtvBudget MtvBudget;

MtvBudget *mtv_budget_new (guint64 bytes);
MtvBudget *mtv_budget_ref (MtvBudget *self);
void mtv_budget_unref (MtvBudget *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvBudget, mtv_budget_unref)

/* A thread more, or less, that takes part. */
void mtv_budget_join (MtvBudget *self);
void mtv_budget_leave (MtvBudget *self);

/* What each of them may use now, in bytes. */
guint64 mtv_budget_get_share (MtvBudget *self);

G_END_DECLS
