/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-clock.h"
#include "engine/mtv-migration.h"
#include "engine/mtv-plan-entry.h"
#include "engine/mtv-provider-entry.h"
#include "engine/mtv-transfer.h"
#include "provider/mtv-provider.h"
#include "store/mtv-store.h"

G_BEGIN_DECLS

/* Everything that the daemon does, without D-Bus: the front calls this and mirrors the objects.
 * Main thread. Whatever a call changes is committed before it finishes. Signals: "added" (GObject
 * *), "removed" (GObject *): an MtvProviderEntry, MtvPlanEntry, MtvMigration or MtvTransfer;
 * "changed": counts or defaults; "keep-fd" (const char *name, int fd), "drop-fd" (const char
 * *name): a descriptor that should outlive this process, and one that need not any more. */
#define MTV_TYPE_ENGINE (mtv_engine_get_type ())
G_DECLARE_FINAL_TYPE (MtvEngine, mtv_engine, MTV, ENGINE, GObject)

/* @types: NULL-terminated, kept. @image_directory: of the embedded destination, exists. */
MtvEngine *mtv_engine_new (MtvStore *store, MtvClock *clock, const MtvProviderType *const *types,
                           const char *image_directory);

/* Reads the store; before the main loop. @configured (nullable): a{sv}, what mtvd.conf says, see
 * mtv_settings_from_key_file(). @fds (nullable): name to descriptor, what "keep-fd" was told by an
 * earlier process. */
gboolean mtv_engine_load (MtvEngine *self, GVariant *configured, GHashTable *fds, GError **error);

/* Goes on with every job that has not ended. */
void mtv_engine_run (MtvEngine *self);

/* Stops all work at its next safe point, changing no job's state, and finishes when nothing runs
 * any more: the next process goes on. */
void mtv_engine_stop_async (MtvEngine *self, GAsyncReadyCallback callback, gpointer user_data);
void mtv_engine_stop_finish (MtvEngine *self, GAsyncResult *result);

/* a(sssb): type of provider, key, D-Bus type of the value, is it a secret. */
GVariant *mtv_engine_get_provider_settings (MtvEngine *self); /* (transfer floating) */
GVariant *mtv_engine_get_types (MtvEngine *self);             /* (transfer floating) a(sbb) */
GPtrArray *mtv_engine_get_providers (MtvEngine *self);        /* (element-type MtvProviderEntry) */
GPtrArray *mtv_engine_get_plans (MtvEngine *self);            /* (element-type MtvPlanEntry) */
GPtrArray *mtv_engine_get_migrations (MtvEngine *self);       /* (element-type MtvMigration) */
GPtrArray *mtv_engine_get_transfers (MtvEngine *self);        /* (element-type MtvTransfer) */
void mtv_engine_get_counts (MtvEngine *self, guint *running, guint *queued, guint *suspended);

/* By id; NULL with MTV_ERROR_NOT_FOUND. (transfer none) */
MtvProviderEntry *mtv_engine_find_provider (MtvEngine *self, const char *id, GError **error);
MtvPlanEntry *mtv_engine_find_plan (MtvEngine *self, const char *id, GError **error);

