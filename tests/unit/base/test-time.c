/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-time.h"

#include "base/mtv-error.h"

#include <string.h>

#define SEC ((guint64) G_USEC_PER_SEC)
#define MINUTE (60 * SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

/* Mon 2026-11-23 12:00:00 UTC */
#define NOW (1795435200 * SEC)
#define MIDNIGHT (NOW - 12 * HOUR)

static GTimeZone *
zone_named (const char *name)
{
  GTimeZone *zone = g_time_zone_new_identifier (name);

  g_assert_nonnull (zone);
  return zone;
}

static void
test_spans (void)
{
  static const struct
  {
    const char *text;
    guint64 span;
    const char *printed;
  } cases[] = {
    { "1h 30min", 90 * MINUTE, "1h 30min" },
    { "2h30min", 150 * MINUTE, "2h 30min" },
    { "90", 90 * SEC, "1min 30s" },
    { "500ms", SEC / 2, "500ms" },
    { "1.5h", 90 * MINUTE, "1h 30min" },
    { ".25 s", SEC / 4, "250ms" },
    { "2 h", 2 * HOUR, "2h" },
    { "48hr", 2 * DAY, "2d" },
    { "1y 12month", 63115200 * SEC, "2y" },
    { "55s500ms", 55 * SEC + SEC / 2, "55s 500ms" },
    { "300ms20s 5day", 5 * DAY + 20 * SEC + 300000, "5d 20s 300ms" },
    { "1M", 2629800 * SEC, "1month" },
    { "1m", MINUTE, "1min" },
    { "1 week 2 hours 3 minutes 4 sec", 7 * DAY + 2 * HOUR + 184 * SEC, "1w 2h 3min 4s" },
    { "5µs", 5, "5us" },
    { "0", 0, "0" },
    { "18446744073709551615us", G_MAXUINT64, NULL },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;
      guint64 span = 1;

      g_assert_true (mtv_time_parse_span (cases[i].text, &span, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (span, ==, cases[i].span);
      g_autofree char *printed = mtv_time_format_span (span, 1);
      if (cases[i].printed != NULL)
        g_assert_cmpstr (printed, ==, cases[i].printed);
      g_assert_true (mtv_time_parse_span (printed, &span, NULL));
      g_assert_cmpuint (span, ==, cases[i].span);
    }

  g_autofree char *coarse = mtv_time_format_span (HOUR + 59 * SEC + 7, MINUTE);
  g_assert_cmpstr (coarse, ==, "1h");
  g_autofree char *nothing = mtv_time_format_span (59 * SEC, MINUTE);
  g_assert_cmpstr (nothing, ==, "0");
}

static void
test_bad_spans (void)
{
  static const char *const bad[] = { "",
                                     "  ",
                                     "h",
                                     "1x",
                                     "-5",
                                     "1.",
                                     "1.s",
                                     "1e3",
                                     "0x10",
                                     "infinity",
                                     "1h,2min",
                                     "1..5s",
                                     "18446744073709551616us",
                                     "18446744073709551615us 1us",
                                     "99999999999999999999999y",
                                     "584543y",
                                     "1h\n2",
                                     "5 H" };

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_autoptr (GError) error = NULL;
      guint64 span;

      g_assert_false (mtv_time_parse_span (bad[i], &span, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_true (g_str_has_prefix (error->message, "'"));
      g_assert_null (strchr (error->message, '\n'));
      if (strchr (bad[i], '\n') == NULL)
        g_assert_nonnull (strstr (error->message, bad[i]));
    }
}

static const struct
{
  const char *text;
  const char *zone; /* the local one */
  guint64 time;
} points[] = {
  { "2026-11-24 02:00:00", "UTC", MIDNIGHT + 26 * HOUR },
  { "2026-11-24 02:00", "UTC", MIDNIGHT + 26 * HOUR },
  { "  2026-11-24   02:00 ", "UTC", MIDNIGHT + 26 * HOUR },
  { "26-11-24 2:00", "UTC", MIDNIGHT + 26 * HOUR },
  { "2026-11-24 02:00", "Europe/Berlin", MIDNIGHT + 25 * HOUR },
  { "2026-11-24 02:00 UTC", "Europe/Berlin", MIDNIGHT + 26 * HOUR },
  { "2026-11-24 02:00 Europe/Berlin", "UTC", MIDNIGHT + 25 * HOUR },
  { "2026-11-24 02:00 America/New_York", "UTC", MIDNIGHT + 31 * HOUR },
  { "2026-11-24 02:00 CET", "Europe/Berlin", MIDNIGHT + 25 * HOUR },
  { "2026-11-24 02:00 CEST", "Europe/Berlin", MIDNIGHT + 24 * HOUR }, /* wrong, but said */
  { "2026-11-24 02:00 +05:30", "UTC", MIDNIGHT + 20 * HOUR + 30 * MINUTE },
  { "2026-11-24T02:00:00Z", "Europe/Berlin", MIDNIGHT + 26 * HOUR },
  { "2026-11-24T02:00:00.25-01:00", "Europe/Berlin", MIDNIGHT + 27 * HOUR + SEC / 4 },
  { "2026-11-24T02:00", "Europe/Berlin", MIDNIGHT + 25 * HOUR },
  { "Tue 2026-11-24 02:00", "UTC", MIDNIGHT + 26 * HOUR },
  { "tuesday 2026-11-24", "UTC", MIDNIGHT + 24 * HOUR },
  { "Mon 02:00", "UTC", MIDNIGHT + 2 * HOUR },
  { "2026-11-24", "UTC", MIDNIGHT + 24 * HOUR },
  { "02:00", "UTC", MIDNIGHT + 2 * HOUR },
  { "23:59:59.999999", "UTC", MIDNIGHT + 24 * HOUR - 1 },
  { "02:00 Asia/Tokyo", "UTC", MIDNIGHT - 7 * HOUR },
  { "now", "UTC", NOW },
  { "today", "UTC", MIDNIGHT },
  { "today", "Europe/Berlin", MIDNIGHT - HOUR },
  { "today", "Pacific/Auckland", MIDNIGHT + 11 * HOUR }, /* it is Tuesday there */
  { "tomorrow 02:00", "UTC", MIDNIGHT + 26 * HOUR },
  { "tomorrow 02:00 Europe/Berlin", "UTC", MIDNIGHT + 25 * HOUR },
  { "yesterday UTC", "Europe/Berlin", MIDNIGHT - 24 * HOUR },
  { "+2h 30min", "UTC", NOW + 150 * MINUTE },
  { "+90", "UTC", NOW + 90 * SEC },
  { "-5s", "UTC", NOW - 5 * SEC },
  { "11min ago", "UTC", NOW - 11 * MINUTE },
  { "2h left", "UTC", NOW + 2 * HOUR },
  { "@1395716396", "UTC", 1395716396 * SEC },
  { "@1.5", "UTC", SEC + SEC / 2 },
  { "1970-01-01 00:00 UTC", "UTC", 0 },
  { "9999-12-31 23:59:59", "UTC", 253402300799 * SEC },
  /* 2027-03-28, 02:00 is 03:00: 02:30 is as long after 01:59 as ever. */
  { "2027-03-28 01:59", "Europe/Berlin", 1806195540 * SEC },
  { "2027-03-28 02:30", "Europe/Berlin", 1806197400 * SEC },
  { "2027-03-28 03:00", "Europe/Berlin", 1806195600 * SEC },
  /* 2027-10-31, 03:00 is 02:00: 02:30 comes twice. */
  { "2027-10-31 02:30", "Europe/Berlin", 1824942600 * SEC },
  { "2027-10-31 02:30 CEST", "Europe/Berlin", 1824942600 * SEC },
  { "2027-10-31 02:30 CET", "Europe/Berlin", 1824946200 * SEC },
  { "2027-10-31 03:00", "Europe/Berlin", 1824948000 * SEC },
};

static void
test_points (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (points); i++)
    {
      g_autoptr (GTimeZone) zone = zone_named (points[i].zone);
      g_autoptr (GError) error = NULL;
      guint64 time = 1, again = 1;

      g_test_message ("%s", points[i].text);
      g_assert_true (mtv_time_parse (points[i].text, NOW, zone, &time, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (time, ==, points[i].time);

      /* What is printed is read as the same. */
      g_autofree char *printed = mtv_time_format (time, zone);
      g_assert_true (mtv_time_parse (printed, NOW, zone, &again, &error));
      g_assert_cmpuint (again, ==, time - time % SEC);
    }
}

static void
test_bad_points (void)
{
  static const char *const bad[] = { "",
                                     "noon",
                                     "Mon",
                                     "2026-11",
                                     "11-24",
                                     "2026-13-01",
                                     "2026-02-30",
                                     "2026-11-24 24:00",
                                     "2026-11-24 12",
                                     "12:60",
                                     "23:59:60",
                                     "1:2:3:4",
                                     "12:00:00.",
                                     "Mon 2026-11-24",
                                     "Foo 12:00",
                                     "2026-11-24 02:00 Nowhere/Land",
                                     "2026-11-24 02:00 /etc/passwd",
                                     "2026-11-24 02:00 ../UTC",
                                     "2026-11-24 02:00 leapseconds",
                                     "2026-11-24 02:00 :UTC",
                                     "2026-11-24 02:00 +1",
                                     "UTC",
                                     "2026-11-24 02:00 UTC UTC",
                                     "02:00 tomorrow",
                                     "2026-11-24T02:00Z UTC",
                                     "2026-11-24T",
                                     "T12:00",
                                     "1969-12-31",
                                     "0000-01-01",
                                     "10000-01-01",
                                     "-100y",
                                     "60y ago",
                                     "+9000y",
                                     "@253402300800",
                                     "@",
                                     "+",
                                     "-",
                                     "ago",
                                     " ago",
                                     "@5 UTC",
                                     "+2h UTC",
                                     "now UTC",
                                     "in 5min",
                                     "+5 ago",
                                     "+18446744073709551615us",
                                     "2026-11-24 02:00 99999999999999999999",
                                     "١٢:٠٠" };
  g_autoptr (GTimeZone) zone = g_time_zone_new_utc ();
  g_autofree char *long_text = g_strnfill (100000, '1');

  for (guint i = 0; i <= G_N_ELEMENTS (bad); i++)
    {
      const char *text = i < G_N_ELEMENTS (bad) ? bad[i] : long_text;
      g_autoptr (GError) error = NULL;
      guint64 time;

      g_test_message ("%.100s", text);
      g_assert_false (mtv_time_parse (text, NOW, zone, &time, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_assert_nonnull (strstr (error->message, "is not a time: "));
      g_assert_cmpuint (strlen (error->message), <, 400);
      if (text != long_text)
        g_assert_nonnull (strstr (error->message, text));
    }
}

static void
test_format (void)
{
  g_autoptr (GTimeZone) berlin = zone_named ("Europe/Berlin");
  g_autofree char *winter = mtv_time_format (MIDNIGHT + 25 * HOUR, berlin);
  g_autofree char *summer = mtv_time_format (1824942600 * SEC, berlin);
  g_autofree char *late = mtv_time_format (G_MAXUINT64, berlin);

  g_assert_cmpstr (winter, ==, "Tue 2026-11-24 02:00:00 CET");
  g_assert_cmpstr (summer, ==, "Sun 2027-10-31 02:30:00 CEST");
  g_assert_cmpstr (late, ==, "@18446744073709");
}

static void
test_relative (void)
{
  static const struct
  {
    guint64 distance;
    const char *text;
  } cases[] = {
    { 5, "5us" },
    { 7000, "7ms" },
    { SEC, "1s" },
    { 59 * SEC, "59s" },
    { 61 * SEC, "1min 1s" },
    { 5 * MINUTE + SEC, "5min" },
    { 123 * MINUTE, "2h 3min" },
    { HOUR, "1h" },
    { 7 * HOUR + MINUTE, "7h" },
    { DAY, "1 day" },
    { 26 * HOUR, "1 day 2h" },
    { 50 * HOUR, "2 days" },
    { 8 * DAY, "1 week 1 day" },
    { 16 * DAY, "2 weeks 2 days" },
    { 66 * DAY, "2 months 5 days" },
    { 400 * DAY, "1 year 1 month" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *left = mtv_time_format_relative (NOW + cases[i].distance, NOW);
      g_autofree char *ago = mtv_time_format_relative (NOW - cases[i].distance, NOW);

      g_assert_true (g_str_has_prefix (left, cases[i].text));
      g_assert_cmpstr (left + strlen (cases[i].text), ==, " left");
      g_assert_true (g_str_has_prefix (ago, cases[i].text));
      g_assert_cmpstr (ago + strlen (cases[i].text), ==, " ago");
    }
  g_autofree char *now = mtv_time_format_relative (NOW, NOW);
  g_assert_cmpstr (now, ==, "now");
}

static void
test_of_day (void)
{
  g_autoptr (GTimeZone) berlin = zone_named ("Europe/Berlin");

  g_assert_cmpuint (mtv_time_of_day (NOW, berlin), ==, 13 * HOUR);
  g_assert_cmpuint (mtv_time_of_day (MIDNIGHT - HOUR, berlin), ==, 0);
  g_assert_cmpuint (mtv_time_next_of_day (NOW, 13 * HOUR, berlin), ==, NOW + DAY);
  g_assert_cmpuint (mtv_time_next_of_day (NOW - 1, 13 * HOUR, berlin), ==, NOW);
  g_assert_cmpuint (mtv_time_next_of_day (NOW, 14 * HOUR, berlin), ==, NOW + HOUR);
  g_assert_cmpuint (mtv_time_next_of_day (NOW, 0, berlin), ==, NOW + 11 * HOUR);
  /* A day of 23 hours, and one of 25. */
  guint64 march = 1806145200 * SEC, october = 1824890400 * SEC; /* noon of the day before */
  g_assert_cmpuint (mtv_time_next_of_day (march, 12 * HOUR, berlin), ==, march + 23 * HOUR);
  g_assert_cmpuint (mtv_time_next_of_day (october, 12 * HOUR, berlin), ==, october + 25 * HOUR);

  for (guint64 time = march; time < march + 3 * DAY; time += 10 * MINUTE)
    {
      guint64 next = mtv_time_next_of_day (time, 2 * HOUR + 30 * MINUTE, berlin);

      g_assert_cmpuint (next, >, time);
      g_assert_cmpuint (next - time, <=, 25 * HOUR);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/time/spans", test_spans);
  g_test_add_func ("/time/bad-spans", test_bad_spans);
  g_test_add_func ("/time/points", test_points);
  g_test_add_func ("/time/bad-points", test_bad_points);
  g_test_add_func ("/time/format", test_format);
  g_test_add_func ("/time/relative", test_relative);
  g_test_add_func ("/time/of-day", test_of_day);
  return g_test_run ();
}
