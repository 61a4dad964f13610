/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ova-fixture.h"

/* Sets "has a parent" in the file parameters of VHDX "d", which its metadata table leads to. */
#define AS_DIFFERENCING_VHDX                                                    \
  "python3 -c \"\nb = bytearray(open('d', 'rb').read())\n"                      \
  "metadata = b.index(b'metadata')\n"                                           \
  "entry = b.index(bytes.fromhex('3767a1ca36fa434db3b633f0aa44e76b'))\n"        \
  "b[metadata + int.from_bytes(b[entry + 16:entry + 20], 'little') + 4] |= 2\n" \
  "open('d', 'wb').write(b)\""

/* What is wrong with the archive or its OVF as a whole. */
static void
test_bad_packages (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *fault;
    int code;
    const char *pattern;
  } cases[] = {
    { "truncated", MTV_ERROR_BAD_DATA,
      "'web.ova' is truncated: it ends at byte *, within member 'disk.raw' that begins at byte *" },
    { "two-members", MTV_ERROR_BAD_DATA, "'web.ova' has two members of the name 'disk.raw'" },
    { "sparse", MTV_ERROR_UNSUPPORTED, "Member 'disk.raw' of 'web.ova' is stored sparse*" },
    { "two-ovfs", MTV_ERROR_BAD_DATA, "'web.ova' has two OVFs, 'web.ovf' and 'other.ovf'" },
    { "no-ovf", MTV_ERROR_BAD_DATA, "'web.ova' has no .ovf file in it" },
    { "not-xml", MTV_ERROR_BAD_DATA, "'web.ova/web.ovf' is not XML: line 1: *" },
    { "huge-xml", MTV_ERROR_BAD_DATA, "'web.ovf' of 'web.ova' is 100000000 bytes, more than 16*" },
    { "entity-bomb", MTV_ERROR_BAD_DATA, "'web.ova/web.ovf' has a document type declaration*" },
    { "external-entity", MTV_ERROR_BAD_DATA, "'web.ova/web.ovf' has a document type declaration*" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      fixture_run (f, MKOVA "--fault %s web.ova disk.raw", cases[i].fault);
      g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
      g_assert_null (mtv_source_list (source, NULL, &error));
      g_assert_error (error, MTV_ERROR, cases[i].code);
      assert_pattern (cases[i].pattern, error->message);
      g_clear_error (&error);
      g_assert_false (mtv_provider_test (MTV_PROVIDER (source), NULL, &error));
      g_assert_error (error, MTV_ERROR, cases[i].code);
    }
}

/* What is wrong with one disk: listed with a problem, and not opened either. */
static void
assert_bad_disk (Fixture *f, int code, const char *pattern)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
  g_autoptr (GPtrArray) vms = fixture_list (source);
  MtvVm *vm = vms->pdata[0];

  assert_pattern (pattern, disk_of (vm, 0)->problem);
  g_assert_null (mtv_source_open_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, code);
  assert_pattern (pattern, error->message);
}

static void
test_bad_references (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *fault;
    int code;
    const char *pattern;
  } cases[] = {
    { "missing-member", MTV_ERROR_NOT_FOUND,
      "'web.ovf' names 'disk.raw', which is not in 'web.ova'" },
    { "dot-dot", MTV_ERROR_BAD_DATA,
      "'web.ovf' names '../disk.raw', which is not below the OVF's own folder" },
    { "absolute", MTV_ERROR_BAD_DATA,
      "'web.ovf' names '/etc/passwd', which is not below the OVF's own folder" },
    { "http", MTV_ERROR_UNSUPPORTED, "'web.ovf' names 'http://127.0.0.1:9/disk.vmdk': only*" },
    { "link", MTV_ERROR_UNSUPPORTED, "'disk.raw' in 'web.ova' is a link, not a file" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      fixture_run (f, MKOVA "--fault %s web.ova disk.raw", cases[i].fault);
      assert_bad_disk (f, cases[i].code, cases[i].pattern);
    }
  fixture_run (f, MKOVA "web.ova disk.raw,href=a/%%2e%%2e/%%2e%%2e/disk.raw");
  assert_bad_disk (f, MTV_ERROR_NOT_FOUND, "'web.ovf' names 'a/%2e%2e/%2e%2e/disk.raw', which*");
}

