/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus/front-fixture.h"

#include "base/mtv-error.h"
#include "fakes/fake-ends.h"
#include "store/mtv-store-ledger.h"

#include <string.h>
#include <unistd.h>

#define WRONG_STATE "org.mtv.Error.WrongState"

typedef struct
{
  FrontFixture front;
  char *plan;      /* (owned) */
  char *migration; /* (owned) */
  char *vm;        /* (owned) */
} Fixture;

/* A migration that is under way, its source held. */
static void
set_up (Fixture *f, gconstpointer data)
{
  front_set_up (&f->front, data);
  g_autofree char *source = front_add_provider (&f->front, "lab");
  f->plan = front_create_plan (&f->front, "move", source, "web-3", "{}");
  fake_ends_hold (FAKE_ENDS_OPEN_DISK);
  f->migration = front_start (&f->front, f->plan);
  f->vm = g_strconcat (f->migration, "/vm/1", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  front_tear_down (&f->front, data);
  g_free (f->plan);
  g_free (f->migration);
  g_free (f->vm);
}

static void
wait_for_end (Fixture *f, const char *state)
{
  fake_ends_let_go (FAKE_ENDS_OPEN_DISK);
  front_wait_for_property (&f->front, f->migration, "org.mtv.Migration", "State", state);
}

static void
test_objects (Fixture *f, gconstpointer data)
{
  Bus *bus = &f->front.bus;

  (void) data;
  front_wait_for_property (&f->front, f->vm, "org.mtv.Migration.VM", "State", "'running'");
  g_autoptr (GVariant) objects
      = bus_call_ok (bus, ROOT, "org.freedesktop.DBus.ObjectManager.GetManagedObjects", NULL);
  g_autofree char *migration = g_strdup_printf (
      "'%s': {'org.mtv.Migration': {'Plan': <objectpath '%s'>, 'PlanName': <'move'>, "
      "'State': <'running'>",
      f->migration, f->plan);
  g_autofree char *vms = g_strdup_printf ("'VirtualMachines': <[objectpath '%s']>", f->vm);
  front_assert_text (objects, migration);
  front_assert_text (objects, vms);
  front_assert_text (objects, "'Name': <'web-3'>, 'SourceId': <'vm-1'>");
  front_wait_for_property (&f->front, f->plan, "org.mtv.Plan", "State", "'executing'");

  g_autofree char *last = g_strdup_printf ("'%s'", f->migration);
  front_wait_for_property (&f->front, f->plan, "org.mtv.Plan", "LastMigration", last);
  front_wait_for_property (&f->front, ROOT, "org.mtv.Manager", "Running", "1");

  /* Its VM was there before the migration was. */
  guint vm = front_wait_for_signal (&f->front, ROOT, "InterfacesAdded", f->vm);
  g_autofree char *itself = g_strdup_printf ("('%s', ", f->migration);
  g_assert_cmpuint (front_wait_for_signal (&f->front, ROOT, "InterfacesAdded", itself), >, vm);

  bus_call_fails (bus, f->plan, "org.mtv.Plan.Start", front_args ("{}"), WRONG_STATE, "'move'");
  bus_call_fails (bus, f->plan, "org.mtv.Plan.Archive", front_args ("{}"), WRONG_STATE, "'move'");
  bus_call_fails (bus, ROOT, "org.mtv.Manager.RemovePlan",
                  g_variant_new ("(o@a{sv})", f->plan, bus_options ("{}")), WRONG_STATE, "'move'");
  bus_call_fails (bus, f->migration, "org.mtv.Migration.Forget", front_args ("{}"), WRONG_STATE,
                  "'move'");
  bus_call_fails (bus, f->migration, "org.mtv.Migration.Retry", front_args ("{}"), WRONG_STATE, "");
  bus_call_fails (bus, f->vm, "org.mtv.Migration.VM.Retry", front_args ("{}"), WRONG_STATE, "");
  bus_call_fails (bus, f->vm, "org.mtv.Migration.VM.Retry", front_args ("{'hard': <true>}"),
                  "org.mtv.Error.InvalidArgument", "'hard'");
  bus_call_fails (bus, f->vm, "org.mtv.Migration.VM.Cancel", front_args ("{'hard': <true>}"),
                  "org.mtv.Error.InvalidArgument", "'hard'");
}

static void
test_success (Fixture *f, gconstpointer data)
{
  FrontFixture *front = &f->front;

  (void) data;
  wait_for_end (f, "'succeeded'");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "State", "'succeeded'");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "Phase", "'done'");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "Location", "'memory:web-3'");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "BytesDone", "1048576");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "Leftovers", "0");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "Error", "('', '')");
  front_wait_for_property (front, f->migration, "org.mtv.Migration", "BytesTotal", "1048576");

  /* Whoever hears that it has ended finds the properties so. */
  guint vm = front_wait_for_signal (front, f->vm, "Completed", "('succeeded',)");
  guint state = front_wait_for_signal (front, f->vm, "PropertiesChanged", "'succeeded'");
  guint migration = front_wait_for_signal (front, f->migration, "Completed", "('succeeded',)");
  g_assert_cmpuint (state, <, vm);
  g_assert_cmpuint (front_wait_for_signal (front, f->migration, "PropertiesChanged", "'succeeded'"),
                    <, migration);

  /* The constant ones are never announced. */
  for (guint i = 0; i < front->signals->len; i++)
    g_assert_null (strstr (g_ptr_array_index (front->signals, i), "PropertiesChanged ('org.mtv."
                                                                  "Migration.VM', {'Name'"));

  bus_call_fails (&front->bus, f->vm, "org.mtv.Migration.VM.Cancel", front_args ("{}"), WRONG_STATE,
                  "");
  bus_call_fails (&front->bus, f->migration, "org.mtv.Migration.Cancel", front_args ("{}"),
                  WRONG_STATE, "");
  bus_call_fails (&front->bus, f->plan, "org.mtv.Plan.Start", front_args ("{}"), WRONG_STATE,
                  "'move'");
}

