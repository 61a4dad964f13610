/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-manifest.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "base/mtv-text.h"
#include "provider/local/mtv-local-hardware.h"

#include <string.h>

#define CHUNK (64 * 1024)

typedef struct
{
  int fd;
  guint64 offset;
  GString *buffer; /* (owned) what comes at offset */
} Writer;

static gboolean
drain (Writer *self, gsize more_than, GError **error)
{
  if (self->buffer->len <= more_than)
    return TRUE;
  if (!mtv_io_pwrite (self->fd, self->buffer->str, self->buffer->len, self->offset,
                      "'manifest.json'", error))
    return FALSE;
  self->offset += self->buffer->len;
  g_string_truncate (self->buffer, 0);
  return TRUE;
}

static void
add_member (GString *json, const char *key, const char *value)
{
  g_autofree char *quoted = mtv_text_quote (value);

  g_string_append_printf (json, "%s: %s,\n", key, quoted);
}

/* The beginning alone tells whose manifest it is: see mtv_local_manifest_is_of(). */
static void
add_head (GString *json, const MtvTarget *target)
{
  g_string_append (json, "{\n");
  add_member (json, "  \"format\"", "org.mtv.manifest/1");
  add_member (json, "  \"run\"", target->run_id);
  g_string_append_printf (json, "  \"number\": %u,\n", target->number);
}

static void
add_origin (GString *json, const MtvTarget *target, guint64 created)
{
  g_autoptr (GDateTime) utc = g_date_time_new_from_unix_utc (created / G_USEC_PER_SEC);
  g_autofree char *when = g_date_time_format_iso8601 (utc);
  g_autofree char *name = mtv_text_quote (target->vm->name);

  add_member (json, "  \"created\"", when);
  add_member (json, "  \"name\"", target->name);
  add_member (json, "  \"plan\"", target->plan);
  add_member (json, "  \"source\"", target->source);
  add_member (json, "  \"source-identity\"", target->source_identity);
  g_string_append (json, "  \"vm\": {\n");
  add_member (json, "    \"id\"", target->vm->id);
  add_member (json, "    \"uuid\"", target->vm->uuid);
  g_string_append_printf (json, "    \"name\": %s\n  },\n", name);
  add_member (json, "  \"hash\"", "sha256");
}

static void
add_block (GString *json, MtvBlockState state, const guint8 *hash)
{
  if (state == MTV_BLOCK_ZERO)
    {
      g_string_append (json, "null");
      return;
    }
  g_string_append_c (json, '"');
  for (guint i = 0; i < MTV_HASH_MAX_SIZE; i++)
    g_string_append_printf (json, "%02x", hash[i]);
  g_string_append_c (json, '"');
}

/* Bytes of the disk in blocks that are not zero, from first to last; the last may be short. */
static guint64
data_bytes (MtvBlockMap *map)
{
  guint n_blocks = mtv_block_map_get_n_blocks (map);
  guint64 bytes = mtv_block_map_get_n_data (map) * mtv_block_map_get_block_size (map);

  if (n_blocks > 0 && mtv_block_map_get (map, n_blocks - 1, NULL) == MTV_BLOCK_DATA)
    bytes -= n_blocks * mtv_block_map_get_block_size (map) - mtv_block_map_get_disk_size (map);
  return bytes;
}

static gboolean
write_blocks (Writer *self, MtvBlockMap *map, const char *file, GError **error)
{
  guint8 hash[MTV_HASH_MAX_SIZE];

  for (guint i = 0; i < mtv_block_map_get_n_blocks (map); i++)
    {
      MtvBlockState state = mtv_block_map_get (map, i, hash);

      if (state == MTV_BLOCK_PENDING)
        {
          g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE,
                       "'%s' is not whole: block %u was not copied", file, i);
          return FALSE;
        }
      g_string_append (self->buffer, i == 0 ? "\n        " : ",\n        ");
      add_block (self->buffer, state, hash);
      if (!drain (self, CHUNK, error))
        return FALSE;
    }
  return TRUE;
}

static gboolean
write_disk (Writer *self, const MtvTarget *target, guint index, GError **error)
{
  const MtvTargetDisk *disk = g_ptr_array_index (target->disks, index);
  g_autofree char *file = mtv_local_disk_file (target, index);
  GString *json = self->buffer;

  if (disk->map == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE, "'%s' was never copied", file);
      return FALSE;
    }
  g_string_append (json, index == 0 ? "\n    {\n" : ",\n    {\n");
  add_member (json, "      \"file\"", file);
  add_member (json, "      \"format\"", target->format);
  add_member (json, "      \"source-id\"", disk->source->id);
  add_member (json, "      \"source-name\"", disk->source->name);
  g_string_append_printf (
      json,
      "      \"size\": %" G_GUINT64_FORMAT ",\n      \"data-bytes\": %" G_GUINT64_FORMAT
      ",\n      \"block-size\": %" G_GUINT64_FORMAT ",\n      \"blocks\": [",
      disk->size, data_bytes (disk->map), mtv_block_map_get_block_size (disk->map));
  if (!write_blocks (self, disk->map, file, error))
    return FALSE;
  g_string_append (json, "\n      ]\n    }");
  return TRUE;
}

gboolean
mtv_local_manifest_write (const MtvTarget *target, guint64 created, int fd, GError **error)
{
  g_autoptr (GString) buffer = g_string_new (NULL);
  Writer self = { fd, 0, buffer };

  add_head (buffer, target);
  add_origin (buffer, target, created);
  g_string_append (buffer, "  \"disks\": [");
  for (guint i = 0; i < target->disks->len; i++)
    if (!write_disk (&self, target, i, error))
      return FALSE;
  g_string_append (buffer, "\n  ]\n}\n");
  return drain (&self, 0, error);
}

gboolean
mtv_local_manifest_is_of (int fd, const MtvTarget *target)
{
  g_autoptr (GString) head = g_string_new (NULL);

  add_head (head, target);
  g_autofree char *begin = g_malloc (head->len);
  return mtv_io_pread (fd, begin, head->len, 0, "'manifest.json'", NULL)
         && memcmp (begin, head->str, head->len) == 0;
}