static void
test_bad_images (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *make;
    int code;
    const char *pattern;
  } cases[] = {
    { "qemu-img create -f qcow2 -b disk.raw -F raw d", MTV_ERROR_UNSUPPORTED,
      "'d' of 'web.ova' is a qcow2 image with a backing file*" },
    { "qemu-img create -f qcow2 -o data_file=other d 1M", MTV_ERROR_UNSUPPORTED,
      "'d' of 'web.ova' is a qcow2 image whose data are in another file*" },
    { "qemu-img create -f qcow2 d 1M && printf '\\002' | dd of=d bs=1 seek=35 conv=notrunc",
      MTV_ERROR_UNSUPPORTED, "'d' of 'web.ova' is an encrypted qcow2 image*" },
    { "qemu-img create -f vpc d 4M && printf '\\004' > b && dd if=b of=d bs=1 seek=63 conv=notrunc",
      MTV_ERROR_UNSUPPORTED, "'d' of 'web.ova' is a differencing VHD*" },
    { "qemu-img create -f vhdx d 4M && " AS_DIFFERENCING_VHDX, MTV_ERROR_UNSUPPORTED,
      "'d' of 'web.ova' is a differencing VHDX*" },
    { "printf 'COWD0000' > d && truncate -s 4096 d", MTV_ERROR_UNSUPPORTED,
      "'d' of 'web.ova' is a snapshot of a VMDK*" },
    { "printf '\\276\\272\\376\\312\\0\\0\\0\\0' > d && truncate -s 4096 d", MTV_ERROR_UNSUPPORTED,
      "'d' of 'web.ova' is a snapshot of a VMDK (SESparse)*" },
    { "qemu-img create -f vdi d 4M", MTV_ERROR_UNSUPPORTED,
      "'d' of 'web.ova' is a VirtualBox VDI image*" },
    { "printf '<html>Not found</html>' > d", MTV_ERROR_BAD_DATA,
      "'d' of 'web.ova' is no disk image: nothing in it tells a format, and 22 bytes*" },
    { ": > d", MTV_ERROR_BAD_DATA, "'d' of 'web.ova' is no disk image*" },
    { "printf KDMV > d", MTV_ERROR_BAD_DATA, "'d' of 'web.ova' ends within its VMDK header" },
    { "printf 'QFI\\373' > d", MTV_ERROR_BAD_DATA, "'d' of 'web.ova' ends within its qcow2*" },
    { "printf vhdxfile > d", MTV_ERROR_BAD_DATA, "'d' of 'web.ova' ends within its VHDX tables" },
    { "printf vhdxfile > d && truncate -s 1M d", MTV_ERROR_BAD_DATA,
      "'d' of 'web.ova' has broken VHDX tables" },
    { "printf '# Disk DescriptorFile\\nversion=1\\nCID=1\\nparentCID=ffffffff\\n"
      "createType=\"monolithicFlat\"\\nRW 8 FLAT \"gone.vmdk\" 0\\n' > d",
      MTV_ERROR_NOT_FOUND, "'gone.vmdk' is not in 'web.ova'" },
    { "printf '# Disk DescriptorFile\\nversion=1\\nCID=1\\nparentCID=ffffffff\\n"
      "createType=\"monolithicFlat\"\\nRW 8 FLAT \"/etc/passwd\" 0\\n' > d",
      MTV_ERROR_BAD_DATA, "*passwd*" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].make);
      fixture_run (f, "rm -f d && %s && " MKOVA "web.ova d", cases[i].make);
      assert_bad_disk (f, cases[i].code, cases[i].pattern);
    }
}

