/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Points in time and time spans, as systemd.time(7) has them for users: English whatever the
 * locale. Times are µs since the epoch, spans µs. @zone: NULL is the local one.
 *
 * What cannot be read is MTV_ERROR_INVALID_ARGUMENT, which names it and says why. */

/* "1h 30min", "2h30min", "90" (seconds), "1.5h", "500ms". */
gboolean mtv_time_parse_span (const char *text, guint64 *span, GError **error);

/* "1h 30min"; "0" for 0. What is less than @accuracy (µs, 1 at least) is left out. (transfer full)
 */
char *mtv_time_format_span (guint64 span, guint64 accuracy);

/* A point in time:
 *   [weekday] [date] [time] [zone]   date or time may be missing: today, 00:00
 *   now, +SPAN, -SPAN, SPAN ago, SPAN left, @SPAN (since the epoch)
 * A date is 2026-11-24, 26-11-24, "today", "yesterday" or "tomorrow"; a time is 02:00 or
 * 02:00:00.5; a zone is "UTC", a name of the IANA database, what the local zone is called at any
 * time of the year ("CEST"), or an offset ("+01:00"). RFC 3339 is read too: 2026-11-24T02:00:00Z.
 *
 * A local time that is skipped when clocks are put forward is that much later; one that comes twice
 * is the first of them, unless the zone says otherwise. Nothing before 1970 or after 9999. */
gboolean mtv_time_parse (const char *text, guint64 now, GTimeZone *zone, guint64 *time,
                         GError **error);

/* "Tue 2026-11-24 02:00:00 CET", which mtv_time_parse() reads where @zone is the same; "@SECONDS"
 * after the year 9999. (transfer full) */
char *mtv_time_format (guint64 time, GTimeZone *zone);

/* "2h 3min left", "5min ago", "now": the two largest units at most. (transfer full) */
char *mtv_time_format_relative (guint64 time, guint64 now);

/* µs since midnight by the clock on the wall. */
guint64 mtv_time_of_day (guint64 time, GTimeZone *zone);

/* The first time after @time at which the clock on the wall shows @of_day (µs since midnight); see
 * above for what is skipped or comes twice. */
guint64 mtv_time_next_of_day (guint64 time, guint64 of_day, GTimeZone *zone);

G_END_DECLS
