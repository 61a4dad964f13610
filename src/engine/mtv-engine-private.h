/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine-context.h"
#include "engine/mtv-engine.h"

G_BEGIN_DECLS

/* The inside of the engine, for the files that each do one part of it. */
struct _MtvEngine
{
  GObject parent;

  MtvEngineContext context;
  const MtvProviderType *const *types;
  char *image_directory; /* (owned) of the embedded destination */
  GPtrArray *providers;  /* (owned) (element-type MtvProviderEntry) */
  GPtrArray *plans;      /* (owned) (element-type MtvPlanEntry) */
  GPtrArray *transfers;  /* (owned) (element-type MtvTransfer) in the order of their beginning */
  GVariant *chosen;      /* (owned) a{sv}: the defaults that users set */
  GVariant *choosing;    /* (owned) (nullable) the same once it is committed */
  guint change_due;      /* source id: "changed" is to be told */
  GTask *stop_task;      /* (owned) (nullable) */
};

void mtv_engine_emit_added (MtvEngine *self, gpointer object);
void mtv_engine_emit_removed (MtvEngine *self, gpointer object);
void mtv_engine_emit_changed (MtvEngine *self);
/* The same, once for all that happens in one go. */
void mtv_engine_queue_changed (MtvEngine *self);

/* A fresh id for an object path: lower-case letters and digits. (transfer full) */
char *mtv_engine_make_id (void);

/* Commits @batch (transfer full), then @then (nullable) with @task's data and @object, and returns
 * @task (transfer full): @object (transfer full), TRUE for NULL, or the error. */
typedef void (*MtvEngineFunc) (MtvEngine *self, gpointer object);
void mtv_engine_commit (MtvEngine *self, MtvStoreBatch *batch, GTask *task, gpointer object,
                        MtvEngineFunc then);

/* Takes over a migration that is new, or was in the store, and tells of it. @migration: (transfer
 * full). */
void mtv_engine_adopt_migration (MtvEngine *self, MtvMigration *migration);

/* Checks the settings and @secrets (nullable), then makes the provider; see MtvProviderType. */
MtvProvider *mtv_engine_make_provider (MtvEngine *self, MtvProviderConfig *config,
                                       GVariant *secrets, int fd, GError **error);

/* The MtvProviderEntry for @config (transfer full): also when no provider can be made of it, with
 * @error. @inventory (nullable): as the store had it. (transfer full) */
MtvProviderEntry *mtv_engine_adopt_provider (MtvEngine *self, MtvProviderConfig *config,
                                             GVariant *secrets, int fd, GPtrArray *inventory,
                                             guint64 refresh_time, GError **error);

/* What the store knows of the throttles, once all else is loaded. */
gboolean mtv_engine_load_throttles (MtvEngine *self, GError **error);

/* Adds to the lists what is saved. */
void mtv_engine_insert_provider (MtvEngine *self, MtvProviderEntry *entry);

gboolean mtv_engine_check_name (const char *what, const char *name, GError **error);

/* Keeps @what (e.g. "provider web") from being done twice at a time: FALSE with
 * MTV_ERROR_WRONG_STATE while another task has it. Given back when @task is gone. */
gboolean mtv_engine_reserve (MtvEngine *self, GTask *task, const char *kind, const char *what,
                             GError **error);

G_END_DECLS
