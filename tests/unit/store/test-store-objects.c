/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "base/mtv-error.h"
#include "store-fixture.h"
#include "store/mtv-store-ledger.h"
#include "store/mtv-store-objects.h"
#include "store/mtv-store-progress.h"

#include <string.h>

static void
reopen (Fixture *f)
{
  store_fixture_close (f);
  store_fixture_open (f);
}

static void
assert_fails (Fixture *f, MtvStoreBatch *batch, const char *text)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (mtv_store_commit (f->store, batch, &error));
  g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
  g_assert_nonnull (strstr (error->message, text));
}

static gint64
count (Fixture *f, const char *sql)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) rows = mtv_store_query (f->store, sql, NULL, &error);
  gint64 n;

  g_assert_no_error (error);
  g_variant_get (g_ptr_array_index (rows, 0), "(x)", &n);
  return n;
}

static void
put_run (MtvStoreBatch *batch, const char *id, guint64 start_time)
{
  MtvMigrationRecord record = { (char *) id, (char *) "p1", (char *) "web farm", start_time, 0 };

  mtv_store_put_migration (batch, &record);
}

static MtvJobRecord *
new_job (const char *run_id, guint number)
{
  g_autoptr (GVariant) dict = g_variant_ref_sink (g_variant_new_parsed (
      "{'run-id': <%s>, 'number': <%u>, 'vm-id': <'vm-7'>, 'name': <'web-3'>,"
      " 'target-name': <'web-3'>, 'source': <'s'>, 'destination': <'d'>, 'devices': <'auto'>,"
      " 'format': <'raw'>, 'hash': <'sha256'>, 'verify': <'off'>, 'target-power-state': <'off'>, "
      "'state': <'copying'>,"
      " 'networks': <{'VM Network': 'br0'}>, 'vm': <{'name': <'web-3'>}>,"
      " 'start-time': <uint64 18446744073709551615>,"
      " 'steps': <[{'name': <'copy'>, 'bytes-done': <uint64 5>}]>,"
      " 'disks': <[{'size': <uint64 1099511627776>, 'copied': <true>}]>}",
      run_id, number));

  return mtv_fields_from_variant (&mtv_job_record_fields, dict, NULL);
}

static void
put_job (MtvStoreBatch *batch, const char *run_id, guint number)
{
  g_autoptr (MtvJobRecord) job = new_job (run_id, number);

  mtv_store_put_job (batch, job);
}

static void
assert_same (const MtvFields *fields, gconstpointer a, gconstpointer b)
{
  g_autoptr (GVariant) left = g_variant_ref_sink (mtv_fields_to_variant (fields, a));
  g_autoptr (GVariant) right = g_variant_ref_sink (mtv_fields_to_variant (fields, b));

  g_assert_cmpvariant (left, right);
}

static void
test_providers (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvProviderConfig late = { (char *) "b",
                             (char *) "späť",
                             (char *) "ova",
                             (char *) "/srv/x.ova",
                             (char *) "dev:1 ino:2",
                             NULL,
                             20 };
  MtvProviderConfig early
      = { (char *) "c", (char *) "local", (char *) "local", NULL, NULL, NULL, 10 };
  g_autoptr (MtvStoreBatch) unused = mtv_store_batch_new ();
  MtvStoreBatch *batch = mtv_store_batch_new ();

  g_assert_true (mtv_store_batch_is_empty (unused));
  mtv_store_put_provider (batch, &late);
  mtv_store_put_provider (batch, &early);
  early.url = (char *) "/var/lib/x";
  mtv_store_put_provider (batch, &early);
  g_assert_false (mtv_store_batch_is_empty (batch));
  store_fixture_commit (f, batch);
  reopen (f);

  g_autoptr (GPtrArray) loaded = mtv_store_load_providers (f->store, NULL);
  g_assert_cmpuint (loaded->len, ==, 2);
  assert_same (&mtv_provider_config_fields, loaded->pdata[0], &early);
  assert_same (&mtv_provider_config_fields, loaded->pdata[1], &late);

  batch = mtv_store_batch_new ();
  mtv_store_remove_provider (batch, "b");
  store_fixture_commit (f, batch);
  g_autoptr (GPtrArray) rest = mtv_store_load_providers (f->store, NULL);
  g_assert_cmpuint (rest->len, ==, 1);
}

