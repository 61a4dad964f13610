/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "base/mtv-error.h"
#include "mtvctl.h"

G_BEGIN_DECLS

#define MTVCTL_BUS_NAME "org.mtv.Manager"
#define MTVCTL_ROOT_PATH "/org/mtv/Manager"

/* For calls that answer when something slow is known. */
#define MTVCTL_NO_TIMEOUT G_MAXINT
/* Long enough for somebody to type a password. */
#define MTVCTL_TIMEOUT_MSEC (120 * 1000)

typedef enum
{
  MTVCTL_PROVIDER,
  MTVCTL_PLAN,
  MTVCTL_MIGRATION,
  MTVCTL_N_KINDS
} MtvctlKind;

/* Connects, starts the daemon if need be and learns its objects. */
gboolean mtvctl_connect (Mtvctl *ctl, GError **error);
MtvDBusManager *mtvctl_get_manager (Mtvctl *ctl, GError **error); /* (transfer full) */
GDBusCallFlags mtvctl_call_flags (Mtvctl *ctl);
GVariant *mtvctl_no_options (void); /* floating */

/* All objects of a kind, providers and plans by name, migrations by the time of their start. */
GPtrArray *mtvctl_get_all (Mtvctl *ctl, MtvctlKind kind);

/* By name, id or object path. (transfer full) */
gpointer mtvctl_find (Mtvctl *ctl, MtvctlKind kind, const char *name, GError **error);
gpointer mtvctl_get_by_path (Mtvctl *ctl, MtvctlKind kind, const char *path); /* (nullable) */

const char *mtvctl_get_id (gpointer proxy);
/* The name of the provider at @path, or its id if it is gone. */
const char *mtvctl_provider_name (Mtvctl *ctl, const char *path);
/* @name, or @name-2, @name-3…: what is neither the name of a provider nor of a plan. */
char *mtvctl_unique_name (Mtvctl *ctl, const char *name);

/* Prints all @names that are of @kind and does @each; a failure is printed and does not stop
 * the others. The exit code. */
typedef gboolean (*MtvctlEach) (Mtvctl *ctl, gpointer proxy, GError **error);
int mtvctl_for_each (Mtvctl *ctl, MtvctlKind kind, char **names, MtvctlEach each);

/* The same for list and show: one JSON array, or @show for each, a blank line between. */
typedef gboolean (*MtvctlShow) (Mtvctl *ctl, gpointer proxy, GString *out, GError **error);
int mtvctl_show_each (Mtvctl *ctl, MtvctlKind kind, char **names, MtvctlShow show, GError **error);
void mtvctl_print_json_list (Mtvctl *ctl, GPtrArray *proxies);

/* Runs the main context until @is_done, or a signal or the loss of the daemon ends it; FALSE
 * with MTV_ERROR_CANCELLED (and ctl->signal) or MTV_ERROR_UNREACHABLE. */
typedef gboolean (*MtvctlCondition) (Mtvctl *ctl, gpointer user_data);
gboolean mtvctl_wait_until (Mtvctl *ctl, MtvctlCondition is_done, gpointer user_data,
                            GError **error);

/* Puts "what was tried: " before an error of a call; FALSE, to be returned at once. */
gboolean mtvctl_explain (GError **error, const char *format, ...) G_GNUC_PRINTF (2, 3);
void mtvctl_print_error (const GError *error);
void mtvctl_print_error_with_hint (const GError *error, const char *hint /* (nullable) */);
/* A sentence that helps with errors of this kind, in the user's language, or NULL. */
const char *mtvctl_hint (const GError *error);
int mtvctl_exit_code (Mtvctl *ctl, const GError *error);

G_END_DECLS
