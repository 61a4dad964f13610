/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-time.h"

#include "base/mtv-error.h"
#include "base/mtv-text.h"

#include <errno.h>
#include <string.h>

#define SECOND ((guint64) G_USEC_PER_SEC)
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)
#define WEEK (7 * DAY)
#define MONTH ((guint64) 2629800 * SECOND)
#define YEAR ((guint64) 31557600 * SECOND)

#define DAY_SECONDS ((gint64) 86400)
#define EPOCH_JULIAN 719163 /* what GDate calls 1970-01-01 */
#define LAST_SECOND G_GINT64_CONSTANT (253402300799)
#define MAX_TEXT 256

/* The first of a size is how it is printed. */
static const struct
{
  guint64 usec;
  const char *names[5];
} units[] = {
  { YEAR, { "y", "year", "years" } },
  { MONTH, { "month", "months", "M" } },
  { WEEK, { "w", "week", "weeks" } },
  { DAY, { "d", "day", "days" } },
  { HOUR, { "h", "hr", "hour", "hours" } },
  { MINUTE, { "min", "m", "minute", "minutes" } },
  { SECOND, { "s", "sec", "second", "seconds" } },
  { 1000, { "ms", "msec" } },
  { 1, { "us", "usec", "µs", "μs" } },
};

static const char *const weekdays[] = { "Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun" };
static const char *const weekdays_long[]
    = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" };

static gboolean
refuse (const char *text, const char *what, const char *why, GError **error)
{
  g_autofree char *cut = g_strndup (text, MAX_TEXT);
  g_autofree char *line = mtv_text_one_line (cut);

  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "'%s' is not a %s: %s", line, what,
               why);
  return FALSE;
}

/* 0: there is no such unit. */
static guint64
find_unit (const char *name, gsize length)
{
  if (length == 0)
    return SECOND;
  for (guint i = 0; i < G_N_ELEMENTS (units); i++)
    for (guint j = 0; j < G_N_ELEMENTS (units[i].names) && units[i].names[j] != NULL; j++)
      if (strlen (units[i].names[j]) == length && strncmp (units[i].names[j], name, length) == 0)
        return units[i].usec;
  return 0;
}

/* The digits after the point that count, of @unit. */
static guint64
parse_fraction (const char *digits, gsize length, guint64 unit)
{
  guint64 sum = 0, scale = 10;

  for (gsize i = 0; i < MIN (length, 9); i++, scale *= 10)
    sum += (guint64) (digits[i] - '0') * unit / scale;
  return sum;
}

/* One value and its unit at the start of @text: how long they are together, 0: that is none. */
static gsize
parse_value (const char *text, guint64 *value, const char **why)
{
  gsize whole = strspn (text, "0123456789"), fraction = 0;
  const char *at = text + whole;

  *why = "there must be a number before each unit";
  if (*at == '.' && (fraction = strspn (++at, "0123456789")) == 0)
    return 0;
  if (whole + fraction == 0)
    return 0;

  const char *digits = at;
  at += fraction;
  at += strspn (at, " ");
  gsize length = strcspn (at, " 0123456789.");
  guint64 unit = find_unit (at, length);

  errno = 0;
  guint64 number = whole == 0 ? 0 : g_ascii_strtoull (text, NULL, 10);
  guint64 rest = parse_fraction (digits, fraction, unit);
  *why = unit == 0 ? "there is no such unit" : "it is too long";
  if (unit == 0 || errno == ERANGE || number > (G_MAXUINT64 - rest) / unit)
    return 0;
  *value = number * unit + rest;
  return (gsize) (at + length - text);
}

/* NULL, or why it cannot be. */
static const char *
parse_span (const char *text, guint64 *span)
{
  guint64 sum = 0, value = 0;
  const char *why = "it is empty";

  text += strspn (text, " ");
  if (*text == '\0')
    return why;
  for (; *text != '\0'; text += strspn (text, " "))
    {
      gsize length = parse_value (text, &value, &why);

      if (length == 0)
        return why;
      if (value > G_MAXUINT64 - sum)
        return "it is too long";
      sum += value;
      text += length;
    }
  *span = sum;
  return NULL;
}

