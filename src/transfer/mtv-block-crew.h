/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-aligned.h"
#include "transfer/mtv-block-hash.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* A few threads that work through the blocks of a disk in order. Private to transfer/. */
typedef struct _MtvBlockCrew MtvBlockCrew;

#define MTV_CREW_PIECE (1024 * 1024) /* the size of a thread's buffer */

/* What one thread has for itself. */
typedef struct
{
  MtvBlockCrew *crew; /* (unowned) */
  GCancellable
      *cancellable;   /* (unowned) cancelled with the caller's, and when another one failed */
  MtvAligned *buffer; /* (owned) */
  MtvBlockHash *hash; /* (owned) */
} MtvCrewHand;

typedef enum
{
  MTV_CREW_SKIP,
  MTV_CREW_ALONE,    /* a piece of work for itself */
  MTV_CREW_TOGETHER, /* neighbours of this kind are one piece of work */
} MtvCrewKind;

typedef struct
{
  /* Asked with rising index, never by two threads at once. */
  MtvCrewKind (*kind) (gpointer data, guint index);
  gboolean (*work) (gpointer data, MtvCrewHand *hand, guint first, guint n, GError **error);
  /* (nullable) Called on the thread of mtv_block_crew_run() after mtv_block_crew_call(). */
  gboolean (*attend) (gpointer data, GError **error);
} MtvCrewFuncs;

/* Blocking. Returns when all threads have ended: all work done, or the first error. */
gboolean mtv_block_crew_run (guint n_blocks, guint n_threads, guint max_together,
                             const MtvCrewFuncs *funcs, gpointer data, GCancellable *cancellable,
                             GError **error);

/* From work(): has attend() called soon; the threads go on meanwhile. */
void mtv_block_crew_call (MtvBlockCrew *self);

/* One a core, at most four: more do not help a disk, and each costs a buffer. */
guint mtv_block_crew_default_threads (void);

G_END_DECLS
