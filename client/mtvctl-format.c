/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mtvctl-format.h"

#include "base/mtv-time.h"

#include <glib/gi18n.h>
#include <string.h>

#define MINUTE (60 * (guint64) G_USEC_PER_SEC)
#define HOUR (60 * MINUTE)
#define DAY (24 * HOUR)

guint
mtvctl_format_percent (guint64 done, guint64 total)
{
  return done >= total ? 100 : MIN (99, (guint) (100.0 * done / total));
}

char *
mtvctl_format_size (guint64 bytes)
{
  static const char suffixes[] = "KMGTPE";
  guint shift = 10;

  if (bytes < 1024)
    return g_strdup_printf ("%uB", (guint) bytes);
  while (shift < 60 && bytes >> (shift + 10) > 0)
    shift += 10;

  guint64 whole = bytes >> shift;
  guint64 tenth = ((bytes >> (shift - 10)) & 1023) * 10 / 1024;
  return g_strdup_printf ("%u.%u%c", (guint) whole, (guint) tenth, suffixes[shift / 10 - 1]);
}

char *
mtvctl_format_rate (guint64 bytes)
{
  g_autofree char *size = mtvctl_format_size (bytes);

  return bytes == 0 ? g_strdup ("-") : g_strconcat (size, "/s", NULL);
}

char *
mtvctl_format_span (guint64 usec)
{
  guint64 accuracy = usec >= DAY              ? HOUR
                     : usec >= HOUR           ? MINUTE
                     : usec >= G_USEC_PER_SEC ? G_USEC_PER_SEC
                                              : 1000;

  return mtv_time_format_span (usec, accuracy);
}

char *
mtvctl_format_time (guint64 usec)
{
  return usec == 0 ? g_strdup ("-") : mtv_time_format (usec, NULL);
}

char *
mtvctl_format_ago (guint64 usec, guint64 now)
{
  return usec == 0 ? g_strdup ("-") : mtv_time_format_relative (MIN (usec, now), now);
}

gboolean
mtvctl_parse_rate (const char *text, guint64 *rate, GError **error)
{
  static const char units[] = "BKMGT";
  char *end;
  double value = g_ascii_strtod (text, &end);
  const char *unit = *end != '\0' ? strchr (units, g_ascii_toupper (*end)) : units;

  for (const char *at = units; unit != NULL && at < unit; at++)
    value *= 1024;
  if (end != text && unit != NULL && (*end == '\0' || end[1] == '\0') && value >= 1
      && value < (double) G_MAXINT64)
    {
      *rate = value;
      return TRUE;
    }
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               _ ("--throttle=%s is not a rate, such as 200M or 1.5G (bytes a second)."), text);
  return FALSE;
}

static gboolean
is_harmless (gunichar c)
{
  if (c == 0x200c || c == 0x200d) /* joiners, which some scripts need */
    return TRUE;
  switch ((int) g_unichar_type (c))
    {
    case G_UNICODE_CONTROL:
    case G_UNICODE_FORMAT: /* among them those that turn the direction of writing */
    case G_UNICODE_LINE_SEPARATOR:
    case G_UNICODE_PARAGRAPH_SEPARATOR:
    case G_UNICODE_SURROGATE:
    case G_UNICODE_PRIVATE_USE:
    case G_UNICODE_UNASSIGNED:
      return FALSE;
    default:
      return TRUE;
    }
}