static void
assert_password (Fixture *f, const char *expected)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) secrets = mtv_store_load_secrets (f->store, "b", &error);
  const char *password = NULL;

  g_assert_no_error (error);
  if (secrets != NULL)
    g_assert_true (g_variant_lookup (secrets, "password", "&s", &password));
  g_assert_cmpstr (password, ==, expected);
}

static void
put_password (Fixture *f, const char *password)
{
  MtvProviderConfig config
      = { (char *) "b", (char *) "vc", (char *) "vsphere", NULL, NULL, NULL, 1 };
  MtvStoreBatch *batch = mtv_store_batch_new ();
  g_autofree char *text = g_strdup_printf ("{'password': '%s'}", password);
  g_autoptr (GVariant) secrets = g_variant_ref_sink (g_variant_new_parsed (text));

  mtv_store_put_provider (batch, &config);
  mtv_store_put_secrets (batch, "b", secrets);
  store_fixture_commit (f, batch);
  reopen (f);
  assert_password (f, password);
}

static void
test_secrets (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  assert_password (f, NULL);
  put_password (f, "first");
  put_password (f, "second");
  mtv_store_put_secrets (batch, "b", NULL);
  store_fixture_commit (f, batch);
  assert_password (f, NULL);
  put_password (f, "third");
  batch = mtv_store_batch_new ();
  mtv_store_remove_provider (batch, "b");
  store_fixture_commit (f, batch);
  assert_password (f, NULL);
}

static void
test_plans (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (MtvPlan) plan = mtv_plan_new ();
  MtvStoreBatch *batch = mtv_store_batch_new ();

  plan->id = g_strdup ("p1");
  plan->name = g_strdup ("web farm");
  plan->source = g_strdup ("s");
  plan->destination = g_strdup ("d");
  plan->created = 7;
  MtvPlanVm *vm = mtv_plan_add_vm (plan);
  vm->id = g_strdup ("vm-7");
  vm->name = g_strdup ("web-3");
  mtv_store_put_plan (batch, plan);
  store_fixture_commit (f, batch);
  reopen (f);

  g_autoptr (GPtrArray) loaded = mtv_store_load_plans (f->store, NULL);
  g_assert_cmpuint (loaded->len, ==, 1);
  assert_same (&mtv_plan_fields, loaded->pdata[0], plan);

  batch = mtv_store_batch_new ();
  mtv_store_remove_plan (batch, "p1");
  store_fixture_commit (f, batch);
  g_autoptr (GPtrArray) rest = mtv_store_load_plans (f->store, NULL);
  g_assert_cmpuint (rest->len, ==, 0);
}

static void
test_runs (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  put_run (batch, "r2", 200);
  put_run (batch, "r1", 100);
  put_job (batch, "r1", 12);
  put_job (batch, "r1", 2);
  put_job (batch, "r2", 1);
  store_fixture_commit (f, batch);
  reopen (f);

  g_autoptr (GPtrArray) runs = mtv_store_load_migrations (f->store, NULL);
  g_assert_cmpuint (runs->len, ==, 2);
  MtvMigrationRecord *run = runs->pdata[0];
  g_assert_cmpstr (run->id, ==, "r1");
  g_assert_cmpstr (run->plan_id, ==, "p1");
  g_assert_cmpuint (run->start_time, ==, 100);

  g_autoptr (GPtrArray) jobs = mtv_store_load_jobs (f->store, "r1", NULL);
  g_autoptr (MtvJobRecord) expected = new_job ("r1", 12);
  g_assert_cmpuint (jobs->len, ==, 2);
  g_assert_cmpuint (((MtvJobRecord *) jobs->pdata[0])->number, ==, 2);
  assert_same (&mtv_job_record_fields, jobs->pdata[1], expected);

  /* What a missing key means, where the model says never NULL. */
  g_clear_pointer (&expected->devices, g_free);
  batch = mtv_store_batch_new ();
  mtv_store_put_job (batch, expected);
  store_fixture_commit (f, batch);
  g_autoptr (GPtrArray) again = mtv_store_load_jobs (f->store, "r1", NULL);
  g_assert_cmpstr (((MtvJobRecord *) again->pdata[1])->devices, ==, "");
}

