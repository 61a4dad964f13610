/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/mtv-rest.h"
#include "provider/ovirt/mtv-ovirt-json.h"

G_BEGIN_DECLS

/* The engine's API (oVirt REST API v4), in one session: it logs in when it has to, also in the
 * middle, since a session ends after 30 idle minutes (engine: UserSessionTimeOutInterval), and logs
 * out when it is freed. Any thread; the calls block. */
typedef struct _MtvOvirtClient MtvOvirtClient;

/* @options: its url that of the engine, with or without a path. @user: "NAME@PROFILE". */
MtvOvirtClient *mtv_ovirt_client_new (const MtvRestOptions *options, const char *user,
                                      const char *password, GError **error);
MtvOvirtClient *mtv_ovirt_client_ref (MtvOvirtClient *self);
void mtv_ovirt_client_unref (MtvOvirtClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvOvirtClient, mtv_ovirt_client_unref)

/* What errors call the engine. */
const char *mtv_ovirt_client_get_label (MtvOvirtClient *self);

/* @path: below /ovirt-engine/api, "/vms/1?follow=nics". An answer that is no JSON object is
 * MTV_ERROR_UNREACHABLE: the engine restarts, or it is none. (transfer full) */
JsonNode *mtv_ovirt_client_get (MtvOvirtClient *self, const char *path, GCancellable *cancellable,
                                GError **error);

/* @method: "POST", "PUT" or "DELETE". @body: JSON, or NULL. What is refused because something is
 * locked or under way (409) is tried again for some minutes. The answer may be an empty object.
 * (transfer full) */
JsonNode *mtv_ovirt_client_send (MtvOvirtClient *self, const char *method, const char *path,
                                 const char *body, GCancellable *cancellable, GError **error);

/* All items of the list at @path (which may have a query), @name: "vm". Read in pages. (transfer
 * full) (element-type JsonNode) */
GPtrArray *mtv_ovirt_client_list (MtvOvirtClient *self, const char *path, const char *name,
                                  GCancellable *cancellable, GError **error);

/* The certificates in PEM that sign those of the hosts: the engine's own authority, as the engine
 * tells it over its connection, which was verified. (transfer full) */
char *mtv_ovirt_client_get_authority (MtvOvirtClient *self, GCancellable *cancellable,
                                      GError **error);

/* Waits @pause_msec, which gets longer with each wait, until the engine is looked at again; FALSE
 * with MTV_ERROR_CANCELLED. */
#define MTV_OVIRT_FIRST_PAUSE 125
#define MTV_OVIRT_LAST_PAUSE 4000
gboolean mtv_ovirt_wait (guint *pause_msec, GCancellable *cancellable, GError **error);

G_END_DECLS
