/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-disk-io.h"

G_BEGIN_DECLS

/* All of it optional. Credentials and headers go to the scheme, host and port of the URL alone, not
 * to where that redirects, and never into an error. */
typedef struct
{
  const char *ca, *ca_file; /* see mtv_http_trust_new() */
  const char *thumbprint;
  gboolean insecure;
  const char *bearer_token;
  const char *user; /* also taken from the URL */
  const char *password;
  const char *const *headers; /* "Name: value" */
  /* (nullable) One more header of each request, which may change: "Name: value", (transfer full).
   * @refused: (nullable) the one of a request that was answered by 401 or 403, which is then made
   * once more. On the reading threads. */
  char *(*get_header) (gpointer data, const char *refused, GCancellable *cancellable,
                       GError **error);
  gpointer header_data;
  GDestroyNotify free_header_data; /* (nullable) with the reader, also when none could be made */
  guint connections;               /* at most; 0: 2 */
  guint timeout;                   /* seconds without a new byte until reading fails; 0: 60 */
  guint64 run;                     /* bytes that are asked for at once; 0: 64 MiB */
} MtvHttpOptions;

/* A file behind http or https (HTTP/1.1, at most five redirects, none from https to http, no
 * proxy), of one version: another ETag, Last-Modified or size is MTV_ERROR_SOURCE_CHANGED.
 *
 * Reads go on in the response that is open, and ask for a range where none is; a server that knows
 * no ranges (hint: in_order) is read from the start again to go back. A connection that is lost,
 * silent or refused, and 408, 429 and 5xx, are tried again from the byte that was not read yet,
 * until nothing came for options.timeout: MTV_ERROR_UNREACHABLE. A certificate that is not good,
 * 401 and 403 are MTV_ERROR_PERMISSION_DENIED, 404 and 410 are MTV_ERROR_NOT_FOUND, at once. */
#define MTV_TYPE_HTTP_READER (mtv_http_reader_get_type ())
G_DECLARE_FINAL_TYPE (MtvHttpReader, mtv_http_reader, MTV, HTTP_READER, GObject)

/* Blocking: asks for the start of the file, the answer to which is the first thing to be read.
 * Gives up after five seconds of a server that can not be reached. @label: (nullable) what errors
 * call it; NULL: the URL without userinfo and query. A server that does not tell the size is
 * MTV_ERROR_UNSUPPORTED. */
MtvHttpReader *mtv_http_reader_new (const char *url, const MtvHttpOptions *options,
                                    const char *label, GCancellable *cancellable, GError **error);

/* Another one: the file behind the URL is another one. (transfer full) */
char *mtv_http_reader_get_version (MtvHttpReader *self);

G_END_DECLS
