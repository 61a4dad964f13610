/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fakes/fake-vcenter.h"
#include "provider/vsphere/mtv-vsphere-xml.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

typedef struct
{
  char *type;        /* (owned) */
  char *id;          /* (owned) */
  GHashTable *types; /* (owned) path to the type of its value (owned) */
  GHashTable *props; /* (owned) path to its inside (owned) */
} FakeObject;

typedef struct
{
  char *id;   /* (owned) */
  char *name; /* (owned) */
} FakeSnapshot;

typedef struct
{
  char *object; /* (owned) */
  char *path;   /* (owned) */
} FakeCollector;

struct _FakeVcenter
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  SoupServer *server;
  char *url;

  GMutex lock;            /* of all that follows */
  GPtrArray *objects;     /* (element-type FakeObject) */
  GHashTable *by_id;      /* id to FakeObject */
  GPtrArray *snapshots;   /* (element-type FakeSnapshot) each the child of the one before */
  GQueue scripts;         /* (element-type Script) */
  GHashTable *sessions;   /* (element-type utf8) */
  GHashTable *collectors; /* id to FakeCollector */
  GHashTable *views;      /* id to types, "A,B" */
  GHashTable *pages;      /* token to GPtrArray of FakeObject (unowned) */
  GHashTable *counts;
  GHashTable *last;
  guint serial;
  guint epoch;
  guint task_steps;
  guint steps_left;
};

/* The objects, and what methods do to them. All with the lock held. */
void fake_world_init (FakeVcenter *self);
void fake_world_clear (FakeVcenter *self);
void fake_world_forget_sessions (FakeVcenter *self);

/* @session: (nullable) the caller's. FALSE: @out is the name of a fault, else the inside of the
 * answer. */
gboolean fake_world_call (FakeVcenter *self, const xmlNode *method, const char *session,
                          SoupServerMessage *message, GString *out);
/* The answer to a method that begins a task, which ends in @fault (nullable). */
void fake_world_run_task (FakeVcenter *self, const xmlNode *method, const char *fault,
                          GString *out);
/* As XML. (transfer full) */
char *fake_world_dump (xmlNode *node);

FakeObject *fake_world_get (FakeVcenter *self, const char *type, const char *id);
void fake_world_put (FakeObject *object, const char *path, const char *type, const char *inside);
void fake_world_add_vm (FakeVcenter *self, const char *id, const char *name);
/* (transfer full) its id */
char *fake_world_add_snapshot (FakeVcenter *self, const char *id, const char *name);

G_END_DECLS
