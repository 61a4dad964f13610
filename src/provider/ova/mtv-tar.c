/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/ova/mtv-tar.h"

#include "base/mtv-error.h"

#include <string.h>

/* The format: POSIX.1-2001 (pax), "ustar Interchange Format", and GNU tar's manual, "Basic Tar
 * Format" for what GNU adds. */
#define BLOCK 512
#define MAX_MEMBERS 100000
#define MAX_NAME 4096
#define MAX_PAX (1024 * 1024)

typedef struct
{
  char name[100];
  char mode[8];
  char uid[8];
  char gid[8];
  char size[12];
  char mtime[12];
  char checksum[8];
  char type;
  char linkname[100];
  char magic[8]; /* with the version */
  char uname[32];
  char gname[32];
  char devmajor[8];
  char devminor[8];
  char prefix[155];
  char padding[12];
} Header;
G_STATIC_ASSERT (sizeof (Header) == BLOCK);

/* What extended headers say about the members that follow. */
typedef struct
{
  char *path;
  guint64 size;
  gboolean has_size;
  gboolean sparse;
} Extra;

struct _MtvTar
{
  char *label;         /* (owned) */
  GArray *members;     /* (element-type MtvTarMember) */
  GHashTable *by_name; /* name (unowned) → index; what is not a directory */
};

typedef struct
{
  MtvTar *tar;        /* (unowned) */
  MtvReader *archive; /* (unowned) */
  guint64 at;
  guint64 end;
  Extra global; /* pax 'g': until changed */
  Extra next;   /* pax 'x', GNU 'L': of the next member only */
  GCancellable *cancellable;
} Walk;

static void
extra_clear (Extra *extra)
{
  g_free (extra->path);
  memset (extra, 0, sizeof *extra);
}

static void
clear_member (gpointer data)
{
  g_free (((MtvTarMember *) data)->name);
}

void
mtv_tar_free (MtvTar *self)
{
  g_free (self->label);
  g_array_unref (self->members);
  g_hash_table_unref (self->by_name);
  g_free (self);
}

char *
mtv_tar_normalize_name (const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);
  g_autoptr (GPtrArray) kept = g_ptr_array_new ();

  if (*name == '/')
    return NULL;
  for (guint i = 0; parts[i] != NULL; i++)
    if (strcmp (parts[i], "..") == 0)
      return NULL;
    else if (*parts[i] != '\0' && strcmp (parts[i], ".") != 0)
      g_ptr_array_add (kept, parts[i]);
  if (kept->len == 0)
    return NULL;
  g_ptr_array_add (kept, NULL);
  return g_strjoinv ("/", (char **) kept->pdata);
}

/* Octal, or base-256 when the top bit of the first byte is set (GNU, for 8 GiB and more). */
static gboolean
parse_number (const char *field, gsize length, guint64 *number)
{
  const guint8 *bytes = (const guint8 *) field;
  guint64 value = 0;
  gsize i = 0;

  if (bytes[0] & 0x80)
    {
      if (bytes[0] != 0x80)
        return FALSE; /* negative, or far beyond 2^63 */
      for (i = 1; i < length; i++)
        {
          if (value >> 55 != 0)
            return FALSE;
          value = value << 8 | bytes[i];
        }
      *number = value;
      return TRUE;
    }

  while (i < length && field[i] == ' ')
    i++;
  for (; i < length && field[i] >= '0' && field[i] <= '7'; i++)
    value = value << 3 | (field[i] - '0');
  *number = value;
  return i == length || field[i] == ' ' || field[i] == '\0';
}

