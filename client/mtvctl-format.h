/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* All return a new string. Times and spans are microseconds. */
/* 0 to 100; 100 only when all is done. @total is not 0. */
guint mtvctl_format_percent (guint64 done, guint64 total);

char *mtvctl_format_size (guint64 bytes);            /* "1.5G" */
char *mtvctl_format_rate (guint64 bytes);            /* "1.5G/s", "-" for 0 */
char *mtvctl_format_span (guint64 usec);             /* "4min 12s": as exact as people want it */
char *mtvctl_format_time (guint64 usec);             /* "Mon 2026-11-23 06:29:17 UTC", "-" for 0 */
char *mtvctl_format_ago (guint64 usec, guint64 now); /* "5min ago", "-" for 0 */

/* "1.5G", in the units of mtvctl_format_size(), of --throttle. */
gboolean mtvctl_parse_rate (const char *text, guint64 *rate, GError **error);

/* What others have named must not steer the terminal or break a line: control, format and
 * separator characters become \xNN or \uNNNN. */
char *mtvctl_escape (const char *text);

/* Columns on a terminal; @text has been through mtvctl_escape(). */
guint mtvctl_width (const char *text);

/* At most @width columns; what is too long loses its end, or its @middle. */
char *mtvctl_ellipsize (const char *text, guint width, gboolean middle);

/* @text, each line after @indent and, where words allow it, within @width columns (0: one line). */
char *mtvctl_wrap (const char *text, guint width, const char *indent);

/* The one of @candidates that @word is a likely misspelling of, or NULL. */
const char *mtvctl_closest (const char *word, const char *const *candidates);

/* "VirtualMachineCount" to "virtual-machine-count". */
char *mtvctl_kebab (const char *property);

G_END_DECLS
