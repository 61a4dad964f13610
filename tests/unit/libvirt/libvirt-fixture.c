/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "libvirt-fixture.h"

#include "base/mtv-error.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>

#define PATIENCE_USEC (60 * G_USEC_PER_SEC)
#define HEAD (8 * 512)
#define BLOCK 4096
#define RECORDS (2048 * 512)
#define BLOCKS 4096
#define STOPPED 0x80000000

static World *the_world; /* (owned) */
static gboolean looked;

/* @status: (nullable): it has to succeed. */
static char *
run (const char *const *argv, int *status)
{
  char *out = NULL;
  g_autofree char *err = NULL;
  g_autoptr (GError) error = NULL;
  int ended;

  g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &out, &err, &ended,
                &error);
  g_assert_no_error (error);
  if (status != NULL)
    *status = WEXITSTATUS (ended);
  else if (!g_spawn_check_wait_status (ended, NULL))
    g_error ("%s: %s", argv[0], err);
  g_strchomp (out);
  return out;
}

static char *
start_libvirtd (const char *folder)
{
  const char *argv[] = { PEER "/up.sh", folder, NULL };
  int status;
  char *uri = run (argv, &status);

  if (status == 0)
    return uri;
  g_free (uri);
  g_assert_cmpint (status, ==, 77);
  return NULL;
}

MtvSource *
world_connect (World *self, const char *folder, const char *scratch_folder)
{
  g_auto (GVariantDict) settings;
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvProviderConfig) config = g_new0 (MtvProviderConfig, 1);

  g_variant_dict_init (&settings, NULL);
  g_variant_dict_insert (&settings, "folder", "s", folder);
  if (scratch_folder != NULL)
    g_variant_dict_insert (&settings, "scratch-folder", "s", scratch_folder);
  config->url = g_strdup (self->uri);
  config->settings = g_variant_ref_sink (g_variant_dict_end (&settings));
  MtvProvider *provider = mtv_libvirt_source_type.create (config, NULL, -1, &error);
  g_assert_no_error (error);
  return MTV_SOURCE (provider);
}

World *
world_get (void)
{
  if (!looked)
    {
      g_autofree char *folder = g_strdup ("/tmp/mtv-lv-XXXXXX"); /* sockets want short names */
      g_autofree char *uri = NULL;

      looked = TRUE;
      g_assert_nonnull (g_mkdtemp_full (folder, 0755));
      uri = start_libvirtd (folder);
      if (uri != NULL)
        {
          the_world = g_new0 (World, 1);
          the_world->sockets = g_build_filename (folder, "run", NULL);
          the_world->folder = g_steal_pointer (&folder);
          the_world->uri = g_steal_pointer (&uri);
          the_world->source = world_connect (the_world, the_world->sockets, NULL);
        }
    }
  if (the_world == NULL)
    g_test_skip ("libvirtd does not run here");
  return the_world;
}

void
world_drop (void)
{
  if (the_world == NULL)
    return;
  const char *down[] = { PEER "/down.sh", the_world->folder, NULL };
  const char *clean[] = { "rm", "-rf", the_world->folder, NULL };

  g_clear_object (&the_world->source);
  g_free (run (down, NULL));
  g_free (run (clean, NULL));
  g_free (the_world->folder);
  g_free (the_world->sockets);
  g_free (the_world->uri);
  g_clear_pointer (&the_world, g_free);
}

static char *
virsh (World *self, const char *command, int *status)
{
  g_autofree char *line = g_strdup_printf ("virsh -q -c '%s' %s", self->uri, command);
  const char *argv[] = { "sh", "-c", line, NULL };

  return run (argv, status);
}

char *
world_virsh (World *self, const char *command, ...)
{
  va_list args;

  va_start (args, command);
  g_autofree char *line = g_strdup_vprintf (command, args);
  va_end (args);
  return virsh (self, line, NULL);
}

gboolean
world_try_virsh (World *self, const char *command, ...)
{
  va_list args;
  int status;

  va_start (args, command);
  g_autofree char *line = g_strdup_vprintf (command, args);
  va_end (args);
  g_free (virsh (self, line, &status));
  return status == 0;
}

MtvVm *
world_vm (World *self, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) vms = mtv_source_list (self->source, NULL, &error);

  g_assert_no_error (error);
  for (guint i = 0; i < vms->len; i++)
    {
      MtvVm *vm = vms->pdata[i];
      if (strcmp (vm->name, name) == 0)
        return mtv_vm_ref (vm);
    }
  g_error ("There is no VM %s", name);
}

char *
world_image (World *self, const char *name)
{
  return g_build_filename (self->folder, "images", name, NULL);
}

void
world_start (World *self, const char *name)
{
  g_free (world_virsh (self, "start %s", name));
}

void
world_wait_for_power (World *self, MtvVm *vm, MtvPower power)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_USEC;
  MtvPower now = power;
  g_autoptr (GError) error = NULL;

  do
    {
      if (now != power)
        g_usleep (20 * 1000);
      g_assert_true (mtv_source_get_power (self->source, vm, &now, NULL, &error));
      g_assert_no_error (error);
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
    }
  while (now != power);
}

