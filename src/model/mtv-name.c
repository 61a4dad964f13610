/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "model/mtv-name.h"

#include <string.h>

#define SUFFIX_LENGTH 4

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz0123456789";

static gboolean
is_letter (char c)
{
  return g_ascii_islower (c) || g_ascii_isdigit (c);
}

gboolean
mtv_name_is_dns (const char *name)
{
  gsize length = strlen (name);

  for (gsize i = 0; i < length; i++)
    {
      gboolean inside = i > 0 && i + 1 < length;

      if (is_letter (name[i]))
        continue;
      if (!inside || (name[i] != '-' && name[i] != '.'))
        return FALSE;
      /* A dot stands between letters; a dash may follow a dash. */
      if (name[i] == '.' && (!is_letter (name[i - 1]) || !is_letter (name[i + 1])))
        return FALSE;
    }
  return length > 0 && length <= MTV_NAME_MAX;
}

static void
trim_end (GString *string)
{
  while (string->len > 0 && !is_letter (string->str[string->len - 1]))
    g_string_truncate (string, string->len - 1);
}

static void
append_clean (GString *clean, char c)
{
  c = g_ascii_tolower (c);
  if (is_letter (c))
    g_string_append_c (clean, c);
  else if (c == '.')
    {
      trim_end (clean);
      if (clean->len > 0)
        g_string_append_c (clean, '.');
    }
  else if (c == '-' || g_ascii_isspace (c) || (c != '\0' && strchr ("_+*/\\", c) != NULL))
    {
      if (clean->len > 0 && is_letter (clean->str[clean->len - 1]))
        g_string_append_c (clean, '-');
    }
}

static char *
name_out_of_nothing (const char *name)
{
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);

  return g_strdup_printf ("vm-%.*s", SUFFIX_LENGTH, digest);
}

char *
mtv_name_to_dns (const char *name)
{
  g_autoptr (GString) clean = g_string_new (NULL);

  if (mtv_name_is_dns (name))
    return g_strdup (name);

  for (const char *c = name; *c != '\0'; c++)
    append_clean (clean, *c);
  g_string_truncate (clean, MIN (clean->len, MTV_NAME_MAX));
  trim_end (clean);
  return clean->len == 0 ? name_out_of_nothing (name)
                         : g_string_free (g_steal_pointer (&clean), FALSE);
}

char *
mtv_name_with_suffix (const char *name)
{
  g_autoptr (GString) longer = g_string_new (name);

  g_string_truncate (longer, MIN (longer->len, MTV_NAME_MAX - SUFFIX_LENGTH - 1));
  trim_end (longer);
  g_string_append_c (longer, '-');
  for (guint i = 0; i < SUFFIX_LENGTH; i++)
    g_string_append_c (longer, alphabet[g_random_int_range (0, sizeof alphabet - 1)]);
  return g_string_free (g_steal_pointer (&longer), FALSE);
}
