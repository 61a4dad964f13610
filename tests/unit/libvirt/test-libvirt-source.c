/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "libvirt-fixture.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>

#define KEY1 "mtv-run-1-1"
#define KEY2 "mtv-run-1-2"
#define KEY3 "mtv-run-1-3"
#define KEY4 "mtv-run-1-4"

static MtvPoint *
point (World *world, MtvVm *vm, const char *key, const MtvPoint *since)
{
  g_autoptr (GError) error = NULL;
  MtvPoint *made = mtv_source_create_point (world->source, vm, key, since, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (made->key, ==, key);
  g_assert_cmpuint (made->change_ids->len, ==, vm->disks->len);
  return made;
}

static void
drop (World *world, MtvVm *vm, const char *kind, const char *key)
{
  g_autoptr (GError) error = NULL;

  for (int i = 0; i < 2; i++) /* what is gone is gone */
    {
      mtv_source_remove (world->source, vm->id, kind, key, NULL, NULL, &error);
      g_assert_no_error (error);
    }
}

static void
shut_down (World *world, MtvVm *vm, gboolean force)
{
  g_autoptr (GError) error = NULL;

  mtv_source_shut_down (world->source, vm, force, NULL, &error);
  g_assert_no_error (error);
  world_wait_for_power (world, vm, MTV_POWER_OFF);
}

static void
kill_qemu (World *world, MtvVm *vm)
{
  g_autofree char *file
      = g_strdup_printf ("%s/run/libvirt/qemu/run/%s.pid", world->folder, vm->name);
  g_autofree char *pid = NULL;

  g_assert_true (g_file_get_contents (file, &pid, NULL, NULL));
  g_assert_cmpint (kill (atoi (pid), SIGKILL), ==, 0);
  world_wait_for_power (world, vm, MTV_POWER_OFF);
}

static void
test_list (void)
{
  World *world = world_get ();
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_assert_true (mtv_provider_test (MTV_PROVIDER (world->source), NULL, &error));
  g_assert_no_error (error);

  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  g_autofree char *image = world_image (world, "data.qcow2");
  g_assert_cmpstr (vm->id, ==, "6d747664-0000-4000-8000-0000000000b1");
  g_assert_cmpstr (vm->power_state, ==, "off");
  g_assert_cmpstr (vm->machine, ==, "pc");
  g_assert_cmpuint (vm->memory, ==, 32 << 20);
  g_assert_nonnull (vm->host);
  g_assert_cmpuint (vm->disks->len, ==, 2);
  const MtvVmDisk *disk = vm->disks->pdata[1];
  g_assert_cmpstr (disk->id, ==, "vdb");
  g_assert_cmpstr (disk->backing, ==, image);
  g_assert_cmpstr (disk->serial, ==, "data-1");
  g_assert_cmpuint (disk->capacity, ==, 24 << 20);
  g_assert_cmpuint (disk->allocated, >, 1 << 20);
  g_assert_null (disk->problem);
}

/* Three rounds while the guest writes, and the last one when it was shut down. */
static void
test_warm (void)
{
  World *world = world_get ();
  g_auto (Copy) guest = { 0 };
  g_auto (Copy) data = { 0 };
  g_autoptr (MtvPoint) since = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  g_autofree char *guest_image = world_image (world, "guest.qcow2");
  g_autofree char *data_image = world_image (world, "data.qcow2");
  world_start (world, "writer");
  for (guint round = 1; round <= 4; round++)
    {
      g_autofree char *key = g_strdup_printf ("mtv-run-1-%u", round);

      if (round < 4)
        world_wait_for_writes (world, vm, 50);
      else
        shut_down (world, vm, FALSE);
      g_autoptr (MtvPoint) now = point (world, vm, key, since);
      copy_round (&guest, world, vm, 0, now, since, since != NULL);
      copy_round (&data, world, vm, 1, now, since, since != NULL);
      g_test_message ("round %u: %" G_GUINT64_FORMAT " and %" G_GUINT64_FORMAT " bytes", round,
                      guest.copied, data.copied);
      g_assert_cmpuint (guest.copied, >, 0);
      g_assert_cmpint (data.copied > 0, ==, round == 1);
      drop (world, vm, MTV_SOURCE_SNAPSHOT, key);
      if (since != NULL)
        drop (world, vm, MTV_SOURCE_MARK, since->key);
      g_clear_pointer (&since, mtv_point_free);
      since = g_steal_pointer (&now);
    }
  drop (world, vm, MTV_SOURCE_MARK, since->key);
  world_assert_clean (world, "writer");
  copy_assert_same (&guest, guest_image);
  copy_assert_same (&data, data_image);
  g_test_message ("%u records", copy_assert_log (&guest, TRUE));
}

/* We crashed after the point was made: it is there, and the same instant. */
static void
test_adopt (void)
{
  World *world = world_get ();
  g_auto (Copy) one = { 0 };
  g_auto (Copy) other = { 0 };
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  world_start (world, "writer");
  world_wait_for_writes (world, vm, 20);
  g_autoptr (MtvPoint) first = point (world, vm, KEY1, NULL);
  copy_round (&one, world, vm, 0, first, NULL, FALSE);
  world_wait_for_writes (world, vm, 50);

  g_clear_object (&world->source);
  world->source = world_connect (world, world->sockets, NULL);
  g_autoptr (MtvPoint) again = point (world, vm, KEY1, NULL);
  copy_round (&other, world, vm, 0, again, NULL, FALSE);
  g_assert_cmpmem (one.bytes, one.size, other.bytes, other.size);
  copy_assert_log (&one, FALSE);

  /* Another key is another's, as far as can be told. */
  g_assert_null (mtv_source_create_point (world->source, vm, KEY2, NULL, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_IN_USE);
  g_assert_nonnull (strstr (error->message, "writer"));

  /* A job without what it has to be reckoned from is begun anew. */
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
  mtv_point_free (point (world, vm, KEY2, again));
  g_autoptr (MtvPoint) anew = point (world, vm, KEY2, NULL);
  copy_round (&other, world, vm, 0, anew, NULL, FALSE);
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY2);
  drop (world, vm, MTV_SOURCE_MARK, KEY1);
  drop (world, vm, MTV_SOURCE_MARK, KEY2);
  world_assert_clean (world, "writer");
  shut_down (world, vm, TRUE);
  world_assert_clean (world, "writer");
}

/* Its bitmaps die with it: nothing may be missed, and nothing be left. */
static void
test_qemu_killed (void)
{
  World *world = world_get ();
  g_auto (Copy) guest = { 0 };
  g_autoptr (GArray) changes = NULL;
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  g_autofree char *image = world_image (world, "guest.qcow2");
  world_start (world, "writer");
  g_autoptr (MtvPoint) first = point (world, vm, KEY1, NULL);
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
  shut_down (world, vm, TRUE); /* saves the bitmap */
  world_start (world, "writer");
  world_wait_for_writes (world, vm, 20);
  g_autoptr (MtvPoint) second = point (world, vm, KEY2, first);
  copy_round (&guest, world, vm, 0, second, first, TRUE);

  /* Now one is in the images, but not up to date, and the other nowhere. */
  kill_qemu (world, vm);
  g_assert_null (
      mtv_source_open_point (world->source, vm, 0, second, first, &changes, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, KEY2));
  g_clear_error (&error);

  world_start (world, "writer");
  g_autoptr (MtvPoint) again = point (world, vm, KEY2, first);
  copy_round (&guest, world, vm, 0, again, first, FALSE);
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY2);
  drop (world, vm, MTV_SOURCE_MARK, KEY1);
  kill_qemu (world, vm);

  g_autoptr (MtvPoint) third = point (world, vm, KEY3, again);
  copy_round (&guest, world, vm, 0, third, again, FALSE);
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY3);
  drop (world, vm, MTV_SOURCE_MARK, KEY3);
  copy_assert_same (&guest, image);
  drop (world, vm, MTV_SOURCE_MARK, KEY2);
  world_assert_clean (world, "writer");
}

