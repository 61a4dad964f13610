/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"
#include "fakes/fake-clock.h"
#include "fakes/fake-control.h"

G_BEGIN_DECLS

#define ENGINE_SECOND ((guint64) G_USEC_PER_SEC)
#define ENGINE_RETRY (30 * ENGINE_SECOND)

/* A daemon without a bus: the engine over a real store in a folder of its own, the fakes at its
 * ends, and a clock that stands still. */
typedef struct
{
  char *directory; /* (owned) */
  MtvStore *store;
  FakeClock *clock;
  MtvEngine *engine;
} EngineFixture;

/* g_test_add() functions; the engine is up. */
void engine_set_up (EngineFixture *f, gconstpointer data);
void engine_tear_down (EngineFixture *f, gconstpointer data);

void engine_remove_directory (const char *directory);
void engine_make (EngineFixture *f); /* of the store, loads nothing */
void engine_load (EngineFixture *f); /* loads what the store has; does not run it */
void engine_stop (EngineFixture *f); /* by mtv_engine_stop_async() */
void engine_restart (EngineFixture *f);

/* Waits for events, never for time. */
#define engine_wait_for(condition) \
  while (!(condition))             \
  g_main_context_iteration (NULL, TRUE)
/* Until nothing is left to do, and nothing will wake up by itself. */
void engine_settle (EngineFixture *f);

/* An asynchronous call and its result, as a pair. */
void engine_take_result (GObject *source, GAsyncResult *result, gpointer user_data);
#define engine_finish(finish, object, ...)                       \
  ({                                                             \
    engine_wait_for (result != NULL);                            \
    __auto_type answer = finish (object, result, ##__VA_ARGS__); \
    g_clear_object (&result);                                    \
    answer;                                                      \
  })

MtvProviderEntry *engine_add_source (EngineFixture *f, GError **error);
MtvProviderEntry *engine_find_source (EngineFixture *f);
/* A plan for the VMs "vm-FIRST" …, from the first source of type "fake" to "local". */
MtvPlan *engine_make_plan (EngineFixture *f, const char *name, guint first, guint n);
MtvPlanEntry *engine_create_plan (EngineFixture *f, MtvPlan *plan, GError **error);
MtvMigration *engine_start_plan (EngineFixture *f, MtvPlanEntry *entry, GError **error);
/* A source, a plan named "p" of @n VMs, started: the migration. */
MtvMigration *engine_begin (EngineFixture *f, guint n);

MtvJob *engine_get_job (MtvMigration *migration, guint number);
void engine_wait_for_state (MtvJob *job, const char *state);

/* What is left of it all: the bytes of VM @vm under @name are those of the source. */
void engine_assert_arrived (EngineFixture *f, guint vm, const char *name);
void engine_assert_vms (EngineFixture *f, guint n);
/* Nothing in the ledger, nothing begun at the destination. */
void engine_assert_clean (EngineFixture *f);
gint64 engine_count_rows (EngineFixture *f, const char *sql);

/* "queued preparing …": the timeline of VM @number. (transfer full) */
char *engine_get_timeline (MtvMigration *migration, guint number);

G_END_DECLS
