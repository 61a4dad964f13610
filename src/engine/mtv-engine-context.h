/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-clock.h"
#include "engine/mtv-provider-entry.h"
#include "engine/mtv-scheduler.h"
#include "engine/mtv-settings.h"
#include "engine/mtv-throttles.h"
#include "store/mtv-store.h"
#include "transfer/mtv-budget.h"

G_BEGIN_DECLS

/* What every part of the engine shares. It belongs to the MtvEngine and outlives all of them. */
typedef struct
{
  MtvStore *store;         /* (owned) */
  MtvClock *clock;         /* (owned) */
  MtvScheduler *scheduler; /* (owned) */
  MtvBudget *budget;       /* (owned) memory of all copies */
  MtvThrottles *throttles; /* (owned) */
  MtvSettings settings;
  GHashTable *providers; /* (owned) id to MtvProviderEntry */
  GPtrArray *migrations; /* (owned) (element-type MtvMigration) */
  GHashTable *reserved;  /* (owned) set of char *: what calls under way are about, "plan web" */
  gboolean stopping;     /* nothing new begins; what stops keeps its state for the next process */
} MtvEngineContext;

G_END_DECLS
