/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-throttle-rule.h"

#include "base/mtv-error.h"
#include "base/mtv-text.h"

#include <string.h>

#define MINUTE (60 * (guint64) G_USEC_PER_SEC)
#define DAY (24 * 60 * MINUTE)
#define MAX_TEXT 512
#define MAX_WINDOWS 16
#define MAX_RATE ((guint64) 1 << 50)

static const char suffixes[] = "KMGT";

static gboolean
refuse (const char *text, const char *why, GError **error)
{
  g_autofree char *cut = g_strndup (text, MAX_TEXT);
  g_autofree char *line = mtv_text_one_line (cut);

  g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT, "Bad throttle '%s': %s", line, why);
  return FALSE;
}

static gboolean
parse_rate (const char *text, guint64 *rate, GError **error)
{
  char *end = NULL;
  gsize digits = strspn (text, "0123456789");

  *rate = 0;
  if (g_str_equal (text, "off"))
    return TRUE;
  /* A double holds every number up to MAX_RATE, which has so many digits. */
  if (digits == 0 || digits > 16)
    return refuse (text, "a rate is bytes a second, such as 500K, 100M or 1.5G, or 'off'", error);
  double value = g_ascii_strtod (text, &end);
  if (end != text + strspn (text, "0123456789."))
    return refuse (text, "a rate is bytes a second, such as 500K, 100M or 1.5G, or 'off'", error);
  for (guint i = 0; *end != '\0' && i < strlen (suffixes); i++)
    if (*end == suffixes[i] && end[1] == '\0')
      {
        value *= (double) ((guint64) 1 << (10 * (i + 1)));
        end++;
      }
  if (*end != '\0')
    return refuse (text, "after the number there may be K, M, G or T", error);
  if (value < 1)
    return refuse (text, "nothing would be copied; for no limit, it is 'off'", error);
  if (value > (double) MAX_RATE)
    return refuse (text, "it is too much; for no limit, it is 'off'", error);
  *rate = (guint64) value;
  return TRUE;
}

/* "HH:MM" at @text, then @after. 24:00 is the midnight at which a window ends. */
static gboolean
parse_of_day (const char *text, char after, guint64 *of_day)
{
  if (!g_ascii_isdigit (text[0]) || !g_ascii_isdigit (text[1]) || text[2] != ':'
      || !g_ascii_isdigit (text[3]) || !g_ascii_isdigit (text[4]) || text[5] != after)
    return FALSE;

  guint hour = (guint) (text[0] - '0') * 10 + (guint) (text[1] - '0');
  guint minute = (guint) (text[3] - '0') * 10 + (guint) (text[4] - '0');
  if (hour > 24 || minute > 59 || (hour == 24 && (minute > 0 || after != '=')))
    return FALSE;
  *of_day = (hour * 60 + minute) * MINUTE % DAY;
  return TRUE;
}

static gboolean
is_in (const MtvThrottleWindow *window, guint64 of_day)
{
  if (window->start < window->end)
    return of_day >= window->start && of_day < window->end;
  return of_day >= window->start || of_day < window->end;
}

static gboolean
parse_window (MtvThrottleRule *self, const char *text, GError **error)
{
  MtvThrottleWindow window;
  const char *rate = strchr (text, '=') + 1;

  if (!parse_of_day (text, '-', &window.start) || !parse_of_day (text + 6, '=', &window.end)
      || window.start == window.end)
    return refuse (text, "a window is HH:MM-HH:MM=RATE, such as 08:00-18:00=10M", error);
  if (!parse_rate (rate, &window.rate, error))
    return FALSE;
  if (self->windows->len >= MAX_WINDOWS)
    return refuse (text, "there are too many windows", error);
  for (guint i = 0; i < self->windows->len; i++)
    {
      const MtvThrottleWindow *other = &g_array_index (self->windows, MtvThrottleWindow, i);

      if (is_in (other, window.start) || is_in (&window, other->start))
        return refuse (text, "it overlaps with another window", error);
    }
  g_array_append_val (self->windows, window);
  return TRUE;
}

