/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-manifest-private.h"

#include "base/mtv-json.h"

#include <string.h>

/* A number that was not met. None of ours can be as large. */
#define ABSENT G_MAXUINT64

/* A disk of which not all was read. */
typedef struct
{
  MtvManifestDisk *disk; /* (unowned) */
  guint64 size;
  guint64 data_bytes;
  guint64 block_size;
} Draft;

static gboolean
read_text (MtvJson *json, const MtvManifestText *texts, gpointer object, const char *key)
{
  for (; texts->key != NULL; texts++)
    {
      char **text = G_STRUCT_MEMBER_P (object, texts->offset);

      if (!g_str_equal (texts->key, key))
        continue;
      if (*text != NULL)
        mtv_json_refuse (json, "given twice");
      else
        *text = g_strdup (mtv_json_get_string (json));
      return TRUE;
    }
  return FALSE;
}

static void
read_number (MtvJson *json, guint64 max, guint64 *number)
{
  guint64 value = mtv_json_get_number (json);

  if (*number != ABSENT)
    mtv_json_refuse (json, "given twice");
  else if (value > max)
    mtv_json_refuse (json, "%" G_GUINT64_FORMAT " is more than %" G_GUINT64_FORMAT, value, max);
  *number = value;
}

static gboolean
parse_hash (const char *text, guint8 *hash, gsize hash_size)
{
  if (strlen (text) != 2 * hash_size || strspn (text, "0123456789abcdef") != 2 * hash_size)
    return FALSE;
  for (gsize i = 0; i < hash_size; i++)
    hash[i] = g_ascii_xdigit_value (text[2 * i]) << 4 | g_ascii_xdigit_value (text[2 * i + 1]);
  return TRUE;
}

static void
read_block (MtvJson *json, MtvBlockMap *map, guint index)
{
  gsize hash_size = mtv_hash_get_size (mtv_block_map_get_hash (map));
  const char *text = mtv_json_get_string (json);
  guint8 hash[MTV_HASH_MAX_SIZE];

  if (index >= mtv_block_map_get_n_blocks (map))
    mtv_json_refuse (json, "a disk of %" G_GUINT64_FORMAT " bytes has only %u blocks",
                     mtv_block_map_get_disk_size (map), mtv_block_map_get_n_blocks (map));
  else if (text == NULL)
    mtv_block_map_set (map, index, NULL);
  else if (!parse_hash (text, hash, hash_size))
    mtv_json_refuse (json, "neither null nor %" G_GSIZE_FORMAT " lower-case hexadecimal digits",
                     2 * hash_size);
  else
    mtv_block_map_set (map, index, hash);
}

/* The map is made before its blocks are met, so that they need not be kept: hence the order. */
static void
read_blocks (MtvJson *json, Draft *draft, MtvHash hash)
{
  MtvManifestDisk *disk = draft->disk;
  guint n = 0;

  if (draft->size == ABSENT || draft->block_size == ABSENT)
    mtv_json_refuse (json, "stands before 'size' and 'block-size'");
  else if (disk->map != NULL)
    mtv_json_refuse (json, "given twice");
  if (!mtv_json_begin (json, '['))
    return;
  disk->size = draft->size;
  disk->map = mtv_block_map_new (disk->size, hash);
  if (draft->block_size != mtv_block_map_get_block_size (disk->map))
    mtv_json_refuse (json,
                     "the blocks of a disk of %" G_GUINT64_FORMAT " bytes have %" G_GUINT64_FORMAT
                     " bytes, not %" G_GUINT64_FORMAT,
                     disk->size, mtv_block_map_get_block_size (disk->map), draft->block_size);
  for (; mtv_json_next_item (json); n++)
    read_block (json, disk->map, n);
  if (n < mtv_block_map_get_n_blocks (disk->map))
    mtv_json_refuse (json, "%u blocks are missing", mtv_block_map_get_n_blocks (disk->map) - n);
}

static gboolean
is_format (const char *name)
{
  gsize length = strlen (name);

  return length > 0 && length <= 32 && g_ascii_isalnum (*name)
         && strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "-_") == length;
}

static void
check_disk (MtvJson *json, const Draft *draft, const MtvManifest *manifest)
{
  const MtvManifestDisk *disk = draft->disk;

  if (disk->file == NULL)
    mtv_json_refuse (json, "'file' is missing");
  else if (!mtv_manifest_is_file_name (disk->file))
    mtv_json_refuse (json, "'file' is no plain name: '%.300s'", disk->file);
  else if (disk->format == NULL)
    mtv_json_refuse (json, "'format' is missing");
  else if (!is_format (disk->format))
    mtv_json_refuse (json, "'format' is no format: '%.40s'", disk->format);
  else if (disk->map == NULL)
    mtv_json_refuse (json, "'blocks' is missing");
  else if (draft->data_bytes != ABSENT
           && draft->data_bytes != mtv_block_map_get_data_bytes (disk->map))
    mtv_json_refuse (
        json, "'data-bytes' is %" G_GUINT64_FORMAT ", but the blocks have %" G_GUINT64_FORMAT,
        draft->data_bytes, mtv_block_map_get_data_bytes (disk->map));
  for (guint i = 0; i + 1 < manifest->disks->len; i++)
    if (g_strcmp0 (((MtvManifestDisk *) g_ptr_array_index (manifest->disks, i))->file, disk->file)
        == 0)
      mtv_json_refuse (json, "'%s' is the file of disk %u already", disk->file, i);
}

