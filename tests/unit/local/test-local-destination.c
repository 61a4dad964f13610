/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "provider/local/mtv-local-destination.h"

#include "base/mtv-error.h"
#include "base/mtv-io.h"
#include "local-fixture.h"
#include "transfer/mtv-digest.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WORK ".mtv-0f3c-run-3.partial"
#define MIB (1 << 20)

/* The linker puts these in the place of pwrite() and fallocate(), so that any disk can be full at
 * will. */
ssize_t __real_pwrite64 (int fd, const void *buffer, size_t length, off_t offset);
ssize_t __wrap_pwrite64 (int fd, const void *buffer, size_t length, off_t offset);

int __real_fallocate64 (int fd, int mode, off_t offset, off_t length);
int __wrap_fallocate64 (int fd, int mode, off_t offset, off_t length);

static gint disk_full; /* (atomic) */

ssize_t
__wrap_pwrite64 (int fd, const void *buffer, size_t length, off_t offset)
{
  if (!g_atomic_int_get (&disk_full))
    return __real_pwrite64 (fd, buffer, length, offset);
  errno = ENOSPC;
  return -1;
}

int
__wrap_fallocate64 (int fd, int mode, off_t offset, off_t length)
{
  if (!g_atomic_int_get (&disk_full))
    return __real_fallocate64 (fd, mode, offset, length);
  errno = ENOSPC;
  return -1;
}

typedef struct
{
  char *path; /* (owned) the test's own folder */
  int fd;
  MtvDestination *destination; /* (owned) on path */
  MtvTarget *target;           /* (owned) */
  GPtrArray *concerns;         /* (owned) */
} Fixture;

