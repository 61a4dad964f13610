/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "vsphere-fixture.h"

#include <string.h>

#define KEY "mtv-r1-0-1"

static void
assert_snapshots (Fixture *f, const char *expected)
{
  g_autofree char *names = fake_vcenter_list_snapshots (f->vcenter);

  g_assert_cmpstr (names, ==, expected);
}

static MtvPoint *
create (Fixture *f, MtvVm *vm)
{
  g_autoptr (GError) error = NULL;
  MtvPoint *point = mtv_source_create_point (f->source, vm, KEY, NULL, NULL, &error);

  g_assert_no_error (error);
  return point;
}

static void
remove_it (Fixture *f, const char *remote_id)
{
  g_autoptr (GError) error = NULL;

  g_assert_true (
      mtv_source_remove (f->source, FAKE_VM, MTV_SOURCE_SNAPSHOT, KEY, remote_id, NULL, &error));
  g_assert_no_error (error);
}

static void
track (Fixture *f)
{
  fake_vcenter_set (f->vcenter, FAKE_VM, "config.changeTrackingEnabled", "xsd:boolean", "true");
}

static void
test_point (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  track (f);
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autoptr (MtvPoint) point = create (f, vm);
  g_autofree char *last = fake_vcenter_get_last (f->vcenter, "CreateSnapshot_Task");

  g_assert_cmpstr (point->key, ==, KEY);
  g_assert_true (g_str_has_prefix (point->remote_id, "snapshot-"));
  g_assert_cmpuint (point->change_ids->len, ==, 1);
  g_assert_true (g_str_has_suffix (point->change_ids->pdata[0], "/1")); /* the snapshot's */
  g_assert_nonnull (strstr (last, "<memory>false</memory><quiesce>true</quiesce>"));
  assert_snapshots (f, KEY);

  /* After a crash: the same one, and not another. */
  g_autoptr (MtvPoint) again = create (f, vm);
  g_assert_cmpstr (again->remote_id, ==, point->remote_id);
  g_assert_cmpstr (again->change_ids->pdata[0], ==, point->change_ids->pdata[0]);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "CreateSnapshot_Task"), ==, 1);

  remove_it (f, point->remote_id);
  g_autofree char *removal = fake_vcenter_get_last (f->vcenter, "RemoveSnapshot_Task");
  g_assert_nonnull (
      strstr (removal, "<removeChildren>false</removeChildren><consolidate>true</consolidate>"));
  assert_snapshots (f, "");
  remove_it (f, point->remote_id);
  remove_it (f, NULL);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "RemoveSnapshot_Task"), ==, 1);
}

static void
test_not_tracked (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autoptr (MtvPoint) point = create (f, vm);

  g_assert_cmpuint (point->change_ids->len, ==, 1);
  g_assert_cmpstr (point->change_ids->pdata[0], ==, "");
}

static void
test_quiesce (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_task_fault (f->vcenter, "CreateSnapshot_Task", "ApplicationQuiesceFault", 1);
  g_autoptr (MtvPoint) point = create (f, vm);
  g_autofree char *last = fake_vcenter_get_last (f->vcenter, "CreateSnapshot_Task");
  g_assert_nonnull (point);
  g_assert_nonnull (strstr (last, "<quiesce>false</quiesce>"));
  remove_it (f, NULL);

  /* Once is enough. */
  fake_vcenter_task_fault (f->vcenter, "CreateSnapshot_Task", "FilesystemQuiesceFault", 2);
  g_assert_null (mtv_source_create_point (f->source, vm, KEY, NULL, NULL, &error));
  assert_says (error, MTV_ERROR_FAILED, "FilesystemQuiesceFault");
  assert_says (error, MTV_ERROR_FAILED, "'" KEY "' of 'web'");
  assert_snapshots (f, "");

  fake_vcenter_set (f->vcenter, FAKE_VM, "runtime.powerState", "VirtualMachinePowerState",
                    "poweredOff");
  g_autoptr (MtvPoint) off = create (f, vm);
  g_assert_nonnull (off);
  g_autofree char *asked = fake_vcenter_get_last (f->vcenter, "CreateSnapshot_Task");
  g_assert_nonnull (strstr (asked, "<quiesce>false</quiesce>"));
}

