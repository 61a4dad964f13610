/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "fake-memory-disk.h"
#include "transfer/mtv-digest.h"

#include <string.h>

static FakeMemoryDisk *
abc_disk (void)
{
  FakeMemoryDisk *disk = fake_memory_disk_new (3);

  memcpy (fake_memory_disk_get_data (disk), "abc", 3);
  return disk;
}

static void
test_known_answers (void)
{
  /* FIPS 180-4's examples for "abc". */
  static const char *const answers[][2] = {
    { "sha1", "a9993e364706816aba3e25717850c26c9cd0d89d" },
    { "sha256", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad" },
    { "sha512", "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f" },
  };
  g_autoptr (FakeMemoryDisk) disk = abc_disk ();
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autofree char *hex = mtv_digest_reader (MTV_READER (disk), answers[i][0], NULL, &error);

      g_assert_no_error (error);
      g_assert_cmpstr (hex, ==, answers[i][1]);
    }
}

static void
test_pieces (void)
{
  gsize size = 5 * 1024 * 1024 / 2 + 1;
  g_autoptr (FakeMemoryDisk) disk = fake_memory_disk_new (size);
  guint8 *data = fake_memory_disk_get_data (disk);

  for (gsize i = 0; i < size; i++)
    data[i] = i * 7;
  g_autofree char *expected = g_compute_checksum_for_data (G_CHECKSUM_SHA256, data, size);
  g_autofree char *hex = mtv_digest_reader (MTV_READER (disk), "sha256", NULL, NULL);
  g_assert_cmpstr (hex, ==, expected);
}

static void
test_errors (void)
{
  g_autoptr (FakeMemoryDisk) disk = abc_disk ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) unknown = NULL;
  g_autoptr (GError) cancelled = NULL;
  g_autoptr (GError) read = NULL;

  g_assert_null (mtv_digest_reader (MTV_READER (disk), "md5", NULL, &unknown));
  g_assert_error (unknown, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (unknown->message, "'md5'"));

  g_cancellable_cancel (cancellable);
  g_assert_null (mtv_digest_reader (MTV_READER (disk), "sha1", cancellable, &cancelled));
  g_assert_error (cancelled, MTV_ERROR, MTV_ERROR_CANCELLED);

  fake_memory_disk_fail (disk, FAKE_READ, 2, MTV_ERROR_BAD_DATA);
  g_assert_null (mtv_digest_reader (MTV_READER (disk), "sha1", NULL, &read));
  g_assert_error (read, MTV_ERROR, MTV_ERROR_BAD_DATA);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/digest/known-answers", test_known_answers);
  g_test_add_func ("/digest/pieces", test_pieces);
  g_test_add_func ("/digest/errors", test_errors);
  return g_test_run ();
}
