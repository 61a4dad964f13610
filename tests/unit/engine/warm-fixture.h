/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine-fixture.h"
#include "engine/mtv-job-warm.h"
#include "fakes/fake-live.h"

G_BEGIN_DECLS

#define WARM_INTERVAL (3600 * ENGINE_SECOND)

/* As engine_set_up(), with a source whose VMs run and can be migrated warm. */
void warm_set_up (EngineFixture *f, gconstpointer data);
void warm_come_up (EngineFixture *f); /* the world of it, after fake_reset() */
void warm_tear_down (EngineFixture *f, gconstpointer data);

/* A source, a warm plan named "p" of @n VMs with the policy @shutdown, started. */
MtvMigration *warm_begin (EngineFixture *f, guint n, const char *shutdown);

/* Until all that was asked of it is committed, and acted on. */
void warm_wait_asked (MtvJob *job);
/* Until it waits for its next round, or has ended. */
void warm_wait_idle (MtvJob *job);
/* Moves the clock on to the next alarm. */
void warm_next_alarm (EngineFixture *f);
/* Until the next round has ended. */
void warm_next_round (EngineFixture *f, MtvJob *job);
/* Moves the clock on whenever it waits for that, until it has ended. */
void warm_wait_end (EngineFixture *f, MtvJob *job);

MtvRoundRecord *warm_get_round (MtvJob *job, guint number);

/* The source has nothing of ours: @power is that of vm-0. */
void warm_assert_left (EngineFixture *f, MtvPower power);

G_END_DECLS