static void
test_busy (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_set_task_steps (f->vcenter, 2);
  fake_vcenter_fault (f->vcenter, "CreateSnapshot_Task", "TaskInProgress", 1);
  g_autoptr (MtvPoint) point = create (f, vm);
  assert_snapshots (f, KEY);
  fake_vcenter_task_fault (f->vcenter, "RemoveSnapshot_Task", "TaskInProgress", 1);
  remove_it (f, point->remote_id);
  assert_snapshots (f, "");
}

/* The session goes, and so does the server, while a task runs. */
static void
test_interrupted (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_set_task_steps (f->vcenter, 3);
  fake_vcenter_fault (f->vcenter, "WaitForUpdatesEx", "NotAuthenticated", 1);
  fake_vcenter_http (f->vcenter, "WaitForUpdatesEx", 503, "", 1);
  fake_vcenter_http (f->vcenter, "WaitForUpdatesEx", 0, "", 1);
  fake_vcenter_fault (f->vcenter, "WaitForUpdatesEx", "InvalidCollectorVersion", 1);
  g_autoptr (MtvPoint) point = create (f, vm);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "CreateSnapshot_Task"), ==, 1);
  fake_vcenter_fault (f->vcenter, "RemoveSnapshot_Task", "NotAuthenticated", 1);
  remove_it (f, point->remote_id);
  assert_snapshots (f, "");
}

/* Of an earlier life: it is not in the tree yet when we look. */
static void
test_task_of_before (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_set (f->vcenter, "Task:task-77", "info", "TaskInfo",
                    "<descriptionId>VirtualMachine.createSnapshot</descriptionId>"
                    "<state>running</state>");
  fake_vcenter_set (f->vcenter, FAKE_VM, "recentTask", "x", "task-77"); /* its id alone */
  fake_vcenter_answer (f->vcenter, "WaitForUpdatesEx",
                       "<returnval><version>1</version><filterSet><objectSet><kind>enter</kind>"
                       "<changeSet><name>info</name><op>assign</op><val><state>success</state>"
                       "</val></changeSet></objectSet></filterSet></returnval>",
                       1);
  g_autoptr (MtvPoint) point = create (f, vm);
  g_assert_nonnull (point);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "WaitForUpdatesEx"), ==, 2);
}

static void
test_consolidation (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autoptr (MtvPoint) point = create (f, vm);

  fake_vcenter_set (f->vcenter, FAKE_VM, "runtime.consolidationNeeded", "xsd:boolean", "true");
  fake_vcenter_task_fault (f->vcenter, "ConsolidateVMDisks_Task", "FileLocked", 1);
  remove_it (f, point->remote_id);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "ConsolidateVMDisks_Task"), ==, 2);
  assert_snapshots (f, "");
}

static void
test_only_ours (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  fake_vcenter_add_snapshot (f->vcenter, "snapshot-9", "before the update");
  remove_it (f, "snapshot-9"); /* whatever the ledger says */
  assert_snapshots (f, "before the update");
  fake_vcenter_remove (f->vcenter, FAKE_VM);
  remove_it (f, "snapshot-9");
  g_assert_true (mtv_source_remove (f->source, FAKE_VM, MTV_SOURCE_MARK, KEY, NULL, NULL, &error));
}

static void
test_denied (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  fake_vcenter_fault (f->vcenter, "CreateSnapshot_Task", "NoPermission", 1);
  g_assert_null (mtv_source_create_point (f->source, vm, KEY, NULL, NULL, &error));
  assert_says (error, MTV_ERROR_PERMISSION_DENIED, "System.Fake");
}

static void
test_changed (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  MtvVmDisk *disk = g_ptr_array_index (vm->disks, 0);

  disk->capacity /= 2;
  g_assert_null (mtv_source_create_point (f->source, vm, KEY, NULL, NULL, &error));
  assert_says (error, MTV_ERROR_SOURCE_CHANGED, "'Hard disk 1' of 'web' was resized");
  g_clear_error (&error);
  disk->capacity *= 2;
  disk->id[0] = '3';
  g_assert_null (mtv_source_create_point (f->source, vm, KEY, NULL, NULL, &error));
  assert_says (error, MTV_ERROR_SOURCE_CHANGED, "was added to 'web'");
  g_clear_error (&error);
  disk->id[0] = '2';
  MtvVmDisk *removed = mtv_vm_add_disk (vm);
  removed->id = g_strdup ("2001");
  removed->name = g_strdup ("Hard disk 2");
  g_assert_null (mtv_source_create_point (f->source, vm, KEY, NULL, NULL, &error));
  assert_says (error, MTV_ERROR_SOURCE_CHANGED, "had 2 disks");
  assert_snapshots (f, "");
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (100 * 1000);
  g_cancellable_cancel (data);
  return NULL;
}