static void
test_remove_run (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) blocks = g_bytes_new_static ("x", 1);
  MtvStoreBatch *batch = mtv_store_batch_new ();

  put_run (batch, "r1", 1);
  put_job (batch, "r1", 1);
  mtv_store_progress_add (batch, "r1", 1, 0, blocks);
  mtv_store_add_event (batch, 5, "r1", 1, "started", "Started", 0);
  mtv_store_ledger_intend (batch, "r1", 1, "d", "folder", "web-3");
  store_fixture_commit (f, batch);

  /* What may still exist elsewhere is not forgotten. */
  batch = mtv_store_batch_new ();
  mtv_store_remove_migration (batch, "r1");
  assert_fails (f, batch, "FOREIGN KEY");
  g_assert_cmpint (count (f, "SELECT count(*) FROM progress"), ==, 1);

  batch = mtv_store_batch_new ();
  mtv_store_ledger_strike (batch, "r1", 1, "folder", "web-3");
  mtv_store_remove_migration (batch, "r1");
  store_fixture_commit (f, batch);
  g_assert_cmpint (count (f, "SELECT (SELECT count(*) FROM migration) + (SELECT count(*) FROM job)"
                             " + (SELECT count(*) FROM progress) + (SELECT count(*) FROM event)"),
                   ==, 0);
}

static void
test_defaults (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GVariant) none = mtv_store_load_defaults (f->store, NULL);
  g_assert_cmpuint (g_variant_n_children (none), ==, 0);

  MtvStoreBatch *batch = mtv_store_batch_new ();
  mtv_store_put_defaults (batch, g_variant_new_parsed ("{'max-vms': <uint32 20>}"));
  mtv_store_put_defaults (batch, g_variant_new_parsed ("{'max-vms': <uint32 30>}"));
  store_fixture_commit (f, batch);
  reopen (f);
  g_autoptr (GVariant) some = mtv_store_load_defaults (f->store, NULL);
  g_autofree char *text = g_variant_print (some, TRUE);
  g_assert_cmpstr (text, ==, "{'max-vms': <uint32 30>}");
}

static void
test_ledger (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  put_run (batch, "r1", 1);
  mtv_store_ledger_intend (batch, "r1", 1, "d", "folder", "web-3");
  mtv_store_ledger_intend (batch, "r1", 1, "d", "file", "disk-1");
  mtv_store_ledger_note_id (batch, "r1", 1, "folder", "web-3", "id-9");
  mtv_store_ledger_intend (batch, "r1", 1, "d", "folder", "web-3"); /* stays, with its id */
  mtv_store_ledger_intend (batch, "r1", 2, "d", "folder", "web-3");
  store_fixture_commit (f, batch);
  reopen (f);

  g_autoptr (GPtrArray) entries = mtv_store_ledger_load (f->store, "r1", 1, NULL);
  g_assert_cmpuint (entries->len, ==, 2);
  MtvLedgerEntry *newest = entries->pdata[0], *oldest = entries->pdata[1];
  g_assert_cmpstr (newest->kind, ==, "file");
  g_assert_cmpstr (newest->key, ==, "disk-1");
  g_assert_null (newest->remote_id);
  g_assert_cmpstr (oldest->remote_id, ==, "id-9");
  g_assert_cmpstr (oldest->provider, ==, "d");
  g_assert_cmpstr (oldest->run_id, ==, "r1");
  g_assert_cmpuint (oldest->number, ==, 1);
  g_assert_cmpint (newest->id, >, oldest->id);

  g_autoptr (GPtrArray) page = mtv_store_ledger_load_all (f->store, 1, 2, NULL);
  g_assert_cmpuint (page->len, ==, 2);
  g_assert_cmpstr (((MtvLedgerEntry *) page->pdata[0])->key, ==, "disk-1");
  g_assert_cmpuint (((MtvLedgerEntry *) page->pdata[1])->number, ==, 2);
  g_autoptr (GPtrArray) beyond = mtv_store_ledger_load_all (f->store, 3, 1000, NULL);
  g_assert_cmpuint (beyond->len, ==, 0);

  batch = mtv_store_batch_new ();
  mtv_store_ledger_strike (batch, "r1", 1, "folder", "web-3");
  store_fixture_commit (f, batch);
  g_assert_cmpint (count (f, "SELECT count(*) FROM ledger"), ==, 2);
}

