/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "transfer/mtv-vmdk-header.h"

#include "base/mtv-error.h"

#define LABEL "disk 'a.vmdk'"

static void
put (guint8 *bytes, gsize at, guint64 value, gsize width)
{
  for (gsize i = 0; i < width; i++)
    bytes[at + i] = value >> 8 * i;
}

static void
make_header (guint8 *bytes)
{
  memset (bytes, 0, MTV_VMDK_SECTOR);
  memcpy (bytes, "KDMV", 4);
  put (bytes, 4, 3, 4);
  put (bytes, 8, 0x30007, 4);
  put (bytes, 12, 1000001, 8);
  put (bytes, 20, 128, 8);
  put (bytes, 28, 1, 8);
  put (bytes, 36, 20, 8);
  put (bytes, 44, 512, 4);
  put (bytes, 48, 21, 8);
  put (bytes, 56, MTV_VMDK_GD_AT_END, 8);
  put (bytes, 64, 128, 8);
  memcpy (bytes + 73, "\n \r\n", 4);
  put (bytes, 77, 1, 2);
}

static void
test_fields (void)
{
  g_autoptr (GError) error = NULL;
  guint8 bytes[MTV_VMDK_SECTOR];
  MtvVmdkHeader header;

  make_header (bytes);
  mtv_vmdk_header_parse (bytes, LABEL, &header, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (header.capacity, ==, 1000001);
  g_assert_cmpuint (header.grain_size, ==, 128);
  g_assert_cmpuint (header.descriptor_offset, ==, 1);
  g_assert_cmpuint (header.descriptor_size, ==, 20);
  g_assert_cmpuint (header.table_entries, ==, 512);
  g_assert_cmpuint (header.rgd_offset, ==, 21);
  g_assert_cmpuint (header.gd_offset, ==, MTV_VMDK_GD_AT_END);
  g_assert_cmpuint (header.overhead, ==, 128);
  g_assert_true (header.compressed && header.zeroed_grains);

  put (bytes, 8, 0x1, 4);
  g_assert_true (mtv_vmdk_header_parse (bytes, LABEL, &header, NULL));
  g_assert_cmpuint (header.rgd_offset, ==, 0); /* its flag is not set */
  g_assert_false (header.compressed || header.zeroed_grains);
}

typedef struct
{
  const char *name;
  gsize at;
  guint64 value;
  gsize width;
  int code;
  const char *message;
} BadField;

static const BadField bad_fields[] = {
  { "magic", 0, 0x12345678, 4, MTV_ERROR_BAD_DATA, "not a VMDK" },
  { "cowd", 0, 0x44574f43, 4, MTV_ERROR_UNSUPPORTED, "vmfsSparse" },
  { "sesparse", 0, 0xcafebabe, 4, MTV_ERROR_UNSUPPORTED, "seSparse" },
  { "version", 4, 4, 4, MTV_ERROR_UNSUPPORTED, "version 4" },
  { "version-0", 4, 0, 4, MTV_ERROR_UNSUPPORTED, "version 0" },
  { "no-markers", 8, 0x10001, 4, MTV_ERROR_UNSUPPORTED, "0x10001" },
  { "not-compressed", 8, 0x20001, 4, MTV_ERROR_UNSUPPORTED, "0x20001" },
  { "capacity", 12, (1ull << 40) + 1, 8, MTV_ERROR_BAD_DATA, "impossible capacity" },
  { "capacity-max", 12, G_MAXUINT64, 8, MTV_ERROR_BAD_DATA, "impossible capacity" },
  { "too-many-grains", 12, 1ull << 40, 8, MTV_ERROR_BAD_DATA, "impossible grain size" },
  { "grain-0", 20, 0, 8, MTV_ERROR_BAD_DATA, "impossible grain size" },
  { "grain-4", 20, 4, 8, MTV_ERROR_BAD_DATA, "impossible grain size" },
  { "grain-100", 20, 100, 8, MTV_ERROR_BAD_DATA, "impossible grain size" },
  { "grain-4096", 20, 4096, 8, MTV_ERROR_BAD_DATA, "impossible grain size" },
  { "descriptor", 36, 513, 8, MTV_ERROR_BAD_DATA, "impossible descriptor size" },
  { "descriptor-far", 28, 1ull << 60, 8, MTV_ERROR_BAD_DATA, "impossible descriptor size" },
  { "table-0", 44, 0, 4, MTV_ERROR_BAD_DATA, "impossible grain table size" },
  { "table-500", 44, 500, 4, MTV_ERROR_BAD_DATA, "impossible grain table size" },
  { "table-huge", 44, 1u << 31, 4, MTV_ERROR_BAD_DATA, "impossible grain table size" },
  { "overhead", 64, G_MAXUINT64, 8, MTV_ERROR_BAD_DATA, "impossible overhead" },
  { "newlines", 73, 0x0a0a200a, 4, MTV_ERROR_BAD_DATA, "damaged by a text-mode transfer" },
  { "algorithm", 77, 2, 2, MTV_ERROR_UNSUPPORTED, "algorithm 2" },
};

static void
test_bad_field (gconstpointer data)
{
  const BadField *bad = data;
  g_autoptr (GError) error = NULL;
  guint8 bytes[MTV_VMDK_SECTOR];
  MtvVmdkHeader header;

  make_header (bytes);
  put (bytes, bad->at, bad->value, bad->width);
  g_assert_false (mtv_vmdk_header_parse (bytes, LABEL, &header, &error));
  g_assert_error (error, MTV_ERROR, bad->code);
  g_assert_true (g_str_has_prefix (error->message, LABEL));
  g_assert_nonnull (strstr (error->message, bad->message));
}

#define HEAD "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\n"

static void
test_flat (void)
{
  static const char text[] = "# Disk DescriptorFile\r\nversion=1\r\nparentCID=FFFFFFFF\r\n"
                             "CREATETYPE = \"twoGbMaxExtentFlat\"\r\n\r\n"
                             "RW 4192256 FLAT \"my disk-f001.vmdk\" 0\r\n"
                             "RDONLY 128 ZERO\r\n"
                             "rw 2048 flat \"my disk-f002.vmdk\" 63\r\n"
                             "RW 9 VMFS \"x-flat.vmdk\"\r\nRW 8 SPARSE \"x-s1.vmdk\"\r\n"
                             "ddb.comment = \"RW 1 FLAT\"\r\n\0\0\0junk RW";
  static const MtvVmdkExtent expected[] = {
    { MTV_VMDK_EXTENT_FLAT, 4192256, (char *) "my disk-f001.vmdk", 0 },
    { MTV_VMDK_EXTENT_ZERO, 128, NULL, 0 },
    { MTV_VMDK_EXTENT_FLAT, 2048, (char *) "my disk-f002.vmdk", 63 },
    { MTV_VMDK_EXTENT_FLAT, 9, (char *) "x-flat.vmdk", 0 },
    { MTV_VMDK_EXTENT_SPARSE, 8, (char *) "x-s1.vmdk", 0 },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVmdkDescriptor) descriptor
      = mtv_vmdk_descriptor_parse (text, sizeof text, LABEL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (descriptor->create_type, ==, "twoGbMaxExtentFlat");
  g_assert_cmpuint (descriptor->extents->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const MtvVmdkExtent *extent = descriptor->extents->pdata[i];

      g_assert_cmpint (extent->type, ==, expected[i].type);
      g_assert_cmpuint (extent->sectors, ==, expected[i].sectors);
      g_assert_cmpstr (extent->file, ==, expected[i].file);
      g_assert_cmpuint (extent->offset, ==, expected[i].offset);
    }
}

typedef struct
{
  const char *name;
  const char *text;
  int code;
  const char *message;
} BadText;

#define FLAT HEAD "createType=\"monolithicFlat\"\n"

static const BadText bad_texts[] = {
  { "nothing", "", MTV_ERROR_BAD_DATA, "not a VMDK descriptor" },
  { "no-extents", FLAT, MTV_ERROR_BAD_DATA, "0 extents" },
  { "slash", FLAT "RW 8 FLAT \"../x.vmdk\" 0\n", MTV_ERROR_BAD_DATA, "'../x.vmdk'" },
  { "absolute", FLAT "RW 8 FLAT \"/etc/passwd\" 0\n", MTV_ERROR_BAD_DATA, "'/etc/passwd'" },
  { "backslash", FLAT "RW 8 FLAT \"C:\\x\" 0\n", MTV_ERROR_BAD_DATA, "not a plain file name" },
  { "dots", FLAT "RW 8 FLAT \"..\" 0\n", MTV_ERROR_BAD_DATA, "'..'" },
  { "empty-name", FLAT "RW 8 FLAT \"\" 0\n", MTV_ERROR_BAD_DATA, "''" },
  { "no-name", FLAT "RW 8 FLAT\n", MTV_ERROR_BAD_DATA, "RW 8 FLAT" },
  { "open-name", FLAT "RW 8 FLAT \"x 0\n", MTV_ERROR_BAD_DATA, "broken extent line" },
  { "offset", FLAT "RW 8 FLAT \"x\" -1\n", MTV_ERROR_BAD_DATA, "broken extent line" },
  { "sectors-0", FLAT "RW 0 FLAT \"x\" 0\n", MTV_ERROR_BAD_DATA, "broken extent line" },
  { "sectors", FLAT "RW 99999999999999999999 FLAT \"x\" 0\n", MTV_ERROR_BAD_DATA,
    "broken extent line" },
  { "rdm", FLAT "RW 8 VMFSRDM \"x\"\n", MTV_ERROR_UNSUPPORTED, "VMFSRDM" },
  { "noaccess", FLAT "NOACCESS 8 FLAT \"x\" 0\n", MTV_ERROR_UNSUPPORTED, "NOACCESS" },
  { "device", HEAD "createType=\"fullDevice\"\nRW 8 FLAT \"x\" 0\n", MTV_ERROR_UNSUPPORTED,
    "fullDevice" },
  { "no-type", HEAD "RW 8 FLAT \"x\" 0\n", MTV_ERROR_UNSUPPORTED, "''" },
  { "latin1", HEAD "createType=\"\xe9t\xe9\"\n", MTV_ERROR_UNSUPPORTED, "\xef\xbf\xbdt" },
  { "parent",
    "# Disk DescriptorFile\nparentCID=12345678\nparentFileNameHint=\"base.vmdk\"\n"
    "createType=\"monolithicFlat\"\nRW 8 FLAT \"x\" 0\n",
    MTV_ERROR_UNSUPPORTED, "'base.vmdk'" },
  { "parent-cid", "# Disk DescriptorFile\nparentCID=12345678\n", MTV_ERROR_UNSUPPORTED,
    "'12345678'" },
};

static void
test_bad_text (gconstpointer data)
{
  const BadText *bad = data;
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_vmdk_descriptor_parse (bad->text, strlen (bad->text), LABEL, &error));
  g_assert_error (error, MTV_ERROR, bad->code);
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
  g_assert_true (g_str_has_prefix (error->message, LABEL));
  g_assert_nonnull (strstr (error->message, bad->message));
}

/* A link of a chain may be what a whole disk may not. */
static void
test_link (void)
{
  static const char text[] = "# Disk DescriptorFile\nCID=22222222\nparentCID=1111aaaa\n"
                             "createType=\"seSparse\"\nparentFileNameHint=\"a.vmdk\"\n"
                             "RW 64 SESPARSE \"a-000001-sesparse.vmdk\"\n";
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVmdkDescriptor) link
      = mtv_vmdk_descriptor_parse_link (text, strlen (text), LABEL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (link->cid, ==, "22222222");
  g_assert_cmpstr (link->parent_cid, ==, "1111aaaa");
  g_assert_cmpstr (link->parent_hint, ==, "a.vmdk");
  g_assert_cmpuint (link->extents->len, ==, 1);
  const MtvVmdkExtent *extent = link->extents->pdata[0];
  g_assert_cmpint (extent->type, ==, MTV_VMDK_EXTENT_SE_SPARSE);
  g_assert_cmpstr (extent->file, ==, "a-000001-sesparse.vmdk");

  g_assert_null (mtv_vmdk_descriptor_parse (text, strlen (text), LABEL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
}

static void
test_too_long (void)
{
  g_autofree char *text = g_strnfill (MTV_VMDK_MAX_DESCRIPTOR + 1, '\n');
  g_autoptr (GError) error = NULL;

  memcpy (text, FLAT, strlen (FLAT));
  g_assert_null (mtv_vmdk_descriptor_parse (text, strlen (text), LABEL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
}

static gboolean
check_embedded (const char *text, GError **error)
{
  return mtv_vmdk_descriptor_check_embedded (text, strlen (text), LABEL, error);
}

static void
test_embedded (void)
{
  static const char type[] = HEAD "createType=\"streamOptimized\"\n";
  g_autofree char *one = g_strconcat (type, "RW 8 SPARSE \"/vmfs/volumes/x.vmdk\"\n", NULL);
  g_autofree char *two = g_strconcat (one, "RW 8 SPARSE \"y.vmdk\"\n", NULL);
  g_autoptr (GError) error = NULL;

  g_assert_true (check_embedded (one, NULL)); /* the name is not for us */
  g_assert_true (check_embedded ("", NULL));
  g_assert_false (check_embedded (two, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "one of 2 files"));
  g_clear_error (&error);
  g_assert_false (check_embedded (HEAD "createType=\"vsanSparse\"\n", &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "vsanSparse"));
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/vmdk-header/fields", test_fields);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_fields); i++)
    {
      g_autofree char *path = g_strconcat ("/vmdk-header/bad/", bad_fields[i].name, NULL);
      g_test_add_data_func (path, &bad_fields[i], test_bad_field);
    }
  g_test_add_func ("/vmdk-descriptor/flat", test_flat);
  for (gsize i = 0; i < G_N_ELEMENTS (bad_texts); i++)
    {
      g_autofree char *path = g_strconcat ("/vmdk-descriptor/bad/", bad_texts[i].name, NULL);
      g_test_add_data_func (path, &bad_texts[i], test_bad_text);
    }
  g_test_add_func ("/vmdk-descriptor/link", test_link);
  g_test_add_func ("/vmdk-descriptor/too-long", test_too_long);
  g_test_add_func ("/vmdk-descriptor/embedded", test_embedded);
  return g_test_run ();
}
