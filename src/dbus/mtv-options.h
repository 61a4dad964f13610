/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/* An option that a method knows; a table of them ends with a NULL key. */
typedef struct
{
  const char *key;
  const char *type; /* a D-Bus signature */
} MtvOption;

#define MTV_OPTIONS_MAX_PAGE 1000

/* Are all keys of @options (a{sv}) in @known (NULL: there are none), each at most once and with the
 * type it should have? MTV_ERROR_INVALID_ARGUMENT names the first that is not. What passed can be
 * looked up with g_variant_lookup() without further checks. */
gboolean mtv_options_check (GVariant *options, const MtvOption *known, GError **error);

/* The same, but answers @invocation with the error; FALSE: that was done. */
gboolean mtv_options_accept (GDBusMethodInvocation *invocation, GVariant *options,
                             const MtvOption *known);

/* The options "offset" and "limit"; without them the first page, as long as a page may be. */
void mtv_options_get_page (GVariant *options, guint *offset, guint *limit);

/* A descriptor of its own of the one that came as @handle (h) in @fds (nullable); -1 with
 * MTV_ERROR_INVALID_ARGUMENT, naming @what, if none came. */
int mtv_options_take_fd (GUnixFDList *fds, GVariant *handle, const char *what, GError **error);

G_END_DECLS
