/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "transfer-fixture.h"
#include "transfer/mtv-qcow2-check.h"

#include <glib/gstdio.h>
#include <string.h>

static void
qemu_img (const char *arguments)
{
  g_autofree char *line = g_strconcat ("qemu-img ", arguments, NULL);
  g_autoptr (GError) error = NULL;
  int status;

  g_assert_true (g_spawn_command_line_sync (line, NULL, NULL, &status, &error));
  g_assert_no_error (error);
  g_assert_true (g_spawn_check_wait_status (status, NULL));
}

/* A hole, noise, text, noise. */
static void
make_raw (const char *path, gsize size)
{
  g_autofree guint8 *data = g_malloc0 (size);
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);

  for (gsize i = 2 * MIB; i < size; i++)
    data[i]
        = i < 3 * MIB || i > 5 * MIB ? (guint8) g_rand_int (rand) : (guint8) "some text "[i % 10];
  g_assert_true (g_file_set_contents (path, (char *) data, size, NULL));
}

static gboolean
check (const guint8 *data, gsize length, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (data, length);
  g_autoptr (BytesReader) file = bytes_reader_new (bytes);

  return mtv_qcow2_check (MTV_READER (file), "'a.qcow2'", NULL, error);
}

static void
assert_cut (const guint8 *data, gsize length)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (check (data, length, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "'a.qcow2' is cut short"));
}

/* As QEMU makes it of @size bytes. */
static char *
make_image (const char *options, gsize size, gsize *length)
{
  g_autofree char *folder = g_dir_make_tmp ("qcow2-XXXXXX", NULL);
  g_autofree char *raw = g_build_filename (folder, "raw", NULL);
  g_autofree char *path = g_build_filename (folder, "a.qcow2", NULL);
  g_autofree char *line = g_strdup_printf ("convert -f raw -O qcow2 %s %s %s", options, raw, path);
  char *data;

  make_raw (raw, size);
  qemu_img (line);
  g_assert_true (g_file_get_contents (path, &data, length, NULL));
  g_unlink (raw);
  g_unlink (path);
  g_rmdir (folder);
  return data;
}

/* Whole, and not when one sector of it is missing; of the last cluster all that the disk has. */
static void
test_options (gconstpointer options)
{
  g_autoptr (GError) error = NULL;
  gsize length;
  g_autofree char *odd = make_image (options, 8 * MIB + 33 * 1024, &length);

  g_assert_true (check ((guint8 *) odd, length, &error));
  g_assert_no_error (error);
  assert_cut ((guint8 *) odd, length / 2);

  g_autofree char *data = make_image (options, 8 * MIB, &length);
  g_assert_true (check ((guint8 *) data, length, &error));
  g_assert_no_error (error);
  for (gsize cut = 512; cut < length - 512; cut += cut < 4096 ? 512 : length / 7)
    assert_cut ((guint8 *) data, length - cut);
}

/* Of a terabyte there is nothing; or everything has its place, but no file has these bytes. */
static void
test_empty (gconstpointer preallocation)
{
  g_autofree char *folder = g_dir_make_tmp ("qcow2-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "a.qcow2", NULL);
  g_autofree char *line = g_strdup_printf ("create -q -f qcow2 -o preallocation=%s %s %s",
                                           (const char *) preallocation, path,
                                           g_str_equal (preallocation, "off") ? "1T" : "16M");
  g_autofree char *data = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  qemu_img (line);
  g_assert_true (g_file_get_contents (path, &data, &length, NULL));
  g_assert_true (check ((guint8 *) data, length, &error));
  g_assert_no_error (error);
  g_unlink (path);
  g_rmdir (folder);
}

static void
test_broken (void)
{
  guint8 header[104] = { 'Q', 'F', 'I', 0xfb, 0, 0, 0, 3 };
  g_autoptr (GError) error = NULL;

  assert_cut (header, 103);
  g_assert_false (check (header, sizeof header, &error)); /* clusters of one byte */
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "'a.qcow2' has a broken qcow2 header"));
}

int
main (int argc, char **argv)
{
  static const char *const options[] = {
    "-o compat=1.1",          "-o compat=0.10",     "-c -o cluster_size=64k",
    "-c -o cluster_size=512", "-o cluster_size=2M", "-o extended_l2=on,cluster_size=128k",
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (options); i++)
    {
      g_autofree char *name = g_strdup_printf ("/qcow2-check/options/%u", i);

      g_test_add_data_func (name, options[i], test_options);
    }
  g_test_add_data_func ("/qcow2-check/empty", "off", test_empty);
  g_test_add_data_func ("/qcow2-check/preallocated", "metadata", test_empty);
  g_test_add_func ("/qcow2-check/broken", test_broken);
  return g_test_run ();
}
