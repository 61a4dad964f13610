/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "provider/ova/mtv-ova-provider.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024 * 1024)
#define RAW_SIZE (3 * MIB + 512 * 5)

/* A folder of its own with "disk.raw": data, holes and an odd end. */
typedef struct
{
  char *folder;
  char *raw;
} Fixture;

static char *
in_folder (Fixture *f, const char *name)
{
  return g_build_filename (f->folder, name, NULL);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) random = g_rand_new_with_seed (7);

  (void) data;
  f->folder = g_dir_make_tmp ("mtv-ova-XXXXXX", &error);
  g_assert_no_error (error);
  f->raw = g_malloc0 (RAW_SIZE);
  for (gsize i = 0; i < RAW_SIZE; i++)
    if (i / (256 * 1024) % 3 != 1 && i < RAW_SIZE - 3000)
      f->raw[i] = g_rand_int (random) >> 24;
  memset (f->raw + RAW_SIZE - 100, 'e', 100);

  g_autofree char *path = in_folder (f, "disk.raw");
  g_file_set_contents (path, f->raw, RAW_SIZE, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  mtv_io_remove_tree (AT_FDCWD, f->folder, &error);
  g_assert_no_error (error);
  g_free (f->folder);
  g_free (f->raw);
}

G_GNUC_PRINTF (2, 3) static void run (Fixture *f, const char *format, ...)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *output = NULL;
  va_list args;
  int status;

  va_start (args, format);
  g_autofree char *command = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *line = g_strdup_printf ("cd '%s' && { %s; } 2>&1", f->folder, command);
  const char *argv[] = { "/bin/sh", "-c", line, NULL };

  g_spawn_sync (NULL, (char **) argv, NULL, 0, NULL, NULL, &output, NULL, &status, &error);
  g_assert_no_error (error);
  if (!g_spawn_check_wait_status (status, NULL))
    g_error ("'%s' failed: %s", command, output);
}

#define MKOVA "python3 '" TOOLS "/mkova.py' "
#define MKVMDK "python3 '" TOOLS "/mkvmdk.py' "

/* Makes VHD "d" one of a producer whose sizes QEMU takes from the geometry, which is rounded down
 * to 90 cylinders, 4 heads, 17 sectors. */
#define AS_VIRTUALBOX                                                               \
  "python3 -c \"\nb = bytearray(open('d', 'rb').read())\n"                          \
  "for at in (0, len(b) - 512):\n"                                                  \
  "    f = b[at:at + 512]\n"                                                        \
  "    f[28:32] = b'vbox'; f[56:60] = bytes((0, 90, 4, 17)); f[64:68] = bytes(4)\n" \
  "    f[64:68] = (~sum(f) & 0xffffffff).to_bytes(4, 'big')\n"                      \
  "    b[at:at + 512] = f\n"                                                        \
  "open('d', 'wb').write(b)\""

static MtvSource *
open_path (Fixture *f, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = in_folder (f, name);
  MtvProviderConfig config = { .url = path };

  MtvProvider *provider = mtv_ova_provider_type.create (&config, -1, &error);
  g_assert_no_error (error);
  return MTV_SOURCE (provider);
}

static GPtrArray *
list (MtvSource *source)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *vms = mtv_source_list (source, NULL, &error);

  g_assert_no_error (error);
  return vms;
}

static void
assert_pattern (const char *pattern, const char *text)
{
  if (text == NULL || !g_pattern_match_simple (pattern, text))
    g_error ("'%s' is not like '%s'", text, pattern);
}

static MtvVmDisk *
disk_of (MtvVm *vm, guint index)
{
  g_assert_cmpuint (index, <, vm->disks->len);
  return g_ptr_array_index (vm->disks, index);
}