/* The bitmap of one disk is lost, that of the other is not. */
static void
test_half_a_mark (void)
{
  World *world = world_get ();

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  g_autofree char *image = world_image (world, "guest.qcow2");
  for (int running = 0; running < 2; running++)
    {
      g_autofree char *command = g_strdup_printf ("qemu-img bitmap --remove %s " KEY1, image);

      world_start (world, "writer");
      mtv_point_free (point (world, vm, KEY1, NULL));
      drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
      shut_down (world, vm, TRUE);
      g_assert_true (g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL));
      if (running)
        world_start (world, "writer");
      drop (world, vm, MTV_SOURCE_MARK, KEY1);
      shut_down (world, vm, TRUE);
      world_assert_clean (world, "writer");
    }
}

static void
assert_changed (World *world, MtvVm *vm, const char *what)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mtv_source_create_point (world->source, vm, KEY1, NULL, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_SOURCE_CHANGED);
  g_assert_nonnull (strstr (error->message, what));
  g_assert_nonnull (strstr (error->message, "writer"));
}

static void
test_changed (void)
{
  World *world = world_get ();

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  g_autofree char *extra = world_image (world, "extra.qcow2");
  g_autofree char *make = g_strdup_printf ("qemu-img create -q -f qcow2 %s 1M", extra);
  g_free (world_virsh (world, "detach-disk writer vdb --config"));
  assert_changed (world, vm, "vdb");
  g_free (world_virsh (world, "define %s/writer.xml", world->folder));

  g_assert_true (g_spawn_command_line_sync (make, NULL, NULL, NULL, NULL));
  g_assert_cmpint (g_chmod (extra, 0666), ==, 0);
  g_free (world_virsh (world, "attach-disk writer %s vdc --config --subdriver qcow2", extra));
  assert_changed (world, vm, "vdc");
  g_free (world_virsh (world, "detach-disk writer vdc --config"));
  ((MtvVmDisk *) vm->disks->pdata[1])->capacity += 512;
  assert_changed (world, vm, "bytes");
  g_unlink (extra);
  world_assert_clean (world, "writer");
}