static void
test_progress (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  g_autoptr (GBytes) first = g_bytes_new_static ("\0\1\377", 3);
  g_autoptr (GBytes) second = g_bytes_new_static ("", 0);
  MtvStoreBatch *batch = mtv_store_batch_new ();

  put_run (batch, "r1", 1);
  put_job (batch, "r1", 1);
  mtv_store_progress_add (batch, "r1", 1, 0, first);
  mtv_store_progress_add (batch, "r1", 1, 1, first);
  mtv_store_progress_add (batch, "r1", 1, 0, second);
  put_job (batch, "r1", 1); /* a job that is put again keeps its progress */
  store_fixture_commit (f, batch);
  reopen (f);

  g_autoptr (GPtrArray) pieces = mtv_store_progress_load (f->store, "r1", 1, 0, NULL);
  g_assert_cmpuint (pieces->len, ==, 2);
  g_assert_true (g_bytes_equal (pieces->pdata[0], first));
  g_assert_true (g_bytes_equal (pieces->pdata[1], second));

  batch = mtv_store_batch_new ();
  mtv_store_progress_clear (batch, "r1", 1);
  store_fixture_commit (f, batch);
  g_assert_cmpint (count (f, "SELECT count(*) FROM progress"), ==, 0);
}

static void
test_events (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvStoreBatch *batch = mtv_store_batch_new ();

  put_run (batch, "r1", 1);
  put_run (batch, "r2", 1);
  mtv_store_add_event (batch, 100, "r1", 0, "started", "Started", 1000);
  mtv_store_add_event (batch, 100, "r2", 0, "started", "Started", 1000);
  for (guint i = 1; i <= 10500; i++)
    mtv_store_add_event (batch, 100 + i, "r1", 1 + i % 2, "step", "Next", G_MAXUINT32);
  store_fixture_commit (f, batch);

  g_assert_cmpint (count (f, "SELECT count(*) FROM event WHERE run_id = 'r1'"), ==, 10000);
  g_assert_cmpint (count (f, "SELECT count(*) FROM event WHERE run_id = 'r2'"), ==, 1);
  g_autoptr (GVariant) page = mtv_store_load_events (f->store, "r1", 0, 0, 2, NULL);
  g_autofree char *text = g_variant_print (page, FALSE);
  g_assert_nonnull (strstr (text, "<'started'>"));
  g_assert_nonnull (strstr (text, "'uid': <uint32 1000>"));
  g_assert_nonnull (strstr (text, "'time': <uint64 602>"));
  g_assert_null (strstr (text, "4294967295"));
  g_assert_cmpuint (g_variant_n_children (page), ==, 2);

  g_autoptr (GVariant) last = mtv_store_load_events (f->store, "r1", 1, 4998, 1000, NULL);
  g_autofree char *last_text = g_variant_print (last, FALSE);
  g_assert_cmpuint (g_variant_n_children (last), ==, 2);
  g_assert_nonnull (strstr (last_text, "'time': <uint64 10600>"));
  g_assert_nonnull (strstr (last_text, "'vm': <uint32 1>"));
}

static MtvVm *
new_vm (guint i)
{
  MtvVm *vm = mtv_vm_new ();

  vm->id = g_strdup_printf ("vm-%u", i);
  vm->name = g_strdup_printf ("web-%u.example.org", i);
  vm->path = g_strdup_printf ("/dc/vm/folder-%u/web-%u", i % 50, i);
  vm->uuid = g_uuid_string_random ();
  vm->memory = 1ULL << 33;
  for (guint j = 0; j < 2; j++)
    {
      MtvVmDisk *disk = mtv_vm_add_disk (vm);
      disk->id = g_strdup_printf ("%u", 2000 + j);
      disk->name = g_strdup_printf ("[datastore-%u] web-%u/web-%u_%u.vmdk", i % 9, i, i, j);
      disk->capacity = 1ULL << 36;
      disk->bus = g_strdup ("scsi");
    }
  MtvVmNic *nic = mtv_vm_add_nic (vm);
  nic->mac = g_strdup_printf ("00:50:56:00:%02x:%02x", i >> 8, i & 0xff);
  nic->network = g_strdup ("VM Network");
  return vm;
}

