/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* As much of a vCenter as a provider talks to, on a thread of its own, over HTTP on the loopback.
 * Its objects are what was set; in the beginning there are a datacenter "DC0" with a cluster, a
 * host, a datastore, two networks and the virtual machine "web" ("vm-57"), whose answers have the
 * shapes of the vSphere simulator's. Methods that change something do so in these objects, and are
 * told as tasks. Any thread. */
typedef struct _FakeVcenter FakeVcenter;

#define FAKE_VM "vm-57"
#define FAKE_DISK "2000"
#define FAKE_CAPACITY (64 * 1024 * 1024)

FakeVcenter *fake_vcenter_new (void);
void fake_vcenter_free (FakeVcenter *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (FakeVcenter, fake_vcenter_free)

const char *fake_vcenter_get_url (FakeVcenter *self);

/* A property of an object, as a <val>'s inside; @type: of the value. NULL as @inside: none. */
void fake_vcenter_set (FakeVcenter *self, const char *object, const char *path, const char *type,
                       const char *inside);
/* (transfer full) (nullable) the inside */
char *fake_vcenter_get (FakeVcenter *self, const char *object, const char *path);
void fake_vcenter_remove (FakeVcenter *self, const char *object);
/* @n more VMs, "more-0" …, like the first. */
void fake_vcenter_multiply (FakeVcenter *self, guint n);
/* A snapshot that is there already. */
void fake_vcenter_add_snapshot (FakeVcenter *self, const char *id, const char *name);
/* (transfer full) names, in their order, separated by spaces */
char *fake_vcenter_list_snapshots (FakeVcenter *self);

/* What comes instead of the next answers to @method; in the order of the calls. "*": any method. */
void fake_vcenter_fault (FakeVcenter *self, const char *method, const char *fault, guint times);
/* Its task ends in a fault. */
void fake_vcenter_task_fault (FakeVcenter *self, const char *method, const char *fault,
                              guint times);
/* @status 0: the connection is closed. */
void fake_vcenter_http (FakeVcenter *self, const char *method, guint status, const char *body,
                        guint times);
/* A whole inside of <MethodResponse>. */
void fake_vcenter_answer (FakeVcenter *self, const char *method, const char *inside, guint times);
/* How often a task is still running when it is asked for. */
void fake_vcenter_set_task_steps (FakeVcenter *self, guint steps);

/* Forgets all sessions. */
void fake_vcenter_expire (FakeVcenter *self);
guint fake_vcenter_count_sessions (FakeVcenter *self);
/* Calls of @method so far. */
guint fake_vcenter_count (FakeVcenter *self, const char *method);
/* The <Method> element of its last call. (transfer full) (nullable) */
char *fake_vcenter_get_last (FakeVcenter *self, const char *method);

G_END_DECLS
