/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "bytes-reader.h"
#include "provider/libvirt/mtv-libvirt-qcow2.h"

#include <string.h>

#define SIZE 4096
#define DIRECTORY 2048

static void
put32 (guint8 *at, guint32 value)
{
  value = GUINT32_TO_BE (value);
  memcpy (at, &value, sizeof value);
}

static void
put64 (guint8 *at, guint64 value)
{
  put32 (at, value >> 32);
  put32 (at + 4, (guint32) value);
}

/* A header with a backing file and two bitmaps; docs/interop/qcow2.txt of QEMU. */
static void
make_header (guint8 image[SIZE])
{
  guint8 *extension = image + 112;

  memset (image, 0, SIZE);
  memcpy (image, "QFI\xfb", 4);
  put32 (image + 4, 3);
  put64 (image + 8, 512);
  put32 (image + 16, 8);
  memcpy (image + 512, "base.raw", 8);
  put32 (image + 100, 112);

  put32 (extension, 0xe2792aca);
  put32 (extension + 4, 3);
  memcpy (extension + 8, "raw", 3);
  extension += 16;
  put32 (extension, 0x23852875);
  put32 (extension + 4, 24);
  put32 (extension + 8, 2);
  put64 (extension + 16, 64);
  put64 (extension + 24, DIRECTORY);

  put32 (image + DIRECTORY + 12, 2);
  image[DIRECTORY + 19] = 3;
  memcpy (image + DIRECTORY + 24, "one", 3);
  put32 (image + DIRECTORY + 32 + 12, 3);
  image[DIRECTORY + 32 + 19] = 3;
  memcpy (image + DIRECTORY + 32 + 24, "two", 3);
}

static MtvLibvirtQcow2 *
read_image (const guint8 *image, gsize size, GError **error)
{
  g_autoptr (GBytes) bytes = g_bytes_new (image, size);
  g_autoptr (MtvReader) reader = MTV_READER (bytes_reader_new (bytes));

  return mtv_libvirt_qcow2_read (reader, "'a.qcow2' of 'web'", NULL, error);
}

static void
test_read (void)
{
  guint8 image[SIZE];
  g_autoptr (GError) error = NULL;

  make_header (image);
  g_autoptr (MtvLibvirtQcow2) header = read_image (image, SIZE, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (header->version, ==, 3);
  g_assert_cmpstr (header->backing, ==, "base.raw");
  g_assert_cmpstr (header->backing_format, ==, "raw");
  g_assert_cmpuint (header->bitmaps->len, ==, 2);
  const MtvLibvirtBitmap *one = mtv_libvirt_qcow2_find_bitmap (header, "one");
  const MtvLibvirtBitmap *two = mtv_libvirt_qcow2_find_bitmap (header, "two");
  g_assert_true (one->recording && !one->in_use);
  g_assert_true (two->recording && two->in_use);
  g_assert_null (mtv_libvirt_qcow2_find_bitmap (header, "three"));
  g_assert_null (mtv_libvirt_qcow2_why_no_bitmaps (header));
}

static void
test_without_bitmaps (void)
{
  guint8 image[SIZE];
  g_autoptr (GError) error = NULL;

  make_header (image);
  image[79] = 4;
  g_autoptr (MtvLibvirtQcow2) external = read_image (image, SIZE, &error);
  g_assert_no_error (error);
  g_assert_nonnull (strstr (mtv_libvirt_qcow2_why_no_bitmaps (external), "another file"));

  memset (image, 0, SIZE);
  memcpy (image, "QFI\xfb\0\0\0\2", 8);
  g_autoptr (MtvLibvirtQcow2) old = read_image (image, SIZE, &error);
  g_assert_no_error (error);
  g_assert_null (old->backing);
  g_assert_nonnull (strstr (mtv_libvirt_qcow2_why_no_bitmaps (old), "compat 0.10"));
}

static void
assert_bad (const guint8 *image, gsize size)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (read_image (image, size, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "'a.qcow2' of 'web'"));
}

static void
test_bad (void)
{
  guint8 image[SIZE];
  static const struct
  {
    gsize at;
    guint8 byte;
  } damages[] = {
    { 0, 'X' },            /* magic */
    { 7, 9 },              /* version */
    { 11, 1 },             /* the name of the backing file is far behind the end … */
    { 18, 255 },           /* … or too long */
    { 103, 1 },            /* the header's length */
    { 117, 255 },          /* of an extension */
    { 128 + 7, 8 },        /* the list of bitmaps is too short … */
    { 128 + 10, 255 },     /* … has more of them than it holds … */
    { 128 + 20, 1 },       /* … or is too long */
    { 128 + 27, 1 },       /* … or far behind the end */
    { DIRECTORY + 18, 1 }, /* a name is longer than the list */
    { DIRECTORY + 20, 1 }, /* and so is what may be before it */
  };

  for (gsize i = 0; i < G_N_ELEMENTS (damages); i++)
    {
      make_header (image);
      image[damages[i].at] = damages[i].byte;
      assert_bad (image, SIZE);
    }
  for (gsize size = 0; size < DIRECTORY + 59; size += 7)
    {
      make_header (image);
      assert_bad (image, size);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/libvirt-qcow2/read", test_read);
  g_test_add_func ("/libvirt-qcow2/without-bitmaps", test_without_bitmaps);
  g_test_add_func ("/libvirt-qcow2/bad", test_bad);
  return g_test_run ();
}
