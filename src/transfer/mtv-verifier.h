/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-block-map.h"
#include "transfer/mtv-budget.h"
#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* Reads a written disk back and compares it with its map, block by block. The same threads,
 * progress and rules as MtvCopier. */
#define MTV_TYPE_VERIFIER (mtv_verifier_get_type ())
G_DECLARE_FINAL_TYPE (MtvVerifier, mtv_verifier, MTV, VERIFIER, GObject)

/* @full: read every byte; otherwise what the destination itself calls a hole counts as zeroes
 * unread. What was read back during the copy (see mtv_copier_set_read_back()) is not read again.
 * The first block that differs is MTV_ERROR_CHECKSUM_MISMATCH with its offset; a pending block is
 * one too. */
MtvVerifier *mtv_verifier_new (MtvReader *written, MtvBlockMap *map, gboolean full);

/* The memory that it shares with others. */
void mtv_verifier_set_budget (MtvVerifier *self, MtvBudget *budget);

void mtv_verifier_verify_async (MtvVerifier *self, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_verifier_verify_finish (MtvVerifier *self, GAsyncResult *result, GError **error);

guint64 mtv_verifier_get_bytes_total (MtvVerifier *self);
guint64 mtv_verifier_get_bytes_done (MtvVerifier *self);

G_END_DECLS
