/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ova-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

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
      fixture_run (f, "%s", cases[i].make);
      fixture_run (f, MKOVA "--manifest sha256 web.ova d,capacity=%d", RAW_SIZE);
      fixture_assert_whole (f, "web.ova", cases[i].format, RAW_SIZE);
      /* The OVF promises more, or does not say; a folder is as good as an archive. */
      fixture_run (f, MKOVA "--manifest sha512 --format pax --prefix ./ web.ova d,capacity=%d",
                   8 * MIB);
      fixture_assert_whole (f, "web.ova", cases[i].format, 8 * MIB);
      fixture_run (f, MKOVA "--folder --manifest sha1 --fault no-capacity box d");
      fixture_assert_whole (f, "box/web.ovf", cases[i].format, RAW_SIZE);
    }
}

static void
test_packed (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *make;
    const char *format;
  } cases[] = {
    { "cp disk.raw d", "raw" },
    { "qemu-img convert -O vmdk disk.raw d", "vmdk" },
    { "qemu-img convert -O vmdk -o subformat=streamOptimized disk.raw d", "vmdk" },
    { "qemu-img convert -O qcow2 disk.raw d", "qcow2" },
    { "qemu-img convert -O vhdx disk.raw d", "vhdx" },
    { "qemu-img convert -O vpc -o force_size disk.raw d", "vpc" },
    { "qemu-img convert -O vpc -o force_size,subformat=fixed disk.raw d", "vpc" },
  };

  (void) data;
  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const char *format = cases[i].format;

      g_test_message ("%s", cases[i].make);
      fixture_run (f, "%s", cases[i].make);
      fixture_run (f, MKOVA "--manifest sha256 --format gnu web.ova d,capacity=%d,compress=gzip",
                   RAW_SIZE);
      fixture_assert_whole (f, "web.ova", NULL, RAW_SIZE);
      fixture_run (f, MKOVA "--manifest sha256 web.ova d,capacity=%d,chunk=400000", RAW_SIZE);
      fixture_assert_whole (f, "web.ova", format, RAW_SIZE);
      fixture_run (f, MKOVA "--manifest sha256 web.ova d,capacity=%d,compress=gzip,chunk=400000",
                   RAW_SIZE);
      fixture_assert_whole (f, "web.ova", NULL, RAW_SIZE);
    }
}

static void
test_names (Fixture *f, gconstpointer data)
{
  (void) data;
  fixture_run (f, MKOVA
               "--manifest sha256 --prefix ./sub/ web.ova disk.raw,href=my%%20disks/one%%2Braw");
  fixture_assert_whole (f, "web.ova", "raw", RAW_SIZE);
  fixture_run (f, MKOVA "--manifest sha256 --folder box disk.raw,href=my%%20disks/one%%2Braw");
  fixture_assert_whole (f, "box/web.ovf", "raw", RAW_SIZE);
  fixture_run (f, "mkdir plain && cp disk.raw 'plain/100%% raw' && " MKOVA
                  "--folder plain 'disk.raw,href=100%% raw'");
  fixture_assert_whole (f, "plain/web.ovf", "raw", RAW_SIZE);
  fixture_run (f, MKOVA "--fault no-end --manifest sha256 web.ova disk.raw");
  fixture_assert_whole (f, "web.ova", "raw", RAW_SIZE);
}

static void
test_descriptor (Fixture *f, gconstpointer data)
{
  (void) data;
  fixture_run (f,
               "qemu-img convert -O vmdk -o subformat=monolithicFlat disk.raw d.vmdk && " MKOVA
               "--manifest sha256 web.ova d.vmdk,capacity=1024,href=sub/d.vmdk,extra=d-flat.vmdk");
  fixture_assert_whole (f, "web.ova", "vmdk-flat", RAW_SIZE);
  fixture_run (f, MKOVA "--folder box d.vmdk,capacity=1024,extra=d-flat.vmdk");
  fixture_assert_whole (f, "box/web.ovf", "vmdk-flat", RAW_SIZE);
  fixture_run (
      f, "qemu-img convert -O vmdk -o subformat=twoGbMaxExtentSparse disk.raw t.vmdk && " MKOVA
         "web.ova t.vmdk,capacity=1024,extra=t-s001.vmdk");
  fixture_assert_whole (f, "web.ova", "vmdk-flat", RAW_SIZE);
}