static void
test_failure_and_retry (Fixture *f, gconstpointer data)
{
  FrontFixture *front = &f->front;

  (void) data;
  fake_ends_fail (FAKE_ENDS_OPEN_DISK, MTV_ERROR_BAD_DATA);
  wait_for_end (f, "'failed'");
  g_autoptr (GVariant) error = bus_get (&front->bus, f->vm, "org.mtv.Migration.VM", "Error");
  front_assert_text (error, "('org.mtv.Error.BadData', ");
  front_assert_text (error, "the cable is unplugged");
  front_wait_for_signal (front, f->migration, "Completed", "('failed',)");

  fake_ends_fail (FAKE_ENDS_OPEN_DISK, -1);
  bus_call_done (&front->bus, f->migration, "org.mtv.Migration.Retry", front_args ("{}"));
  wait_for_end (f, "'succeeded'");
  front_wait_for_property (front, f->vm, "org.mtv.Migration.VM", "Error", "('', '')");
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  FrontFixture *front = &f->front;

  (void) data;
  bus_call_done (&front->bus, f->vm, "org.mtv.Migration.VM.Cancel", front_args ("{}"));
  wait_for_end (f, "'cancelled'");

  /* Who asked is in the timeline. */
  g_autoptr (GVariant) timeline
      = bus_call_ok (&front->bus, f->migration, "org.mtv.Migration.GetTimeline", front_args ("{}"));
  g_autofree char *who = g_strdup_printf ("'uid': <uint32 %u>", getuid ());
  front_assert_text (timeline, who);
  front_assert_text (timeline, "cancel");
  g_autoptr (GVariant) first
      = bus_call_ok (&front->bus, f->migration, "org.mtv.Migration.GetTimeline",
                     front_args ("{'limit': <uint32 1>}"));
  g_assert_cmpuint (front_count (first), ==, 1);
  g_autoptr (GVariant) none
      = bus_call_ok (&front->bus, f->migration, "org.mtv.Migration.GetTimeline",
                     front_args ("{'vm': <uint32 77>}"));
  g_assert_cmpuint (front_count (none), ==, 0);
  bus_call_fails (&front->bus, f->migration, "org.mtv.Migration.GetTimeline",
                  front_args ("{'vm': <'web-3'>}"), "org.mtv.Error.InvalidArgument", "'vm'");

  bus_call_done (&front->bus, f->vm, "org.mtv.Migration.VM.Retry", front_args ("{}"));
  wait_for_end (f, "'succeeded'");
}