static void
test_cancel (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  fake_vcenter_set_task_steps (f->vcenter, 10000);
  GThread *thread = g_thread_new ("cancel", cancel_soon, cancellable);
  g_assert_null (mtv_source_create_point (f->source, vm, KEY, NULL, cancellable, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_CANCELLED);
  g_thread_join (thread);
  while (fake_vcenter_count (f->vcenter, "CancelTask") == 0)
    g_usleep (1000);
  /* That was done beside us, and may be what ends the session. */
  g_clear_object (&f->source);
  while (fake_vcenter_count_sessions (f->vcenter) > 0)
    g_usleep (1000);
}

/* What changed, as open_point() asks for it; there is nothing to read the disk from here. */
static void
test_changes (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GArray) changes = NULL;

  track (f);
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autoptr (MtvPoint) since = create (f, vm);
  remove_it (f, since->remote_id);
  g_autoptr (MtvPoint) point = create (f, vm);
  g_clear_object (&f->source); /* and a daemon that knows only what it has stored */
  f->source = MTV_SOURCE (
      fixture_create (fake_vcenter_get_url (f->vcenter), "{'user': <'user'>}", &error));

  g_assert_null (mtv_source_open_point (f->source, vm, 0, point, since, &changes, NULL, NULL));
  g_autofree char *last = fake_vcenter_get_last (f->vcenter, "QueryChangedDiskAreas");
  g_autofree char *expected
      = g_strdup_printf ("<changeId>%s</changeId>", (const char *) since->change_ids->pdata[0]);
  g_assert_nonnull (strstr (last, expected));
  g_assert_nonnull (strstr (last, point->remote_id));

  /* Another epoch, a disk that had no id, a snapshot of somebody else's: nothing is asked. */
  g_autofree char *id = g_strdup (since->change_ids->pdata[0]);
  ((char *) since->change_ids->pdata[0])[0] = '9';
  g_assert_null (mtv_source_open_point (f->source, vm, 0, point, since, &changes, NULL, NULL));
  ((char *) since->change_ids->pdata[0])[0] = '\0';
  g_assert_null (mtv_source_open_point (f->source, vm, 0, point, since, &changes, NULL, NULL));
  g_free (since->change_ids->pdata[0]);
  since->change_ids->pdata[0] = g_steal_pointer (&id);
  fake_vcenter_add_snapshot (f->vcenter, "snapshot-9", "before the update");
  g_assert_null (mtv_source_open_point (f->source, vm, 0, point, since, &changes, NULL, NULL));
  g_assert_null (changes);
  g_assert_cmpuint (fake_vcenter_count (f->vcenter, "QueryChangedDiskAreas"), ==, 1);

  remove_it (f, point->remote_id);
  g_assert_null (mtv_source_open_point (f->source, vm, 0, point, since, &changes, NULL, &error));
  assert_says (error, MTV_ERROR_NOT_FOUND, "'" KEY "' of 'web' is gone");
}

static void
test_tracking (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autofree char *put_back = NULL;
  g_autofree char *nothing = NULL;

  g_assert_true (mtv_source_enable_tracking (f->source, vm, &put_back, NULL, &error));
  g_assert_no_error (error);
  g_assert_nonnull (put_back);
  g_autofree char *on = fake_vcenter_get (f->vcenter, FAKE_VM, "config.changeTrackingEnabled");
  g_assert_cmpstr (on, ==, "true");
  g_assert_true (mtv_source_enable_tracking (f->source, vm, &nothing, NULL, &error));
  g_assert_null (nothing);

  g_assert_true (mtv_source_remove (f->source, FAKE_VM, MTV_SOURCE_TRACKING, FAKE_VM, NULL, NULL,
                                    &error)); /* not known to be ours */
  g_autofree char *still = fake_vcenter_get (f->vcenter, FAKE_VM, "config.changeTrackingEnabled");
  g_assert_cmpstr (still, ==, "true");
  g_assert_true (
      mtv_source_remove (f->source, FAKE_VM, MTV_SOURCE_TRACKING, FAKE_VM, put_back, NULL, &error));
  g_autofree char *off = fake_vcenter_get (f->vcenter, FAKE_VM, "config.changeTrackingEnabled");
  g_assert_cmpstr (off, ==, "false");

  fake_vcenter_add_snapshot (f->vcenter, "snapshot-9", "before the update");
  g_assert_false (mtv_source_enable_tracking (f->source, vm, &nothing, NULL, &error));
  assert_says (error, MTV_ERROR_UNSUPPORTED, "snapshots");
  fake_vcenter_remove (f->vcenter, FAKE_VM);
  g_assert_true (
      mtv_source_remove (f->source, FAKE_VM, MTV_SOURCE_TRACKING, FAKE_VM, put_back, NULL, NULL));
}