static gboolean
has_concern (GPtrArray *concerns, const char *id, const char *what)
{
  for (guint i = 0; i < concerns->len; i++)
    {
      const MtvConcern *concern = concerns->pdata[i];
      if (strcmp (concern->id, id) == 0 && strstr (concern->assessment, what) != NULL)
        return TRUE;
    }
  return FALSE;
}

/* A VM with the disks that there is trouble with; off. */
static MtvVm *
define_odd (World *world)
{
  g_autofree char *line = g_strdup_printf (
      "cd '%s/images' && qemu-img create -q -f raw odd.raw 1M"
      " && qemu-img create -q -f qcow2 -o compat=0.10 odd-old.qcow2 1M"
      " && qemu-img create -q -f qcow2 odd-base.qcow2 1M"
      " && qemu-io -f qcow2 -c 'write -P 7 0 64k' odd-base.qcow2 >/dev/null"
      " && qemu-img create -q -f qcow2 -F qcow2 -b odd-base.qcow2 odd-top.qcow2"
      " && qemu-io -f qcow2 -c 'write -P 8 128k 64k' odd-top.qcow2 >/dev/null && chmod 666 odd*",
      world->folder);
  const char *argv[] = { "sh", "-c", line, NULL };
  g_autofree char *xml = g_strdup_printf ("%s/odd.xml", world->folder);
  g_autoptr (GString) text = g_string_new ("<domain type='qemu'><name>odd</name><memory>1024"
                                           "</memory><os><type>hvm</type></os><devices>");
  static const char *const disks[][2]
      = { { "raw", "odd.raw" }, { "qcow2", "odd-old.qcow2" }, { "qcow2", "odd-top.qcow2" } };
  int status;

  g_assert_true (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
                               NULL, &status, NULL));
  g_assert_cmpint (status, ==, 0);
  for (gsize i = 0; i < G_N_ELEMENTS (disks); i++)
    g_string_append_printf (text,
                            "<disk type='file'><driver name='qemu' type='%s'/><source "
                            "file='%s/images/%s'/><target dev='sd%c' bus='sata'/></disk>",
                            disks[i][0], world->folder, disks[i][1], (char) ('a' + i));
  g_string_append (text, "</devices></domain>");
  g_assert_true (g_file_set_contents (xml, text->str, -1, NULL));
  g_free (world_virsh (world, "define %s", xml));
  return world_vm (world, "odd");
}

static void
test_check_warm (void)
{
  World *world = world_get ();
  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();
  g_autoptr (GPtrArray) none = mtv_concerns_new ();

  if (world == NULL)
    return;
  g_autoptr (MtvVm) writer = world_vm (world, "writer");
  mtv_source_check_warm (world->source, writer, none, NULL);
  g_assert_cmpuint (none->len, ==, 0);

  g_autoptr (MtvVm) vm = define_odd (world);
  mtv_source_check_warm (world->source, vm, concerns, NULL);
  g_assert_true (has_concern (concerns, "warm.disk", "'sda'"));
  g_assert_true (has_concern (concerns, "warm.disk", "compat 0.10"));
  g_assert_false (has_concern (concerns, "warm.disk", "'sdc'"));
  g_free (world_virsh (world, "undefine odd"));
}

