/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-manifest-private.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "base/mtv-text.h"

#include <string.h>

#define CHUNK (64 * 1024)
#define WHAT "'manifest.json'"

const MtvManifestText mtv_manifest_texts[] = {
  { "created", G_STRUCT_OFFSET (MtvManifest, created) },
  { "name", G_STRUCT_OFFSET (MtvManifest, name) },
  { "plan", G_STRUCT_OFFSET (MtvManifest, plan) },
  { "source", G_STRUCT_OFFSET (MtvManifest, source) },
  { "source-identity", G_STRUCT_OFFSET (MtvManifest, source_identity) },
  { NULL, 0 },
};

const MtvManifestText mtv_manifest_vm_texts[] = {
  { "id", G_STRUCT_OFFSET (MtvManifest, vm_id) },
  { "uuid", G_STRUCT_OFFSET (MtvManifest, vm_uuid) },
  { "name", G_STRUCT_OFFSET (MtvManifest, vm_name) },
  { NULL, 0 },
};

const MtvManifestText mtv_manifest_disk_texts[] = {
  { "file", G_STRUCT_OFFSET (MtvManifestDisk, file) },
  { "format", G_STRUCT_OFFSET (MtvManifestDisk, format) },
  { "source-id", G_STRUCT_OFFSET (MtvManifestDisk, source_id) },
  { "source-name", G_STRUCT_OFFSET (MtvManifestDisk, source_name) },
  { NULL, 0 },
};

void
mtv_manifest_disk_free (MtvManifestDisk *self)
{
  g_clear_pointer (&self->map, mtv_block_map_unref);
  g_free (self->file);
  g_free (self->format);
  g_free (self->source_id);
  g_free (self->source_name);
  g_free (self);
}

MtvManifest *
mtv_manifest_new (MtvHash hash)
{
  g_return_val_if_fail (hash < MTV_N_HASHES, NULL);

  MtvManifest *self = g_new0 (MtvManifest, 1);

  self->hash = hash;
  self->disks = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_manifest_disk_free);
  return self;
}

void
mtv_manifest_free (MtvManifest *self)
{
  g_ptr_array_unref (self->disks);
  g_free (self->run);
  g_free (self->created);
  g_free (self->name);
  g_free (self->plan);
  g_free (self->source);
  g_free (self->source_identity);
  g_free (self->vm_id);
  g_free (self->vm_uuid);
  g_free (self->vm_name);
  g_free (self);
}

MtvManifestDisk *
mtv_manifest_add_disk (MtvManifest *self, const char *file, const char *format, MtvBlockMap *map)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_return_val_if_fail (file != NULL && format != NULL, NULL);
  g_return_val_if_fail (map != NULL && mtv_block_map_get_hash (map) == self->hash, NULL);

  MtvManifestDisk *disk = g_new0 (MtvManifestDisk, 1);

  disk->file = g_strdup (file);
  disk->format = g_strdup (format);
  disk->size = mtv_block_map_get_disk_size (map);
  disk->map = mtv_block_map_ref (map);
  g_ptr_array_add (self->disks, disk);
  return disk;
}

gboolean
mtv_manifest_is_file_name (const char *name)
{
  return *name != '\0' && strlen (name) <= 255 && strchr (name, '/') == NULL
         && !g_str_equal (name, ".") && !g_str_equal (name, "..")
         && g_utf8_validate (name, -1, NULL);
}

/* Writing. */

typedef struct
{
  int fd;
  guint64 offset;
  GString *json; /* (owned) what comes at offset */
} Writer;

static gboolean
drain (Writer *self, gsize more_than, GError **error)
{
  if (self->json->len <= more_than)
    return TRUE;
  if (!mtv_io_pwrite (self->fd, self->json->str, self->json->len, self->offset, WHAT, error))
    return FALSE;
  self->offset += self->json->len;
  g_string_truncate (self->json, 0);
  return TRUE;
}

/* Begins a member of the object that is open. */
static void
add_key (GString *json, const char *indent, const char *key)
{
  gboolean first = json->len > 0 && json->str[json->len - 1] == '{';

  g_string_append_printf (json, "%s\n%s\"%s\": ", first ? "" : ",", indent, key);
}

static void
add_text (GString *json, const char *indent, const char *key, const char *value)
{
  g_autofree char *quoted = mtv_text_quote (value);

  add_key (json, indent, key);
  g_string_append (json, quoted);
}

static void
add_number (GString *json, const char *indent, const char *key, guint64 value)
{
  add_key (json, indent, key);
  g_string_append_printf (json, "%" G_GUINT64_FORMAT, value);
}

