/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-block-map.h"
#include "transfer/mtv-crew.h"

G_BEGIN_DECLS

/* Neighbouring blocks that were written; more than one only of zeroes. */
typedef struct
{
  guint32 first;
  guint32 n;
  gboolean has_data;   /* and so a hash */
  gboolean is_partial; /* the hash is that of the changed parts only */
  guint8 hash[MTV_HASH_MAX_SIZE];
} MtvWritten;

/* What a copy reads back while it goes on, after the flush that covers it. Thread-safe. Private to
 * transfer/. */
typedef struct _MtvReadBack MtvReadBack;

/* Of @destination, of which @map tells; both are the caller's. @zeroes: those too. */
MtvReadBack *mtv_read_back_new (MtvReader *destination, MtvBlockMap *map, gboolean zeroes);
void mtv_read_back_free (MtvReadBack *self);

/* @written (element-type MtvWritten): shall be looked at. Blocking, for zeroes: the destination's
 * extents tell enough where they say that there is a hole; what is not one is read. */
gboolean mtv_read_back_add (MtvReadBack *self, GArray *written, GCancellable *cancellable,
                            GError **error);
/* Sets all of @task; FALSE: there is nothing to do now. */
gboolean mtv_read_back_next (MtvReadBack *self, MtvTask *task);
/* @task has ended: marks its block in the map, or fails with MTV_ERROR_CHECKSUM_MISMATCH. */
gboolean mtv_read_back_check (MtvReadBack *self, const MtvTask *task, GError **error);

gboolean mtv_read_back_is_under_way (MtvReadBack *self);
/* Blocks that were changed in part have their hash again, and the map has it. (element-type
 * guint32) those since the last call. (transfer full) */
GArray *mtv_read_back_take_rehashed (MtvReadBack *self);
gboolean mtv_read_back_has_rehashed (MtvReadBack *self);

G_END_DECLS
