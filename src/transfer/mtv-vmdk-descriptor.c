/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-header.h"

#include "base/mtv-error.h"

#define SIGNATURE "# disk descriptorfile"
#define MAX_EXTENTS 4096
#define MAX_SECTORS (G_GUINT64_CONSTANT (1) << 40)

static void
extent_free (MtvVmdkExtent *extent)
{
  g_free (extent->file);
  g_free (extent);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MtvVmdkExtent, extent_free)

void
mtv_vmdk_descriptor_free (MtvVmdkDescriptor *descriptor)
{
  g_free (descriptor->create_type);
  g_free (descriptor->parent_hint);
  g_free (descriptor->cid);
  g_free (descriptor->parent_cid);
  g_ptr_array_unref (descriptor->extents);
  g_free (descriptor);
}

gboolean
mtv_vmdk_descriptor_sniff (const void *bytes, gsize length)
{
  const char *text = bytes;

  if (length >= 3 && memcmp (text, "\xef\xbb\xbf", 3) == 0)
    {
      text += 3;
      length -= 3;
    }
  return length >= strlen (SIGNATURE)
         && g_ascii_strncasecmp (text, SIGNATURE, strlen (SIGNATURE)) == 0;
}

static char *
unquote (const char *value)
{
  g_autofree char *copy = g_strstrip (g_strdup (value));
  gsize length = strlen (copy);

  if (length >= 2 && copy[0] == '"' && copy[length - 1] == '"')
    return g_strndup (copy + 1, length - 2);
  return g_steal_pointer (&copy);
}

/* Cuts the next word off *@at, which moves behind it. "" at the end. */
static const char *
next_word (char **at)
{
  char *word = *at + strspn (*at, " \t");
  char *end = word + strcspn (word, " \t");

  *at = *end ? end + 1 : end;
  *end = '\0';
  return word;
}

static gboolean
parse_number (const char *text, guint64 *value)
{
  return g_ascii_string_to_unsigned (text, 10, 0, MAX_SECTORS, value, NULL);
}

static gboolean
is_extent_line (const char *line)
{
  return g_ascii_strncasecmp (line, "RW ", 3) == 0 || g_ascii_strncasecmp (line, "RDONLY ", 7) == 0
         || g_ascii_strncasecmp (line, "NOACCESS ", 9) == 0;
}

static gboolean
extent_type_from_string (const char *word, MtvVmdkExtentType *type)
{
  static const struct
  {
    const char *word;
    MtvVmdkExtentType type;
  } types[] = {
    { "FLAT", MTV_VMDK_EXTENT_FLAT },
    { "VMFS", MTV_VMDK_EXTENT_FLAT },
    { "SPARSE", MTV_VMDK_EXTENT_SPARSE },
    { "ZERO", MTV_VMDK_EXTENT_ZERO },
    { "VMFSSPARSE", MTV_VMDK_EXTENT_VMFS_SPARSE },
    { "SESPARSE", MTV_VMDK_EXTENT_SE_SPARSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (types); i++)
    if (g_ascii_strcasecmp (types[i].word, word) == 0)
      {
        *type = types[i].type;
        return TRUE;
      }
  return FALSE;
}

/* The name is followed only inside the descriptor's own directory. */
static gboolean
is_plain_name (const char *name)
{
  return *name && !strpbrk (name, "/\\") && strcmp (name, ".") != 0 && strcmp (name, "..") != 0;
}

/* What follows the type: "FILE" [OFFSET]. The name may hold spaces. */
static gboolean
parse_extent_file (MtvVmdkExtent *extent, char *rest, const char *line, const char *label,
                   GError **error)
{
  char *name = rest + strspn (rest, " \t");
  char *end = *name == '"' ? strchr (name + 1, '"') : NULL;

  if (end)
    {
      g_autofree char *number = g_strstrip (g_strdup (end + 1));

      extent->file = g_strndup (name + 1, end - name - 1);
      if (!*number || parse_number (number, &extent->offset))
        {
          if (is_plain_name (extent->file))
            return TRUE;
          if (strstr (extent->file, "://")) /* vsan://UUID, vvol://UUID */
            {
              g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                           "%s has its data in the object '%s', which is no file", label,
                           extent->file);
              return FALSE;
            }
          g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA,
                       "%s names the file '%s', which is not a plain file name", label,
                       extent->file);
          return FALSE;
        }
    }
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s has a broken extent line: %s", label,
               line);
  return FALSE;
}

/* ACCESS SECTORS TYPE ["FILE" [OFFSET]] */
static MtvVmdkExtent *
parse_extent (const char *line, gboolean link, const char *label, GError **error)
{
  g_autoptr (MtvVmdkExtent) extent = g_new0 (MtvVmdkExtent, 1);
  g_autofree char *copy = g_strdup (line);
  char *at = copy;
  const char *access = next_word (&at);
  const char *sectors = next_word (&at);
  const char *type = next_word (&at);

  if (!parse_number (sectors, &extent->sectors) || extent->sectors == 0)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s has a broken extent line: %s", label,
                   line);
      return NULL;
    }
  if (!extent_type_from_string (type, &extent->type)
      || (!link && extent->type > MTV_VMDK_EXTENT_ZERO)
      || (g_ascii_strcasecmp (access, "NOACCESS") == 0 && extent->type != MTV_VMDK_EXTENT_ZERO))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s has an extent that cannot be read: %s", label, line);
      return NULL;
    }
  if (extent->type != MTV_VMDK_EXTENT_ZERO && !parse_extent_file (extent, at, line, label, error))
    return NULL;
  return g_steal_pointer (&extent);
}

