/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus-fixture.h"
#include "dbus/mtv-front.h"

G_BEGIN_DECLS

#define ROOT "/org/mtv/Manager"
#define LOCAL ROOT "/provider/local"

/* A real engine and store with ends in memory, behind a front. */
typedef struct
{
  Bus bus;
  char *directory;   /* (owned) */
  MtvStore *store;   /* (owned) */
  MtvEngine *engine; /* (owned) */
  MtvFront *front;   /* (owned) */
  guint subscription;
  GPtrArray *signals; /* (owned) (element-type utf8) "path member arguments" that the client got */
} FrontFixture;

/* What is to be in the store before the engine reads it. */
typedef struct
{
  void (*fill) (MtvStoreBatch *batch);
} FrontStart;

/* @data: (nullable) an FrontStart. */
void front_set_up (FrontFixture *f, gconstpointer data);
void front_tear_down (FrontFixture *f, gconstpointer data);

/* Each waits for the answer, which is a path. (transfer full) */
char *front_add_provider (FrontFixture *f, const char *name);
char *front_create_plan (FrontFixture *f, const char *name, const char *source, const char *vm,
                         const char *options);
char *front_start (FrontFixture *f, const char *plan);

/* Arguments of a method that has nothing but options. (transfer floating) */
GVariant *front_args (const char *options);

void front_wait_for_property (FrontFixture *f, const char *path, const char *interface,
                              const char *property, const char *value);

/* Waits for the first signal of @member at @path that holds @text, and returns its index. */
guint front_wait_for_signal (FrontFixture *f, const char *path, const char *member,
                             const char *text);
/* How many elements the first value of an answer has. */
gsize front_count (GVariant *reply);
void front_assert_text (GVariant *value, const char *text);

G_END_DECLS