static MtvProvider *
create (const char *url, const char *identity, int fd, MtvProviderConfig *filled, GError **error)
{
  MtvProviderConfig config = {
    (char *) "1", (char *) "here", (char *) "local", g_strdup (url), g_strdup (identity), NULL, 0
  };
  MtvProvider *provider = mtv_local_destination_type.create (&config, NULL, fd, error);

  if (filled != NULL)
    *filled = config;
  else
    {
      g_free (config.url);
      g_free (config.identity);
    }
  return provider;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  f->path = g_dir_make_tmp ("mtv-local-XXXXXX", &error);
  g_assert_no_error (error);
  f->fd = open (f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  f->destination = MTV_DESTINATION (create (f->path, NULL, -1, NULL, &error));
  g_assert_no_error (error);
  f->target = local_fixture_target ();
  f->concerns = mtv_concerns_new ();
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_object_unref (f->destination);
  mtv_target_free (f->target);
  g_ptr_array_unref (f->concerns);
  close (f->fd);
  g_chmod (f->path, 0700);
  g_assert_true (mtv_io_remove_tree (AT_FDCWD, f->path, &error));
  g_free (f->path);
}

static gboolean
is_there (Fixture *f, const char *name)
{
  return faccessat (f->fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static void
touch (Fixture *f, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_assert_true (mtv_io_replace_file (f->fd, name, "keep", -1, 0600, &error));
  g_assert_no_error (error);
}

static void
create_volumes (Fixture *f)
{
  g_autoptr (GError) error = NULL;
  g_assert_true (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
  g_assert_no_error (error);
}

static char *
define (Fixture *f, GError **error)
{
  return mtv_destination_define (f->destination, f->target, NULL, error);
}

/* What the first disk shall hold: data, zeroes, and a bit of data. */
static guint8 *
make_disk (void)
{
  guint8 *bytes = g_malloc0 (FIXTURE_DISK_SIZE);

  memset (bytes + 512, 'x', MIB - 512);
  memset (bytes + 2 * MIB, 'y', 1536);
  return bytes;
}

/* Writes the disk as a copy would, and notes its hashes in the map. */
static void
write_disk (Fixture *f, guint index)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = make_disk ();
  MtvTargetDisk *disk = g_ptr_array_index (f->target->disks, index);
  guint8 hash[MTV_HASH_MAX_SIZE];
  g_autoptr (MtvWriter) writer
      = mtv_destination_open_writer (f->destination, f->target, index, NULL, &error);

  g_assert_no_error (error);
  for (guint block = 0; block < 3; block += 2)
    {
      guint64 offset = (guint64) block * MIB;
      gsize length = MIN (MIB, FIXTURE_DISK_SIZE - offset);

      g_assert_true (mtv_writer_write (writer, offset, bytes + offset, length, NULL, &error));
      mtv_hash_data (MTV_HASH_SHA256, bytes + offset, length, hash);
      mtv_block_map_set (disk->map, block, hash);
    }
  g_assert_true (mtv_writer_flush (writer, NULL, &error));
  g_assert_no_error (error);
}

static void
assert_disk (Fixture *f, guint index)
{
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = make_disk ();
  g_autofree guint8 *found = g_malloc (FIXTURE_DISK_SIZE);
  g_autoptr (MtvReader) reader
      = mtv_destination_open_reader (f->destination, f->target, index, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpuint (mtv_reader_get_size (reader), ==, FIXTURE_DISK_SIZE);
  g_assert_true (mtv_reader_read (reader, 0, found, FIXTURE_DISK_SIZE, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpmem (found, FIXTURE_DISK_SIZE, bytes, FIXTURE_DISK_SIZE);
}

static char *
contents_of (Fixture *f, const char *name, gsize *length)
{
  g_autofree char *path = g_build_filename (f->path, name, NULL);
  g_autoptr (GError) error = NULL;
  char *contents = NULL;

  g_file_get_contents (path, &contents, length, &error);
  g_assert_no_error (error);
  return contents;
}

static void
test_raw (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = make_disk ();
  g_autofree char *expected = g_build_filename (f->path, "web", NULL);
  gsize length;

  create_volumes (f);
  g_assert_true (is_there (f, WORK));
  write_disk (f, 0);
  write_disk (f, 1);
  create_volumes (f); /* as after a crash: nothing is lost */
  assert_disk (f, 0);
  g_assert_false (mtv_destination_has_vm (f->destination, "web", NULL));

  g_autofree char *path = define (f, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (path, ==, expected);
  g_assert_false (is_there (f, WORK));
  g_assert_true (mtv_destination_has_vm (f->destination, "web", NULL));
  g_autofree char *disk = contents_of (f, "web/disk-1.raw", &length);
  g_assert_cmpmem (disk, length, bytes, FIXTURE_DISK_SIZE);
  g_autofree char *manifest = contents_of (f, "web/manifest.json", NULL);
  g_autofree char *hash = g_compute_checksum_for_data (G_CHECKSUM_SHA256, bytes, MIB);
  g_assert_nonnull (strstr (manifest, hash));
  g_autofree char *xml = contents_of (f, "web/domain.xml", NULL);
  g_autofree char *file = g_strdup_printf ("file='%s/disk-1.raw'", path);
  g_assert_nonnull (strstr (xml, file));
  g_autofree char *yaml = contents_of (f, "web/vm.yaml", NULL);
  g_assert_nonnull (strstr (yaml, "kind: \"VirtualMachine\"\n"));

  /* As after a crash just behind the rename. */
  g_autofree char *again = define (f, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (again, ==, expected);
  g_assert_true (mtv_destination_remove (f->destination, "folder", WORK, NULL, &error));
  g_assert_no_error (error);
  g_assert_true (is_there (f, "web/manifest.json"));
}

static void
test_qcow2 (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autofree guint8 *bytes = make_disk ();
  gsize length;
  int status;

  local_fixture_set (&f->target->format, "qcow2");
  create_volumes (f);
  write_disk (f, 0);
  write_disk (f, 1);
  create_volumes (f);
  assert_disk (f, 0);
  g_autofree char *path = define (f, &error);
  g_assert_no_error (error);

  char *argv[] = { (char *) "qemu-img",     (char *) "convert", (char *) "-f",
                   (char *) "qcow2",        (char *) "-O",      (char *) "raw",
                   (char *) "disk-1.qcow2", (char *) "out",     NULL };
  g_assert_true (
      g_spawn_sync (path, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  g_autofree char *disk = contents_of (f, "web/out", &length);
  g_assert_cmpmem (disk, length, bytes, FIXTURE_DISK_SIZE);
  g_assert_false (is_there (f, "web/.disk-1.qcow2.new"));
}

static void
test_qcow2_fails (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  MtvTargetDisk *disk = g_ptr_array_index (f->target->disks, 0);

  local_fixture_set (&f->target->format, "qcow2");
  g_cancellable_cancel (cancelled);
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, cancelled, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_assert_false (is_there (f, WORK "/disk-0.qcow2"));
  g_assert_false (is_there (f, WORK "/.disk-0.qcow2.new"));
  g_clear_error (&error);

  disk->size = G_MAXINT64; /* more than qcow2 can hold */
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_FAILED);
  g_assert_nonnull (strstr (error->message, "'disk-0.qcow2'"));
  g_assert_nonnull (strstr (error->message, "qemu-img: "));
  g_clear_error (&error);

  /* An image that is too small, however it came there. */
  disk->size = 4096;
  create_volumes (f);
  disk->size = FIXTURE_DISK_SIZE;
  g_assert_null (mtv_destination_open_writer (f->destination, f->target, 0, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_BAD_DATA);
  g_assert_nonnull (strstr (error->message, "'disk-0.qcow2' of 'web' has 4096 bytes"));
}

static void
assert_exists (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (define (f, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_EXISTS);
  g_assert_nonnull (strstr (error->message, "'web'"));
  g_assert_true (mtv_destination_has_vm (f->destination, "web", NULL));
  g_assert_true (is_there (f, WORK));
}

static void
test_exists (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  create_volumes (f);
  touch (f, "web");
  assert_exists (f);
  g_assert_cmpint (unlinkat (f->fd, "web", 0), ==, 0);
  g_assert_cmpint (symlinkat ("/nonexistent", f->fd, "web"), ==, 0);
  assert_exists (f);
  g_assert_cmpint (unlinkat (f->fd, "web", 0), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "web", 0700), ==, 0);
  assert_exists (f);
  g_assert_cmpint (unlinkat (f->fd, "web", AT_REMOVEDIR), ==, 0);

  g_autofree char *path = define (f, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_suffix (path, "/web"));
  f->target->number = 4;
  create_volumes (f);
  g_assert_null (define (f, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_EXISTS);
}

static void
test_define_without_work (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  g_assert_null (define (f, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "'" WORK "' of 'web'"));
}

static void
test_symlinks (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  g_assert_cmpint (mkdirat (f->fd, "victim", 0700), ==, 0);
  touch (f, "file");
  g_assert_cmpint (symlinkat ("victim", f->fd, WORK), ==, 0);
  g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
  g_assert_nonnull (strstr (error->message, WORK));
  g_assert_cmpint (unlinkat (f->fd, "victim", AT_REMOVEDIR), ==, 0); /* still empty */
  g_clear_error (&error);
  g_assert_cmpint (unlinkat (f->fd, WORK, 0), ==, 0);

  create_volumes (f);
  g_assert_cmpint (unlinkat (f->fd, WORK "/disk-0.raw", 0), ==, 0);
  g_assert_cmpint (symlinkat ("../file", f->fd, WORK "/disk-0.raw"), ==, 0);
  g_assert_cmpint (symlinkat ("../file", f->fd, WORK "/manifest.json"), ==, 0);
  g_assert_null (mtv_destination_open_writer (f->destination, f->target, 0, NULL, &error));
  g_assert_nonnull (strstr (error->message, "'disk-0.raw' of 'web'"));
  g_clear_error (&error);
  g_assert_null (define (f, &error));
  g_assert_nonnull (strstr (error->message, "'manifest.json' of 'web'"));
  g_autofree char *kept = contents_of (f, "file", NULL);
  g_assert_cmpstr (kept, ==, "keep");
}

static void
test_symlinks_qcow2 (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  local_fixture_set (&f->target->format, "qcow2");
  create_volumes (f);
  g_assert_cmpint (renameat (f->fd, WORK "/disk-0.qcow2", f->fd, "other"), ==, 0);
  g_assert_cmpint (symlinkat ("../other", f->fd, WORK "/disk-0.qcow2"), ==, 0);
  g_assert_null (mtv_destination_open_writer (f->destination, f->target, 0, NULL, &error));
  g_assert_nonnull (strstr (error->message, "'disk-0.qcow2' of 'web'"));
  g_clear_error (&error);
  g_assert_null (mtv_destination_open_reader (f->destination, f->target, 0, NULL, &error));
  g_assert_nonnull (strstr (error->message, "'disk-0.qcow2' of 'web'"));
}

static void
test_bad_names (Fixture *f, gconstpointer data)
{
  (void) data;
  static const char *const names[] = { "", ".", "..", "../x", "a/b", "/etc", ".hidden", "a\nb" };

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_autoptr (GError) error = NULL;

      local_fixture_set (&f->target->name, names[i]);
      g_assert_false (mtv_destination_create_volumes (f->destination, f->target, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
      g_assert_null (define (f, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_ptr_array_set_size (f->concerns, 0);
      mtv_destination_check (f->destination, f->target, f->concerns, NULL);
      g_assert_true (mtv_concerns_has (f->concerns, MTV_CONCERN_CRITICAL));
    }
  g_assert_false (is_there (f, WORK));
}

static void
test_remove (Fixture *f, gconstpointer data)
{
  (void) data;
  static const char *const others[]
      = { "web",           "", "..", WORK "/../web", "../" WORK, ".mtv-a/b-1.partial", WORK "\n",
          ".mtv--.partial" };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) objects = mtv_destination_list_objects (f->destination, f->target);
  MtvDestinationObject *object = g_ptr_array_index (objects, 0);

  g_assert_cmpuint (objects->len, ==, 1);
  g_assert_cmpstr (object->key, ==, WORK);
  g_assert_true (mtv_destination_remove (f->destination, object->kind, object->key, NULL, &error));
  create_volumes (f);
  touch (f, "web");
  for (gsize i = 0; i < G_N_ELEMENTS (others); i++)
    {
      g_assert_false (mtv_destination_remove (f->destination, "folder", others[i], NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
    }
  g_assert_false (mtv_destination_remove (f->destination, "pod", WORK, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_assert_true (is_there (f, "web"));
  g_assert_true (is_there (f, WORK "/disk-1.raw"));
  g_assert_true (mtv_destination_remove (f->destination, "folder", WORK, NULL, &error));
  g_assert_no_error (error);
  g_assert_false (is_there (f, WORK));
}

static void
test_disk_full (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvWriter) writer = NULL;

  create_volumes (f);
  writer = mtv_destination_open_writer (f->destination, f->target, 0, NULL, &error);
  g_atomic_int_set (&disk_full, TRUE);
  gboolean written = mtv_writer_write (writer, 0, "abc", 3, NULL, &error);
  g_assert_false (written);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "'disk-0.raw' of 'web'"));
  g_clear_error (&error);
  char *path = define (f, &error);
  g_atomic_int_set (&disk_full, FALSE);
  g_assert_null (path);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "domain.xml"));
  g_assert_false (is_there (f, "web"));
  g_clear_error (&error);

  g_autofree char *later = define (f, &error);
  g_assert_no_error (error);
  g_assert_nonnull (later);
}

static void
test_disk_full_qcow2 (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;

  local_fixture_set (&f->target->format, "qcow2");
  g_atomic_int_set (&disk_full, TRUE);
  gboolean ok = mtv_destination_create_volumes (f->destination, f->target, NULL, &error);
  g_atomic_int_set (&disk_full, FALSE);
  g_assert_false (ok);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NO_SPACE);
  g_assert_nonnull (strstr (error->message, "'disk-0.qcow2'"));
  g_assert_false (is_there (f, WORK "/.disk-0.qcow2.new"));
  create_volumes (f);
}

static void
assert_concern (Fixture *f, const char *id, const char *category, const char *text)
{
  g_ptr_array_set_size (f->concerns, 0);
  mtv_destination_check (f->destination, f->target, f->concerns, NULL);
  g_assert_cmpuint (f->concerns->len, ==, id != NULL);
  if (id == NULL)
    return;
  const MtvConcern *concern = g_ptr_array_index (f->concerns, 0);
  g_assert_cmpstr (concern->id, ==, id);
  g_assert_cmpstr (concern->category, ==, category);
  g_assert_cmpstr (concern->vm, ==, HOSTILE);
  g_assert_nonnull (strstr (concern->assessment, text));
}

static void
test_check (Fixture *f, gconstpointer data)
{
  (void) data;
  MtvVmDisk *disk = g_ptr_array_index (f->target->vm->disks, 0);
  MtvTargetDisk *target_disk = g_ptr_array_index (f->target->disks, 0);

  assert_concern (f, NULL, NULL, NULL);
  disk->allocated = G_GUINT64_CONSTANT (1) << 60;
  assert_concern (f, "destination.space", "critical", f->path);
  disk->allocated = 0;
  target_disk->size = 0; /* not known yet: then the inventory's capacity counts */
  disk->capacity = G_GUINT64_CONSTANT (1) << 60;
  assert_concern (f, "destination.space", "warning", f->path);
  disk->capacity = 1;
  local_fixture_set (&f->target->name, "Web 1");
  assert_concern (f, "target.name.invalid", "warning", "'Web 1'");
  local_fixture_set (&f->target->name, "web");
  touch (f, "web");
  assert_concern (f, "target.exists", "warning", "four more characters");
  f->target->name_given = TRUE;
  assert_concern (f, "target.exists", "critical", "'web'");
  g_assert_cmpuint (mtv_destination_get_free_space (f->destination, NULL), >, 0);
  g_assert_cmpuint (mtv_destination_get_free_space (f->destination, NULL), <,
                    G_GUINT64_CONSTANT (1) << 60);
}

static void
test_not_writable (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  gboolean root = geteuid () == 0; /* who may write anywhere */

  g_assert_true (mtv_provider_test (MTV_PROVIDER (f->destination), NULL, &error));
  g_chmod (f->path, 0555);
  if (root)
    g_assert_cmpint (seteuid (65534), ==, 0);
  gboolean ok = mtv_provider_test (MTV_PROVIDER (f->destination), NULL, &error);
  assert_concern (f, "destination.not.writable", "critical", "ReadWritePaths=");
  if (root)
    g_assert_cmpint (seteuid (0), ==, 0);
  g_assert_false (ok);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_PERMISSION_DENIED);
  g_assert_nonnull (strstr (error->message, f->path));
}

static void
test_create (Fixture *f, gconstpointer data)
{
  (void) data;
  static const char *const bad[] = { NULL, "", "relative/path", "/a\nb", "/a\377" };
  g_autofree char *gone = g_build_filename (f->path, "gone", NULL);
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_null (create (bad[i], NULL, -1, NULL, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
      g_clear_error (&error);
    }
  g_autoptr (MtvProvider) missing = create (gone, NULL, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (mtv_provider_test (missing, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, gone));
  g_assert_cmpint (mtv_provider_get_fd (missing), ==, -1);
}

/* Handed over, kept, and found by its path again; another folder in its place is not taken. */
static void
test_descriptor (Fixture *f, gconstpointer data)
{
  (void) data;
  g_autoptr (GError) error = NULL;
  MtvProviderConfig config;
  int folder = (mkdirat (f->fd, "a", 0700), openat (f->fd, "a", O_PATH | O_CLOEXEC));
  g_autofree char *path = g_build_filename (f->path, "a", NULL);

  touch (f, "file");
  int file = openat (f->fd, "file", O_RDONLY | O_CLOEXEC);
  g_assert_null (create (NULL, NULL, file, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_INVALID_ARGUMENT);
  g_assert_nonnull (strstr (error->message, "'here'"));
  g_clear_error (&error);
  close (file);

  g_autoptr (MtvProvider) by_fd = create (NULL, NULL, folder, &config, &error);
  g_assert_no_error (error);
  close (folder);
  g_assert_cmpstr (config.url, ==, path);
  g_assert_nonnull (config.identity);
  g_assert_cmpint (mtv_provider_get_fd (by_fd), >=, 0);
  g_autoptr (MtvProvider) by_path = create (config.url, config.identity, -1, NULL, &error);
  g_assert_true (mtv_provider_test (by_path, NULL, &error));
  g_assert_no_error (error);

  g_assert_cmpint (renameat (f->fd, "a", f->fd, "b"), ==, 0);
  g_assert_cmpint (mkdirat (f->fd, "a", 0700), ==, 0);
  g_assert_true (mtv_provider_test (by_fd, NULL, &error));
  g_assert_false (mtv_provider_test (by_path, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED);
  g_assert_nonnull (strstr (error->message, path));
  g_free (config.url);
  g_free (config.identity);
}

#define ADD(name, func) \
  g_test_add ("/local-destination/" name, Fixture, NULL, set_up, func, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("raw", test_raw);
  ADD ("qcow2", test_qcow2);
  ADD ("qcow2/fails", test_qcow2_fails);
  ADD ("exists", test_exists);
  ADD ("define-without-work", test_define_without_work);
  ADD ("symlinks", test_symlinks);
  ADD ("symlinks/qcow2", test_symlinks_qcow2);
  ADD ("bad-names", test_bad_names);
  ADD ("remove", test_remove);
  ADD ("disk-full", test_disk_full);
  ADD ("disk-full/qcow2", test_disk_full_qcow2);
  ADD ("check", test_check);
  ADD ("not-writable", test_not_writable);
  ADD ("create", test_create);
  ADD ("descriptor", test_descriptor);
  return g_test_run ();
}