static void
read_disk (MtvJson *json, MtvManifest *manifest)
{
  Draft draft = { g_new0 (MtvManifestDisk, 1), ABSENT, ABSENT, ABSENT };
  const char *key;

  g_ptr_array_add (manifest->disks, draft.disk);
  if (manifest->disks->len > MTV_MANIFEST_MAX_DISKS)
    mtv_json_refuse (json, "more than %d disks", MTV_MANIFEST_MAX_DISKS);
  if (!mtv_json_begin (json, '{'))
    return;
  while ((key = mtv_json_next_member (json)) != NULL)
    {
      if (g_str_equal (key, "size"))
        read_number (json, G_MAXINT64, &draft.size);
      else if (g_str_equal (key, "data-bytes"))
        read_number (json, G_MAXINT64, &draft.data_bytes);
      else if (g_str_equal (key, "block-size"))
        read_number (json, G_MAXINT64, &draft.block_size);
      else if (g_str_equal (key, "blocks"))
        read_blocks (json, &draft, manifest->hash);
      else if (!read_text (json, mtv_manifest_disk_texts, draft.disk, key))
        mtv_json_skip (json);
    }
  check_disk (json, &draft, manifest);
}

/* What the document as a whole has, besides its texts. */
typedef struct
{
  gboolean format;
  gboolean hash;
  gboolean disks;
  guint64 number;
} Met;

static void
read_format (MtvJson *json, Met *met)
{
  const char *format = mtv_json_get_string (json);

  if (met->format)
    mtv_json_refuse (json, "given twice");
  else if (g_strcmp0 (format, MTV_MANIFEST_FORMAT) != 0)
    mtv_json_refuse (json, "not '" MTV_MANIFEST_FORMAT "'");
  met->format = TRUE;
}

static void
read_hash (MtvJson *json, MtvManifest *manifest, Met *met)
{
  const char *name = mtv_json_get_string (json);

  if (met->hash)
    mtv_json_refuse (json, "given twice");
  else if (name == NULL || !mtv_hash_from_string (name, &manifest->hash))
    mtv_json_refuse (json, "no hash that is known: '%.40s'", name != NULL ? name : "");
  met->hash = TRUE;
}

static void
read_disks (MtvJson *json, MtvManifest *manifest, Met *met)
{
  if (met->disks)
    mtv_json_refuse (json, "given twice");
  else if (!met->hash)
    mtv_json_refuse (json, "stands before 'hash'");
  met->disks = TRUE;
  if (mtv_json_begin (json, '['))
    while (mtv_json_next_item (json))
      read_disk (json, manifest);
}

static void
read_vm (MtvJson *json, MtvManifest *manifest)
{
  const char *key;

  if (mtv_json_begin (json, '{'))
    while ((key = mtv_json_next_member (json)) != NULL)
      if (!read_text (json, mtv_manifest_vm_texts, manifest, key))
        mtv_json_skip (json);
}

static void
read_member (MtvJson *json, MtvManifest *manifest, Met *met, const char *key)
{
  static const MtvManifestText run[]
      = { { "run", G_STRUCT_OFFSET (MtvManifest, run) }, { NULL, 0 } };

  if (g_str_equal (key, "format"))
    read_format (json, met);
  else if (g_str_equal (key, "number"))
    read_number (json, G_MAXUINT, &met->number);
  else if (g_str_equal (key, "vm"))
    read_vm (json, manifest);
  else if (g_str_equal (key, "hash"))
    read_hash (json, manifest, met);
  else if (g_str_equal (key, "disks"))
    read_disks (json, manifest, met);
  else if (!read_text (json, run, manifest, key)
           && !read_text (json, mtv_manifest_texts, manifest, key))
    mtv_json_skip (json);
}

static MtvManifest *
read_document (MtvJson *json, GError **error)
{
  g_autoptr (MtvManifest) manifest = mtv_manifest_new (MTV_HASH_XXH3_128);
  Met met = { .number = ABSENT };
  const char *key;

  if (mtv_json_begin (json, '{'))
    while ((key = mtv_json_next_member (json)) != NULL)
      read_member (json, manifest, &met, key);
  if (!met.format || !met.disks)
    mtv_json_refuse (json, "'%s' is missing", met.format ? "disks" : "format");
  manifest->number = met.number == ABSENT ? 0 : met.number;
  return mtv_json_end (json, error) ? g_steal_pointer (&manifest) : NULL;
}

MtvManifest *
mtv_manifest_read (int fd, const char *what, GError **error)
{
  g_return_val_if_fail (fd >= 0, NULL);
  g_return_val_if_fail (what != NULL, NULL);

  g_autoptr (MtvJson) json = mtv_json_new_for_file (fd, what);

  return read_document (json, error);
}

MtvManifest *
mtv_manifest_parse (const char *text, gsize length, const char *what, GError **error)
{
  g_return_val_if_fail (text != NULL || length == 0, NULL);
  g_return_val_if_fail (what != NULL, NULL);

  g_autoptr (MtvJson) json = mtv_json_new_for_text (text, length, what);

  return read_document (json, error);
}
