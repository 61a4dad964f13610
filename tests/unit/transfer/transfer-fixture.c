/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer-fixture.h"

#include "transfer/mtv-aligned.h"

static void
keep_result_cb (GObject *source, GAsyncResult *result, gpointer data)
{
  (void) source;
  *(GAsyncResult **) data = g_object_ref (result);
}

gboolean
copy_to_end (MtvCopier *copier, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mtv_copier_copy_async (copier, cancellable, keep_result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  return mtv_copier_copy_finish (copier, result, error);
}

gboolean
verify (MtvReader *written, MtvBlockMap *map, gboolean full, GError **error)
{
  g_autoptr (MtvVerifier) verifier = mtv_verifier_new (written, map, full);
  g_autoptr (GAsyncResult) result = NULL;

  mtv_verifier_verify_async (verifier, NULL, keep_result_cb, &result);
  while (result == NULL)
    g_main_context_iteration (NULL, TRUE);
  if (!mtv_verifier_verify_finish (verifier, result, error))
    return FALSE;
  g_assert_cmpuint (mtv_verifier_get_bytes_done (verifier), ==,
                    mtv_verifier_get_bytes_total (verifier));
  return TRUE;
}

void
fill_sparse (guint8 *data, gsize size, GRand *rand)
{
  for (gsize at = 0, end; at < size; at = end)
    {
      gint kind = g_rand_int_range (rand, 0, 4);
      gsize length = g_rand_int_range (rand, 1, 40) * 16 * KIB;

      end = MIN (size, at + length);
      for (gsize i = at; kind == 0 && i < end; i++)
        data[i] = g_rand_int (rand);
      if (kind == 1)
        data[g_rand_int_range (rand, at, end)] = 1;
    }
}

/* FALSE: it is all zeroes. */
static gboolean
hash_block (MtvBlockMap *map, guint index, const guint8 *data, guint8 hash[MTV_HASH_MAX_SIZE])
{
  guint64 size = mtv_block_map_get_block_size (map);
  guint64 start = index * size;
  gsize length = MIN (size, mtv_block_map_get_disk_size (map) - start);

  if (mtv_is_zero (data + start, length))
    return FALSE;
  mtv_hash_data (mtv_block_map_get_hash (map), data + start, length, hash);
  return TRUE;
}

void
set_map_of (MtvBlockMap *map, const guint8 *data)
{
  guint8 hash[MTV_HASH_MAX_SIZE];

  for (guint i = 0; i < mtv_block_map_get_n_blocks (map); i++)
    mtv_block_map_set (map, i, hash_block (map, i, data, hash) ? hash : NULL);
}

void
assert_map_is_of (MtvBlockMap *map, const guint8 *data)
{
  gsize size = mtv_hash_get_size (mtv_block_map_get_hash (map));
  guint8 expected[MTV_HASH_MAX_SIZE];
  guint8 hash[MTV_HASH_MAX_SIZE];

  for (guint i = 0; i < mtv_block_map_get_n_blocks (map); i++)
    {
      gboolean has_data = hash_block (map, i, data, expected);

      g_assert_cmpint (mtv_block_map_get (map, i, hash), ==,
                       has_data ? MTV_BLOCK_DATA : MTV_BLOCK_ZERO);
      if (has_data)
        g_assert_cmpmem (hash, size, expected, size);
    }
}

void
run_tool (const char *program, ...)
{
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();
  g_autoptr (GError) error = NULL;
  int status;
  va_list args;

  g_strv_builder_add (builder, program);
  va_start (args, program);
  for (const char *arg; (arg = va_arg (args, const char *)) != NULL;)
    g_strv_builder_add (builder, arg);
  va_end (args);
  g_auto (GStrv) argv = g_strv_builder_end (builder);
  g_assert_true (g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDOUT_TO_DEV_NULL,
                               NULL, NULL, NULL, NULL, &status, &error));
  g_assert_no_error (error);
  g_assert_true (g_spawn_check_wait_status (status, &error));
}

gboolean
has_qemu (void)
{
  g_autofree char *img = g_find_program_in_path ("qemu-img");
  g_autofree char *nbd = g_find_program_in_path ("qemu-nbd");

  if (img == NULL || nbd == NULL)
    g_test_skip ("qemu-img or qemu-nbd is not installed");
  return img != NULL && nbd != NULL;
}