/* Every byte, in uneven steps, and the extents: what they call zero must be. */
static void
assert_reads (MtvReader *reader, const char *raw, gsize raw_size, guint64 size)
{
  g_autofree char *expected = g_malloc0 (size);
  g_autofree char *found = g_malloc (size);
  g_autoptr (GArray) extents = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
  g_autoptr (GError) error = NULL;
  guint64 at = 0;

  memcpy (expected, raw, raw_size);
  g_assert_cmpuint (mtv_reader_get_size (reader), ==, size);
  for (guint64 step = 700; at < size; step = step * 3 / 2)
    {
      step = MIN (step, size - at);
      mtv_reader_read (reader, at, found + at, step, NULL, &error);
      g_assert_no_error (error);
      at += step;
    }
  g_assert_cmpmem (found, size, expected, size);

  mtv_reader_extents (reader, 0, size, extents, NULL, &error);
  g_assert_no_error (error);
  at = 0;
  for (guint i = 0; i < extents->len; i++)
    {
      MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      g_assert_cmpuint (extent->offset, ==, at);
      at += extent->length;
      for (guint64 n = extent->offset; extent->zero && n < at; n++)
        g_assert_cmpint (expected[n], ==, 0);
    }
  g_assert_cmpuint (at, ==, size);
}

/* Lists the one machine of @name, opens and checks its disks; all hold the raw image. */
static void
assert_whole (Fixture *f, const char *name, const char *format, guint64 capacity)
{
  g_autoptr (MtvSource) source = open_path (f, name);
  g_autoptr (GPtrArray) vms = list (source);
  g_autoptr (GError) error = NULL;

  g_assert_true (mtv_provider_test (MTV_PROVIDER (source), NULL, &error));
  g_assert_cmpuint (vms->len, ==, 1);
  MtvVm *vm = g_ptr_array_index (vms, 0);
  g_assert_cmpstr (vm->problem, ==, NULL);
  g_assert_cmpstr (vm->name, ==, "web");
  for (guint i = 0; i < vm->disks->len; i++)
    {
      MtvVmDisk *disk = disk_of (vm, i);

      g_assert_cmpstr (disk->problem, ==, NULL);
      g_assert_cmpstr (disk->format, ==, format);
      g_assert_cmpuint (disk->capacity, ==, capacity);
      g_autoptr (MtvReader) reader = mtv_source_open_disk (source, vm, disk, NULL, &error);
      g_assert_no_error (error);
      assert_reads (reader, f->raw, RAW_SIZE, capacity);
      mtv_source_check_disk (source, vm, disk, NULL, &error);
      g_assert_no_error (error);
    }
}

static void
test_formats (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *make;
    const char *format;
  } cases[] = {
    { "cp disk.raw d", "raw" },
    { MKVMDK "--kind stream disk.raw d", "vmdk" },
    { MKVMDK "--kind sparse disk.raw d", "vmdk" },
    { MKVMDK "--kind stream --fault no-footer disk.raw d", "vmdk" },
    { "qemu-img convert -O vmdk disk.raw d", "vmdk" },
    { "qemu-img convert -O vmdk -o subformat=streamOptimized disk.raw d", "vmdk" },
    { "qemu-img convert -O qcow2 disk.raw d", "qcow2" },
    { "qemu-img convert -c -O qcow2 -o compat=0.10 disk.raw d", "qcow2" },
    { "qemu-img convert -O vhdx disk.raw d", "vhdx" },
    { "qemu-img convert -O vpc -o force_size disk.raw d", "vpc" },
    { "qemu-img convert -O vpc -o force_size,subformat=fixed disk.raw d", "vpc" },
    { "qemu-img convert -O vpc -o force_size disk.raw d && " AS_VIRTUALBOX, "vpc" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_test_message ("%s", cases[i].make);
      run (f, "%s", cases[i].make);
      run (f, MKOVA "--manifest sha256 web.ova d,capacity=%d", RAW_SIZE);
      assert_whole (f, "web.ova", cases[i].format, RAW_SIZE);
      /* The OVF promises more, or does not say; a folder is as good as an archive. */
      run (f, MKOVA "--manifest sha512 --format pax --prefix ./ web.ova d,capacity=%d", 8 * MIB);
      assert_whole (f, "web.ova", cases[i].format, 8 * MIB);
      run (f, MKOVA "--folder --manifest sha1 --fault no-capacity box d");
      assert_whole (f, "box/web.ovf", cases[i].format, RAW_SIZE);
    }
}

