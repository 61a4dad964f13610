/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

#define MTV_PATH "/org/mtv/Manager"

/* MTV_PATH/@kind/@id, where @kind is "provider", "plan", "migration" or "transfer". Ids come from
 * the engine and consist of [a-z0-9]. (transfer full) */
char *mtv_path_new (const char *kind, const char *id);
char *mtv_path_new_for_job (const MtvJobRecord *record);

/* What a path that came from a client stands for; MTV_ERROR_NOT_FOUND names the path. (transfer
 * none) */
MtvProviderEntry *mtv_path_find_provider (MtvEngine *engine, const char *path, GError **error);
MtvPlanEntry *mtv_path_find_plan (MtvEngine *engine, const char *path, GError **error);

G_END_DECLS
