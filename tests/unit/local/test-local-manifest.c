/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-manifest.h"

#include "base/mtv-error.h"
#include "local-fixture.h"

#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <string.h>
#include <unistd.h>

#define CREATED (G_GUINT64_CONSTANT (1700000000) * G_USEC_PER_SEC)

/* An open file that has no name any more. */
static int
temporary_file (void)
{
  g_autofree char *name = NULL;
  int fd = g_file_open_tmp ("mtv-manifest-XXXXXX", &name, NULL);

  g_assert_cmpint (fd, >=, 0);
  g_unlink (name);
  return fd;
}

static JsonNode *
parse (int fd)
{
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  JsonNode *node = json_from_string (text, &error);
  g_assert_no_error (error);
  return node;
}

static void
check_disk (JsonObject *disk)
{
  JsonArray *blocks = json_object_get_array_member (disk, "blocks");
  g_autofree char *a = g_compute_checksum_for_string (G_CHECKSUM_SHA256, "a", 1);
  g_autofree char *b = g_compute_checksum_for_string (G_CHECKSUM_SHA256, "b", 1);

  g_assert_cmpstr (json_object_get_string_member (disk, "file"), ==, "disk-1.raw");
  g_assert_cmpstr (json_object_get_string_member (disk, "source-id"), ==, "vmdisk2");
  g_assert_cmpint (json_object_get_int_member (disk, "size"), ==, FIXTURE_DISK_SIZE);
  g_assert_cmpint (json_object_get_int_member (disk, "block-size"), ==, 1 << 20);
  g_assert_cmpint (json_object_get_int_member (disk, "data-bytes"), ==, (1 << 20) + 1536);
  g_assert_cmpuint (json_array_get_length (blocks), ==, 3);
  g_assert_cmpstr (json_array_get_string_element (blocks, 0), ==, a);
  g_assert_true (json_array_get_null_element (blocks, 1));
  g_assert_cmpstr (json_array_get_string_element (blocks, 2), ==, b);
}

static void
test_write (void)
{
  g_autoptr (MtvTarget) target = local_fixture_target ();
  g_autoptr (GError) error = NULL;
  int fd = temporary_file ();

  target->source_identity = g_strdup ("x");
  g_assert_true (mtv_local_manifest_write (target, CREATED, fd, &error));
  g_assert_no_error (error);
  g_autoptr (JsonNode) node = parse (fd);
  JsonObject *root = json_node_get_object (node);
  g_assert_cmpstr (json_object_get_string_member (root, "format"), ==, "org.mtv.manifest/1");
  g_assert_cmpstr (json_object_get_string_member (root, "run"), ==, "0f3c-run");
  g_assert_cmpint (json_object_get_int_member (root, "number"), ==, 3);
  g_assert_cmpstr (json_object_get_string_member (root, "created"), ==, "2023-11-14T22:13:20Z");
  g_assert_cmpstr (json_object_get_string_member (root, "name"), ==, "web");
  g_assert_cmpstr (json_object_get_string_member (root, "plan"), ==, HOSTILE);
  g_assert_cmpstr (json_object_get_string_member (root, "source-identity"), ==, "x");
  JsonObject *vm = json_object_get_object_member (root, "vm");
  g_assert_cmpstr (json_object_get_string_member (vm, "id"), ==, HOSTILE);
  g_assert_cmpstr (json_object_get_string_member (vm, "name"), ==, HOSTILE);
  JsonArray *disks = json_object_get_array_member (root, "disks");
  g_assert_cmpuint (json_array_get_length (disks), ==, 2);
  check_disk (json_array_get_object_element (disks, 1));
  close (fd);
}

static void
test_is_of (void)
{
  g_autoptr (MtvTarget) target = local_fixture_target ();
  g_autoptr (GError) error = NULL;
  int fd = temporary_file ();

  g_assert_false (mtv_local_manifest_is_of (fd, target));
  g_assert_true (mtv_local_manifest_write (target, CREATED, fd, &error));
  g_assert_true (mtv_local_manifest_is_of (fd, target));
  target->number = 33;
  g_assert_false (mtv_local_manifest_is_of (fd, target));
  target->number = 3;
  local_fixture_set (&target->run_id, "0f3c");
  g_assert_false (mtv_local_manifest_is_of (fd, target));
  close (fd);
}

static void
test_pending (void)
{
  g_autoptr (MtvTarget) target = local_fixture_target ();
  MtvTargetDisk *disk = g_ptr_array_index (target->disks, 1);
  g_autoptr (GError) error = NULL;
  int fd = temporary_file ();

  g_clear_pointer (&disk->map, mtv_block_map_unref);
  g_assert_false (mtv_local_manifest_write (target, CREATED, fd, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "'disk-1.raw' was never copied");
  g_clear_error (&error);

  mtv_target_set_disk_size (target, 1, FIXTURE_DISK_SIZE);
  mtv_block_map_set (disk->map, 0, NULL);
  g_assert_false (mtv_local_manifest_write (target, CREATED, fd, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_WRONG_STATE);
  g_assert_cmpstr (error->message, ==, "'disk-1.raw' is not whole: block 1 was not copied");
  close (fd);
}

/* The largest map there is. */
static void
test_large (void)
{
  g_autoptr (MtvVm) vm = mtv_vm_new ();
  g_autoptr (GError) error = NULL;
  const guint8 hash[MTV_HASH_MAX_SIZE] = { 0xab };
  int fd = temporary_file ();

  vm->id = g_strdup ("1");
  vm->name = g_strdup ("large");
  mtv_vm_add_disk (vm)->id = g_strdup ("d");
  g_autoptr (MtvTarget) target = mtv_target_new (vm);
  target->name = g_strdup ("large");
  target->run_id = g_strdup ("r");
  target->format = g_strdup ("raw");
  mtv_target_set_disk_size (target, 0, G_GUINT64_CONSTANT (1) << 39);
  MtvBlockMap *map = ((MtvTargetDisk *) g_ptr_array_index (target->disks, 0))->map;
  for (guint i = 0; i < mtv_block_map_get_n_blocks (map); i++)
    mtv_block_map_set (map, i, i % 2 == 0 ? hash : NULL);

  g_assert_true (mtv_local_manifest_write (target, CREATED, fd, &error));
  g_assert_no_error (error);
  g_autoptr (JsonNode) node = parse (fd);
  JsonArray *disks = json_object_get_array_member (json_node_get_object (node), "disks");
  JsonObject *disk = json_array_get_object_element (disks, 0);
  g_assert_cmpuint (json_array_get_length (json_object_get_array_member (disk, "blocks")), ==,
                    mtv_block_map_get_n_blocks (map));
  g_assert_cmpint (json_object_get_int_member (disk, "data-bytes"), ==,
                   G_GINT64_CONSTANT (1) << 38);
  close (fd);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/local-manifest/write", test_write);
  g_test_add_func ("/local-manifest/is-of", test_is_of);
  g_test_add_func ("/local-manifest/pending", test_pending);
  g_test_add_func ("/local-manifest/large", test_large);
  return g_test_run ();
}