MtvThrottleRule *
mtv_throttle_rule_parse (const char *text, GError **error)
{
  g_autoptr (MtvThrottleRule) self = g_new0 (MtvThrottleRule, 1);
  gboolean first = TRUE;

  g_return_val_if_fail (text != NULL, NULL);

  self->windows = g_array_new (FALSE, FALSE, sizeof (MtvThrottleWindow));
  if (strlen (text) > MAX_TEXT)
    {
      refuse (text, "it is too long", error);
      return NULL;
    }
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  for (char **word = words; *word != NULL; word++)
    {
      if (**word == '\0')
        continue;
      if (strchr (*word, '=') != NULL)
        {
          if (!parse_window (self, *word, error))
            return NULL;
        }
      else if (!first)
        {
          refuse (text, "only windows (HH:MM-HH:MM=RATE) come after the first rate", error);
          return NULL;
        }
      else if (!parse_rate (*word, &self->rate, error))
        return NULL;
      first = FALSE;
    }
  if (!first)
    return g_steal_pointer (&self);
  refuse (text, "it is empty; for no limit, it is 'off'", error);
  return NULL;
}

void
mtv_throttle_rule_free (MtvThrottleRule *self)
{
  g_clear_pointer (&self->windows, g_array_unref);
  g_free (self);
}

static void
append_rate (GString *out, guint64 rate)
{
  int suffix = -1;

  if (rate == 0)
    {
      g_string_append (out, "off");
      return;
    }
  for (; suffix < (int) strlen (suffixes) - 1 && rate % 1024 == 0; suffix++)
    rate /= 1024;
  g_string_append_printf (out, "%" G_GUINT64_FORMAT, rate);
  if (suffix >= 0)
    g_string_append_c (out, suffixes[suffix]);
}

char *
mtv_throttle_rule_to_string (const MtvThrottleRule *self)
{
  g_autoptr (GString) out = g_string_new (NULL);

  g_return_val_if_fail (self != NULL, NULL);

  append_rate (out, self->rate);
  for (guint i = 0; i < self->windows->len; i++)
    {
      const MtvThrottleWindow *window = &g_array_index (self->windows, MtvThrottleWindow, i);
      guint start = (guint) (window->start / MINUTE), end = (guint) (window->end / MINUTE);

      g_string_append_printf (out, " %02u:%02u-%02u:%02u=", start / 60, start % 60, end / 60,
                              end % 60);
      append_rate (out, window->rate);
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

gboolean
mtv_throttle_rule_is_off (const MtvThrottleRule *self)
{
  gboolean off = self->rate == 0;

  for (guint i = 0; i < self->windows->len; i++)
    off &= g_array_index (self->windows, MtvThrottleWindow, i).rate == 0;
  return off;
}

guint64
mtv_throttle_rule_get_rate (const MtvThrottleRule *self, guint64 of_day)
{
  g_return_val_if_fail (self != NULL && of_day < DAY, 0);

  for (guint i = 0; i < self->windows->len; i++)
    {
      const MtvThrottleWindow *window = &g_array_index (self->windows, MtvThrottleWindow, i);

      if (is_in (window, of_day))
        return window->rate;
    }
  return self->rate;
}

guint64
mtv_throttle_rule_get_next_change (const MtvThrottleRule *self, guint64 of_day)
{
  guint64 least = G_MAXUINT64, next = G_MAXUINT64;

  g_return_val_if_fail (self != NULL && of_day < DAY, G_MAXUINT64);

  for (guint i = 0; i < 2 * self->windows->len; i++)
    {
      const MtvThrottleWindow *window = &g_array_index (self->windows, MtvThrottleWindow, i / 2);
      guint64 edge = i % 2 == 0 ? window->start : window->end;
      guint64 away = edge > of_day ? edge - of_day : edge + DAY - of_day;

      if (away < least)
        {
          least = away;
          next = edge;
        }
    }
  return next;
}