/* Some old writers summed signed bytes. */
static gboolean
checksum_matches (const Header *header)
{
  const guint8 *bytes = (const guint8 *) header;
  guint64 expected;
  guint64 sum = 0;
  gint64 signed_sum = 0;

  for (gsize i = 0; i < BLOCK; i++)
    {
      gboolean in_checksum = i >= G_STRUCT_OFFSET (Header, checksum)
                             && i < G_STRUCT_OFFSET (Header, checksum) + sizeof header->checksum;

      sum += in_checksum ? ' ' : bytes[i];
      signed_sum += in_checksum ? ' ' : (gint8) bytes[i];
    }
  return parse_number (header->checksum, sizeof header->checksum, &expected)
         && (expected == sum || (gint64) expected == signed_sum);
}

static gboolean fail (Walk *walk, GError **error, const char *format, ...) G_GNUC_PRINTF (3, 4);

static gboolean
fail (Walk *walk, GError **error, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *what = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *valid = g_utf8_make_valid (what, -1); /* foreign bytes may be quoted in it */
  g_set_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA, "'%s' %s", walk->tar->label, valid);
  return FALSE;
}

/* The member's own name, from its header or from what went before it; valid UTF-8. */
static char *
name_of (Walk *walk, const Header *header)
{
  const char *extra = walk->next.path != NULL ? walk->next.path : walk->global.path;

  if (extra != NULL)
    return g_strdup (extra);

  g_autofree char *name = g_strndup (header->name, sizeof header->name);
  if (memcmp (header->magic, "ustar", 6) == 0 && header->prefix[0] != '\0')
    {
      g_autofree char *prefix = g_strndup (header->prefix, sizeof header->prefix);
      g_autofree char *full = g_strconcat (prefix, "/", name, NULL);
      return g_utf8_make_valid (full, -1);
    }
  return g_utf8_make_valid (name, -1);
}

/* The contents of an extended header, with a NUL behind them. */
static char *
read_contents (Walk *walk, guint64 size, guint64 limit, GError **error)
{
  if (size > limit)
    {
      fail (walk, error,
            "has an extended header of %" G_GUINT64_FORMAT " bytes at byte %" //
            G_GUINT64_FORMAT ", more than %" G_GUINT64_FORMAT,
            size, walk->at, limit);
      return NULL;
    }
  if (size > walk->end - walk->at)
    {
      fail (walk, error,
            "is truncated: it ends at byte %" G_GUINT64_FORMAT //
            ", within an extended header",
            walk->end);
      return NULL;
    }

  g_autofree char *contents = g_malloc (size + 1);
  if (!mtv_reader_read (walk->archive, walk->at, contents, size, walk->cancellable, error))
    return NULL;
  contents[size] = '\0';
  return g_steal_pointer (&contents);
}

static gboolean
set_path (Walk *walk, Extra *extra, const char *path, gsize length, GError **error)
{
  if (length > MAX_NAME)
    return fail (walk, error, "has a name of %" G_GSIZE_FORMAT " bytes, more than %d", length,
                 MAX_NAME);
  if (memchr (path, '\0', length) != NULL)
    return fail (walk, error, "has a name with a NUL byte before byte %" G_GUINT64_FORMAT,
                 walk->at);
  g_free (extra->path);
  extra->path = length > 0 ? g_utf8_make_valid (path, length) : NULL;
  return TRUE;
}

static gboolean
apply_record (Walk *walk, Extra *extra, const char *key, const char *value, gsize length,
              GError **error)
{
  if (strcmp (key, "path") == 0)
    return set_path (walk, extra, value, length, error);
  if (strcmp (key, "size") == 0)
    {
      g_autofree char *number = g_strndup (value, length);

      extra->has_size = length > 0; /* empty: back to what the header says */
      if (extra->has_size
          && !g_ascii_string_to_unsigned (number, 10, 0, G_MAXINT64, &extra->size, NULL))
        return fail (walk, error, "has a pax header with the size '%.40s'", number);
    }
  else if (g_str_has_prefix (key, "GNU.sparse."))
    extra->sparse = TRUE;
  return TRUE;
}

