/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "provider/vsphere/mtv-se-sparse.h"
#include "provider/vsphere/mtv-vmfs-sparse.h"
#include "provider/vsphere/mtv-vsphere-link.h"

#define MAX_LOOK_UPS 10000

int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);

/* Every answer must go on, and stay inside of the disk and of the file. */
static void
walk (MtvVsphereLink *link, gsize size)
{
  guint64 capacity = mtv_vsphere_link_get_capacity (link);
  guint64 at = 0;

  for (guint n = 0; at < capacity && n < MAX_LOOK_UPS; n++)
    {
      MtvGrainKind kind;
      guint64 position = 0;
      guint64 run = 0;

      if (!mtv_vsphere_link_look_up (link, at, MIN (capacity - at, 1 << 24), &kind, &position, &run,
                                     NULL, NULL))
        {
          at += 4096;
          continue;
        }
      g_assert_cmpuint (run, >, 0);
      g_assert_cmpuint (run, <=, capacity - at);
      if (kind == MTV_GRAIN_DATA)
        {
          g_assert_cmpuint (position, <=, size);
          g_assert_cmpuint (run, <=, size - position);
        }
      at += run;
    }
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const MtvSparseFormat *const formats[] = { &mtv_vmfs_sparse, &mtv_se_sparse };
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, size);
  g_autoptr (MtvVmdkDescriptor) descriptor G_GNUC_UNUSED
      = mtv_vmdk_descriptor_parse_link ((const char *) data, size, "link", NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (formats); i++)
    {
      g_autoptr (BytesReader) file = bytes_reader_new (bytes);
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvVsphereLink) link
          = mtv_vsphere_link_new (MTV_READER (file), formats[i], "link", NULL, &error);

      g_assert_true (link || (error && error->domain == MTV_ERROR));
      if (link)
        walk (link, size);
    }
  return 0;
}