gboolean
mtv_time_parse_span (const char *text, guint64 *span, GError **error)
{
  g_return_val_if_fail (text != NULL && span != NULL, FALSE);

  const char *why = parse_span (text, span);
  return why == NULL || refuse (text, "time span", why, error);
}

char *
mtv_time_format_span (guint64 span, guint64 accuracy)
{
  g_autoptr (GString) out = g_string_new (NULL);

  g_return_val_if_fail (accuracy > 0, NULL);

  span -= span % accuracy;
  for (guint i = 0; i < G_N_ELEMENTS (units) && span > 0; i++)
    if (span >= units[i].usec)
      {
        g_string_append_printf (out, "%s%" G_GUINT64_FORMAT "%s", out->len > 0 ? " " : "",
                                span / units[i].usec, units[i].names[0]);
        span %= units[i].usec;
      }
  return out->len == 0 ? g_strdup ("0") : g_string_free (g_steal_pointer (&out), FALSE);
}

/* A point in time as it is being read. */
typedef struct
{
  GTimeZone *zone;   /* (owned) */
  gboolean fixed;    /* by the name of an offset: */
  gint64 offset;     /* seconds */
  guint weekday;     /* from 1; 0: not given */
  gboolean has_date; /* else it is today */
  gint64 days;       /* since the epoch; if it is relative, since today */
  gboolean relative; /* yesterday, today, tomorrow */
  gboolean has_time; /* else it is midnight */
  guint64 of_day;    /* µs */
} Point;

static gint64
offset_at (GTimeZone *zone, gint64 seconds)
{
  return g_time_zone_get_offset (zone,
                                 g_time_zone_find_interval (zone, G_TIME_TYPE_UNIVERSAL, seconds));
}

/* When clocks in @zone show @wall (seconds as if it were UTC). Of the offsets a day before and a
 * day after, one that holds at the time which it leads to; the earlier time, if both do. */
static gint64
from_wall (GTimeZone *zone, gint64 wall)
{
  gint64 before = offset_at (zone, wall - DAY_SECONDS);
  gint64 after = offset_at (zone, wall + DAY_SECONDS);
  gboolean first = offset_at (zone, wall - before) == before;
  gboolean second = offset_at (zone, wall - after) == after;

  if (first && second)
    return wall - MAX (before, after);
  return second ? wall - after : wall - before;
}

static gint64
to_wall (GTimeZone *zone, guint64 time)
{
  gint64 seconds = (gint64) (time / SECOND);

  return seconds + offset_at (zone, seconds);
}

/* Reads a number of @min to @max digits at *@at, and then @end unless it is 0. */
static gboolean
take_number (const char **at, gsize min, gsize max, char end, guint *number)
{
  gsize length = strspn (*at, "0123456789");

  if (length < min || length > max || (end != '\0' && (*at)[length] != end))
    return FALSE;
  *number = (guint) g_ascii_strtoull (*at, NULL, 10);
  *at += length + (end != '\0');
  return TRUE;
}

static gboolean
parse_date (Point *self, const char *word, const char **why)
{
  static const char *const names[] = { "yesterday", "today", "tomorrow" };
  guint year, month, day;
  gsize digits = strspn (word, "0123456789");

  self->has_date = TRUE;
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    if (g_str_equal (word, names[i]))
      {
        self->relative = TRUE;
        self->days = (gint64) i - 1;
        return TRUE;
      }
  *why = "a date is YEAR-MONTH-DAY";
  if ((digits != 2 && digits != 4) || !take_number (&word, 2, 4, '-', &year)
      || !take_number (&word, 1, 2, '-', &month) || !take_number (&word, 1, 2, '\0', &day)
      || *word != '\0')
    return FALSE;
  if (digits == 2) /* as POSIX has it for %y */
    year += year < 69 ? 2000 : 1900;
  *why = "there is no such day";
  if (!g_date_valid_dmy ((GDateDay) day, (GDateMonth) month, (GDateYear) year))
    return FALSE;

  GDate date;
  g_date_clear (&date, 1);
  g_date_set_dmy (&date, (GDateDay) day, (GDateMonth) month, (GDateYear) year);
  self->days = (gint64) g_date_get_julian (&date) - EPOCH_JULIAN;
  return TRUE;
}

