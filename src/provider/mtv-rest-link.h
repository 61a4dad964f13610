/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-http-trust.h"

#include <libsoup/soup.h>

G_BEGIN_DECLS

/* The data of a SoupMessage that is the certificate to show (GTlsCertificate), with its key. */
#define MTV_REST_CERTIFICATE "mtv-certificate"

/* One connection of an MtvRest: a libsoup session with a main context of its own, so that it can be
 * used by one thread now and by another one later. Private to MtvRest. */
typedef struct
{
  GMainContext *context; /* (owned) */
  SoupSession *session;  /* (owned) */
} MtvRestLink;

MtvRestLink *mtv_rest_link_new (MtvHttpTrust *trust, GProxyResolver *proxy, guint timeout);
void mtv_rest_link_free (gpointer self);
/* Nothing of what is under way on the connection comes any more. */
void mtv_rest_link_abort (MtvRestLink *self);

/* Sends @message and waits for the head of the answer. @label: what errors call the other side.
 * (transfer full) */
GInputStream *mtv_rest_link_send (MtvRestLink *self, SoupMessage *message, MtvHttpTrust *trust,
                                  const char *label, GCancellable *cancellable, GError **error);

/* What came of a connection that was refused. */
typedef struct
{
  MtvHttpTrust *trust;         /* (unowned) */
  GTlsCertificate *refused;    /* (owned) (nullable) */
  GTlsCertificateFlags errors; /* what is wrong with it */
} MtvRestJudge;

/* Has @judge decide over the certificate that is shown to @message; it outlives the sending. */
void mtv_rest_judge_watch (MtvRestJudge *judge, SoupMessage *message);
void mtv_rest_judge_clear (MtvRestJudge *judge, SoupMessage *message);

/* A stream of the body @stream (transfer full) of an answer; reads in the context of @link, and
 * calls @done once, when it is closed or freed: @reusable if all of the body was read. */
typedef void (*MtvRestDoneFunc) (gpointer owner, MtvRestLink *link, gboolean reusable);
GInputStream *mtv_rest_stream_new (GInputStream *stream, MtvRestLink *link, const char *label,
                                   MtvRestDoneFunc done, gpointer owner);

G_END_DECLS
