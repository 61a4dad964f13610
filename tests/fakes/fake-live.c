/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "fake-live.h"

#include "base/mtv-error.h"
#include "fake-control.h"
#include "transfer/mtv-disk-io.h"

#include <glib/gstdio.h>
#include <string.h>

/* What the source tells of changes is no finer than this. */
#define GRANULE 4096

static guint looks_left;   /* until a guest that was asked is down */
static gboolean goes_down; /* … it was */
static guint starts;

static char *
path_of (const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_autofree char *name = g_strdup_vprintf (format, args);
  va_end (args);
  return g_build_filename (fake_world.live, name, NULL);
}

static char *
disk_path (const char *prefix, const char *vm_id, guint disk)
{
  return path_of ("%s%s.disk-%u", prefix, vm_id, disk);
}

static gboolean
exists (const char *path)
{
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static guint8 *
load (const char *path)
{
  char *bytes = NULL;
  gsize length;

  if (!g_file_get_contents (path, &bytes, &length, NULL))
    return NULL;
  g_assert_cmpuint (length, ==, fake_world.disk_size);
  return (guint8 *) bytes;
}

static void
save (const char *path, const guint8 *bytes)
{
  g_assert_true (
      g_file_set_contents (path, (const char *) bytes, (gssize) fake_world.disk_size, NULL));
}

void
fake_live_set_up (MtvVm *vm)
{
  guint number = (guint) g_ascii_strtoull (vm->id + strlen ("vm-"), NULL, 10);

  g_assert_true (g_mkdir_with_parents (fake_world.live, 0700) == 0);
  for (guint i = 0; i < vm->disks->len; i++)
    {
      g_autofree char *path = disk_path ("", vm->id, i);
      g_autofree guint8 *bytes = fake_make_bytes (number, i);

      if (!exists (path))
        save (path, bytes);
    }
}

MtvPower
fake_live_get_power (const char *vm_id)
{
  g_autofree char *path = path_of ("%s.off", vm_id);

  return exists (path) ? MTV_POWER_OFF : MTV_POWER_ON;
}

void
fake_live_set_power (const char *vm_id, MtvPower power)
{
  g_autofree char *path = path_of ("%s.off", vm_id);

  if (power == MTV_POWER_OFF)
    g_assert_true (g_file_set_contents (path, "", 0, NULL));
  else
    g_unlink (path);
}

guint
fake_live_count_starts (void)
{
  return starts;
}

guint8 *
fake_live_read (const char *vm_id, guint disk)
{
  g_autofree char *path = disk_path ("", vm_id, disk);

  return load (path);
}

void
fake_live_write (const char *vm_id, guint disk, guint64 offset, guint64 length, guint seed)
{
  g_autofree char *path = disk_path ("", vm_id, disk);
  g_autofree guint8 *bytes = load (path);

  g_assert_cmpint (fake_live_get_power (vm_id), ==, MTV_POWER_ON);
  g_assert_cmpuint (offset + length, <=, fake_world.disk_size);
  for (guint64 i = 0; i < length; i++)
    bytes[offset + i] = seed == 0 ? 0 : (guint8) ((seed = seed * 1664525 + 1013904223) >> 24);
  save (path, bytes);
}

static void
foreach_file (const char *prefix, const char *suffix, gboolean unlink, guint *count)
{
  g_autoptr (GDir) dir = g_dir_open (fake_world.live, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (fake_world.live, name, NULL);
      const char *disk = strstr (name, ".disk-");

      if (disk != NULL && strchr (disk + 1, '.') != NULL) /* about to get its name */
        continue;
      if (!g_str_has_prefix (name, prefix) || strstr (name, suffix) == NULL)
        continue;
      if (count != NULL)
        (*count)++;
      if (unlink)
        g_assert_true (g_unlink (path) == 0 || errno == ENOENT); /* two remove it */
    }
}

void
fake_live_remove (const char *prefix)
{
  foreach_file (prefix, "", TRUE, NULL);
}

guint
fake_live_count (const char *kind)
{
  guint n = 0;

  foreach_file (kind, "", FALSE, &n);
  return n;
}

/* One snapshot of the VM at most, at any time. */
static void
check_snapshots (const char *vm_id)
{
  g_autofree char *suffix = g_strdup_printf (".%s.disk-0", vm_id);
  guint n = 0;

  foreach_file (MTV_SOURCE_SNAPSHOT, suffix, FALSE, &n);
  g_assert_cmpuint (n, <=, 1);
}

gboolean
fake_live_shut_down (MtvVm *vm, gboolean force, GError **error)
{
  if (!force && fake_world.unreachable_guest)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED, "'%s' has no agent", vm->name);
      return FALSE;
    }
  if (force)
    fake_live_set_power (vm->id, MTV_POWER_OFF);
  else if (!fake_world.deaf && !goes_down)
    {
      goes_down = TRUE;
      looks_left = fake_world.slow_looks;
    }
  return TRUE;
}