GVariant *mtv_engine_get_defaults (MtvEngine *self); /* (transfer floating) a{sv} */
void mtv_engine_set_defaults_async (MtvEngine *self, GVariant *defaults,
                                    GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_set_defaults_finish (MtvEngine *self, GAsyncResult *result, GError **error);

/* What copies may read, a(ss): targets and their rules, see mtv-throttle-rule.h. A target is "" for
 * all copies together, or the name of a provider or of a plan; "provider/ID" or "plan/ID" where
 * both are called the same. (transfer floating) */
GVariant *mtv_engine_get_throttles (MtvEngine *self);
/* Also for copies under way, but never for the last copy of a warm migration. */
void mtv_engine_set_throttle_async (MtvEngine *self, const char *target, const char *rule,
                                    GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_set_throttle_finish (MtvEngine *self, GAsyncResult *result, GError **error);

/* What a user says of a provider; all (nullable). */
typedef struct
{
  const char *url;
  GVariant *settings; /* a{sv}, see MtvProviderSetting */
  GVariant *secrets;  /* a{ss} */
} MtvProviderWords;

/* @words: (nullable). @fd: -1, or a descriptor that stands for the URL; it is duplicated. */
void mtv_engine_add_provider_async (MtvEngine *self, const char *name, const char *type,
                                    const MtvProviderWords *words, int fd,
                                    GAsyncReadyCallback callback, gpointer user_data);
MtvProviderEntry *mtv_engine_add_provider_finish (MtvEngine *self, GAsyncResult *result,
                                                  GError **error); /* (transfer full) */
/* Changes what @words has; the other settings and secrets stay as they were. What a provider is
 * doing goes on with what it knew. */
void mtv_engine_configure_provider_async (MtvEngine *self, MtvProviderEntry *entry,
                                          const MtvProviderWords *words,
                                          GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_configure_provider_finish (MtvEngine *self, GAsyncResult *result,
                                               GError **error);
void mtv_engine_remove_provider_async (MtvEngine *self, MtvProviderEntry *entry,
                                       GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_remove_provider_finish (MtvEngine *self, GAsyncResult *result, GError **error);

/* @plan: (transfer full), id, created and the names of its VMs still empty, the ids of its VMs what
 * the user called them; the engine looks them up. */
void mtv_engine_create_plan_async (MtvEngine *self, MtvPlan *plan, GAsyncReadyCallback callback,
                                   gpointer user_data);
MtvPlanEntry *mtv_engine_create_plan_finish (MtvEngine *self, GAsyncResult *result,
                                             GError **error); /* (transfer full) */
void mtv_engine_remove_plan_async (MtvEngine *self, MtvPlanEntry *entry,
                                   GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_remove_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error);

/* a{sv} as org.mtv.Plan.Validate() answers it. */
void mtv_engine_validate_plan_async (MtvEngine *self, MtvPlanEntry *entry,
                                     GAsyncReadyCallback callback, gpointer user_data);
GVariant *mtv_engine_validate_plan_finish (MtvEngine *self, GAsyncResult *result,
                                           GError **error); /* (transfer full) */

/* @uid: who asks, for the timeline. */
void mtv_engine_start_plan_async (MtvEngine *self, MtvPlanEntry *entry, guint32 uid,
                                  GAsyncReadyCallback callback, gpointer user_data);
MtvMigration *mtv_engine_start_plan_finish (MtvEngine *self, GAsyncResult *result,
                                            GError **error); /* (transfer full) */
void mtv_engine_archive_plan_async (MtvEngine *self, MtvPlanEntry *entry,
                                    GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_archive_plan_finish (MtvEngine *self, GAsyncResult *result, GError **error);

void mtv_engine_forget_migration_async (MtvEngine *self, MtvMigration *migration,
                                        GAsyncReadyCallback callback, gpointer user_data);
gboolean mtv_engine_forget_migration_finish (MtvEngine *self, GAsyncResult *result, GError **error);

/* As many may be under way at a time, and of those that have ended as many are kept. */
#define MTV_ENGINE_MAX_TRANSFERS 64

/* Begin at once. @request: (transfer full), also when this fails. (transfer none) */
MtvTransfer *mtv_engine_copy (MtvEngine *self, MtvCopyRequest *request, GError **error);
/* The request's name may be that of a virtual machine that a migration brought to a folder here. */
MtvTransfer *mtv_engine_verify (MtvEngine *self, MtvVerifyRequest *request, GError **error);
/* MTV_ERROR_WRONG_STATE while it is under way. */
gboolean mtv_engine_forget_transfer (MtvEngine *self, MtvTransfer *transfer, GError **error);
guint mtv_engine_count_transfers (MtvEngine *self); /* those under way */

/* A page of the ledger: what of ours exists, or may exist, at sources and destinations, oldest
 * first. a(sussss): run, number of the job, id of the provider, kind, key, remote id or "". */
void mtv_engine_load_ledger_async (MtvEngine *self, guint offset, guint limit,
                                   GAsyncReadyCallback callback, gpointer user_data);
GVariant *mtv_engine_load_ledger_finish (MtvEngine *self, GAsyncResult *result,
                                         GError **error); /* (transfer full) */

G_END_DECLS
