/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "fakes/fake-vcenter.h"
#include "provider/mtv-source.h"
#include "provider/vsphere/mtv-vsphere-session.h"

G_BEGIN_DECLS

typedef struct
{
  FakeVcenter *vcenter;
  MtvVsphereSession *session; /* (owned) */
  MtvSource *source;          /* (owned) with a session of its own */
} Fixture;

void fixture_set_up (Fixture *f, gconstpointer data);
/* Also asserts that no session is left. */
void fixture_tear_down (Fixture *f, gconstpointer data);

/* (transfer full) */
MtvVsphereSession *fixture_connect (Fixture *f, const char *password);
MtvProvider *fixture_create (const char *url, const char *settings, GError **error);

/* The machine FAKE_VM of a list. (transfer full) */
MtvVm *fixture_get_vm (Fixture *f);
const MtvConcern *fixture_find_concern (GPtrArray *concerns, const char *id);

#define assert_says(error, error_code, text)                      \
  G_STMT_START                                                    \
  {                                                               \
    g_assert_error (error, MTV_ERROR, error_code);                \
    if (strstr ((error)->message, text) == NULL)                  \
      g_error ("'%s' does not say '%s'", (error)->message, text); \
  }                                                               \
  G_STMT_END

G_END_DECLS