static void
test_empty_disk (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fixture_run (f, MKOVA "web.ova disk.raw none,empty,capacity=%d none,empty,capacity=0", 5 * MIB);
  g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
  g_autoptr (GPtrArray) vms = fixture_list (source);
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

/* Several machines in one OVF, some of one id, and with disks of their own. */
static void
test_collection (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  fixture_run (f, "sed 's/ovf:id=.first./ovf:id=\"second\"/' '" DATA "/collection.ovf' > c.ovf"
                  " && cp disk.raw one.vmdk && tar -cf c.ova c.ovf one.vmdk");
  g_autoptr (MtvSource) source = fixture_open (f, "c.ova");
  g_autoptr (GPtrArray) vms = fixture_list (source);

  g_assert_cmpuint (vms->len, ==, 3);
  g_assert_cmpstr (((MtvVm *) vms->pdata[0])->id, ==, "second");
  g_assert_cmpstr (((MtvVm *) vms->pdata[1])->id, ==, "second~2");
  g_assert_cmpstr (((MtvVm *) vms->pdata[2])->id, ==, "third");
  g_autoptr (MtvReader) reader
      = mtv_source_open_disk (source, vms->pdata[0], disk_of (vms->pdata[0], 0), NULL, &error);
  g_assert_no_error (error);
  assert_reads (reader, f->raw, RAW_SIZE, 4000256);
}

#define N_THREADS 4

static gpointer
list_thread (gpointer source)
{
  for (guint i = 0; i < 20; i++)
    {
      g_autoptr (GPtrArray) vms = fixture_list (source);
      g_assert_cmpuint (vms->len, ==, 1);
    }
  return NULL;
}

static void
test_threads (Fixture *f, gconstpointer data)
{
  GThread *threads[N_THREADS];

  (void) data;
  fixture_run (f, MKOVA "web.ova disk.raw");
  g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
  for (guint i = 0; i < N_THREADS; i++)
    threads[i] = g_thread_new ("list", list_thread, source);
  for (guint i = 0; i < N_THREADS; i++)
    g_thread_join (threads[i]);
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
  fixture_run (f, "mkdir -p top/a/b/c top/.hidden && " MKOVA "top/web.ova disk.raw && " MKOVA
                  "--folder top/a disk.raw && " MKOVA "top/a/b/two.OVA disk.raw");
  fixture_run (
      f,
      "cp top/web.ova top/a/b/c/deep.ova && cp top/web.ova top/.hidden/ && cp top/web.ova out.ova"
      " && ln -s ../out.ova top/link.ova && ln -s ../top top/a/up && echo x > top/note.txt"
      " && head -c 9000 top/web.ova > top/cut.ova && mkfifo top/pipe.ova");
  g_autoptr (MtvSource) source = fixture_open (f, "top");
  g_assert_true (mtv_provider_test (MTV_PROVIDER (source), NULL, &error));
  g_autoptr (GPtrArray) vms = fixture_list (source);

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
  fixture_run (f, MKOVA
               "--folder box disk.raw disk.raw,href=sub/disk.raw && rm box/disk.raw"
               " && ln -s ../disk.raw box/disk.raw && mv box/sub real && ln -s ../real box/sub");
  g_autoptr (MtvSource) source = fixture_open (f, "box/web.ovf");
  g_autoptr (GPtrArray) vms = fixture_list (source);
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
  fixture_run (f, MKOVA "web.ova disk.raw && " MKOVA "--folder box disk.raw");
  for (guint i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (MtvSource) source = fixture_open (f, names[i]);
      g_autoptr (GPtrArray) vms = fixture_list (source);
      g_autofree char *one = mtv_source_get_identity (source, vms->pdata[0], NULL, &error);
      g_assert_no_error (error);
      g_autofree char *two = mtv_source_get_identity (source, vms->pdata[0], NULL, &error);

      g_assert_cmpstr (one, ==, two);
      fixture_run (f, "%s", changes[i]);
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
  g_autofree char *path = fixture_path (f, "web.ova");
  g_autofree char *moved = fixture_path (f, "moved.ova");
  g_autoptr (GError) error = NULL;

  (void) data;
  fixture_run (f, MKOVA "web.ova disk.raw");
  int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autoptr (MtvProvider) provider = mtv_ova_provider_type.create (config, NULL, fd, &error);
  g_assert_no_error (error);
  close (fd);
  g_assert_cmpstr (config->url, ==, path);
  g_assert_nonnull (config->identity);
  g_assert_cmpint (mtv_provider_get_fd (provider), >=, 0);
  g_autoptr (GPtrArray) vms = fixture_list (MTV_SOURCE (provider));
  g_assert_cmpstr (((MtvVm *) vms->pdata[0])->id, ==, "web");

  g_autoptr (MtvProvider) again = mtv_ova_provider_type.create (config, NULL, -1, &error);
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
  fixture_run (f, "cp moved.ova web.ova");
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
  fixture_run (f, MKOVA "web.ova disk.raw");
  int fd = open (f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  g_autoptr (MtvProvider) provider = mtv_ova_provider_type.create (config, NULL, fd, &error);
  g_assert_no_error (error);
  close (fd);
  g_assert_cmpstr (config->url, ==, f->folder);
  for (guint i = 0; i < 2; i++) /* the place in the folder is not used up */
    {
      g_autoptr (GPtrArray) vms = fixture_list (MTV_SOURCE (provider));
      g_assert_cmpuint (vms->len, ==, 1);
    }
}

static void
test_arguments (Fixture *f, gconstpointer data)
{
  MtvProviderConfig none = { .url = NULL };
  MtvProviderConfig relative = { .url = g_strdup ("web.ova") };
  g_autofree char *path = fixture_path (f, "disk.raw");
  g_autofree char *missing = fixture_path (f, "missing");
  MtvProviderConfig gone = { .url = missing };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  int fd = open (path, O_WRONLY | O_CLOEXEC);

  (void) data;
  g_assert_true (mtv_ova_provider_type.is_source);
  g_assert_cmpstr (mtv_ova_provider_type.type, ==, "ova");
  g_assert_null (mtv_ova_provider_type.create (&none, NULL, -1, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_null (mtv_ova_provider_type.create (&relative, NULL, -1, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  assert_pattern ("*'web.ova'", error->message);
  g_clear_error (&error);
  g_assert_null (mtv_ova_provider_type.create (&none, NULL, fd, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  close (fd);
  g_free (relative.url);

  g_autoptr (MtvProvider) provider = mtv_ova_provider_type.create (&gone, NULL, -1, &error);
  g_assert_no_error (error);
  g_assert_null (mtv_source_list (MTV_SOURCE (provider), NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  assert_pattern ("Cannot open '*/missing'*", error->message);
  g_clear_error (&error);

  fixture_run (f, MKOVA "web.ova disk.raw");
  g_autoptr (MtvSource) source = fixture_open (f, "web.ova");
  g_cancellable_cancel (cancellable);
  g_assert_null (mtv_source_list (source, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
}

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  fixture_add_test ("/ova-provider/formats", test_formats);
  fixture_add_test ("/ova-provider/packed", test_packed);
  fixture_add_test ("/ova-provider/names", test_names);
  fixture_add_test ("/ova-provider/descriptor", test_descriptor);
  fixture_add_test ("/ova-provider/empty-disk", test_empty_disk);
  fixture_add_test ("/ova-provider/collection", test_collection);
  fixture_add_test ("/ova-provider/threads", test_threads);
  fixture_add_test ("/ova-provider/folder", test_folder);
  fixture_add_test ("/ova-provider/folder-links", test_folder_links);
  fixture_add_test ("/ova-provider/identity", test_identity);
  fixture_add_test ("/ova-provider/descriptors", test_descriptors);
  fixture_add_test ("/ova-provider/folder-descriptor", test_folder_descriptor);
  fixture_add_test ("/ova-provider/arguments", test_arguments);

  return g_test_run ();
}
