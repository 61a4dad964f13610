/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "provider/kubevirt/mtv-kube-config.h"
#include "provider/mtv-rest.h"

#include <json-glib/json-glib.h>

G_BEGIN_DECLS

/* The API of a Kubernetes cluster. Any thread; the calls block. What a try later may cure (busy, a
 * webhook that fails, a conflict of writers) is tried again for a while, credentials are renewed
 * when they run out. For the errors see mtv_kube_status_fail(). */
typedef struct _MtvKubeClient MtvKubeClient;

/* @config: (transfer full). @label: what errors call the cluster. Makes no request. */
MtvKubeClient *mtv_kube_client_new (MtvKubeConfig *config, const char *label);
MtvKubeClient *mtv_kube_client_ref (MtvKubeClient *self);
void mtv_kube_client_unref (MtvKubeClient *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvKubeClient, mtv_kube_client_unref)

const char *mtv_kube_client_get_label (MtvKubeClient *self);

/* How long the first pause before another try is, instead of half a second. For tests. */
void mtv_kube_client_set_pace (MtvKubeClient *self, guint msec);

/* Where objects are: "v1", NULL, "namespaces", "x" is /api/v1/namespaces/x. @name_space and @name:
 * (nullable). @name may be that of a subresource, too: "x/log". (transfer full) */
char *mtv_kube_path (const char *version, const char *name_space, const char *plural,
                     const char *name);

/* (transfer full) */
JsonObject *mtv_kube_client_get (MtvKubeClient *self, const char *path, GCancellable *cancellable,
                                 GError **error);

/* All items of the collection @path that @selector (nullable, escaped: "labelSelector=a%3Db") does
 * not leave out, of as many pages as there are. @version: (out) (nullable) (transfer full) where
 * to watch from. (transfer full) */
JsonArray *mtv_kube_client_list (MtvKubeClient *self, const char *path, const char *selector,
                                 char **version, GCancellable *cancellable, GError **error);

/* Makes @object in the collection @path. @dry_run: it passes all that the cluster has to say about
 * it, and is not kept. (transfer full) */
JsonObject *mtv_kube_client_create (MtvKubeClient *self, const char *path, JsonObject *object,
                                    gboolean dry_run, GCancellable *cancellable, GError **error);

/* Server-side apply of the fields in @object, as "mtvd", to what is at @path. (transfer full) */
JsonObject *mtv_kube_client_apply (MtvKubeClient *self, const char *path, JsonObject *object,
                                   GCancellable *cancellable, GError **error);

/* Deletes what is at @path, if it still is the one of @uid; gone is success. @grace: seconds. Does
 * not wait until it is gone. */
gboolean mtv_kube_client_delete (MtvKubeClient *self, const char *path, const char *uid,
                                 guint grace, GCancellable *cancellable, GError **error);

/* Are we allowed to? By SelfSubjectAccessReview. @resource: "pods", "pods/portforward". */
gboolean mtv_kube_client_can (MtvKubeClient *self, const char *name_space, const char *verb,
                              const char *group, const char *resource, gboolean *allowed,
                              GCancellable *cancellable, GError **error);

/* TRUE: that is enough, which an @error makes a failure. @object: NULL when it is not there. */
typedef gboolean (*MtvKubeLook) (JsonObject *object, gpointer data, GError **error);

/* Shows @look how the object @name of the collection @path is, and every change of it, until it has
 * seen enough. After @deadline_msec: MTV_ERROR_UNREACHABLE, "waited too long for <what>". */
gboolean mtv_kube_client_watch (MtvKubeClient *self, const char *path, const char *name,
                                guint deadline_msec, const char *what, MtvKubeLook look,
                                gpointer data, GCancellable *cancellable, GError **error);

/* See mtv_rest_open_websocket(). */
SoupWebsocketConnection *mtv_kube_client_open_websocket (MtvKubeClient *self, const char *path,
                                                         const char *const *protocols,
                                                         GCancellable *cancellable, GError **error);

/* Waits; FALSE when cancelled, with @error. */
gboolean mtv_kube_pause (guint msec, GCancellable *cancellable, GError **error);

G_END_DECLS
