/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-text.h"

/* Control characters, what YAML 1.1 calls line breaks and does not call printable, and what XML 1.0
 * does not call a character. */
static gboolean
is_special (gunichar c)
{
  return g_unichar_iscntrl (c) || c == 0x2028 || c == 0x2029 || c == 0xfeff || c == 0xfffe
         || c == 0xffff;
}

char *
mtv_text_quote (const char *text)
{
  if (text == NULL)
    return g_strdup ("null");

  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GString) quoted = g_string_new ("\"");

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (c == '"' || c == '\\')
        g_string_append_printf (quoted, "\\%c", (char) c);
      else if (is_special (c))
        g_string_append_printf (quoted, "\\u%04x", c);
      else
        g_string_append_unichar (quoted, c);
    }
  g_string_append_c (quoted, '"');
  return g_string_free (g_steal_pointer (&quoted), FALSE);
}

char *
mtv_text_one_line (const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  g_autoptr (GString) line = g_string_new (NULL);

  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      g_string_append_unichar (line, is_special (c) ? ' ' : c);
    }
  return g_string_free (g_steal_pointer (&line), FALSE);
}