static double
put_inventory (Fixture *f, guint64 time, GPtrArray *vms)
{
  gint64 start = g_get_monotonic_time ();
  MtvStoreBatch *batch = mtv_store_batch_new ();

  mtv_store_put_inventory (batch, "s", time, vms);
  store_fixture_commit (f, batch);
  return (g_get_monotonic_time () - start) / 1e6;
}

static void
test_inventory (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  MtvProviderConfig config = { (char *) "s", (char *) "vc", (char *) "ova", NULL, NULL, NULL, 1 };
  g_autoptr (GPtrArray) vms = g_ptr_array_new_with_free_func ((GDestroyNotify) mtv_vm_unref);
  g_autoptr (GError) error = NULL;
  MtvStoreBatch *batch = mtv_store_batch_new ();
  guint64 time = 0;

  mtv_store_put_provider (batch, &config);
  store_fixture_commit (f, batch);
  g_assert_null (mtv_store_load_inventory (f->store, "s", &time, &error));
  g_assert_no_error (error);

  for (guint i = 0; i < 10000; i++)
    g_ptr_array_add (vms, new_vm (i));
  double first = put_inventory (f, 41, vms), again = put_inventory (f, 42, vms);
  reopen (f);
  gint64 start = g_get_monotonic_time ();
  g_autoptr (GPtrArray) loaded = mtv_store_load_inventory (f->store, "s", &time, &error);
  g_test_message ("10 000 VMs: %.3f s to write, %.3f s again, %.3f s to load", first, again,
                  (g_get_monotonic_time () - start) / 1e6);

  g_assert_no_error (error);
  g_assert_cmpuint (time, ==, 42);
  g_assert_cmpuint (loaded->len, ==, 10000);
  for (guint i = 0; i < 10000; i += 1111)
    {
      g_autoptr (GVariant) a = g_variant_ref_sink (mtv_vm_to_variant (vms->pdata[i]));
      g_autoptr (GVariant) b = g_variant_ref_sink (mtv_vm_to_variant (loaded->pdata[i]));
      g_assert_cmpvariant (a, b);
    }

  g_ptr_array_remove_range (vms, 0, 9998);
  put_inventory (f, 43, vms);
  g_autoptr (GPtrArray) fewer = mtv_store_load_inventory (f->store, "s", &time, NULL);
  g_assert_cmpuint (fewer->len, ==, 2);
  g_assert_cmpstr (((MtvVm *) fewer->pdata[0])->id, ==, "vm-9998");

  batch = mtv_store_batch_new ();
  mtv_store_remove_provider (batch, "s");
  store_fixture_commit (f, batch);
  g_assert_cmpint (count (f, "SELECT count(*) FROM inventory_vm"), ==, 0);
}

/* Bytes that are no dictionary, and a dictionary that lacks what it is known by. */
static void
test_damaged_body (Fixture *f, gconstpointer data G_GNUC_UNUSED)
{
  static const char *const bodies[] = { "\1\2\3", "" };

  for (guint i = 0; i < G_N_ELEMENTS (bodies); i++)
    {
      g_autoptr (GError) error = NULL;
      MtvStoreBatch *batch = mtv_store_batch_new ();

      mtv_store_batch_add (
          batch, "INSERT OR REPLACE INTO provider VALUES ('p-9', 'x', 1, ?)",
          g_variant_new_fixed_array (G_VARIANT_TYPE_BYTE, bodies[i], strlen (bodies[i]), 1), NULL);
      store_fixture_commit (f, batch);
      g_assert_null (mtv_store_load_providers (f->store, &error));
      g_assert_error (error, MTV_ERROR, MTV_ERROR_STORE);
      g_assert_nonnull (strstr (error->message, "provider 'p-9'"));
    }
}

#define ADD(path, func)                                                          \
  g_test_add ("/store/objects/" path, Fixture, NULL, store_fixture_set_up, func, \
              store_fixture_tear_down)

int
main (int argc, char *argv[])
{
  g_test_init (&argc, &argv, NULL);

  ADD ("providers", test_providers);
  ADD ("secrets", test_secrets);
  ADD ("plans", test_plans);
  ADD ("runs", test_runs);
  ADD ("remove-run", test_remove_run);
  ADD ("defaults", test_defaults);
  ADD ("ledger", test_ledger);
  ADD ("progress", test_progress);
  ADD ("events", test_events);
  ADD ("inventory", test_inventory);
  ADD ("damaged-body", test_damaged_body);
  return g_test_run ();
}