gboolean
fake_live_look (MtvVm *vm, MtvPower *power)
{
  check_snapshots (vm->id);
  if (goes_down && looks_left-- == 0)
    {
      goes_down = FALSE;
      fake_live_set_power (vm->id, MTV_POWER_OFF);
    }
  *power = fake_live_get_power (vm->id);
  return TRUE;
}

void
fake_live_start (MtvVm *vm)
{
  if (fake_live_get_power (vm->id) == MTV_POWER_ON)
    return;
  starts++;
  fake_live_set_power (vm->id, MTV_POWER_ON);
}

MtvPoint *
fake_live_create_point (MtvVm *vm, const char *key, const MtvPoint *since, GError **error)
{
  g_autofree char *snapshot = g_strdup_printf (MTV_SOURCE_SNAPSHOT ".%s.", key);
  g_autofree char *mark = g_strdup_printf (MTV_SOURCE_MARK ".%s.", key);
  MtvPoint *point;

  if (fake_world.vm_changed)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED, "A disk of '%s' was added",
                   vm->name);
      return NULL;
    }
  point = mtv_point_new (key);
  point->remote_id = g_strdup_printf ("remote-%s", key);
  for (guint i = 0; i < vm->disks->len; i++)
    {
      g_autofree char *to_snapshot = disk_path (snapshot, vm->id, i);
      g_autofree char *to_mark = disk_path (mark, vm->id, i);
      g_autofree guint8 *bytes = fake_live_read (vm->id, i);

      if (since != NULL)
        g_assert_cmpstr (since->key, !=, key);
      save (to_snapshot, bytes);
      save (to_mark, bytes);
      g_ptr_array_add (point->change_ids, g_strdup_printf ("%s/%u", key, i));
    }
  check_snapshots (vm->id);
  return point;
}

static GArray *
compare (const guint8 *before, const guint8 *now)
{
  GArray *changes = g_array_new (FALSE, FALSE, sizeof (MtvExtent));

  for (guint64 at = 0; at < fake_world.disk_size; at += GRANULE)
    {
      guint64 length = MIN (GRANULE, fake_world.disk_size - at);
      MtvExtent *last
          = changes->len == 0 ? NULL : &g_array_index (changes, MtvExtent, changes->len - 1);

      if (memcmp (before + at, now + at, length) == 0)
        continue;
      if (last != NULL && last->offset + last->length == at)
        last->length += length;
      else
        {
          MtvExtent more = { .offset = at, .length = length };
          g_array_append_val (changes, more);
        }
    }
  return changes;
}

gboolean
fake_live_open_point (MtvVm *vm, guint disk, const MtvPoint *point, const MtvPoint *since,
                      guint8 **bytes, GArray **changes, GError **error)
{
  g_autofree char *snapshot = g_strdup_printf (MTV_SOURCE_SNAPSHOT ".%s.", point->key);
  g_autofree char *path = disk_path (snapshot, vm->id, disk);
  g_autofree char *id = g_strdup_printf ("%s/%u", point->key, disk);

  g_assert_cmpstr (g_ptr_array_index (point->change_ids, disk), ==, id);
  check_snapshots (vm->id);
  *bytes = load (path);
  if (*bytes == NULL)
    {
      g_set_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND, "The snapshot '%s' of '%s' is gone",
                   point->key, vm->name);
      return FALSE;
    }
  if (since == NULL || fake_world.loses_track)
    return TRUE;

  g_autofree char *mark = g_strdup_printf (MTV_SOURCE_MARK ".%s.", since->key);
  g_autofree char *before_path = disk_path (mark, vm->id, disk);
  g_autofree guint8 *before = load (before_path);
  g_autofree char *since_id = g_strdup_printf ("%s/%u", since->key, disk);

  g_assert_cmpstr (g_ptr_array_index (since->change_ids, disk), ==, since_id);
  if (before != NULL)
    *changes = compare (before, *bytes);
  return TRUE;
}

char *
fake_live_enable_tracking (MtvVm *vm)
{
  g_autofree char *path = path_of (MTV_SOURCE_TRACKING ".%s", vm->id);

  if (!fake_world.tracking_off || exists (path))
    return NULL;
  g_assert_true (g_file_set_contents (path, "", 0, NULL));
  return g_strdup ("was off");
}

void
fake_live_remove_entry (const char *vm_id, const char *kind, const char *key, const char *remote_id)
{
  g_autofree char *suffix = g_strdup_printf (".%s.%s.", key, vm_id);

  if (g_str_equal (kind, MTV_SOURCE_TRACKING))
    {
      g_autofree char *path = path_of (MTV_SOURCE_TRACKING ".%s", vm_id);

      g_assert_cmpstr (key, ==, vm_id);
      g_assert_cmpstr (remote_id, ==, "was off");
      g_unlink (path);
      return;
    }
  g_assert_true (remote_id == NULL || g_str_has_suffix (remote_id, key));
  g_assert_true (g_str_equal (kind, MTV_SOURCE_SNAPSHOT) || g_str_equal (kind, MTV_SOURCE_MARK));
  foreach_file (kind, suffix, TRUE, NULL);
}