static MtvReader *
open_disk (World *world, MtvVm *vm, guint disk)
{
  g_autoptr (GError) error = NULL;
  MtvReader *reader
      = mtv_source_open_disk (world->source, vm, vm->disks->pdata[disk], NULL, &error);

  g_assert_no_error (error);
  return reader;
}

/* Raw, old qcow2, and a chain of two; nobody may write to them meanwhile. */
static void
test_cold (void)
{
  World *world = world_get ();
  guint8 buffer[3 * 65536];
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = define_odd (world);
  g_autofree char *before = mtv_source_get_identity (world->source, vm, NULL, &error);
  g_assert_no_error (error);
  g_autoptr (MtvReader) raw = open_disk (world, vm, 0);
  g_autoptr (MtvReader) old = open_disk (world, vm, 1);
  g_autoptr (MtvReader) chain = open_disk (world, vm, 2);
  g_assert_cmpuint (mtv_reader_get_size (raw), ==, 1 << 20);
  g_assert_cmpuint (mtv_reader_get_size (old), ==, 1 << 20);
  g_assert_cmpuint (mtv_reader_get_size (chain), ==, 1 << 20);
  mtv_reader_read (chain, 0, buffer, sizeof buffer, NULL, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < sizeof buffer; i++)
    g_assert_cmpuint (buffer[i], ==, i < 65536 ? 7 : i < 131072 ? 0 : 8);
  g_assert_false (world_try_virsh (world, "start odd"));

  g_clear_object (&raw);
  g_clear_object (&old);
  g_clear_object (&chain);
  g_autofree char *same = mtv_source_get_identity (world->source, vm, NULL, &error);
  g_assert_cmpstr (same, ==, before);
  world_start (world, "odd");
  g_assert_null (mtv_source_open_disk (world->source, vm, vm->disks->pdata[2], NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_IN_USE);
  g_assert_nonnull (strstr (error->message, "odd-top.qcow2"));
  shut_down (world, vm, TRUE);
  g_free (world_virsh (world, "undefine odd"));
}

/* Started and ended between the point and its reading. */
static void
test_off_point_changed (void)
{
  World *world = world_get ();
  g_autoptr (GArray) changes = NULL;
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  g_autoptr (MtvPoint) first = point (world, vm, KEY1, NULL);
  world_start (world, "writer");
  world_wait_for_writes (world, vm, 1);
  shut_down (world, vm, TRUE);
  g_assert_null (mtv_source_open_point (world->source, vm, 0, first, NULL, &changes, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, KEY1));
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
  drop (world, vm, MTV_SOURCE_MARK, KEY1);
  world_assert_clean (world, "writer");
}

static void
test_gone (void)
{
  World *world = world_get ();
  MtvPower power;
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = define_odd (world);
  g_free (world_virsh (world, "undefine odd"));
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
  drop (world, vm, MTV_SOURCE_MARK, KEY1);
  drop (world, vm, MTV_SOURCE_TRACKING, vm->id);
  g_assert_false (mtv_source_get_power (world->source, vm, &power, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_NOT_FOUND);
  g_assert_nonnull (strstr (error->message, "odd"));
}

/* QEMU may not make its socket, or not have its scratch files, where it is told to. */
static void
test_folders (void)
{
  World *world = world_get ();
  g_auto (Copy) guest = { 0 };
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  MtvSource *good = world->source;
  g_autofree char *nowhere = g_build_filename (world->folder, "libvirtd.pid", "x", NULL);
  g_autofree char *scratch = g_build_filename (world->folder, "data", NULL);
  g_autofree char *longer = g_strnfill (100, 'x');
  g_autofree char *too_long = g_strconcat ("/tmp/", longer, NULL);
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  world_start (world, "writer");
  g_autoptr (MtvSource) bad_folder = world_connect (world, nowhere, NULL);
  g_autoptr (MtvSource) long_folder = world_connect (world, too_long, NULL);
  g_autoptr (MtvSource) bad_scratch = world_connect (world, world->sockets, "/nowhere");
  g_autoptr (MtvSource) device_scratch = world_connect (world, world->sockets, "/dev/shm");
  MtvSource *const bad[] = { bad_folder, long_folder, bad_scratch, device_scratch };
  const char *const what[] = { nowhere, too_long, "/nowhere", "scratch-folder" };
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      g_assert_null (mtv_source_create_point (bad[i], vm, KEY1, NULL, NULL, &error));
      g_assert_nonnull (strstr (error->message, what[i]));
      g_clear_error (&error);
      world_assert_clean (world, "writer");
    }

  world->source = world_connect (world, world->sockets, scratch);
  g_autoptr (MtvPoint) first = point (world, vm, KEY1, NULL);
  g_autofree char *file = g_strdup_printf ("%s/" KEY1 "-vda.scratch", scratch);
  g_assert_true (g_file_test (file, G_FILE_TEST_EXISTS));
  copy_round (&guest, world, vm, 0, first, NULL, FALSE);
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
  drop (world, vm, MTV_SOURCE_MARK, KEY1);
  g_assert_false (g_file_test (file, G_FILE_TEST_EXISTS));
  shut_down (world, vm, TRUE);
  world_assert_clean (world, "writer");
  g_object_unref (world->source);
  world->source = good;
}

/* What is saved to disk does not run, but is not off either. */
static void
test_saved (void)
{
  World *world = world_get ();
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  world_start (world, "writer");
  g_free (world_virsh (world, "suspend writer"));
  world_wait_for_power (world, vm, MTV_POWER_SUSPENDED);
  g_free (world_virsh (world, "resume writer"));
  world_wait_for_power (world, vm, MTV_POWER_ON);
  g_free (world_virsh (world, "managedsave writer"));
  world_wait_for_power (world, vm, MTV_POWER_SUSPENDED);
  g_assert_false (mtv_source_shut_down (world->source, vm, FALSE, NULL, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, "writer"));
  g_clear_error (&error);
  for (int i = 0; i < 2; i++)
    {
      mtv_source_start (world->source, vm, NULL, &error);
      g_assert_no_error (error);
      world_wait_for_power (world, vm, MTV_POWER_ON);
    }
  g_free (world_virsh (world, "managedsave writer"));
  shut_down (world, vm, TRUE);
  shut_down (world, vm, FALSE);
}

/* The daemon goes and comes back; QEMU, and with it the point, stays. */
static void
test_daemon_restarted (void)
{
  World *world = world_get ();
  g_auto (Copy) guest = { 0 };
  MtvPower power;
  g_autoptr (GError) error = NULL;

  if (world == NULL)
    return;
  g_autofree char *file = g_build_filename (world->folder, "libvirtd.pid", NULL);
  g_autofree char *pid = NULL;
  g_autoptr (MtvVm) vm = world_vm (world, "writer");
  world_start (world, "writer");
  mtv_point_free (point (world, vm, KEY1, NULL));
  g_assert_true (g_file_get_contents (file, &pid, NULL, NULL));
  g_assert_cmpint (kill (atoi (pid), SIGKILL), ==, 0);
  while (mtv_source_get_power (world->source, vm, &power, NULL, &error))
    g_usleep (20 * 1000);
  g_assert_error (error, MTV_ERROR, MTV_ERROR_UNREACHABLE);
  g_clear_error (&error);

  g_autofree char *command = g_strdup_printf (PEER "/up.sh %s", world->folder);
  g_autofree char *uri = NULL;
  g_assert_true (g_spawn_command_line_sync (command, &uri, NULL, NULL, NULL));
  g_assert_cmpstr (g_strchomp (uri), ==, world->uri);
  g_autoptr (MtvPoint) again = point (world, vm, KEY1, NULL);
  copy_round (&guest, world, vm, 0, again, NULL, FALSE);
  drop (world, vm, MTV_SOURCE_SNAPSHOT, KEY1);
  drop (world, vm, MTV_SOURCE_MARK, KEY1);
  shut_down (world, vm, TRUE);
  world_assert_clean (world, "writer");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/libvirt/list", test_list);
  g_test_add_func ("/libvirt/warm", test_warm);
  g_test_add_func ("/libvirt/adopt", test_adopt);
  g_test_add_func ("/libvirt/qemu-killed", test_qemu_killed);
  g_test_add_func ("/libvirt/half-a-mark", test_half_a_mark);
  g_test_add_func ("/libvirt/changed", test_changed);
  g_test_add_func ("/libvirt/check-warm", test_check_warm);
  g_test_add_func ("/libvirt/cold", test_cold);
  g_test_add_func ("/libvirt/off-point-changed", test_off_point_changed);
  g_test_add_func ("/libvirt/gone", test_gone);
  g_test_add_func ("/libvirt/folders", test_folders);
  g_test_add_func ("/libvirt/saved", test_saved);
  g_test_add_func ("/libvirt/daemon-restarted", test_daemon_restarted);
  int status = g_test_run ();
  world_drop ();
  return status;
}