char *
mtvctl_escape (const char *text)
{
  gsize plain = 0;

  while (text[plain] >= ' ' && text[plain] < 0x7f)
    plain++;
  if (text[plain] == '\0') /* nearly always */
    return g_strndup (text, plain);

  g_autoptr (GString) out = g_string_new_len (text, plain);
  text += plain;
  while (*text != '\0')
    {
      gunichar c = g_utf8_get_char_validated (text, -1);

      if (c >= (gunichar) -2)
        g_string_append_printf (out, "\\x%02x", (guchar) *text++);
      else
        {
          const char *next = g_utf8_next_char (text);

          if (is_harmless (c))
            g_string_append_len (out, text, next - text);
          else
            g_string_append_printf (out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
          text = next;
        }
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static guint
char_width (gunichar c)
{
  if (c < 0x7f)
    return 1;
  if (g_unichar_iszerowidth (c))
    return 0;
  return g_unichar_iswide (c) ? 2 : 1;
}

guint
mtvctl_width (const char *text)
{
  guint width = 0;

  for (; *text != '\0'; text = g_utf8_next_char (text))
    width += char_width (g_utf8_get_char (text));
  return width;
}

static const char *
skip_columns (const char *text, guint columns)
{
  while (*text != '\0' && columns >= char_width (g_utf8_get_char (text)))
    {
      columns -= char_width (g_utf8_get_char (text));
      text = g_utf8_next_char (text);
    }
  return text;
}

char *
mtvctl_ellipsize (const char *text, guint width, gboolean middle)
{
  const char *sign = g_get_charset (NULL) ? "…" : "~";
  guint whole = mtvctl_width (text);

  if (whole <= width)
    return g_strdup (text);
  if (width == 0)
    return g_strdup ("");

  guint tail_width = middle ? (width - 1) / 2 : 0;
  const char *head_end = skip_columns (text, width - 1 - tail_width);
  const char *tail = tail_width == 0 ? "" : skip_columns (text, whole - tail_width);
  /* A wide character may straddle the cut. */
  if (mtvctl_width (tail) > tail_width)
    tail = g_utf8_next_char (tail);
  return g_strdup_printf ("%.*s%s%s", (int) (head_end - text), text, sign, tail);
}

char *
mtvctl_wrap (const char *text, guint width, const char *indent)
{
  g_auto (GStrv) words = g_strsplit (text, " ", -1);
  g_autoptr (GString) out = g_string_new (indent);
  guint column = strlen (indent);

  for (guint i = 0; words[i] != NULL; i++)
    {
      guint word = mtvctl_width (words[i]);

      if (i > 0 && width > 0 && column + 1 + word > width)
        {
          g_string_append_printf (out, "\n%s", indent);
          column = strlen (indent);
        }
      else if (i > 0)
        {
          g_string_append_c (out, ' ');
          column++;
        }
      g_string_append (out, words[i]);
      column += word;
    }
  return g_string_free (g_steal_pointer (&out), FALSE);
}

/* Levenshtein's distance, over bytes: good enough for names that were typed wrong. */
static guint
distance (const char *a, const char *b)
{
  gsize n = strlen (b);
  g_autofree guint *row = g_new (guint, n + 1);

  for (gsize j = 0; j <= n; j++)
    row[j] = j;
  for (gsize i = 1; a[i - 1] != '\0'; i++)
    {
      guint diagonal = row[0]++;

      for (gsize j = 1; j <= n; j++)
        {
          guint change = diagonal + (a[i - 1] != b[j - 1]);

          diagonal = row[j];
          row[j] = MIN (change, MIN (row[j], row[j - 1]) + 1);
        }
    }
  return row[n];
}

const char *
mtvctl_closest (const char *word, const char *const *candidates)
{
  gsize length = strlen (word);
  guint limit = CLAMP ((length + 1) / 2, 1, 3), best = G_MAXUINT;
  const char *closest = NULL;

  if (length > 100)
    return NULL;
  for (; *candidates != NULL; candidates++)
    {
      guint d = strlen (*candidates) > 100 ? G_MAXUINT : distance (word, *candidates);

      if (d < best && d <= limit && d < strlen (*candidates))
        {
          best = d;
          closest = *candidates;
        }
    }
  return closest;
}

char *
mtvctl_kebab (const char *property)
{
  GString *out = g_string_new (NULL);

  for (const char *at = property; *at != '\0'; at++)
    {
      if (g_ascii_isupper (*at) && at != property)
        g_string_append_c (out, '-');
      g_string_append_c (out, g_ascii_tolower (*at));
    }
  return g_string_free (out, FALSE);
}