static void
add_texts (GString *json, const char *indent, const MtvManifestText *texts, gconstpointer object)
{
  for (; texts->key != NULL; texts++)
    {
      const char *value = G_STRUCT_MEMBER (char *, object, texts->offset);

      if (value != NULL)
        add_text (json, indent, texts->key, value);
    }
}

/* The beginning alone tells whose manifest it is. */
static void
add_head (GString *json, const char *run, guint number)
{
  g_string_append_c (json, '{');
  add_text (json, "  ", "format", MTV_MANIFEST_FORMAT);
  if (run == NULL)
    return;
  add_text (json, "  ", "run", run);
  add_number (json, "  ", "number", number);
}

static void
add_origin (GString *json, const MtvManifest *self)
{
  add_texts (json, "  ", mtv_manifest_texts, self);
  add_key (json, "  ", "vm");
  g_string_append_c (json, '{');
  add_texts (json, "    ", mtv_manifest_vm_texts, self);
  g_string_append (json, "\n  }");
  add_text (json, "  ", "hash", mtv_hash_to_string (self->hash));
}

static void
add_block (GString *json, MtvBlockState state, const guint8 *hash, gsize hash_size)
{
  static const char digits[] = "0123456789abcdef";

  if (state == MTV_BLOCK_ZERO)
    {
      g_string_append (json, "null");
      return;
    }
  g_string_append_c (json, '"');
  for (gsize i = 0; i < hash_size; i++)
    {
      g_string_append_c (json, digits[hash[i] >> 4]);
      g_string_append_c (json, digits[hash[i] & 15]);
    }
  g_string_append_c (json, '"');
}

static gboolean
write_blocks (Writer *self, const MtvManifestDisk *disk, GError **error)
{
  gsize hash_size = mtv_hash_get_size (mtv_block_map_get_hash (disk->map));
  guint8 hash[MTV_HASH_MAX_SIZE];

  for (guint i = 0; i < mtv_block_map_get_n_blocks (disk->map); i++)
    {
      MtvBlockState state = mtv_block_map_get (disk->map, i, hash);

      if (state == MTV_BLOCK_PENDING)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                       "'%s' is not whole: block %u was not copied", disk->file, i);
          return FALSE;
        }
      g_string_append (self->json, i == 0 ? "\n        " : ",\n        ");
      add_block (self->json, state, hash, hash_size);
      if (!drain (self, CHUNK, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
write_disk (Writer *self, const MtvManifestDisk *disk, GError **error)
{
  if (!mtv_manifest_is_file_name (disk->file))
    {
      g_autofree char *shown = mtv_text_one_line (disk->file);

      g_set_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT,
                   "A manifest cannot tell of the file '%s'", shown);
      return FALSE;
    }
  add_texts (self->json, "      ", mtv_manifest_disk_texts, disk);
  add_number (self->json, "      ", "size", disk->size);
  add_number (self->json, "      ", "data-bytes", mtv_block_map_get_data_bytes (disk->map));
  add_number (self->json, "      ", "block-size", mtv_block_map_get_block_size (disk->map));
  add_key (self->json, "      ", "blocks");
  g_string_append_c (self->json, '[');
  if (!write_blocks (self, disk, error))
    return FALSE;
  g_string_append (self->json, "\n      ]\n    }");
  return TRUE;
}

gboolean
mtv_manifest_write (const MtvManifest *self, int fd, GError **error)
{
  g_return_val_if_fail (self != NULL, FALSE);
  g_return_val_if_fail (fd >= 0, FALSE);

  g_autoptr (GString) json = g_string_new (NULL);
  Writer writer = { fd, 0, json };

  add_head (json, self->run, self->number);
  add_origin (json, self);
  add_key (json, "  ", "disks");
  g_string_append_c (json, '[');
  for (guint i = 0; i < self->disks->len; i++)
    {
      g_string_append (json, i == 0 ? "\n    {" : ",\n    {");
      if (!write_disk (&writer, g_ptr_array_index (self->disks, i), error))
        return FALSE;
    }
  g_string_append (json, "\n  ]\n}\n");
  return drain (&writer, 0, error);
}

gboolean
mtv_manifest_is_of (int fd, const char *run, guint number)
{
  g_return_val_if_fail (fd >= 0, FALSE);
  g_return_val_if_fail (run != NULL, FALSE);

  g_autoptr (GString) head = g_string_new (NULL);

  add_head (head, run, number);
  g_string_append_c (head, ','); /* or number 3 would be 33, too */
  g_autofree char *begin = g_malloc (head->len);
  return mtv_io_pread (fd, begin, head->len, 0, WHAT, NULL)
         && memcmp (begin, head->str, head->len) == 0;
}
