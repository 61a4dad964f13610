/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "model/mtv-migration-record.h"
#include "model/mtv-plan.h"
#include "model/mtv-provider-config.h"
#include "store/mtv-store.h"

G_BEGIN_DECLS

/* The objects that are kept, each row one object. The put and remove functions append to a batch;
 * the load functions block and are for start-up, unless they say otherwise. */

void mtv_store_put_provider (MtvStoreBatch *batch, const MtvProviderConfig *config);
/* With its secrets and its inventory. */
void mtv_store_remove_provider (MtvStoreBatch *batch, const char *id);
/* @secrets: (nullable) a{ss}, for a provider that is put before. They lie in the database as they
 * are; nobody but its owner can read that. */
void mtv_store_put_secrets (MtvStoreBatch *batch, const char *provider_id, GVariant *secrets);
/* NULL without an error when there are none. (transfer full) */
GVariant *mtv_store_load_secrets (MtvStore *store, const char *provider_id, GError **error);
/* (element-type MtvProviderConfig), by time of creation */
GPtrArray *mtv_store_load_providers (MtvStore *store, GError **error);

/* The inventory as it was last read, whole. @vms: (element-type MtvVm). */
void mtv_store_put_inventory (MtvStoreBatch *batch, const char *provider_id, guint64 time,
                              GPtrArray *vms);
/* NULL without an error when there is none. */
GPtrArray *mtv_store_load_inventory (MtvStore *store, const char *provider_id, guint64 *time,
                                     GError **error);

void mtv_store_put_plan (MtvStoreBatch *batch, const MtvPlan *plan);
void mtv_store_remove_plan (MtvStoreBatch *batch, const char *id);
GPtrArray *mtv_store_load_plans (MtvStore *store, GError **error); /* (element-type MtvPlan) */

void mtv_store_put_migration (MtvStoreBatch *batch, const MtvMigrationRecord *record);
/* With its jobs, their progress and its timeline; its ledger is empty by then. */
void mtv_store_remove_migration (MtvStoreBatch *batch, const char *id);
GPtrArray *mtv_store_load_migrations (MtvStore *store, GError **error);

void mtv_store_put_job (MtvStoreBatch *batch, const MtvJobRecord *record);
/* (element-type MtvJobRecord), by number */
GPtrArray *mtv_store_load_jobs (MtvStore *store, const char *run_id, GError **error);

/* Settings: an a{sv} each. @defaults, @throttles: (transfer floating) */
void mtv_store_put_defaults (MtvStoreBatch *batch, GVariant *defaults);
GVariant *mtv_store_load_defaults (MtvStore *store, GError **error); /* (transfer full) */
void mtv_store_put_throttles (MtvStoreBatch *batch, GVariant *throttles);
GVariant *mtv_store_load_throttles (MtvStore *store, GError **error); /* (transfer full) */

/* The timeline. @number 0: the run as a whole. @uid: G_MAXUINT32 when nobody asked for it. */
void mtv_store_add_event (MtvStoreBatch *batch, guint64 time, const char *run_id, guint number,
                          const char *event, const char *text, guint32 uid);
/* aa{sv} as org.mtv.Migration.GetTimeline() answers it; @number 0: all. Worker threads.
 * (transfer full) */
GVariant *mtv_store_load_events (MtvStore *store, const char *run_id, guint number, guint offset,
                                 guint limit, GError **error);

G_END_DECLS