/* What a job would have noted. */
static void
note_objects (Fixture *f)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();
  const char *run = strrchr (f->migration, '/') + 1;
  GAsyncResult *result = NULL;

  mtv_store_ledger_intend (batch, run, 1, "local", "volume", "disk-1");
  mtv_store_ledger_intend (batch, run, 1, "local", "snapshot", "mtv-1");
  mtv_store_ledger_note_id (batch, run, 1, "snapshot", "mtv-1", "moref-77");
  mtv_store_commit_async (f->front.store, batch, bus_keep_result, &result);
  bus_wait_for (result != NULL);
  g_assert_true (mtv_store_commit_finish (f->front.store, result, NULL));
  g_object_unref (result);
}

static void
test_ledger (Fixture *f, gconstpointer data)
{
  Bus *bus = &f->front.bus;
  const char *method = "org.mtv.Manager.GetLedger";

  (void) data;
  g_autoptr (GVariant) none = bus_call_ok (bus, ROOT, method, front_args ("{}"));
  g_assert_cmpuint (front_count (none), ==, 0);

  note_objects (f);
  g_autoptr (GVariant) all = bus_call_ok (bus, ROOT, method, front_args ("{}"));
  g_autofree char *migration = g_strdup_printf ("'migration': <objectpath '%s'>", f->migration);
  g_autofree char *vm = g_strdup_printf ("'vm': <objectpath '%s'>", f->vm);
  const char *const parts[] = { migration,
                                vm,
                                "'provider': <objectpath '" LOCAL "'>",
                                "'kind': <'volume'>",
                                "'key': <'disk-1'>",
                                "'kind': <'snapshot'>",
                                "'key': <'mtv-1'>",
                                "'remote-id': <'moref-77'>" };
  g_assert_cmpuint (front_count (all), ==, 2);
  for (gsize i = 0; i < G_N_ELEMENTS (parts); i++)
    front_assert_text (all, parts[i]);

  g_autoptr (GVariant) page
      = bus_call_ok (bus, ROOT, method, front_args ("{'offset': <uint32 1>}"));
  g_assert_cmpuint (front_count (page), ==, 1);
  front_assert_text (page, "'mtv-1'");
  bus_call_fails (bus, ROOT, method, front_args ("{'offset': <'1'>}"),
                  "org.mtv.Error.InvalidArgument", "'offset'");
  bus_call_fails (bus, ROOT, method, front_args ("{'kind': <'volume'>}"),
                  "org.mtv.Error.InvalidArgument", "'kind'");
}

static void
test_forget (Fixture *f, gconstpointer data)
{
  FrontFixture *front = &f->front;

  (void) data;
  bus_call_done (&front->bus, f->migration, "org.mtv.Migration.Cancel", front_args ("{}"));
  wait_for_end (f, "'cancelled'");
  bus_call_done (&front->bus, f->migration, "org.mtv.Migration.Forget", front_args ("{}"));
  front_wait_for_signal (front, ROOT, "InterfacesRemoved", f->migration);
  front_wait_for_signal (front, ROOT, "InterfacesRemoved", f->vm);
  front_wait_for_property (front, f->plan, "org.mtv.Plan", "LastMigration", "'/'");
  bus_call_fails (&front->bus, f->vm, "org.mtv.Migration.VM.Cancel", front_args ("{}"),
                  "org.freedesktop.DBus.Error.UnknownMethod", "");
}

#define ADD(name, test) \
  g_test_add ("/front-migration/" name, Fixture, NULL, set_up, test, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_CRITICAL); /* ends that fail are told */
  ADD ("objects", test_objects);
  ADD ("success", test_success);
  ADD ("failure-and-retry", test_failure_and_retry);
  ADD ("cancel", test_cancel);
  ADD ("ledger", test_ledger);
  ADD ("forget", test_forget);
  return g_test_run ();
}
