/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-nbd-remote.h"

G_BEGIN_DECLS

/* The connection of a channel to an NBD server: made, lost, made again. What is under way on it is
 * the channel's. Private to transfer/. */
typedef struct
{
  MtvNbdRemote *remote;   /* (unowned) */
  struct nbd_handle *nbd; /* (owned) (nullable) */
  gboolean is_ready;      /* past the handshake */
  gboolean is_broken;     /* to be noticed by mtv_nbd_link_check() */
  gboolean reads_whole;   /* the answer to a read comes in one piece: NBD_CMD_FLAG_DF */
  GError *reason;         /* (owned) (nullable) for which the last connection ended */

  gint64 connected_at; /* when the attempt began */
  gint64 answered_at;  /* or when the wait for an answer began */
  gint64 lost_at;      /* since when the server is being looked for; 0: it is not */
  gint64 retry_at;     /* not before */
  gint64 delay_usec;
  guint n_silences; /* since the last answer */
} MtvNbdLink;

typedef enum
{
  MTV_NBD_LINK_SAME,
  MTV_NBD_LINK_LOST,     /* what was sent is to be sent again */
  MTV_NBD_LINK_GIVEN_UP, /* for @reason; all that waits has failed */
} MtvNbdLinkEvent;

/* When there is no connection: begins to make one, unless that has to wait. */
MtvNbdLinkEvent mtv_nbd_link_connect (MtvNbdLink *self);

/* The next three, while there is one. Lets libnbd move what it can. */
void mtv_nbd_link_pump (MtvNbdLink *self, short revents);
/* Ends a connection that broke or on which nothing happens, and looks at a server that is new.
 * @n_sent: requests that were not answered; @n_flushes: of them. */
MtvNbdLinkEvent mtv_nbd_link_check (MtvNbdLink *self, guint n_sent, guint n_flushes);
/* Until when something has to happen on it; 0: for ever. */
gint64 mtv_nbd_link_get_deadline (MtvNbdLink *self, guint n_sent, guint n_flushes);

/* There was an answer. */
void mtv_nbd_link_heard (MtvNbdLink *self);

/* For good, and at once. @is_busy: without a farewell. */
void mtv_nbd_link_end (MtvNbdLink *self, gboolean is_busy);

G_END_DECLS
