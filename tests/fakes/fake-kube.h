/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

/* An API server in this process, on a thread and a loopback port of its own: objects with uids and
 * resource versions, labels, Status bodies, lists in pages, watches, server-side apply, dry runs,
 * access reviews, owner references. What stands in for controllers: a DataVolume gets its claim
 * (a file full of rubbish, unless its mode is Filesystem) and succeeds; a pod runs, and is a real
 * qemu-nbd on the file of its claim, which is reached through port-forward's real framing; a VM
 * with runStrategy Always runs. There are the namespace "vms", KubeVirt and CDI, the storage class
 * "fast" with a profile, the network "vms/lan" and the token "secret-token". All functions: any
 * thread. */
typedef struct _FakeKube FakeKube;

#define FAKE_KUBE_TOKEN "secret-token"
#define FAKE_KUBE_RUBBISH 0xa5

FakeKube *fake_kube_new (void);
void fake_kube_free (FakeKube *self); /* also what is left in it */
const char *fake_kube_get_url (FakeKube *self);

/* The next @times requests of @method whose URL contains @part fail. @reason: of the Status. */
void fake_kube_fail (FakeKube *self, const char *method, const char *part, guint status,
                     const char *reason, const char *message, guint times);
/* How many requests of @method (NULL: any) had @part in their URL. */
guint fake_kube_count_requests (FakeKube *self, const char *method, const char *part);

void fake_kube_set_token (FakeKube *self, const char *token);
/* "create pods" is not allowed. */
void fake_kube_deny (FakeKube *self, const char *right);

/* Objects, by their path: put makes or replaces one, which is JSON; get gives its JSON, or NULL. */
void fake_kube_put (FakeKube *self, const char *path, const char *json);
char *fake_kube_get (FakeKube *self, const char *path);
void fake_kube_remove (FakeKube *self, const char *path);
/* How many there are whose path contains @part. */
guint fake_kube_count (FakeKube *self, const char *part);

/* VMs and DataVolumes get that as their phase or printableStatus instead. */
void fake_kube_set_phase (FakeKube *self, const char *kind, const char *phase);

/* Watches end with 410 from now on if they begin from what is now the past, open ones at once. */
void fake_kube_expire (FakeKube *self);
/* Ends all tunnels, as a balancer would; how many there were. */
guint fake_kube_cut (FakeKube *self);
/* The pods' servers die, and their kubelet starts them again if @again; else the pods fail. */
void fake_kube_kill_pods (FakeKube *self, gboolean again);

/* Once that many more bytes were written through tunnels (and what was asked for before happened):
 * "cut" the tunnels, "kill" the pods' servers, let the pods "fail", or "stop" the servers until
 * fake_kube_go_on(). */
void fake_kube_meddle (FakeKube *self, guint64 after, const char *what);
guint fake_kube_count_pending (FakeKube *self); /* of these, still to happen */
void fake_kube_go_on (FakeKube *self);

/* The content of a claim. (transfer full) */
char *fake_kube_read_volume (FakeKube *self, const char *name_space, const char *claim,
                             gsize *length);