/* Records of "LENGTH KEY=VALUE\n", LENGTH in decimal and of the whole record. */
static gboolean
parse_pax (Walk *walk, Extra *extra, const char *records, gsize length, GError **error)
{
  while (length > 0 && *records != '\0')
    {
      char *rest;
      guint64 record = g_ascii_isdigit (*records) ? g_ascii_strtoull (records, &rest, 10) : 0;

      if (record == 0 || record > length || *rest != ' ' || (gsize) (rest - records) + 2 > record
          || records[record - 1] != '\n')
        return fail (walk, error, "has a broken pax header at byte %" G_GUINT64_FORMAT, walk->at);

      const char *key = rest + 1;
      const char *end = records + record - 1;
      const char *equals = memchr (key, '=', end - key);
      if (equals == NULL)
        return fail (walk, error, "has a broken pax header at byte %" G_GUINT64_FORMAT, walk->at);

      g_autofree char *name = g_strndup (key, equals - key);
      if (!apply_record (walk, extra, name, equals + 1, end - equals - 1, error))
        return FALSE;
      records += record;
      length -= record;
    }
  return TRUE;
}

/* Extended headers hold no member but say something of those that follow. */
static gboolean
read_extended (Walk *walk, char type, guint64 size, GError **error)
{
  if (type == 'K') /* the target of a link: links are not followed */
    return TRUE;

  guint64 limit = type == 'L' ? MAX_NAME + 1 : MAX_PAX;
  g_autofree char *contents = read_contents (walk, size, limit, error);
  if (contents == NULL)
    return FALSE;
  if (type == 'L')
    return set_path (walk, &walk->next, contents, strlen (contents), error);
  return parse_pax (walk, type == 'g' ? &walk->global : &walk->next, contents, size, error);
}

static gboolean
is_apple_double (const char *name)
{
  const char *slash = strrchr (name, '/');

  return g_str_has_prefix (slash == NULL ? name : slash + 1, "._");
}

static MtvTarType
type_from_flag (char flag)
{
  switch (flag)
    {
    case '\0':
    case '0':
    case '7':
      return MTV_TAR_FILE;
    case '1':
    case '2':
      return MTV_TAR_LINK;
    case '5':
      return MTV_TAR_DIRECTORY;
    default:
      return MTV_TAR_OTHER;
    }
}

static gboolean
add_member (Walk *walk, const char *given_name, char flag, guint64 size, GError **error)
{
  MtvTar *tar = walk->tar;
  MtvTarMember member = { .offset = walk->at, .size = size, .type = type_from_flag (flag) };
  gboolean slash = g_str_has_suffix (given_name, "/");

  if (is_apple_double (given_name))
    return TRUE;
  if (tar->members->len >= MAX_MEMBERS)
    return fail (walk, error, "has more than %d members", MAX_MEMBERS);

  if (member.type == MTV_TAR_FILE && slash) /* how tar told directories before '5' */
    member.type = MTV_TAR_DIRECTORY;
  member.name = mtv_tar_normalize_name (given_name);
  if (member.name == NULL)
    member.name = g_strdup (given_name);
  g_array_append_val (tar->members, member);

  if (member.type != MTV_TAR_DIRECTORY
      && !g_hash_table_insert (tar->by_name, member.name, GUINT_TO_POINTER (tar->members->len - 1)))
    return fail (walk, error, "has two members of the name '%s'", member.name);
  return TRUE;
}