/* What QEMU has written, as it counts. */
static gint64
written (World *self, MtvVm *vm)
{
  g_autofree char *stats = world_virsh (self, "domblkstat %s vda", vm->name);
  const char *at = strstr (stats, "wr_req ");

  g_assert_nonnull (at);
  return g_ascii_strtoll (at + strlen ("wr_req "), NULL, 10);
}

void
world_wait_for_writes (World *self, MtvVm *vm, guint more)
{
  gint64 deadline = g_get_monotonic_time () + PATIENCE_USEC;
  gint64 until = written (self, vm) + more;

  while (written (self, vm) < until)
    {
      g_assert_cmpint (g_get_monotonic_time (), <, deadline);
      g_usleep (20 * 1000);
    }
}

static void
assert_no_file_with (const char *folder, const char *part)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (strstr (name, part) != NULL)
      g_error ("%s/%s was left", folder, name);
}

void
world_assert_clean (World *self, const char *name)
{
  g_autofree char *images = g_build_filename (self->folder, "images", NULL);
  g_autofree char *checkpoints = world_virsh (self, "checkpoint-list --name %s", name);
  g_autoptr (MtvVm) vm = world_vm (self, name);

  g_assert_cmpstr (checkpoints, ==, "");
  g_assert_false (world_try_virsh (self, "backup-dumpxml %s", name));
  assert_no_file_with (images, "mtv-");
  assert_no_file_with (self->sockets, "mtv-");
  for (guint i = 0; i < vm->disks->len; i++)
    {
      const MtvVmDisk *disk = vm->disks->pdata[i];
      const char *argv[] = { "qemu-img", "info", "-U", "--output=json", disk->backing, NULL };
      g_autofree char *info = run (argv, NULL);

      if (strstr (info, "\"bitmaps\"") != NULL)
        g_error ("%s: %s", disk->backing, info);
    }
}

void
copy_clear (Copy *self)
{
  g_clear_pointer (&self->bytes, g_free);
}

static void
copy_extents (Copy *self, MtvReader *reader, GArray *extents)
{
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < extents->len; i++)
    {
      const MtvExtent *extent = &g_array_index (extents, MtvExtent, i);

      if (extent->zero)
        memset (self->bytes + extent->offset, 0, extent->length);
      for (guint64 at = 0; !extent->zero && at < extent->length;
           at += MIN (1 << 20, extent->length - at))
        mtv_reader_read (reader, extent->offset + at, self->bytes + extent->offset + at,
                         MIN (1 << 20, extent->length - at), NULL, &error);
      g_assert_no_error (error);
      self->copied += extent->zero ? 0 : extent->length;
    }
}

void
copy_round (Copy *self, World *world, MtvVm *vm, guint disk, const MtvPoint *point,
            const MtvPoint *since, gboolean expect_changes)
{
  g_autoptr (GArray) changes = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvReader) reader
      = mtv_source_open_point (world->source, vm, disk, point, since, &changes, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpint (changes != NULL, ==, expect_changes);
  self->copied = 0;
  if (self->bytes == NULL)
    {
      self->size = mtv_reader_get_size (reader);
      self->bytes = g_malloc (self->size);
      memset (self->bytes, 0xee, self->size);
    }
  g_assert_cmpuint (mtv_reader_get_size (reader), ==, self->size);
  if (changes == NULL)
    {
      changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));
      mtv_reader_extents (reader, 0, self->size, changes, NULL, &error);
      g_assert_no_error (error);
    }
  copy_extents (self, reader, changes);
}

void
copy_assert_same (Copy *self, const char *image)
{
  g_autofree char *raw = g_strdup ("/tmp/mtv-raw-XXXXXX");
  int fd = g_mkstemp (raw);
  const char *argv[] = { "qemu-img", "convert", "-O", "raw", image, raw, NULL };
  g_autofree char *bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize size;

  g_assert_cmpint (fd, >=, 0);
  g_close (fd, NULL);
  g_free (run (argv, NULL));
  g_file_get_contents (raw, &bytes, &size, &error);
  g_unlink (raw);
  g_assert_no_error (error);
  g_assert_cmpmem (self->bytes, self->size, bytes, size);
}

static guint32
word_at (Copy *self, guint64 offset)
{
  guint32 word;

  memcpy (&word, self->bytes + offset, sizeof word);
  for (guint i = 0; i < BLOCK; i += sizeof word)
    g_assert_cmpmem (self->bytes + offset + i, sizeof word, &word, sizeof word);
  return word;
}

/* See writer.S. */
guint
copy_assert_log (Copy *self, gboolean stopped)
{
  guint32 head = word_at (self, HEAD);
  g_autofree guint32 *last = g_new0 (guint32, BLOCKS);
  guint32 generator = 1;

  g_assert_cmpint ((head & STOPPED) != 0, ==, stopped);
  head &= ~STOPPED;
  for (guint32 n = 1; n <= head; n++)
    {
      generator = generator * 1664525 + 1013904223;
      last[generator >> 12 & (BLOCKS - 1)] = n;
    }
  for (guint i = 0; i < BLOCKS; i++)
    if (stopped)
      g_assert_cmpuint (word_at (self, RECORDS + (guint64) i * BLOCK), ==, last[i]);
    else
      g_assert_cmpuint (word_at (self, RECORDS + (guint64) i * BLOCK), >=, last[i]);
  return head;
}
