/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "store/mtv-store.h"

G_BEGIN_DECLS

/* Every object that we make at a source or a destination. The intent is committed before the object
 * is made, its id after that where the other side chooses it, the removal last of all. */
typedef struct
{
  gint64 id; /* 0 before it was committed; unknown to the caller then: find it by kind and key */
  char *run_id;
  guint number;
  char *provider; /* the id of the provider it is at */
  char *kind;
  char *key;       /* what we call it */
  char *remote_id; /* (nullable) what the other side calls it */
} MtvLedgerEntry;

void mtv_ledger_entry_free (MtvLedgerEntry *self);

/* An entry that is there already stays as it is. */
void mtv_store_ledger_intend (MtvStoreBatch *batch, const char *run_id, guint number,
                              const char *provider, const char *kind, const char *key);
void mtv_store_ledger_note_id (MtvStoreBatch *batch, const char *run_id, guint number,
                               const char *kind, const char *key, const char *remote_id);
void mtv_store_ledger_strike (MtvStoreBatch *batch, const char *run_id, guint number,
                              const char *kind, const char *key);

/* What is in the ledger for one job, newest first: that is the order of removal. Worker threads and
 * start-up. (element-type MtvLedgerEntry) (transfer full) */
GPtrArray *mtv_store_ledger_load (MtvStore *store, const char *run_id, guint number,
                                  GError **error);

/* A page of the whole ledger, oldest first. Worker threads. (element-type MtvLedgerEntry) (transfer
 * full) */
GPtrArray *mtv_store_ledger_load_all (MtvStore *store, guint offset, guint limit, GError **error);

G_END_DECLS