static void
test_packed (Fixture *f, gconstpointer data)
{
  static const char *const makes[]
      = { "cp disk.raw d", "qemu-img convert -O vmdk disk.raw d",
          "qemu-img convert -O vmdk -o subformat=streamOptimized disk.raw d" };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (makes); i++)
    {
      const char *format = i == 0 ? "raw" : "vmdk";

      run (f, "%s", makes[i]);
      run (f, MKOVA "--manifest sha256 --format gnu web.ova d,capacity=%d,compress=gzip", RAW_SIZE);
      assert_whole (f, "web.ova", NULL, RAW_SIZE);
      run (f, MKOVA "--manifest sha256 web.ova d,capacity=%d,chunk=400000", RAW_SIZE);
      assert_whole (f, "web.ova", format, RAW_SIZE);
      run (f, MKOVA "--manifest sha256 web.ova d,capacity=%d,compress=gzip,chunk=400000", RAW_SIZE);
      assert_whole (f, "web.ova", NULL, RAW_SIZE);
    }
}

static void
test_names (Fixture *f, gconstpointer data)
{
  (void) data;
  run (f, MKOVA "--manifest sha256 --prefix ./sub/ web.ova disk.raw,href=my%%20disks/one%%2Braw");
  assert_whole (f, "web.ova", "raw", RAW_SIZE);
  run (f, MKOVA "--manifest sha256 --folder box disk.raw,href=my%%20disks/one%%2Braw");
  assert_whole (f, "box/web.ovf", "raw", RAW_SIZE);
  run (f, "mkdir plain && cp disk.raw 'plain/100%% raw' && " MKOVA
          "--folder plain 'disk.raw,href=100%% raw'");
  assert_whole (f, "plain/web.ovf", "raw", RAW_SIZE);
  run (f, MKOVA "--fault no-end --manifest sha256 web.ova disk.raw");
  assert_whole (f, "web.ova", "raw", RAW_SIZE);
}

static void
test_descriptor (Fixture *f, gconstpointer data)
{
  (void) data;
  run (f, "qemu-img convert -O vmdk -o subformat=monolithicFlat disk.raw d.vmdk && " MKOVA
          "--manifest sha256 web.ova d.vmdk,capacity=1024,href=sub/d.vmdk,extra=d-flat.vmdk");
  assert_whole (f, "web.ova", "vmdk-flat", RAW_SIZE);
  run (f, MKOVA "--folder box d.vmdk,capacity=1024,extra=d-flat.vmdk");
  assert_whole (f, "box/web.ovf", "vmdk-flat", RAW_SIZE);
  run (f, "qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse disk.raw t.vmdk && " MKOVA
          "web.ova t.vmdk,capacity=1024,extra=t-s001.vmdk");
  assert_whole (f, "web.ova", "vmdk-flat", RAW_SIZE);
}

static void
test_empty_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, MKOVA "web.ova disk.raw none,empty,capacity=%d none,empty,capacity=0", 5 * MIB);
  g_autoptr (MtvSource) source = open_path (f, "web.ova");
  g_autoptr (GPtrArray) vms = list (source);
  MtvVm *vm = vms->pdata[0];

  g_assert_cmpuint (vm->disks->len, ==, 3);
  g_assert_null (disk_of (vm, 1)->problem);
  g_autoptr (MtvReader) reader = mtv_source_open_disk (source, vm, disk_of (vm, 1), NULL, &error);
  g_assert_no_error (error);
  assert_reads (reader, "", 0, 5 * MIB);
  g_assert_true (mtv_source_check_disk (source, vm, disk_of (vm, 1), NULL, &error));

  g_assert_cmpstr (disk_of (vm, 2)->problem, ==, "Disk 'vmdisk2' has the capacity 0");
  g_assert_null (mtv_source_open_disk (source, vm, disk_of (vm, 2), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
}

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

      run (f, MKOVA "--fault %s web.ova disk.raw", cases[i].fault);
      g_autoptr (MtvSource) source = open_path (f, "web.ova");
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
  g_autoptr (MtvSource) source = open_path (f, "web.ova");
  g_autoptr (GPtrArray) vms = list (source);
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
      run (f, MKOVA "--fault %s web.ova disk.raw", cases[i].fault);
      assert_bad_disk (f, cases[i].code, cases[i].pattern);
    }
  run (f, MKOVA "web.ova disk.raw,href=a/%%2e%%2e/%%2e%%2e/disk.raw");
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
    { "qemu-img create -f qcow2 --object secret,id=s,data=x"
      " -o encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10 d 1M",
      MTV_ERROR_UNSUPPORTED, "'d' of 'web.ova' is an encrypted qcow2 image*" },
    { "qemu-img create -f vpc d 4M && printf '\\004' > b && dd if=b of=d bs=1 seek=63 conv=notrunc",
      MTV_ERROR_UNSUPPORTED, "'d' of 'web.ova' is a differencing VHD*" },
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
      run (f, "rm -f d && %s && " MKOVA "web.ova d", cases[i].make);
      assert_bad_disk (f, cases[i].code, cases[i].pattern);
    }
}