static void
assert_warm (Fixture *f, const char *id, const char *category, const char *text)
{
  g_autoptr (GPtrArray) concerns = mtv_concerns_new ();
  g_autoptr (MtvVm) vm = fixture_get_vm (f);

  mtv_source_check_warm (f->source, vm, concerns, NULL);
  const MtvConcern *concern = fixture_find_concern (concerns, id);
  g_assert_nonnull (concern);
  g_assert_cmpstr (concern->category, ==, category);
  g_assert_nonnull (strstr (concern->assessment, text));
}

/* Exports are of whole disks. */
static void
test_transport (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GError) error = NULL;

  track (f);
  g_clear_object (&f->source);
  f->source = MTV_SOURCE (fixture_create (fake_vcenter_get_url (f->vcenter),
                                          "{'user': <'user'>, 'transport': <'export'>}", &error));
  g_assert_no_error (error);
  assert_warm (f, "warm.transport", MTV_CONCERN_CRITICAL, "export");
}

static void
test_check (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  assert_warm (f, "warm.tracking.disabled", MTV_CONCERN_WARNING, "switched on");
  track (f);
  g_autoptr (MtvVm) vm = fixture_get_vm (f);
  g_autoptr (GPtrArray) none = mtv_concerns_new ();
  mtv_source_check_warm (f->source, vm, none, NULL);
  g_assert_cmpuint (none->len, ==, 1);
  const MtvConcern *way = fixture_find_concern (none, "disk.transport");
  g_assert_nonnull (strstr (way->assessment, "'Hard disk 1' is read by "));

  fake_vcenter_answer (f->vcenter, "HasPrivilegeOnEntities",
                       "<returnval><privAvailability><privId>A.B</privId><isGranted>true"
                       "</isGranted></privAvailability><privAvailability><privId>"
                       "VirtualMachine.State.CreateSnapshot</privId><isGranted>false</isGranted>"
                       "</privAvailability></returnval>",
                       1);
  assert_warm (f, "privilege.missing", MTV_CONCERN_CRITICAL, "VirtualMachine.State.CreateSnapshot");
  fake_vcenter_set (f->vcenter, "host-1", "summary.config.product", "AboutInfo",
                    "<version>6.0.0</version><build>3029758</build>");
  assert_warm (f, "warm.host", MTV_CONCERN_CRITICAL, "'esx1.example.com' has ESXi 6.0.0");
  fake_vcenter_add_snapshot (f->vcenter, "snapshot-9", "before the update");
  assert_warm (f, "warm.snapshots", MTV_CONCERN_CRITICAL, "'before the update'");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mtv_error_quark ();

#define ADD(name, func) \
  g_test_add ("/vsphere-warm/" name, Fixture, NULL, fixture_set_up, func, fixture_tear_down)
  ADD ("point", test_point);
  ADD ("not-tracked", test_not_tracked);
  ADD ("quiesce", test_quiesce);
  ADD ("busy", test_busy);
  ADD ("interrupted", test_interrupted);
  ADD ("task-of-before", test_task_of_before);
  ADD ("consolidation", test_consolidation);
  ADD ("only-ours", test_only_ours);
  ADD ("denied", test_denied);
  ADD ("changed", test_changed);
  ADD ("cancel", test_cancel);
  ADD ("changes", test_changes);
  ADD ("tracking", test_tracking);
  ADD ("check", test_check);
  ADD ("transport", test_transport);
  return g_test_run ();
}
