/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ovf-units.h"

#include <string.h>

static const struct
{
  const char *name;
  guint shift;
} names[] = {
  { "byte", 0 },       { "bytes", 0 },      { "b", 0 },   { "kilobytes", 10 }, { "kb", 10 },
  { "megabytes", 20 }, { "mb", 20 },        { "m", 20 },  { "gigabytes", 30 }, { "gb", 30 },
  { "g", 30 },         { "terabytes", 40 }, { "tb", 40 },
};

static char *
squeeze (const char *unit)
{
  g_autofree char *lower = g_ascii_strdown (unit, -1);
  g_auto (GStrv) parts = g_strsplit_set (lower, " \t\r\n", -1);

  return g_strjoinv ("", parts);
}

/* What stands behind "byte*": "2^30", "10^9", "1024". */
static gboolean
parse_factor (const char *text, guint64 *factor)
{
  g_auto (GStrv) parts = g_strsplit (text, "^", 2);
  guint64 base;
  guint64 exponent = 1;

  if (parts[0] == NULL || !g_ascii_string_to_unsigned (parts[0], 10, 1, G_MAXINT64, &base, NULL)
      || (parts[1] != NULL && !g_ascii_string_to_unsigned (parts[1], 10, 0, 62, &exponent, NULL)))
    return FALSE;

  *factor = 1;
  for (; exponent > 0; exponent--)
    if (!g_uint64_checked_mul (factor, *factor, base))
      return FALSE;
  return TRUE;
}

static gboolean
parse_unit (const char *unit, guint64 *factor)
{
  g_autofree char *name = squeeze (unit);

  if (g_str_has_prefix (name, "byte*"))
    return parse_factor (name + strlen ("byte*"), factor);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strcmp (name, names[i].name) == 0)
      {
        *factor = G_GUINT64_CONSTANT (1) << names[i].shift;
        return TRUE;
      }
  return FALSE;
}

gboolean
mtv_ovf_units_parse (const char *number, const char *unit, guint64 default_factor, guint64 *bytes)
{
  guint64 factor = default_factor;
  guint64 value;

  return g_ascii_string_to_unsigned (number, 10, 0, G_MAXINT64, &value, NULL)
         && (unit == NULL || parse_unit (unit, &factor))
         && g_uint64_checked_mul (&value, value, factor) && value <= G_MAXINT64
         && (*bytes = value, TRUE);
}

char *
mtv_ovf_units_normalize_mac (const char *address)
{
  g_autoptr (GString) mac = g_string_new (NULL);
  guint n_digits = 0;

  for (const char *at = address; *at != '\0'; at++)
    if (g_ascii_isxdigit (*at))
      {
        if (n_digits > 0 && n_digits % 2 == 0)
          g_string_append_c (mac, ':');
        g_string_append_c (mac, g_ascii_tolower (*at));
        if (++n_digits > 12)
          return NULL;
      }
    else if (strchr (":-. ", *at) == NULL)
      return NULL;
  return n_digits == 12 ? g_strdup (mac->str) : NULL;
}
