/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-http-range.h"

#include <libsoup/soup.h>
#include <string.h>

/* Digits only; g_ascii_string_to_unsigned() needs them to end the string. Sizes are those of files,
 * which off_t can tell. */
static gboolean
take_number (const char **text, guint64 *number)
{
  const char *start = *text;
  guint64 value = 0;

  for (; g_ascii_isdigit (**text); ++*text)
    {
      guint digit = g_ascii_digit_value (**text);

      if (value > ((guint64) G_MAXINT64 - digit) / 10)
        return FALSE;
      value = value * 10 + digit;
    }
  *number = value;
  return *text > start;
}

static gboolean
take_char (const char **text, char wanted)
{
  if (**text != wanted)
    return FALSE;
  ++*text;
  return TRUE;
}

static const char *
skip_blanks (const char *text)
{
  return text + strspn (text, " \t");
}

/* Nothing but blanks follows. */
static gboolean
is_end (const char *text)
{
  return *skip_blanks (text) == '\0';
}

gboolean
mtv_http_parse_content_range (const char *field, MtvHttpRange *range)
{
  guint64 last;

  *range = (MtvHttpRange){ 0 };
  if (!field)
    return FALSE;
  field = skip_blanks (field);
  if (g_ascii_strncasecmp (field, "bytes", 5) != 0 || !strchr (" \t", field[5]) || !field[5])
    return FALSE;
  field = skip_blanks (field + 5);
  if (take_char (&field, '*'))
    return take_char (&field, '/') && take_number (&field, &range->total) && is_end (field);
  if (!take_number (&field, &range->start) || !take_char (&field, '-')
      || !take_number (&field, &last) || !take_char (&field, '/')
      || !take_number (&field, &range->total) || !is_end (field))
    return FALSE;
  range->end = last + 1;
  return range->start <= last && last < range->total;
}

gboolean
mtv_http_parse_content_length (const char *field, guint64 *length)
{
  *length = 0;
  if (!field)
    return FALSE;
  field = skip_blanks (field);
  return take_number (&field, length) && is_end (field);
}

guint
mtv_http_parse_retry_after (const char *field, gint64 now)
{
  guint64 seconds;

  if (mtv_http_parse_content_length (field, &seconds))
    return MIN (seconds, G_MAXUINT);

  g_autoptr (GDateTime) date = field ? soup_date_time_new_from_http_string (field) : NULL;
  gint64 then = date ? g_date_time_to_unix (date) : now;

  return then > now ? MIN (then - now, G_MAXUINT) : 0;
}

gboolean
mtv_http_etag_is_strong (const char *field)
{
  gsize length = field ? strlen (field) : 0;

  if (length < 2 || field[0] != '"' || field[length - 1] != '"')
    return FALSE;
  for (gsize i = 1; i < length - 1; i++)
    if ((guchar) field[i] <= ' ' || field[i] == '"' || field[i] == 0x7f)
      return FALSE;
  return TRUE;
}

gboolean
mtv_http_validator_differs (const char *before, const char *now)
{
  return before && now && !g_str_equal (before, now);
}