/* Formats that only QEMU reads need to be one range of one file. */
static void
test_qcow2_in_gzip (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, "qemu-img convert -O qcow2 disk.raw d && " MKOVA "web.ova d,capacity=%d,compress=gzip",
       RAW_SIZE);
  g_autoptr (MtvSource) source = open_path (f, "web.ova");
  g_autoptr (GPtrArray) vms = list (source);
  g_assert_null (
      mtv_source_open_disk (source, vms->pdata[0], disk_of (vms->pdata[0], 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  assert_pattern ("'d' of 'web.ova' is a qcow2 image inside gzip*", error->message);

  run (f, MKOVA "web.ova d,capacity=%d,chunk=400000", RAW_SIZE);
  assert_bad_disk (f, MTV_ERROR_UNSUPPORTED, "'d' of 'web.ova' is a qcow2 image in pieces*");
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
      run (f, MKOVA "--fault %s web.ova disk.raw", faults[i]);
      assert_whole (f, "web.ova", "raw", RAW_SIZE);
      run (f, MKOVA "--fault %s web.ova disk.raw,compress=gzip", faults[i]);
      assert_bad_disk (f, MTV_ERROR_BAD_DATA, patterns[i]);
    }
}

static void
test_manifest (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, MKOVA "--manifest sha256 --fault bad-manifest web.ova disk.raw");
  g_autoptr (MtvSource) source = open_path (f, "web.ova");
  g_autoptr (GPtrArray) vms = list (source);
  MtvVm *vm = vms->pdata[0];
  g_assert_null (vm->problem);
  g_assert_cmpint (mtv_source_get_caps (source), ==, MTV_SOURCE_CAN_CHECK_DISKS);
  g_assert_false (mtv_source_check_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  assert_pattern ("'disk.raw' of 'web.ova' does not match its manifest: its sha256 is *",
                  error->message);
  g_clear_error (&error);

  /* Of chunks, the one that differs is named. */
  run (f, MKOVA "--manifest sha1 --fault bad-manifest web.ova disk.raw,chunk=1000000");
  g_assert_false (mtv_source_check_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CHECKSUM_MISMATCH);
  assert_pattern ("'disk.raw.000000000' of 'web.ova' does not match*", error->message);
  g_clear_error (&error);

  run (f, MKOVA "--manifest sha512 --fault bad-ovf-sum web.ova disk.raw");
  g_autoptr (GPtrArray) changed = list (source);
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

      run (f, "%s", cases[i].make);
      g_autoptr (MtvSource) source = open_path (f, "web.ova");
      g_assert_null (mtv_source_list (source, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
      g_assert_cmpstr (error->message, ==, cases[i].pattern);
    }
}

static MtvVm *
find (GPtrArray *vms, const char *id)
{
  for (guint i = 0; i < vms->len; i++)
    if (strcmp (((MtvVm *) vms->pdata[i])->id, id) == 0)
      return vms->pdata[i];
  g_error ("no '%s'", id);
}

static void
test_folder (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, "mkdir -p top/a/b/c top/.hidden && " MKOVA "top/web.ova disk.raw && " MKOVA
          "--folder top/a disk.raw && " MKOVA "top/a/b/two.OVA disk.raw");
  run (f,
       "cp top/web.ova top/a/b/c/deep.ova && cp top/web.ova top/.hidden/ && cp top/web.ova out.ova"
       " && ln -s ../out.ova top/link.ova && ln -s ../top top/a/up && echo x > top/note.txt"
       " && head -c 9000 top/web.ova > top/cut.ova && mkfifo top/pipe.ova");
  g_autoptr (MtvSource) source = open_path (f, "top");
  g_assert_true (mtv_provider_test (MTV_PROVIDER (source), NULL, &error));
  g_autoptr (GPtrArray) vms = list (source);

  g_assert_cmpuint (vms->len, ==, 4);
  MtvVm *broken = find (vms, "cut.ova/cut.ova");
  g_assert_cmpstr (broken->name, ==, "cut.ova");
  assert_pattern ("'cut.ova' is truncated: it ends at byte 9000*", broken->problem);
  for (guint i = 0; i < 3; i++)
    {
      static const char *const ids[] = { "web.ova/web", "a/web.ovf/web", "a/b/two.OVA/web" };
      MtvVm *vm = find (vms, ids[i]);

      g_assert_cmpstr (vm->problem, ==, NULL);
      g_autoptr (MtvReader) reader
          = mtv_source_open_disk (source, vm, disk_of (vm, 0), NULL, &error);
      g_assert_no_error (error);
      assert_reads (reader, f->raw, RAW_SIZE, RAW_SIZE);
    }

  /* What the store hands back is not trusted to lie in the folder. */
  MtvVm *vm = find (vms, "web.ova/web");
  g_free (vm->path);
  vm->path = g_strdup ("../out.ova");
  g_assert_null (mtv_source_open_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
}

/* An OVF in a folder reaches nothing outside of it. */
static void
test_folder_links (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, MKOVA "--folder box disk.raw disk.raw,href=sub/disk.raw && rm box/disk.raw"
                " && ln -s ../disk.raw box/disk.raw && mv box/sub real && ln -s ../real box/sub");
  g_autoptr (MtvSource) source = open_path (f, "box/web.ovf");
  g_autoptr (GPtrArray) vms = list (source);
  MtvVm *vm = vms->pdata[0];
  g_assert_cmpstr (disk_of (vm, 0)->problem, ==,
                   "Cannot open 'disk.raw': 'disk.raw' is a symbolic link");
  g_assert_cmpstr (disk_of (vm, 1)->problem, ==,
                   "Cannot open 'sub/disk.raw': 'sub' is a symbolic link");
  g_assert_null (mtv_source_open_disk (source, vm, disk_of (vm, 0), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
}

static void
test_identity (Fixture *f, gconstpointer data)
{
  static const char *const changes[] = { "touch -d @1 web.ova", "touch -d @1 box/disk.raw" };
  static const char *const names[] = { "web.ova", "box/web.ovf" };

  (void) data;
  run (f, MKOVA "web.ova disk.raw && " MKOVA "--folder box disk.raw");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvSource) source = open_path (f, names[i]);
      g_autoptr (GPtrArray) vms = list (source);
      g_autofree char *one = mtv_source_get_identity (source, vms->pdata[0], NULL, &error);
      g_assert_no_error (error);
      g_autofree char *two = mtv_source_get_identity (source, vms->pdata[0], NULL, &error);

      g_assert_cmpstr (one, ==, two);
      run (f, "%s", changes[i]);
      g_autofree char *three = mtv_source_get_identity (source, vms->pdata[0], NULL, &error);
      g_assert_nonnull (three);
      g_assert_cmpstr (one, !=, three);
    }
}

/* Handed over as a descriptor, then found again by its path. */
static void
test_descriptors (Fixture *f, gconstpointer data)
{
  g_autoptr (MtvProviderConfig) config = mtv_fields_new (&mtv_provider_config_fields);
  g_autofree char *path = in_folder (f, "web.ova");
  g_autofree char *moved = in_folder (f, "moved.ova");
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, MKOVA "web.ova disk.raw");
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autoptr (MtvProvider) provider = mtv_ova_provider_type.create (config, fd, &error);
  g_assert_no_error (error);
  close (fd);
  g_assert_cmpstr (config->url, ==, path);
  g_assert_nonnull (config->identity);
  g_assert_cmpint (mtv_provider_get_fd (provider), >=, 0);
  g_autoptr (GPtrArray) vms = list (MTV_SOURCE (provider));
  g_assert_cmpstr (((MtvVm *) vms->pdata[0])->id, ==, "web");

  g_autoptr (MtvProvider) again = mtv_ova_provider_type.create (config, -1, &error);
  g_assert_no_error (error);
  g_assert_cmpint (mtv_provider_get_fd (again), ==, -1);
  g_assert_true (mtv_provider_test (again, NULL, &error));

  /* The descriptor still reaches what the path no longer does. */
  g_rename (path, moved);
  g_assert_true (mtv_provider_test (provider, NULL, &error));
  g_assert_false (mtv_provider_test (again, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  assert_pattern ("Cannot open '*web.ova'*", error->message);
  g_clear_error (&error);
  run (f, "cp moved.ova web.ova");
  g_assert_null (mtv_source_list (MTV_SOURCE (again), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED);
  assert_pattern ("'*web.ova' is not the file any more that was handed over*", error->message);
}

static void
test_folder_descriptor (Fixture *f, gconstpointer data)
{
  g_autoptr (MtvProviderConfig) config = mtv_fields_new (&mtv_provider_config_fields);
  g_autoptr (GError) error = NULL;

  (void) data;
  run (f, MKOVA "web.ova disk.raw");
  int fd = open (f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (MtvProvider) provider = mtv_ova_provider_type.create (config, fd, &error);
  g_assert_no_error (error);
  close (fd);
  g_assert_cmpstr (config->url, ==, f->folder);
  for (guint i = 0; i < 2; i++) /* the place in the folder is not used up */
    {
      g_autoptr (GPtrArray) vms = list (MTV_SOURCE (provider));
      g_assert_cmpuint (vms->len, ==, 1);
    }
}

static void
test_arguments (Fixture *f, gconstpointer data)
{
  MtvProviderConfig none = { .url = NULL };
  MtvProviderConfig relative = { .url = g_strdup ("web.ova") };
  g_autofree char *path = in_folder (f, "disk.raw");
  g_autofree char *missing = in_folder (f, "missing");
  MtvProviderConfig gone = { .url = missing };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  (void) data;
  g_assert_true (mtv_ova_provider_type.is_source);
  g_assert_cmpstr (mtv_ova_provider_type.type, ==, "ova");
  g_assert_null (mtv_ova_provider_type.create (&none, -1, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (mtv_ova_provider_type.create (&relative, -1, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  assert_pattern ("*'web.ova'", error->message);
  g_clear_error (&error);
  g_assert_null (mtv_ova_provider_type.create (&none, fd, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  close (fd);
  g_free (relative.url);

  g_autoptr (MtvProvider) provider = mtv_ova_provider_type.create (&gone, -1, &error);
  g_assert_no_error (error);
  g_assert_null (mtv_source_list (MTV_SOURCE (provider), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  assert_pattern ("Cannot open '*/missing'*", error->message);
  g_clear_error (&error);

  run (f, MKOVA "web.ova disk.raw");
  g_autoptr (MtvSource) source = open_path (f, "web.ova");
  g_cancellable_cancel (cancellable);
  g_assert_null (mtv_source_list (source, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

int
main (int argc, char *argv[])
{
  static const struct
  {
    const char *path;
    void (*test) (Fixture *f, gconstpointer data);
  } tests[] = {
    { "/ova-provider/formats", test_formats },
    { "/ova-provider/packed", test_packed },
    { "/ova-provider/names", test_names },
    { "/ova-provider/descriptor", test_descriptor },
    { "/ova-provider/empty-disk", test_empty_disk },
    { "/ova-provider/bad-packages", test_bad_packages },
    { "/ova-provider/bad-references", test_bad_references },
    { "/ova-provider/bad-images", test_bad_images },
    { "/ova-provider/qcow2-in-gzip", test_qcow2_in_gzip },
    { "/ova-provider/capacity", test_capacity },
    { "/ova-provider/manifest", test_manifest },
    { "/ova-provider/other-containers", test_other_containers },
    { "/ova-provider/folder", test_folder },
    { "/ova-provider/folder-links", test_folder_links },
    { "/ova-provider/identity", test_identity },
    { "/ova-provider/descriptors", test_descriptors },
    { "/ova-provider/folder-descriptor", test_folder_descriptor },
    { "/ova-provider/arguments", test_arguments },
  };

  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);

  return g_test_run ();
}
