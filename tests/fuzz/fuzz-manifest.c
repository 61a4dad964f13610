/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "transfer/mtv-manifest.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

static void
check_disk (const MtvManifest *manifest, const MtvManifestDisk *disk)
{
  g_assert_null (strchr (disk->file, '/'));
  g_assert_cmpstr (disk->file, !=, "..");
  g_assert_cmpstr (disk->format, !=, "");
  g_assert_cmpuint (mtv_block_map_get_disk_size (disk->map), ==, disk->size);
  g_assert_cmpuint (mtv_block_map_get_hash (disk->map), ==, manifest->hash);
  g_assert_cmpuint (mtv_block_map_get_n_done (disk->map), ==,
                    mtv_block_map_get_n_blocks (disk->map));
}

/* What was read can be written, and is what it was when it is read again. */
static void
check_again (const MtvManifest *manifest)
{
  g_autoptr (GError) error = NULL;
  int fd = memfd_create ("manifest", MFD_CLOEXEC);

  g_assert_true (mtv_manifest_write (manifest, fd, &error));
  g_assert_no_error (error);
  g_autoptr (MtvManifest) again = mtv_manifest_read (fd, "'manifest.json'", &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again->run, ==, manifest->run);
  g_assert_cmpstr (again->vm_name, ==, manifest->vm_name);
  g_assert_cmpuint (again->disks->len, ==, manifest->disks->len);
  for (guint i = 0; i < manifest->disks->len; i++)
    {
      const MtvManifestDisk *disk = g_ptr_array_index (manifest->disks, i);
      const MtvManifestDisk *same = g_ptr_array_index (again->disks, i);

      g_assert_cmpstr (same->file, ==, disk->file);
      g_assert_cmpuint (same->size, ==, disk->size);
      g_assert_cmpuint (mtv_block_map_get_n_data (same->map), ==,
                        mtv_block_map_get_n_data (disk->map));
    }
  close (fd);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvManifest) manifest
      = mtv_manifest_parse ((const char *) data, size, "'manifest.json'", &error);

  g_assert_true (manifest != NULL || g_error_matches (error, MTV_ERROR, MTV_ERROR_BAD_DATA));
  g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
  if (manifest == NULL)
    return 0;
  for (guint i = 0; i < manifest->disks->len; i++)
    check_disk (manifest, g_ptr_array_index (manifest->disks, i));
  check_again (manifest);
  return 0;
}