/* Packing a disk hides nothing of what is refused in it. */
static void
test_inside_gzip (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *make;
    const char *pattern;
  } cases[] = {
    { "qemu-img create -f qcow2 -F raw -b disk.raw d", "'d' of 'web.ova' *backing*" },
    { "qemu-img convert -O vmdk -o subformat=monolithicFlat disk.raw d.vmdk && cp d.vmdk d",
      "'d' of 'web.ova' is a VMDK descriptor inside gzip*" },
    { "gzip -c disk.raw > d", "'d' of 'web.ova' is packed with gzip twice*" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      fixture_run (f, "%s", cases[i].make);
      fixture_run (f, MKOVA "web.ova d,capacity=%d,compress=gzip", RAW_SIZE);
      g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
      g_autoptr (GPtrArray) vms = fixture_list (source);
      g_assert_null (
          mtv_source_open_disk (source, vms->pdata[0], disk_of (vms->pdata[0], 0), NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
      assert_pattern (cases[i].pattern, error->message);
    }
}

/* Headers tell better where the OVF has no capacity to be believed. */
static void
test_capacity (Fixture *f, gconstpointer data)
{
  static const char *const faults[] = { "no-capacity", "zero-capacity", "absurd-capacity" };
  static const char *const patterns[]
      = { "Disk 'vmdisk0' has no capacity in the OVF", "Disk 'vmdisk0' has the capacity 0",
          "Disk 'vmdisk0' has the capacity '1180591620717411303424', which is not a number*" };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      fixture_run (f, MKOVA "--fault %s web.ova disk.raw", faults[i]);
      fixture_assert_whole (f, "web.ova", "raw", RAW_SIZE);
      fixture_run (f, MKOVA "--fault %s web.ova disk.raw,compress=gzip", faults[i]);
      assert_bad_disk (f, MTV_ERROR_BAD_DATA, patterns[i]);
    }
}

static void
test_manifest (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fixture_run (f, MKOVA "--manifest sha256 --fault bad-manifest web.ova disk.raw");
  g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
  g_autoptr (GPtrArray) vms = fixture_list (source);
  MtvVm *vm = vms->pdata[0];
  g_assert_null (vm->problem);
  g_assert_cmpint (mtv_source_get_caps (source), ==, MTV_SOURCE_CAN_CHECK_DISKS);
  g_assert_false (mtv_source_check_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  assert_pattern ("'disk.raw' of 'web.ova' does not match its manifest: its sha256 is *",
                  error->message);
  g_clear_error (&error);

  /* Of chunks, the one that differs is named. */
  fixture_run (f, MKOVA "--manifest sha1 --fault bad-manifest web.ova disk.raw,chunk=1000000");
  g_assert_false (mtv_source_check_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  assert_pattern ("'disk.raw.000000000' of 'web.ova' does not match*", error->message);
  g_clear_error (&error);

  fixture_run (f, MKOVA "--manifest sha512 --fault bad-ovf-sum web.ova disk.raw");
  g_autoptr (GPtrArray) changed = fixture_list (source);
  assert_pattern ("'web.ovf' of 'web.ova' does not match its manifest: its sha512 is *",
                  ((MtvVm *) changed->pdata[0])->problem);
}

static void
test_other_containers (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *make;
    const char *pattern;
  } cases[] = {
    { "gzip < disk.raw > web.ova", "'web.ova' is packed with gzip: unpack it first" },
    { "xz -0 < disk.raw > web.ova", "'web.ova' is packed with xz: unpack it first" },
    { "printf 'PK\\003\\004........' > web.ova", "'web.ova' is packed with zip: unpack it first" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GError) error = NULL;

      fixture_run (f, "%s", cases[i].make);
      g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
      g_assert_null (mtv_source_list (source, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
      g_assert_cmpstr (error->message, ==, cases[i].pattern);
    }
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  fixture_add_test ("/ova-bad-input/bad-packages", test_bad_packages);
  fixture_add_test ("/ova-bad-input/bad-references", test_bad_references);
  fixture_add_test ("/ova-bad-input/bad-images", test_bad_images);
  fixture_add_test ("/ova-bad-input/inside-gzip", test_inside_gzip);
  fixture_add_test ("/ova-bad-input/capacity", test_capacity);
  fixture_add_test ("/ova-bad-input/manifest", test_manifest);
  fixture_add_test ("/ova-bad-input/other-containers", test_other_containers);

  return g_test_run ();
}
