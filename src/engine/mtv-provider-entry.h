/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-provider.h"
#include "store/mtv-store.h"

G_BEGIN_DECLS

typedef enum
{
  MTV_PROVIDER_REFRESHING,
  MTV_PROVIDER_READY,
  MTV_PROVIDER_FAILED,
  MTV_PROVIDER_N_STATES
} MtvProviderState;

const char *mtv_provider_state_to_string (MtvProviderState state);

/* A provider as the engine keeps it: what the user said, the object that works, the inventory as it
 * was read last. Main thread. Signal "changed" after any of it changed. */
#define MTV_TYPE_PROVIDER_ENTRY (mtv_provider_entry_get_type ())
G_DECLARE_FINAL_TYPE (MtvProviderEntry, mtv_provider_entry, MTV, PROVIDER_ENTRY, GObject)

/* @config: (transfer full). @provider (nullable): none could be made of the config, see
 * mtv_provider_entry_set_error(). @inventory (nullable): what the store has, (element-type MtvVm).
 */
MtvProviderEntry *mtv_provider_entry_new (MtvProviderConfig *config, const MtvProviderType *type,
                                          MtvProvider *provider, MtvStore *store,
                                          GPtrArray *inventory, guint64 refresh_time);

/* Has @provider work from now on, which was made of @config; what is under way goes on with the one
 * before. Of @config the url and the settings are taken over. Reads the inventory again. */
void mtv_provider_entry_configure (MtvProviderEntry *self, const MtvProviderConfig *config,
                                   MtvProvider *provider);

const MtvProviderConfig *mtv_provider_entry_get_config (MtvProviderEntry *self);
const MtvProviderType *mtv_provider_entry_get_provider_type (MtvProviderEntry *self);
MtvProvider *mtv_provider_entry_get_provider (MtvProviderEntry *self); /* (nullable) */
MtvProviderState mtv_provider_entry_get_state (MtvProviderEntry *self);
const GError *mtv_provider_entry_get_error (MtvProviderEntry *self); /* (nullable) */
void mtv_provider_entry_set_error (MtvProviderEntry *self, const GError *error);
guint64 mtv_provider_entry_get_refresh_time (MtvProviderEntry *self);
GVariant *mtv_provider_entry_get_concerns (MtvProviderEntry *self); /* (transfer floating) aa{sv} */

/* In the order of names. (element-type MtvVm) (transfer none) */
GPtrArray *mtv_provider_entry_get_inventory (MtvProviderEntry *self);

/* By id, else by inventory path, else by name. NULL with MTV_ERROR_NOT_FOUND, or with
 * MTV_ERROR_INVALID_ARGUMENT and the candidates if the name is ambiguous. (transfer none) */
MtvVm *mtv_provider_entry_find_vm (MtvProviderEntry *self, const char *reference, GError **error);

/* One page of the inventory as org.mtv.Provider.ListVirtualMachines() answers it: (aa{sv}u).
 * @filter (nullable). (transfer floating) */
GVariant *mtv_provider_entry_list_vms (MtvProviderEntry *self, const char *filter, guint offset,
                                       guint limit);

/* Reads the inventory (of a source; nothing for others than to test them), stores it, then
 * finishes. Calls that come while one is under way share its result. */
void mtv_provider_entry_refresh_async (MtvProviderEntry *self, GAsyncReadyCallback callback,
                                       gpointer user_data);
gboolean mtv_provider_entry_refresh_finish (MtvProviderEntry *self, GAsyncResult *result,
                                            GError **error);

/* Ends a refresh under way, keeping what was known; it is REFRESHING until that has happened. */
void mtv_provider_entry_stop (MtvProviderEntry *self);

/* See mtv_provider_test(). */
void mtv_provider_entry_test_async (MtvProviderEntry *self, GAsyncReadyCallback callback,
                                    gpointer user_data);
gboolean mtv_provider_entry_test_finish (MtvProviderEntry *self, GAsyncResult *result,
                                         GError **error);

G_END_DECLS
