/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "provider/ova/mtv-ova-manifest.h"
#include "provider/ova/mtv-tar.h"

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* What an index says must lie within the archive, and be found under its name. */
static void
check_member (MtvTar *tar, const MtvTarMember *member, gsize size)
{
  g_assert_cmpuint (member->offset, <=, size);
  g_assert_cmpuint (member->size, <=, size - member->offset);
  g_assert_true (g_utf8_validate (member->name, -1, NULL));
  if (member->type == MTV_TAR_FILE)
    g_assert_true (mtv_tar_find (tar, member->name, NULL) == member);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (BytesReader) file = bytes_reader_new (bytes);
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvTar) tar = mtv_tar_new (MTV_READER (file), "web.ova", NULL, &error);
  g_autoptr (MtvOvaManifest) manifest = mtv_ova_manifest_parse ((const char *) data, size);

  const char *algorithm = NULL;

  g_assert_true (mtv_ova_manifest_find (manifest, "a.vmdk", &algorithm) == NULL
                 || algorithm != NULL);
  g_assert_true (tar != NULL || (error != NULL && error->domain == MTV_ERROR));
  g_assert_true (error == NULL || g_utf8_validate (error->message, -1, NULL));
  for (guint i = 0; tar != NULL && i < mtv_tar_get_n_members (tar); i++)
    check_member (tar, mtv_tar_get_member (tar, i), size);
  return 0;
}