static gboolean
parse_time (Point *self, const char *word, const char **why)
{
  guint hour, minute, second = 0;

  self->has_time = TRUE;
  *why = "a time is HOUR:MINUTE or HOUR:MINUTE:SECOND";
  if (!take_number (&word, 1, 2, ':', &hour) || !take_number (&word, 1, 2, '\0', &minute))
    return FALSE;
  if (*word == ':' && (word++, !take_number (&word, 1, 2, '\0', &second)))
    return FALSE;
  if (hour > 23 || minute > 59 || second > 59)
    return FALSE;
  self->of_day = hour * HOUR + minute * MINUTE + second * SECOND;
  if (*word == '.')
    {
      gsize digits = strspn (++word, "0123456789");

      if (digits == 0)
        return FALSE;
      self->of_day += parse_fraction (word, digits, SECOND);
      word += digits;
    }
  return *word == '\0';
}

/* What the local zone is called in summer and in winter of this year. */
static gboolean
find_abbreviation (Point *self, const char *name, guint64 now)
{
  for (gint64 day = 0; day < 366; day += 7)
    {
      gint64 seconds = (gint64) (now / SECOND) + day * DAY_SECONDS;
      int interval = g_time_zone_find_interval (self->zone, G_TIME_TYPE_UNIVERSAL, seconds);

      if (g_strcmp0 (g_time_zone_get_abbreviation (self->zone, interval), name) == 0)
        {
          self->fixed = TRUE;
          self->offset = g_time_zone_get_offset (self->zone, interval);
          return TRUE;
        }
    }
  return FALSE;
}

/* GLib takes a path for a name, and a file there for a zone. The names of the database begin with a
 * capital, what else lies in its folder does not. */
static gboolean
is_zone_name (const char *name)
{
  static const char known[] = "0123456789_-+/"
                              "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";

  return g_ascii_isupper (*name) && name[strspn (name, known)] == '\0' && strlen (name) < 64;
}

static gboolean
is_offset (const char *name)
{
  static const char hours[] = "+HH", minutes[] = "+HH:MM";
  gsize length = strlen (name);

  if ((*name != '+' && *name != '-') || (length != strlen (hours) && length != strlen (minutes)))
    return FALSE;
  for (gsize i = 1; i < length; i++)
    if (i == 3 ? name[i] != ':' : !g_ascii_isdigit (name[i]))
      return FALSE;
  return TRUE;
}

static gboolean
parse_zone (Point *self, const char *name, guint64 now, const char **why)
{
  *why = "there is no such time zone";
  if (find_abbreviation (self, name, now))
    return TRUE;
  if (!is_offset (name) && !is_zone_name (name))
    return FALSE;

  GTimeZone *zone = g_time_zone_new_identifier (name);
  if (zone == NULL)
    return FALSE;
  g_time_zone_unref (self->zone);
  self->zone = zone;
  return TRUE;
}

static gboolean
parse_weekday (Point *self, const char *word)
{
  for (guint i = 0; i < G_N_ELEMENTS (weekdays); i++)
    if (g_ascii_strcasecmp (word, weekdays[i]) == 0
        || g_ascii_strcasecmp (word, weekdays_long[i]) == 0)
      self->weekday = i + 1;
  return self->weekday > 0;
}

/* RFC 3339, 5.6: the date, "T", the time, and the zone without anything between. */
static gboolean
parse_rfc3339 (Point *self, const char *word, guint64 now, const char **why)
{
  g_auto (GStrv) halves = g_strsplit (word, "T", 2);
  gsize length = strcspn (halves[1], "Z+-");
  g_autofree char *time = g_strndup (halves[1], length);

  return parse_date (self, halves[0], why) && parse_time (self, time, why)
         && (halves[1][length] == '\0' || parse_zone (self, halves[1] + length, now, why));
}

