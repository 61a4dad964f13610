/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>
#include <libsoup/soup.h>

G_BEGIN_DECLS

/* How to reach the API of a provider, and whom to trust. All but the URL optional. */
typedef struct
{
  const char *url;   /* http or https; a path is put before that of every call */
  const char *label; /* what errors call the other side: "provider 'vc1'" */
  const char *ca;    /* certificates in PEM, instead of the authorities that the system trusts */
  const char *thumbprint; /* SHA-1 or SHA-256 of the one certificate to accept, hexadecimal, with
                             or without colons; then neither name nor issuer counts */
  gboolean insecure;      /* any certificate will do */
  GTlsCertificate *client_certificate; /* with its key */
  const char *server_name;             /* that the certificate may be for, beside the URL's host */
  const char *proxy;                   /* URL; NULL: none, whatever the environment says */
  guint timeout;                       /* seconds that the server may be silent; 0: 60 */
  guint max_connections;               /* at once; 0: 8 */
} MtvRestOptions;

/* An HTTP API over libsoup. Any thread; the calls block. Cookies are kept. Redirects are not
 * followed: they are answers. No URL with a query, no header and no body is in an error or a log.
 *
 * Errors: no connection, a lost one, a silent server: MTV_ERROR_UNREACHABLE. A certificate that is
 * not good: MTV_ERROR_PERMISSION_DENIED, which says how it can be accepted. Cancelled:
 * MTV_ERROR_CANCELLED. Any HTTP status is an answer, no error: see mtv_rest_answer_fail(). */
typedef struct _MtvRest MtvRest;

MtvRest *mtv_rest_new (const MtvRestOptions *options, GError **error);
MtvRest *mtv_rest_ref (MtvRest *self);
void mtv_rest_unref (MtvRest *self); /* closes idle connections */
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvRest, mtv_rest_unref)

/* A header of all calls from now on, such as Authorization; NULL as value: none any more. */
void mtv_rest_set_header (MtvRest *self, const char *name, const char *value);

typedef struct
{
  guint status;                /* of HTTP */
  GBytes *body;                /* (owned) never NULL */
  SoupMessageHeaders *headers; /* (owned) of the answer */
} MtvRestAnswer;

void mtv_rest_answer_free (MtvRestAnswer *answer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvRestAnswer, mtv_rest_answer_free)

/* @path: with its query, escaped; appended to the path of the URL. @headers: (nullable)
 * (array zero-terminated=1) "Name: value", for this call alone. @body: (nullable). An answer of
 * more than 256 MiB is MTV_ERROR_LIMIT_EXCEEDED. (transfer full) */
MtvRestAnswer *mtv_rest_call (MtvRest *self, const char *method, const char *path,
                              const char *const *headers, const char *content_type, GBytes *body,
                              GCancellable *cancellable, GError **error);

/* The same, but the body of the answer (whatever its status) comes as a stream, as it arrives:
 * watches, downloads. @answer: (out) (transfer full) with an empty body. (transfer full) */
GInputStream *mtv_rest_open (MtvRest *self, const char *method, const char *path,
                             const char *const *headers, const char *content_type, GBytes *body,
                             MtvRestAnswer **answer, GCancellable *cancellable, GError **error);

/* Uploads @length bytes that are read from @stream while they go out; otherwise as
 * mtv_rest_call(). */
MtvRestAnswer *mtv_rest_upload (MtvRest *self, const char *method, const char *path,
                                const char *const *headers, const char *content_type,
                                GInputStream *stream, guint64 length, GCancellable *cancellable,
                                GError **error);

/* A WebSocket (RFC 6455) at @path. Must be called, and what it returns be used and freed, with the
 * same main context as thread-default, which is iterated in here until the handshake is done.
 * @protocols: (array zero-terminated=1) subprotocols offered. (transfer full) */
SoupWebsocketConnection *mtv_rest_open_websocket (MtvRest *self, const char *path,
                                                  const char *const *protocols,
                                                  GCancellable *cancellable, GError **error);

/* Sets @error for an answer that is no success: "<label>: <what>: <status> <detail>". 401:
 * MTV_ERROR_AUTH_REQUIRED, 403: PERMISSION_DENIED, 404 and 410: NOT_FOUND, 409: EXISTS, 408, 425,
 * 429, 502 to 504: UNREACHABLE, 507: NO_SPACE, others FAILED. @detail: (nullable) what the body
 * says, already taken out of it by who knows its form. */
void mtv_rest_answer_fail (MtvRest *self, const MtvRestAnswer *answer, const char *what,
                           const char *detail, GError **error);
/* 200 to 299. */
gboolean mtv_rest_answer_is_good (const MtvRestAnswer *answer);

/* What certificate does the server show? Its SHA-256 as "AB:CD:…", whoever issued it: for a user to
 * compare. (transfer full) */
char *mtv_rest_get_thumbprint (MtvRest *self, GCancellable *cancellable, GError **error);

G_END_DECLS
