/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fakes/fake-kube.h"

#include <json-glib/json-glib.h>
#include <libsoup/soup.h>

/* What happened to an object, for those who watch. */
typedef struct
{
  guint version;
  char *path; /* (owned) */
  char *line; /* (owned) */
} FakeEvent;

typedef struct
{
  char *method; /* (owned) */
  char *part;   /* (owned) */
  guint status;
  char *reason;  /* (owned) */
  char *message; /* (owned) */
  guint times;
} FakeFault;

/* What is to happen when so many bytes have passed. */
typedef struct
{
  guint64 after;
  char *what; /* (owned) */
} FakeMeddling;

/* Somebody who watches. */
typedef struct
{
  SoupServerMessage *message; /* (owned) */
  char *collection;           /* (owned) */
  char *name;                 /* (owned) (nullable) */
  guint version;              /* what was told */
} FakeWatcher;

struct _FakeKube
{
  GMainContext *context;
  GMainLoop *loop;
  GThread *thread;
  SoupServer *server; /* of the thread */
  char *url;
  char *folder;

  GRecMutex lock;
  char *token;
  guint version;
  guint expired; /* the last version that nobody remembers */
  guint uids;
  GHashTable *objects; /* path to JsonObject */
  GHashTable *denied;  /* "create pods" */
  GHashTable *phases;  /* kind to phase */
  GHashTable *servers; /* path of a pod to GSubprocess */
  GPtrArray *events;   /* FakeEvent */
  GPtrArray *faults;   /* FakeFault */
  GQueue meddlings;    /* FakeMeddling */
  guint64 carried;     /* bytes since the last one */
  GPtrArray *requests; /* "GET /api/…" */
  GPtrArray *watchers; /* FakeWatcher, of the thread */
  GPtrArray *tunnels;  /* of the thread */
};

/* fake-kube.c, all with the lock */
JsonObject *fake_kube_find (FakeKube *self, const char *path);
JsonObject *fake_kube_member (JsonObject *object, const char *name);
char *fake_kube_to_json (JsonObject *object);
void fake_kube_add (FakeKube *self, const char *path, JsonObject *object);
void fake_kube_changed (FakeKube *self, const char *path, const char *type);
void fake_kube_delete (FakeKube *self, const char *path);

/* fake-kube-api.c */
void fake_kube_listen (FakeKube *self);
void fake_kube_stop (FakeKube *self);
void fake_kube_tell_watchers (FakeKube *self);

/* fake-kube-nodes.c: what controllers do when something appears, and when it goes */
void fake_kube_control (FakeKube *self, const char *path);
void fake_kube_forget (FakeKube *self, const char *path);
char *fake_kube_volume_path (FakeKube *self, const char *name_space, const char *claim);
void fake_kube_open_tunnel (FakeKube *self, const char *path, SoupWebsocketConnection *websocket);
void fake_kube_close_tunnels (FakeKube *self);
