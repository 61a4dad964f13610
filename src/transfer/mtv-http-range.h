/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* What the header fields of a response say of the file behind a URL (RFC 9110). Pure functions that
 * take whatever a server sends; a field that is missing is NULL. */

/* A range of a file, and the size of the whole: Content-Range, §14.4. */
typedef struct
{
  guint64 start;
  guint64
      end; /* the byte behind the last one; equal to @start: "bytes * / total", no range at all */
  guint64 total;
} MtvHttpRange;

/* FALSE for everything that is no range of bytes of a file whose size is told. */
gboolean mtv_http_parse_content_range (const char *field, MtvHttpRange *range);

/* Content-Length, §8.6. */
gboolean mtv_http_parse_content_length (const char *field, guint64 *length);

/* Seconds from @now (of the Unix epoch), 0 when the server does not say: Retry-After, §10.2.3. */
guint mtv_http_parse_retry_after (const char *field, gint64 now);

/* An ETag (§8.8.3) that may stand in If-Range: well-formed and not weak. */
gboolean mtv_http_etag_is_strong (const char *field);

/* TRUE when two responses speak of different versions. One that has no such field says nothing. */
gboolean mtv_http_validator_differs (const char *before, const char *now);

G_END_DECLS
