/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "engine/mtv-engine.h"

G_BEGIN_DECLS

typedef struct
{
  const char *signal; /* "handle-<method>" */
  GCallback handler;  /* with the MtvEngine as user data */
} MtvHandler;

/* Makes @skeleton the face of @entry, an object of @engine: keeps both alive, calls @sync
 * (@skeleton) now and after each "changed" of @entry, and @handlers (until a NULL signal) for
 * calls. */
void mtv_binding_new (gpointer skeleton, MtvEngine *engine, gpointer entry,
                      const MtvHandler *handlers, void (*sync) (gpointer skeleton));

/* What @skeleton is the face of. (transfer none) */
gpointer mtv_binding_get_entry (gpointer skeleton);

G_END_DECLS
