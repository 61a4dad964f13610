/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-ova-manifest.h"

#include <string.h>

/* From weak to strong. */
static const struct
{
  const char *spelling;
  const char *algorithm;
  gsize n_digits;
} algorithms[] = {
  { "sha1", "sha1", 40 },       { "sha-1", "sha1", 40 },       { "sha256", "sha256", 64 },
  { "sha-256", "sha256", 64 },  { "sha2-256", "sha256", 64 },  { "sha512", "sha512", 128 },
  { "sha-512", "sha512", 128 }, { "sha2-512", "sha512", 128 },
};

typedef struct
{
  const char *algorithm;
  char *hex;
} Entry;

struct _MtvOvaManifest
{
  GHashTable *entries; /* name → Entry */
};

static void
entry_free (gpointer data)
{
  g_free (((Entry *) data)->hex);
  g_free (data);
}

static gboolean
is_hex (const char *text)
{
  while (g_ascii_isxdigit (*text))
    text++;
  return *text == '\0';
}

static void
add_entry (MtvOvaManifest *self, const char *spelling, const char *name, const char *digits)
{
  for (gsize i = 0; i < G_N_ELEMENTS (algorithms); i++)
    {
      if (g_ascii_strcasecmp (spelling, algorithms[i].spelling) != 0
          || strlen (digits) != algorithms[i].n_digits || !is_hex (digits))
        continue;

      const Entry *other = g_hash_table_lookup (self->entries, name);
      if (other != NULL && strlen (other->hex) > algorithms[i].n_digits)
        return;
      Entry *entry = g_new (Entry, 1);
      entry->algorithm = algorithms[i].algorithm;
      entry->hex = g_ascii_strdown (digits, -1);
      g_hash_table_replace (self->entries, g_strdup (name), entry);
      return;
    }
  g_debug ("a manifest has a '%s' checksum for '%s', ignoring it", spelling, name);
}

/* A name may have parentheses of its own: it ends at the last one before the last "=". */
static void
parse_line (MtvOvaManifest *self, char *line)
{
  char *open = strchr (line, '(');
  char *equals = strrchr (line, '=');
  char *close = equals != NULL ? g_strrstr_len (line, equals - line, ")") : NULL;

  if (open == NULL || close == NULL || close < open)
    return;
  *open = *close = '\0';
  char *name = g_strstrip (open + 1);
  while (g_str_has_prefix (name, "./"))
    name += 2;
  add_entry (self, g_strstrip (line), name, g_strstrip (equals + 1));
}

MtvOvaManifest *
mtv_ova_manifest_parse (const char *text, gsize length)
{
  MtvOvaManifest *self = g_new0 (MtvOvaManifest, 1);
  g_autofree char *copy = g_strndup (text, length);
  g_auto (GStrv) lines = g_strsplit_set (copy, "\r\n", -1);

  self->entries = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, entry_free);
  for (guint i = 0; lines[i] != NULL; i++)
    parse_line (self, lines[i]);
  return self;
}

void
mtv_ova_manifest_free (MtvOvaManifest *self)
{
  g_hash_table_unref (self->entries);
  g_free (self);
}

const char *
mtv_ova_manifest_find (MtvOvaManifest *self, const char *name, const char **algorithm)
{
  const Entry *entry = g_hash_table_lookup (self->entries, name);

  if (entry == NULL)
    return NULL;
  *algorithm = entry->algorithm;
  return entry->hex;
}