static gboolean
parse_words (Point *self, char **words, guint64 now, const char **why)
{
  if (*words != NULL && parse_weekday (self, *words))
    words++;
  if (*words != NULL && g_ascii_isdigit (**words) && strchr (*words, 'T') != NULL)
    return parse_rfc3339 (self, *words, now, why)
           && (words[1] == NULL || (*why = "there is more after it", FALSE));

  if (*words != NULL && strchr (*words, ':') == NULL
      && (g_ascii_isdigit (**words) || g_ascii_islower (**words)))
    if (!parse_date (self, *words++, why))
      return FALSE;
  if (*words != NULL && g_ascii_isdigit (**words))
    if (!parse_time (self, *words++, why))
      return FALSE;
  *why = "there is neither a date nor a time in it";
  if (!self->has_date && !self->has_time)
    return FALSE;
  if (*words != NULL && !parse_zone (self, *words++, now, why))
    return FALSE;
  *why = "there is more after the zone";
  return *words == NULL;
}

/* The empty words between several spaces go. */
static char **
split (const char *text)
{
  g_auto (GStrv) all = g_strsplit (text, " ", -1);
  g_autoptr (GPtrArray) words = g_ptr_array_new ();

  for (char **word = all; *word != NULL; word++)
    if (**word != '\0')
      g_ptr_array_add (words, g_strdup (*word));
  g_ptr_array_add (words, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&words), FALSE);
}

static gboolean
resolve (const Point *self, guint64 now, guint64 *time, const char **why)
{
  gint64 days = self->days;

  if (!self->has_date || self->relative)
    {
      gint64 wall
          = self->fixed ? (gint64) (now / SECOND) + self->offset : to_wall (self->zone, now);
      days += (wall - (wall % DAY_SECONDS)) / DAY_SECONDS;
    }
  *why = "that is another day of the week";
  if (self->weekday > 0 && (guint) ((days + 3) % 7 + 1) != self->weekday)
    return FALSE;

  gint64 wall = days * DAY_SECONDS + (gint64) (self->of_day / SECOND);
  gint64 seconds = self->fixed ? wall - self->offset : from_wall (self->zone, wall);
  *why = "it is before 1970 or after 9999";
  if (seconds < 0 || seconds > LAST_SECOND)
    return FALSE;
  *time = (guint64) seconds * SECOND + self->of_day % SECOND;
  return TRUE;
}

static const char *
parse_absolute (const char *text, guint64 now, GTimeZone *zone, guint64 *time)
{
  g_auto (GStrv) words = split (text);
  Point point = { .zone = zone != NULL ? g_time_zone_ref (zone) : g_time_zone_new_local () };
  const char *why = NULL;

  if (parse_words (&point, words, now, &why) && resolve (&point, now, time, &why))
    why = NULL;
  g_time_zone_unref (point.zone);
  return why;
}

/* @text with a sign before it or a word after it. TRUE if it is relative at all. */
static gboolean
parse_relative (const char *text, guint64 now, guint64 *time, const char **why)
{
  gboolean ago = *text == '-' || g_str_has_suffix (text, " ago");
  gboolean left = *text == '+' || g_str_has_suffix (text, " left");
  guint64 base = *text == '@' ? 0 : now, span = 0;

  if (!ago && !left && *text != '@')
    return FALSE;
  const char *start = text + (strchr ("+-@", *text) != NULL);
  g_autofree char *bare
      = start > text ? g_strdup (start) : g_strndup (text, strlen (text) - (ago ? 4 : 5));
  *why = parse_span (bare, &span);
  if (*why != NULL)
    return TRUE;
  guint64 last = (guint64) LAST_SECOND * SECOND;
  if (ago ? span > base : (base > last || span > last - base))
    *why = "it is before 1970 or after 9999";
  else
    *time = ago ? base - span : base + span;
  return TRUE;
}

gboolean
mtv_time_parse (const char *text, guint64 now, GTimeZone *zone, guint64 *time, GError **error)
{
  const char *why = NULL;

  g_return_val_if_fail (text != NULL && time != NULL, FALSE);

  g_autofree char *bare = g_strstrip (g_strndup (text, MAX_TEXT));
  if (strlen (text) >= MAX_TEXT)
    why = "it is too long";
  else if (g_str_equal (bare, "now"))
    *time = now;
  else if (!parse_relative (bare, now, time, &why))
    why = parse_absolute (bare, now, zone, time);
  return why == NULL || refuse (text, "time", why, error);
}

