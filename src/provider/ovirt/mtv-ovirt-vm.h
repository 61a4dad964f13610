/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/ovirt/mtv-ovirt-inventory.h"

G_BEGIN_DECLS

/* The object of @id (nullable) in a table of a world. (nullable) */
JsonObject *mtv_ovirt_world_get (GHashTable *table, const char *id);

/* Adds what the engine's VM @json has that stands against @vm, or is to be known of it. Pure. */
void mtv_ovirt_add_concerns (MtvVm *vm, JsonObject *json);

G_END_DECLS
