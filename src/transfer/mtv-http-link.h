/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "transfer/mtv-http-range.h"
#include "transfer/mtv-http-trust.h"

#include <gio/gio.h>

G_BEGIN_DECLS

/* What is downloaded, and how. */
typedef struct
{
  GUri *url;           /* (owned) without userinfo */
  char *label;         /* (owned) what errors call it */
  char *authorization; /* (owned) (nullable) for its origin alone, as is @headers */
  GStrv headers;       /* (owned) (nullable) "Name: value" */
  char *(*get_header) (gpointer data, const char *refused, GCancellable *cancellable,
                       GError **error); /* (nullable) see MtvHttpOptions */
  gpointer header_data;
  GDestroyNotify free_header_data;
  MtvHttpTrust *trust; /* (owned) */
  guint timeout;       /* seconds that a server may be silent */
} MtvHttpTarget;

void mtv_http_target_clear (MtvHttpTarget *target);

/* A response, or what is left of one: which version of the file, and which part of it. */
typedef struct
{
  MtvHttpRange range;
  gboolean partial;    /* the server knows ranges */
  char *etag;          /* (owned) (nullable) */
  char *last_modified; /* (owned) (nullable) */
} MtvHttpAnswer;

void mtv_http_answer_clear (MtvHttpAnswer *answer);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (MtvHttpAnswer, mtv_http_answer_clear)

/* One connection to a server, and at most one response body that is being read from it, forwards.
 * To be used by one thread at a time; blocks, in HTTP/1.1, without proxies. Of its errors
 * MTV_ERROR_UNREACHABLE alone is worth another try. Private to transfer/. */
typedef struct _MtvHttpLink MtvHttpLink;

/* @url: where redirects are known to lead to. @target: must outlive the link. */
MtvHttpLink *mtv_http_link_new (const MtvHttpTarget *target, GUri *url);
void mtv_http_link_free (MtvHttpLink *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvHttpLink, mtv_http_link_free)

/* Asks for [@start, @end), or, with an @end of 0, for everything. The body that comes may be
 * another part, or no part (an empty range): @answer tells. @if_range: (nullable) an ETag.
 * @retry_after: seconds, with the error, 0 when the server does not say. */
gboolean mtv_http_link_get (MtvHttpLink *self, guint64 start, guint64 end, const char *if_range,
                            MtvHttpAnswer *answer, guint *retry_after, GCancellable *cancellable,
                            GError **error);

/* Reads on, exactly @length bytes, no more than are left; with NULL as @buffer past them. The body
 * is gone after a failure, and the offset is that of the first byte that did not come. */
gboolean mtv_http_link_read (MtvHttpLink *self, gpointer buffer, guint64 length,
                             GCancellable *cancellable, GError **error);

/* Of the next byte of the body; without one, where that ended. G_MAXUINT64: there was none. */
guint64 mtv_http_link_get_offset (MtvHttpLink *self);
/* Bytes of the body that are still to come; 0: there is none. */
guint64 mtv_http_link_get_left (MtvHttpLink *self);

/* Where redirects have led. (transfer none) */
GUri *mtv_http_link_get_url (MtvHttpLink *self);

G_END_DECLS