char *
mtv_time_format (guint64 time, GTimeZone *zone)
{
  g_autoptr (GTimeZone) here = zone != NULL ? g_time_zone_ref (zone) : g_time_zone_new_local ();
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc ((gint64) (time / SECOND));
  g_autoptr (GDateTime) local = utc != NULL ? g_date_time_to_timezone (utc, here) : NULL;

  if (local == NULL)
    return g_strdup_printf ("@%" G_GUINT64_FORMAT, time / SECOND);
  return g_strdup_printf ("%s %04d-%02d-%02d %02d:%02d:%02d %s",
                          weekdays[g_date_time_get_day_of_week (local) - 1],
                          g_date_time_get_year (local), g_date_time_get_month (local),
                          g_date_time_get_day_of_month (local), g_date_time_get_hour (local),
                          g_date_time_get_minute (local), g_date_time_get_second (local),
                          g_date_time_get_timezone_abbreviation (local));
}

/* From @least on, a distance is told in @unit, and what is over in @rest. */
static const struct
{
  guint64 least, unit, rest;
  const char *one, *many, *rest_one, *rest_many;
} distances[] = {
  { YEAR, YEAR, MONTH, " year", " years", " month", " months" },
  { MONTH, MONTH, DAY, " month", " months", " day", " days" },
  { WEEK, WEEK, DAY, " week", " weeks", " day", " days" },
  { 2 * DAY, DAY, 0, " day", " days", NULL, NULL },
  { DAY, DAY, HOUR, " day", " days", "h", "h" },
  { 6 * HOUR, HOUR, 0, "h", "h", NULL, NULL },
  { HOUR, HOUR, MINUTE, "h", "h", "min", "min" },
  { 5 * MINUTE, MINUTE, 0, "min", "min", NULL, NULL },
  { MINUTE, MINUTE, SECOND, "min", "min", "s", "s" },
  { SECOND, SECOND, 0, "s", "s", NULL, NULL },
  { 1000, 1000, 0, "ms", "ms", NULL, NULL },
  { 1, 1, 0, "us", "us", NULL, NULL },
};

char *
mtv_time_format_relative (guint64 time, guint64 now)
{
  guint64 distance = time > now ? time - now : now - time;
  guint i = 0;

  if (distance == 0)
    return g_strdup ("now");
  while (distance < distances[i].least)
    i++;

  g_autoptr (GString) out = g_string_new (NULL);
  guint64 n = distance / distances[i].unit;
  guint64 rest = distances[i].rest == 0 ? 0 : distance % distances[i].unit / distances[i].rest;
  g_string_append_printf (out, "%" G_GUINT64_FORMAT "%s", n,
                          n == 1 ? distances[i].one : distances[i].many);
  if (rest > 0)
    g_string_append_printf (out, " %" G_GUINT64_FORMAT "%s", rest,
                            rest == 1 ? distances[i].rest_one : distances[i].rest_many);
  g_string_append (out, time > now ? " left" : " ago");
  return g_string_free (g_steal_pointer (&out), FALSE);
}

guint64
mtv_time_of_day (guint64 time, GTimeZone *zone)
{
  g_autoptr (GTimeZone) here = zone != NULL ? g_time_zone_ref (zone) : g_time_zone_new_local ();
  gint64 wall = to_wall (here, time) % DAY_SECONDS;

  return (guint64) (wall < 0 ? wall + DAY_SECONDS : wall) * SECOND + time % SECOND;
}

guint64
mtv_time_next_of_day (guint64 time, guint64 of_day, GTimeZone *zone)
{
  g_autoptr (GTimeZone) here = zone != NULL ? g_time_zone_ref (zone) : g_time_zone_new_local ();
  gint64 wall = to_wall (here, time);
  gint64 midnight = wall - wall % DAY_SECONDS;

  g_return_val_if_fail (of_day < DAY, 0);

  /* The day of a change of clocks may show it twice, or be over before it is midnight again. */
  for (int day = 0; day < 3; day++)
    {
      gint64 at = from_wall (here, midnight + day * DAY_SECONDS + (gint64) (of_day / SECOND));
      guint64 usec = (guint64) MAX (at, 0) * SECOND + of_day % SECOND;

      if (usec > time)
        return usec;
    }
  return time + DAY;
}
