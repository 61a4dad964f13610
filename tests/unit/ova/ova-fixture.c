/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ova-fixture.h"

#include "base/mtv-io.h"

#include <fcntl.h>
#include <string.h>

char *
fixture_path (Fixture *f, const char *name)
{
  return g_build_filename (f->folder, name, NULL);
}

void
fixture_set_up (Fixture *f, gconstpointer data)
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

  g_autofree char *path = fixture_path (f, "disk.raw");
  g_file_set_contents (path, f->raw, RAW_SIZE, &error);
  g_assert_no_error (error);
}

void
fixture_tear_down (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  (void) data;
  mtv_io_remove_tree (AT_FDCWD, f->folder, &error);
  g_assert_no_error (error);
  g_free (f->folder);
  g_free (f->raw);
}

void
fixture_run (Fixture *f, const char *format, ...)
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

MtvSource *
fixture_open (Fixture *f, const char *name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = fixture_path (f, name);
  MtvProviderConfig config = { .url = path };

  MtvProvider *provider = mtv_ova_provider_type.create (&config, NULL, -1, &error);
  g_assert_no_error (error);
  return MTV_SOURCE (provider);
}

GPtrArray *
fixture_list (MtvSource *source)
{
  g_autoptr (GError) error = NULL;
  GPtrArray *vms = mtv_source_list (source, NULL, &error);

  g_assert_no_error (error);
  return vms;
}

void
assert_pattern (const char *pattern, const char *text)
{
  if (text == NULL || !g_pattern_match_simple (pattern, text))
    g_error ("'%s' is not like '%s'", text, pattern);
}

MtvVmDisk *
disk_of (MtvVm *vm, guint index)
{
  g_assert_cmpuint (index, <, vm->disks->len);
  return g_ptr_array_index (vm->disks, index);
}

/* Every byte, in uneven steps, and the extents: what they call zero must be. */
void
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

void
fixture_assert_whole (Fixture *f, const char *name, const char *format, guint64 capacity)
{
  g_autoptr (MtvSource) source = fixture_open (f, name);
  g_autoptr (GPtrArray) vms = fixture_list (source);
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

void
fixture_add_test (const char *path, void (*test) (Fixture *f, gconstpointer data))
{
  g_test_add (path, Fixture, NULL, fixture_set_up, test, fixture_tear_down);
}