/* One header and what belongs to it; walk->at is behind the header already. */
static gboolean
read_member (Walk *walk, const Header *header, GError **error)
{
  char flag = header->type;
  guint64 size;

  if (!parse_number (header->size, sizeof header->size, &size))
    return fail (walk, error, "has a header without a valid size at byte %" G_GUINT64_FORMAT,
                 walk->at - BLOCK);

  gboolean extended = flag != '\0' && strchr ("xgXLK", flag) != NULL;
  g_autofree char *name = name_of (walk, header);
  if (!extended)
    {
      if (walk->next.has_size || walk->global.has_size)
        size = walk->next.has_size ? walk->next.size : walk->global.size;
      if (flag == 'S' || walk->next.sparse || walk->global.sparse)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED,
                       "Member '%s' of '%s' is stored sparse: pack the archive without --sparse",
                       name, walk->tar->label);
          return FALSE;
        }
      if (flag >= '1' && flag <= '6')
        size = 0; /* links, devices and directories have no contents, whatever the field says */
    }

  if (size > walk->end - walk->at)
    return fail (walk, error,
                 "is truncated: it ends at byte %" G_GUINT64_FORMAT
                 ", within member '%s' that begins at byte %" G_GUINT64_FORMAT
                 " and has %" G_GUINT64_FORMAT " bytes",
                 walk->end, name, walk->at, size);
  if (extended ? !read_extended (walk, flag == 'X' ? 'x' : flag, size, error)
               : !add_member (walk, name, flag, size, error))
    return FALSE;

  if (!extended)
    extra_clear (&walk->next);
  walk->at = MIN (walk->end, walk->at + (size + BLOCK - 1) / BLOCK * BLOCK);
  return TRUE;
}

static gboolean
is_zero (const Header *header)
{
  static const Header zero;

  return memcmp (header, &zero, sizeof zero) == 0;
}

static gboolean
walk_archive (Walk *walk, GError **error)
{
  while (walk->at < walk->end)
    {
      Header header;

      if (walk->end - walk->at < BLOCK)
        return fail (walk, error,
                     "is truncated: it ends at byte %" G_GUINT64_FORMAT //
                     ", within a header",
                     walk->end);
      if (!mtv_reader_read (walk->archive, walk->at, &header, BLOCK, walk->cancellable, error))
        return FALSE;
      if (is_zero (&header))
        return TRUE;
      if (!checksum_matches (&header))
        return walk->at == 0
                   ? fail (walk, error, "is not a tar archive")
                   : fail (walk, error, "has a broken header at byte %" G_GUINT64_FORMAT, walk->at);
      walk->at += BLOCK;
      if (!read_member (walk, &header, error))
        return FALSE;
    }
  if (walk->at == 0)
    return fail (walk, error, "is empty");
  return TRUE;
}

MtvTar *
mtv_tar_new (MtvReader *archive, const char *label, GCancellable *cancellable, GError **error)
{
  g_return_val_if_fail (MTV_IS_READER (archive), NULL);

  g_autoptr (MtvTar) self = g_new0 (MtvTar, 1);
  self->label = g_utf8_make_valid (label, -1);
  self->members = g_array_new (FALSE, FALSE, sizeof (MtvTarMember));
  g_array_set_clear_func (self->members, clear_member);
  self->by_name = g_hash_table_new (g_str_hash, g_str_equal);

  Walk walk = { .tar = self,
                .archive = archive,
                .end = mtv_reader_get_size (archive),
                .cancellable = cancellable };
  gboolean ok = walk_archive (&walk, error);
  extra_clear (&walk.global);
  extra_clear (&walk.next);
  return ok ? g_steal_pointer (&self) : NULL;
}

guint
mtv_tar_get_n_members (MtvTar *self)
{
  return self->members->len;
}

const MtvTarMember *
mtv_tar_get_member (MtvTar *self, guint index)
{
  g_return_val_if_fail (index < self->members->len, NULL);

  return &g_array_index (self->members, MtvTarMember, index);
}

const MtvTarMember *
mtv_tar_find (MtvTar *self, const char *name, GError **error)
{
  gpointer index;

  if (!g_hash_table_lookup_extended (self->by_name, name, NULL, &index))
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "'%s' is not in '%s'", name, self->label);
      return NULL;
    }

  const MtvTarMember *member = mtv_tar_get_member (self, GPOINTER_TO_UINT (index));
  if (member->type == MTV_TAR_FILE)
    return member;
  g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "'%s' in '%s' is %s, not a file", name,
               self->label, member->type == MTV_TAR_LINK ? "a link" : "something special");
  return NULL;
}