static gboolean
check_parent (const MtvVmdkDescriptor *descriptor, const char *label, GError **error)
{
  if (!descriptor->parent_cid)
    return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
               "%s holds only the changes to its parent '%s'", label,
               descriptor->parent_hint ? descriptor->parent_hint : descriptor->parent_cid);
  return FALSE;
}

static gboolean
check_create_type (const char *type, const char *const *known, const char *label, GError **error)
{
  for (gsize i = 0; known[i]; i++)
    if (g_ascii_strcasecmp (type, known[i]) == 0)
      return TRUE;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "%s is a VMDK of type '%s'", label, type);
  return FALSE;
}

static void
take_field (MtvVmdkDescriptor *descriptor, const char *line)
{
  g_auto (GStrv) pair = g_strsplit (line, "=", 2);
  char **place = NULL;

  if (!pair[0] || !pair[1])
    return;
  g_strstrip (pair[0]);
  if (g_ascii_strcasecmp (pair[0], "createType") == 0)
    place = &descriptor->create_type;
  else if (g_ascii_strcasecmp (pair[0], "parentCID") == 0)
    place = &descriptor->parent_cid;
  else if (g_ascii_strcasecmp (pair[0], "CID") == 0)
    place = &descriptor->cid;
  else if (g_ascii_strcasecmp (pair[0], "parentFileNameHint") == 0)
    place = &descriptor->parent_hint;
  if (!place)
    return;
  g_free (*place);
  *place = unquote (pair[1]);
}

/* Everything but the extents, whose lines go to @lines. */
static MtvVmdkDescriptor *
scan (const char *text, gsize length, const char *const *known, gboolean link, GPtrArray *lines,
      const char *label, GError **error)
{
  g_autoptr (MtvVmdkDescriptor) self = g_new0 (MtvVmdkDescriptor, 1);
  g_autofree char *copy = g_utf8_make_valid (text, strnlen (text, length)); /* errors quote it */
  g_auto (GStrv) all = g_strsplit_set (copy, "\r\n", -1);

  self->extents = g_ptr_array_new_with_free_func ((GDestroyNotify) extent_free);
  for (gsize i = 0; all[i]; i++)
    {
      g_strstrip (all[i]);
      if (is_extent_line (all[i]))
        g_ptr_array_add (lines, g_strdup (all[i]));
      else
        take_field (self, all[i]);
    }
  if (!self->create_type)
    self->create_type = g_strdup ("");
  if (self->parent_cid && g_ascii_strcasecmp (self->parent_cid, "ffffffff") == 0)
    g_clear_pointer (&self->parent_cid, g_free);
  if ((!link && !check_parent (self, label, error))
      || !check_create_type (self->create_type, known, label, error))
    return NULL;
  return g_steal_pointer (&self);
}

static MtvVmdkDescriptor *
parse (const char *text, gsize length, const char *const *known, gboolean link, const char *label,
       GError **error)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

  if (length > MTV_VMDK_MAX_DESCRIPTOR || !mtv_vmdk_descriptor_sniff (text, length))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s is not a VMDK descriptor", label);
      return NULL;
    }
  g_autoptr (MtvVmdkDescriptor) self = scan (text, length, known, link, lines, label, error);
  if (!self)
    return NULL;
  if (lines->len == 0 || lines->len > MAX_EXTENTS)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "%s describes a disk of %u extents", label,
                   lines->len);
      return NULL;
    }
  for (guint i = 0; i < lines->len; i++)
    {
      MtvVmdkExtent *extent = parse_extent (lines->pdata[i], link, label, error);

      if (!extent)
        return NULL;
      g_ptr_array_add (self->extents, extent);
    }
  return g_steal_pointer (&self);
}

MtvVmdkDescriptor *
mtv_vmdk_descriptor_parse (const char *text, gsize length, const char *label, GError **error)
{
  static const char *const known[] = { "monolithicFlat",
                                       "twoGbMaxExtentFlat",
                                       "twoGbMaxExtentSparse",
                                       "monolithicSparse",
                                       "streamOptimized",
                                       "vmfs",
                                       NULL };

  return parse (text, length, known, FALSE, label, error);
}

MtvVmdkDescriptor *
mtv_vmdk_descriptor_parse_link (const char *text, gsize length, const char *label, GError **error)
{
  static const char *const known[]
      = { "monolithicFlat", "twoGbMaxExtentFlat", "vmfs", "vmfsSparse", "seSparse", NULL };

  return parse (text, length, known, TRUE, label, error);
}

gboolean
mtv_vmdk_descriptor_check_embedded (const char *text, gsize length, const char *label,
                                    GError **error)
{
  static const char *const known[] = { "", "monolithicSparse", "streamOptimized", NULL };
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (MtvVmdkDescriptor) self = scan (text, length, known, FALSE, lines, label, error);

  if (self && lines->len > 1)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                   "%s is one of %u files that make up a disk", label, lines->len);
      return FALSE;
    }
  return self != NULL;
}
