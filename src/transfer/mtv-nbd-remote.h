/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libnbd.h>

G_BEGIN_DECLS

/* What all connections to one export of an NBD server share. Thread-safe, but for the first
 * mtv_nbd_remote_accept(), before which there is one connection. Private to transfer/. */
typedef struct
{
  char *socket_path; /* (owned) (nullable) */
  char *uri;         /* (owned) (nullable) when there is no @socket_path */
  char *user;        /* (owned) (nullable) of the URI: never shown */
  char *context;     /* (owned) (nullable) of the bitmap */
  char *label;       /* (owned) what errors call it */
  gboolean writable;
  gint64 patience_usec; /* how long a lost server is looked for; 0: one attempt */
  gint64 silence_usec;  /* how long an answer may take */

  /* What the server said on the first connection, and has to say on every other. */
  gboolean known;
  guint64 size;
  guint32 min_block; /* a power of two: what offsets and lengths must be multiples of */
  guint32 max_data;  /* a multiple of that */
  gboolean can_zero;
  gboolean has_extents;
  gboolean has_multi_conn;
  gboolean is_qemu;

  /* Whether a flush can still vouch for everything that was written. */
  GMutex lock;      /* for these three */
  guint64 written;  /* requests that were answered */
  guint64 flushed;  /* how many of them are on stable storage */
  gboolean is_lost; /* others were on a connection that broke */
} MtvNbdRemote;

MtvNbdRemote *mtv_nbd_remote_new (const char *label, gboolean writable);
void mtv_nbd_remote_free (MtvNbdRemote *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvNbdRemote, mtv_nbd_remote_free)

/* Begins to connect; NULL with @error. The names of hosts are looked up in here and by libnbd
 * later: that blocks. */
struct nbd_handle *mtv_nbd_remote_connect (MtvNbdRemote *self, GError **error);

/* After the handshake: is it the server that it was, and one that serves us? */
gboolean mtv_nbd_remote_accept (MtvNbdRemote *self, struct nbd_handle *nbd, GError **error);

/* What libnbd's last failed call on this thread, made to @connect or after it, says. */
void mtv_nbd_remote_set_error (MtvNbdRemote *self, gboolean is_handshake, GError **error);

/* A write was answered. */
void mtv_nbd_remote_add_written (MtvNbdRemote *self);

/* Sets @mark, to be handed over when that flush was answered. FALSE: what was written before may
 * have been lost with the server. */
gboolean mtv_nbd_remote_begin_flush (MtvNbdRemote *self, guint64 *mark, GError **error);
gboolean mtv_nbd_remote_end_flush (MtvNbdRemote *self, guint64 mark, GError **error);

/* A connection broke, so the server may be another process now, whose cache is empty. */
void mtv_nbd_remote_lost (MtvNbdRemote *self);

G_END_DECLS
