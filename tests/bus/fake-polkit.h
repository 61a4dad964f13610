/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus/bus-fixture.h"

G_BEGIN_DECLS

/* A polkit that answers what it is told to, and remembers what it was asked. */
typedef struct
{
  GDBusConnection *connection; /* (owned) */
  gboolean authorized;
  gboolean challenge;
  gboolean hold;      /* answers nothing until fake_polkit_release() */
  GPtrArray *held;    /* (owned) (element-type GDBusMethodInvocation) */
  guint asked;        /* how often */
  char *last_subject; /* (owned) the unique name */
  char *last_action;  /* (owned) */
  guint last_flags;
} FakePolkit;

void fake_polkit_up (FakePolkit *polkit, Bus *bus);
void fake_polkit_down (FakePolkit *polkit);
void fake_polkit_release (FakePolkit *polkit);

G_END_DECLS
